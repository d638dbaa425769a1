"""Discover one of twenty laws from motion in other units, in each cell of ``units.py``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from cells import circumstances
from gnn_discovery_replication.form_comparison import compare_with_true_law

from gnn_discovery import pipeline
from gnn_discovery.data.trajectory import Trajectory, convert_units
from gnn_discovery.gnn.training import TrainingConfig
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.laws.serialisation import to_dict
from gnn_discovery.pipeline import DiscoverConfig
from gnn_discovery.simulators import FunctionSimulator, SimulationConfig, resolve_simulator
from gnn_discovery.symbolic.expression import Expression

OWN = {"length": "AU", "time": "day", "m": "M_sun", "q": "e"}
"""The constants of a law are near one in these units, in which they are compared."""
SYSTEMS = ("astronomical", "SI", "random")
_SI = {"length": "m", "time": "s", "m": "kg", "q": "C"}
_ORDERS = 12
"""Random units are up to so many powers of ten larger or smaller than those of SI."""

BUILT_IN = ("gravity", "spring", "charge", "log-gravity", "damped", "discontinuous", "superposition")
_SPRING = ("pair", "radial", "-A*(r - B)")
MADE: Mapping[str, Sequence[tuple[str, str, str]]] = {
    "inverse square": [("pair", "radial", "-A*m_i*m_j/r**2")],
    "inverse cube": [("pair", "radial", "A*m_i*m_j/r**3")],
    "Plummer": [("pair", "radial", "-A*m_i*m_j*r/(r**2 + B**2)**1.5")],
    "odd power": [("pair", "radial", "-A*m_i*m_j/r**1.5")],
    "harmonic by masses": [("pair", "radial", "-A*m_i*m_j*r")],
    "cubic spring": [("pair", "radial", "-A*r**3")],
    "Coulomb": [("pair", "radial", "A*q_i*q_j/r**2")],
    "screened": [("pair", "radial", "A*q_i*q_j*exp(-r/B)")],
    "repulsion": [("pair", "radial", "A*exp(-r/B)")],
    "sum of powers": [("pair", "radial", "A/r**3 - B*r")],
    "spring with drag": [_SPRING, ("self", "velocity", "-C")],
    "spring in a magnetic field": [_SPRING, ("self", "transverse", "C*q_i")],
    "spring in a trap": [_SPRING, ("external", "x", "-C*x")],
}
LAWS = (*BUILT_IN, *MADE)


def discover_in(law: str, system: str, seed: int) -> dict[str, Any]:
    """Discover a law in one system of units; in `OWN` units it is also compared with the true law.

    Args:
        law: name of the law.
        system: a system of units of `SYSTEMS`.
        seed: seed of the constants, the starts and the search.
    """
    config = SimulationConfig(runs=100, frames=40, seed=seed)
    simulator, truth = (_made if law in MADE else _built_in)(law, config)
    runs = [_labelled(run) for run in simulator.simulate(config)]
    units = {what: unit for what, unit in _units(law, system, seed).items() if what in runs[0].units}
    conditions, start = circumstances(), time.perf_counter()
    found = pipeline.discover(
        [convert_units(run, units) for run in runs],
        DiscoverConfig(seed=seed, seeds=1, training=TrainingConfig(steps=1500)),
    )
    comparison = compare_with_true_law(found.law, truth) if system == SYSTEMS[0] else None
    return {
        "units": units,
        **({"exact": comparison.exact, "why": comparison.reason} if comparison else {}),
        "law": str(found.law),
        "terms": to_dict(found.law)["terms"],
        "status": found.verdict.status,
        "match": found.verdict.match,
        "seconds": time.perf_counter() - start,
        "steps": found.seconds,
        **conditions,
    }


def _units(law: str, system: str, seed: int) -> dict[str, str]:
    if system == "astronomical":
        return OWN
    if system == "SI":
        return _SI
    rng = np.random.default_rng([seed, LAWS.index(law), 1])
    return {what: f"{10 ** rng.uniform(-_ORDERS, _ORDERS):.6e} {unit}" for what, unit in _SI.items()}


def _labelled(run: Trajectory) -> Trajectory:
    """Return the run with its numbers taken to be in `OWN` units."""
    units = {what: unit for what, unit in OWN.items() if what in ("length", "time", *run.properties)}
    return Trajectory(**{**vars(run), "units": units})


def _built_in(name: str, config: SimulationConfig) -> tuple[Any, Any]:
    simulator: Any = resolve_simulator(name)
    return simulator, simulator.true_law(config)


def _made(name: str, config: SimulationConfig) -> tuple[FunctionSimulator, Any]:
    """Return a law with random constants, the same for the same seed, as a simulator and as plain terms."""
    rng = np.random.default_rng([config.seed, LAWS.index(name)])
    values = {letter: float(np.exp(rng.uniform(np.log(0.5), np.log(2.0)))) for letter in "ABC"}
    terms = []
    for kind, direction, text in MADE[name]:
        expression = Expression.parse(text)
        constants = {letter: Constant(value) for letter, value in values.items() if letter in expression.names}
        terms.append(Term(kind, direction, expression, constants))  # type: ignore[arg-type]
    law = ForceLaw(tuple(terms), divides_by_mass=True)
    truth = [
        {
            "kind": t.kind,
            "direction": t.direction,
            "expression": t.expression.text,
            "constants": {k: c.value for k, c in t.constants.items()},
        }
        for t in terms
    ]
    charged = any("q_" in text for _, _, text in MADE[name])

    def initial(rng: np.random.Generator, runs: int, particles: int, dim: int) -> Any:
        x, v = rng.standard_normal((2, runs, particles, dim))
        properties = {"m": rng.lognormal(size=(runs, particles))}
        return x, v, {**properties, **({"q": rng.choice([-1.0, 1.0], (runs, particles))} if charged else {})}

    def accelerations(positions: np.ndarray, velocities: np.ndarray, properties: Mapping[str, np.ndarray]) -> Any:
        return law.acceleration(positions, velocities, properties)

    return FunctionSimulator(accelerations, name=name, initial=initial), truth
