"""Draw small noisy sets of motion under random laws of known form; a seed makes the same ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.simulators import SimulationConfig
from gnn_discovery.simulators.user_function import FunctionSimulator
from gnn_discovery.symbolic.expression import Expression

NOISE = 1e-3
"""The positions have errors of this part of their spread."""
START = 0.1
"""A fit starts this far from the true constants, in each logarithm."""

Ranges = dict[str, tuple[float, float]]
Form = tuple[tuple[str, str, str], ...]
SYSTEMS: dict[str, tuple[Form, Ranges]] = {
    "spring": ((("pair", "radial", "-a*(r - b)"),), {"a": (0.5, 4), "b": (0.3, 2)}),
    "damped spring": (
        (("pair", "radial", "-a*(r - b)"), ("self", "velocity", "-c")),
        {"a": (0.5, 4), "b": (0.3, 2), "c": (0.1, 1)},
    ),
    "1/r, softened": ((("pair", "radial", "-a*m_i*m_j/(r + b)"),), {"a": (0.3, 3), "b": (0.05, 0.5)}),
    "1/r**2, softened": ((("pair", "radial", "-a*m_i*m_j/(r + b)**2"),), {"a": (0.3, 3), "b": (0.1, 0.5)}),
    "Plummer": ((("pair", "radial", "-a*m_i*m_j*r/(r**2 + b**2)**1.5"),), {"a": (0.3, 3), "b": (0.2, 1)}),
    "charge": ((("pair", "radial", "a*q_i*q_j/(r + b)**2"),), {"a": (0.3, 3), "b": (0.1, 0.5)}),
    "Yukawa": ((("pair", "radial", "a*exp(-r/b)*(1/r + 1/b)/r"),), {"a": (0.3, 3), "b": (0.5, 3)}),
    "Gaussian core": ((("pair", "radial", "a*r*exp(-r**2/(2*b**2))"),), {"a": (0.5, 4), "b": (0.5, 2)}),
    "Morse": (
        (("pair", "radial", "2*a*b*(exp(-2*b*(r - c)) - exp(-b*(r - c)))"),),
        {"a": (0.5, 2), "b": (0.5, 1.5), "c": (0.7, 2)},
    ),
    "power law in a trap": (
        (("pair", "radial", "a/r**p"), ("external", "radial", "-k*r")),
        {"a": (0.3, 3), "p": (0.7, 3), "k": (0.3, 3)},
    ),
    "field and drag": (
        (("pair", "radial", "-a*m_i*m_j/(r + b)"), ("self", "velocity", "-c*v"), ("external", "y", "-g*m_i")),
        {"a": (0.3, 3), "b": (0.1, 0.5), "c": (0.05, 0.5), "g": (0.2, 2)},
    ),
}


@dataclass(frozen=True)
class NoisySet:
    """Motion under a law of known form.

    Attributes:
        system: name of the form.
        law: the law with its true constants.
        runs: the motion, noisy positions alone.
        constant: the constant that is to be estimated, as (number of the term, name).
        start: the law with the constants that a fit starts from.
    """

    system: str
    law: ForceLaw
    runs: tuple[Trajectory, ...]
    constant: tuple[int, str]
    start: ForceLaw

    def constant_of(self, law: ForceLaw) -> Constant:
        """Return the constant that is to be estimated, of a law of this form."""
        term, name = self.constant
        return law.terms[term].constants[name]


def draw(seed: int, index: int) -> NoisySet:
    """Draw 20 to 60 runs of 3 to 5 particles over 50 to 100 frames in 2D or 3D: positions alone, with noise.

    Args:
        seed: seed of all sets.
        index: number of the set.
    """
    rng = np.random.default_rng([seed, index])
    system = str(rng.choice(list(SYSTEMS)))
    form, ranges = SYSTEMS[system]
    values = {name: float(np.exp(rng.uniform(*np.log(ends)))) for name, ends in ranges.items()}
    law = _law(form, values)
    slots = [(t, name) for t, term in enumerate(law.terms) for name in term.constants]
    constant = slots[rng.integers(len(slots))]
    shaken = {name: value * float(np.exp(START * rng.standard_normal())) for name, value in values.items()}
    size = SimulationConfig(
        runs=int(rng.integers(20, 61)),
        frames=int(rng.integers(50, 101)),
        particles=int(rng.integers(3, 6)),
        dim=int(rng.integers(2, 4)),
        seed=int(rng.integers(2**31)),
    )
    runs = _move(law, size, float(rng.uniform(4, 8)), rng)
    spread = np.std([run.positions for run in runs])
    observed = tuple(
        replace(
            run,
            positions=run.positions + NOISE * spread * rng.standard_normal(run.positions.shape),
            velocities=None,
            accelerations=None,
        )
        for run in runs
    )
    return NoisySet(system, law, observed, constant, _law(form, shaken))


def _law(form: Form, values: dict[str, float]) -> ForceLaw:
    terms = []
    for kind, direction, text in form:
        expression = Expression.parse(text)
        constants = {name: Constant(value) for name, value in values.items() if name in expression.names}
        terms.append(Term(kind, direction, expression, constants))  # type: ignore[arg-type]  # literals
    return ForceLaw(tuple(terms), divides_by_mass=True)


def _move(law: ForceLaw, size: SimulationConfig, duration: float, rng: np.random.Generator) -> tuple[Trajectory, ...]:
    """Return runs that last ``duration`` times what the typical acceleration takes to cross the typical distance."""
    first = _simulator(law, 1e-3).simulate(replace(size, frames=2))
    acceleration = np.median(np.linalg.norm([run.accelerations[0] for run in first], axis=-1))
    assert size.frames is not None
    return _simulator(law, duration / np.sqrt(acceleration) / size.frames).simulate(size)


def _simulator(law: ForceLaw, spacing: float) -> FunctionSimulator:
    return FunctionSimulator(lambda x, v, p: law.acceleration(x, v, p), "random law", spacing, _start)


def _start(
    rng: np.random.Generator, runs: int, particles: int, dim: int
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    x, v = rng.standard_normal((2, runs, particles, dim))
    return (
        1.5 * x,
        0.5 * v,
        {"m": np.exp(0.5 * rng.standard_normal((runs, particles))), "q": rng.choice([-1.0, 1.0], (runs, particles))},
    )
