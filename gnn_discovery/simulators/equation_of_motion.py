"""What a bare function says of motion, told by its arguments and by the shape of what it gives."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gnn_discovery.errors import DataError
from gnn_discovery.registry.units import require_plain_numbers
from gnn_discovery.simulators.potential_gradient import finite_difference_gradient, jax_gradient
from gnn_discovery.simulators.user_errors import describe_error
from gnn_discovery.types import Order

BatchProperties = Mapping[str, np.ndarray]

_FORMS = {
    3: "accelerations(positions, velocities, properties) and gives an array (R N D)",
    2: "potential(positions, properties) and gives (R,), the energy of each run, or as velocities(positions, "
    "properties) and gives (R N D)",
}


@dataclass(frozen=True)
class EquationOfMotion:
    """The law of motion in a function.

    Attributes:
        rate: (R N D) of positions, velocities, properties and a place in the motion, for errors: accelerations (order
            2), or velocities (order 1).
        potential: (R,) of positions and properties, where the function is one.
    """

    order: Order
    rate: Callable[[np.ndarray, np.ndarray, BatchProperties, str], np.ndarray]
    potential: Callable[[np.ndarray, BatchProperties], np.ndarray] | None = None


def count_positional_arguments(function: Callable[..., Any]) -> int:
    """How many arguments must be given by position; three for a function that does not tell."""
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
) -> EquationOfMotion:
    """Three arguments are those of accelerations. Two are those of a potential, or of the velocities of a first-order
    law: which of them, the function is asked at these positions (R N D).

    Raises:
        DataError: another number of arguments, another shape, or a function that fails.
    """
    given = count_positional_arguments(function)
    if given not in _FORMS:
        forms = ", or as ".join(_FORMS.values())
        raise DataError(f"a function of {given} arguments", where=name, remedy=f"It is called as {forms}")

    def call(arguments: tuple[Any, ...], properties: BatchProperties, place: str) -> np.ndarray:
        copies = [a.copy() for a in arguments]
        try:
            with _double_precision():
                found = function(*copies, {k: v.copy() for k, v in properties.items()})
                return np.asarray(require_plain_numbers(found, "it gives a quantity"), dtype=np.float64)
        except Exception as error:  # the function is the user's and may fail in any way
            raise DataError(
                f"the function fails at {place}: {describe_error(error)}",
                where=name,
                remedy=f"It is called as {_FORMS[given]}, from positions (R N D) of R runs side by side and the "
                f"properties {', '.join(properties)} (R N)",
            ) from error

    def vectors(arguments: tuple[Any, ...], properties: BatchProperties, place: str) -> np.ndarray:
        found = call(arguments, properties, place)
        if found.shape != arguments[0].shape:
            raise DataError(
                f"the function gives shape {found.shape} for positions of shape {arguments[0].shape} (run, particle, "
                f"space) at {place}",
                where=name,
                remedy=f"It is called as {_FORMS[given]}; leading axes are runs side by side",
            )
        return found

    if given == 3:
        return EquationOfMotion(2, lambda x, v, p, place: vectors((x, v), p, place))
    if call((positions,), properties, "the start").shape != positions.shape[:1]:
        return EquationOfMotion(1, lambda x, v, p, place: vectors((x,), p, place))

    def energy(x: np.ndarray, p: BatchProperties) -> np.ndarray:
        return call((x,), p, "some positions")

    gradient = jax_gradient(function, positions, properties) or partial(finite_difference_gradient, energy)

    def accelerations(x: np.ndarray, v: np.ndarray, p: BatchProperties, place: str) -> np.ndarray:
        with np.errstate(all="ignore"):  # a pair at one place has no slope: what is no number is said by the caller
            return -gradient(x, p) / (p["m"][..., None] if "m" in p else 1.0)

    return EquationOfMotion(2, accelerations, energy)


def _double_precision() -> contextlib.AbstractContextManager[Any]:
    """For a function that is written in ``jax.numpy``, which else works in single precision."""
    jax = sys.modules.get("jax")
    return contextlib.nullcontext() if jax is None else jax.enable_x64(True)
