"""The equation of motion that a bare function states, told by its arguments and by the shape of its result."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gnn_discovery.errors import DataError
from gnn_discovery.registry.units import require_plain_numbers
from gnn_discovery.simulators.potential_gradient import BatchProperties, finite_difference_gradient, jax_gradient
from gnn_discovery.simulators.user_errors import describe_error
from gnn_discovery.types import Order

_SIGNATURES = {
    3: "accelerations(positions, velocities, properties) and gives an array (R N D)",
    2: "potential(positions, properties) and gives (R,), the energy of each run, or as velocities(positions, "
    "properties) and gives (R N D)",
}


@dataclass(frozen=True)
class FunctionDynamics:
    """A frozen record of the equation of motion that a function states.

    Attributes:
        order: 2 where the rate is an acceleration, 1 where it is a velocity.
        rate: returns (R N D) from positions, velocities (R N D), properties (R N), and a text for errors that says
            where in the motion it is called.
        potential: returns (R,) from positions and properties, where the function is a potential.
    """

    order: Order
    rate: Callable[[np.ndarray, np.ndarray, BatchProperties, str], np.ndarray]
    potential: Callable[[np.ndarray, BatchProperties], np.ndarray] | None = None


def count_positional_arguments(function: Callable[..., Any]) -> int:
    """Return how many arguments must be given by position; three where the function does not tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 3
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return 3
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in by_position and p.default is p.empty for p in parameters)


def interpret_function(
    function: Callable[..., Any], name: str, positions: np.ndarray, properties: BatchProperties
) -> FunctionDynamics:
    """Return the equation of motion that a function states.

    A function of three arguments gives accelerations. One of two arguments is a potential, or gives the velocities of
    a first-order law: it is called once at these positions to tell which.

    Args:
        function: the user's function.
        name: its name, for errors.
        positions: (R N D), at which it is called.
        properties: (R N) by name.

    Raises:
        DataError: the function takes another number of arguments, returns another shape, or fails.
    """
    count = count_positional_arguments(function)
    if count not in _SIGNATURES:
        signatures = ", or as ".join(_SIGNATURES.values())
        raise DataError(f"a function of {count} arguments", where=name, remedy=f"It is called as {signatures}")

    def call(arguments: tuple[Any, ...], properties: BatchProperties, place: str) -> np.ndarray:
        copies = [a.copy() for a in arguments]
        try:
            with _double_precision():
                result = function(*copies, {k: v.copy() for k, v in properties.items()})
                return np.asarray(require_plain_numbers(result, "it gives a quantity"), dtype=np.float64)
        except Exception as error:  # a user's function may fail in any way
            raise DataError(
                f"the function fails at {place}: {describe_error(error)}",
                where=name,
                remedy=f"It is called as {_SIGNATURES[count]}, from positions (R N D) of R runs side by side and the "
                f"properties {', '.join(properties)} (R N)",
            ) from error

    def call_for_vectors(arguments: tuple[Any, ...], properties: BatchProperties, place: str) -> np.ndarray:
        result = call(arguments, properties, place)
        if result.shape != arguments[0].shape:
            raise DataError(
                f"the function gives shape {result.shape} for positions of shape {arguments[0].shape} (run, particle, "
                f"space) at {place}",
                where=name,
                remedy=f"It is called as {_SIGNATURES[count]}; leading axes are runs side by side",
            )
        return result

    if count == 3:
        return FunctionDynamics(2, lambda x, v, p, place: call_for_vectors((x, v), p, place))
    if call((positions,), properties, "the start").shape != positions.shape[:1]:
        return FunctionDynamics(1, lambda x, v, p, place: call_for_vectors((x,), p, place))

    def energy(x: np.ndarray, p: BatchProperties) -> np.ndarray:
        return call((x,), p, "some positions")

    gradient = jax_gradient(function, positions, properties) or partial(finite_difference_gradient, energy)

    def accelerations(x: np.ndarray, v: np.ndarray, p: BatchProperties, place: str) -> np.ndarray:
        with np.errstate(all="ignore"):  # a pair at one place has no gradient: the caller reports what is not finite
            return -gradient(x, p) / (p["m"][..., None] if "m" in p else 1.0)

    return FunctionDynamics(2, accelerations, energy)


def _double_precision() -> contextlib.AbstractContextManager[Any]:
    """Return a context in which a function written in ``jax.numpy`` works in double precision."""
    jax = sys.modules.get("jax")
    return contextlib.nullcontext() if jax is None else jax.enable_x64(True)
