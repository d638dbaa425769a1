"""The invariance of a bare function when its particles are moved, turned, swapped, or put at one place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gnn_discovery.errors import DataError
from gnn_discovery.simulators.config import SimulationConfig
from gnn_discovery.simulators.initial_conditions import InitialConditions, draw_initial_conditions
from gnn_discovery.simulators.potential_gradient import BatchProperties
from gnn_discovery.simulators.user_function import FunctionSimulator

RateFunction = Callable[[np.ndarray, np.ndarray, BatchProperties], np.ndarray]
"""Accelerations or velocities (R N D), from positions and velocities (R N D) and properties (R N)."""


def permutation_violations(simulator: FunctionSimulator, config: SimulationConfig) -> list[str]:
    """Return the rules that no law may break and the function breaks, in words.

    These are: runs do not depend on each other, and particles are not told apart by their place in the arrays.

    Args:
        simulator: the function.
        config: says how many particles and dimensions it is tried with.
    """
    rate, (x, v, p) = _rate_and_start(simulator, config)
    expected = rate(x, v, p)
    single = rate(x[:1], v[:1], {name: values[:1] for name, values in p.items()})
    problems = []
    if _differ(single, expected[:1]):
        problems.append(
            "a run gives other rates alone than beside others: sum over particles (axis -2), never over runs (axis 0)"
        )
    order = np.roll(np.arange(x.shape[1]), 1)
    swapped = rate(x[:, order], v[:, order], {name: values[:, order] for name, values in p.items()})
    if _differ(swapped, expected[:, order]):
        problems.append(
            "particles in another order move differently: what tells them apart has to be a property, given by initial"
        )
    return problems


def simulator_symmetries(simulator: FunctionSimulator, config: SimulationConfig) -> dict[str, bool]:
    """Return which properties the function has that a law may have or lack, by name.

    These are: invariance under translations, rotations and boosts, and finite rates where two particles are at one
    place.

    Args:
        simulator: the function.
        config: says how many particles and dimensions it is tried with.
    """
    rate, (x, v, p) = _rate_and_start(simulator, config)
    expected, dim = rate(x, v, p), x.shape[2]
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    rotation[0] *= np.sign(np.linalg.det(rotation))
    translation, boost = x.std() * rng.standard_normal(dim), (v.std() or 1.0) * rng.standard_normal(dim)
    touching = x.copy()
    touching[:, 1] = touching[:, 0]
    return {
        "invariant under translation": not _differ(rate(x + translation, v, p), expected),
        "invariant under rotation": not _differ(rate(x @ rotation.T, v @ rotation.T, p), expected @ rotation.T),
        "invariant under boosts": not _differ(rate(x, v + boost, p), expected),
        "finite at r = 0": _is_finite(rate, touching, v, p),
    }


def _rate_and_start(simulator: FunctionSimulator, config: SimulationConfig) -> tuple[RateFunction, InitialConditions]:
    """Return the rate of the function, and the initial conditions of eight runs."""
    small = SimulationConfig(8, None, config.particles, config.dim, config.seed)
    dynamics = simulator.equation_of_motion(small)

    def rate(x: np.ndarray, v: np.ndarray, p: BatchProperties) -> np.ndarray:
        with np.errstate(all="ignore"):
            return dynamics.rate(x, v, p, "a start")

    return rate, draw_initial_conditions(simulator.initial, small, simulator.default_size, simulator.name)


def _is_finite(rate: RateFunction, x: np.ndarray, v: np.ndarray, p: BatchProperties) -> bool:
    """Tell whether all rates are finite; a function that fails has none."""
    try:
        return bool(np.isfinite(rate(x, v, p)).all())
    except DataError:
        return False


def _differ(one: np.ndarray, other: np.ndarray, tolerance: float = 1e-6) -> bool:
    """Tell whether rates differ by more than the rounding of finite differences, and of sums in another order."""
    size = np.linalg.norm(other, axis=-1)
    difference = np.linalg.norm(one - other, axis=-1)
    return bool((difference > tolerance * (size + np.median(size))).any())
