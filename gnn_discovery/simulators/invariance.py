"""How a bare function changes when its particles are moved, turned, swapped, or put at one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from gnn_discovery.errors import DataError
from gnn_discovery.simulators.initial_conditions import InitialConditions, draw_initial_conditions
from gnn_discovery.simulators.protocol import SimulationConfig
from gnn_discovery.simulators.user_function import FunctionSimulator

BatchProperties = Mapping[str, np.ndarray]
RateFunction = Callable[[np.ndarray, np.ndarray, BatchProperties], np.ndarray]

INVARIANCE_TOLERANCE = 1e-6
"""Of the typical size of the rates: a smaller change is none. Differences, and sums in another order, are not exact."""


def permutation_violations(simulator: FunctionSimulator, config: SimulationConfig) -> list[str]:
    """What no law may do, in words: runs that know of each other, particles told apart by their place in the arrays."""
    rate, (x, v, p) = _asked(simulator, config)
    whole = rate(x, v, p)
    alone = rate(x[:1], v[:1], {k: values[:1] for k, values in p.items()})
    problems = []
    if _differ(alone, whole[:1]):
        problems.append(
            "a run gives other rates alone than beside others: sum over particles (axis -2), never over runs (axis 0)"
        )
    turned = np.roll(np.arange(x.shape[1]), 1)
    swapped = rate(x[:, turned], v[:, turned], {k: values[:, turned] for k, values in p.items()})
    if _differ(swapped, whole[:, turned]):
        problems.append(
            "particles in another order move otherwise: what tells them apart has to be a property, given by initial"
        )
    return problems


def simulator_symmetries(simulator: FunctionSimulator, config: SimulationConfig) -> dict[str, bool]:
    """What a law may have or lack: whether the rates are the same elsewhere, turned with the motion, and at any common
    speed; and whether they are numbers where two particles are at one place."""
    rate, (x, v, p) = _asked(simulator, config)
    whole, dim = rate(x, v, p), x.shape[2]
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    turn[0] *= np.sign(np.linalg.det(turn))
    away, passing = x.std() * rng.standard_normal(dim), (v.std() or 1.0) * rng.standard_normal(dim)
    touching = x.copy()
    touching[:, 1] = touching[:, 0]
    return {
        "the same elsewhere": not _differ(rate(x + away, v, p), whole),
        "the same when turned": not _differ(rate(x @ turn.T, v @ turn.T, p), whole @ turn.T),
        "the same at any speed": not _differ(rate(x, v + passing, p), whole),
        "a number at r = 0": _is_number(rate, touching, v, p),
    }


def _asked(simulator: FunctionSimulator, config: SimulationConfig) -> tuple[RateFunction, InitialConditions]:
    few = SimulationConfig(8, None, config.particles, config.dim, config.seed)
    law = simulator.equation_of_motion(few)

    def rate(x: np.ndarray, v: np.ndarray, p: BatchProperties) -> np.ndarray:
        with np.errstate(all="ignore"):
            return law.rate(x, v, p, "a start")

    return rate, draw_initial_conditions(simulator.initial, few, simulator.name)


def _is_number(rate: RateFunction, x: np.ndarray, v: np.ndarray, p: BatchProperties) -> bool:
    try:
        return bool(np.isfinite(rate(x, v, p)).all())
    except DataError:  # it may as well fail there
        return False


def _differ(one: np.ndarray, other: np.ndarray) -> bool:
    size = np.linalg.norm(other, axis=-1)
    apart = np.linalg.norm(one - other, axis=-1)
    return bool((apart > INVARIANCE_TOLERANCE * (size + np.median(size))).any())
