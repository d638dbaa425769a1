"""Draw systems by a seed: laws of the catalogue with random constants, altered laws, and no law at all.

A seed and a number make the same system; every seed makes others. Lengths, times and strengths are drawn first, and
the constants of the law so that its force has that strength where the particles start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gnn_discovery import FunctionSimulator, Trajectory
from gnn_discovery.catalogue.equivalence import compare_with_catalogue
from gnn_discovery.catalogue.known_law import FreeConstant, KnownLaw, load_catalogue, soften
from gnn_discovery.data.dataset import assemble_dataset
from gnn_discovery.errors import DataError
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.simulators import SimulationConfig
from gnn_discovery.symbolic.expression import Expression

Kind = Literal["known", "altered", "none"]

RUNS, FRAMES = 200, 100
VIOLENT = 30.0
"""No particle starts with more than this many times the typical acceleration."""
FAR = 20.0
"""No particle gets further away than so many lengths, since motion that flies apart shows no law."""
APART = 0.05
"""An altered law differs from every sum of known laws by at least so much, relative to the force."""
CONFINED = ("FENE spring",)
"""These laws hold only below a distance at which their force is infinite; random starts are beyond it."""
ATTEMPTS = 100
PROBE = 10
"""A system without orderly motion is recognised early by so many runs."""

MASSES = ("m_i", "m_j", "(m_i + m_j)", "(m_i + m_j)**2", "sqrt(m_i*m_j)", "m_i**2*m_j", "m_i*m_j")
CHARGES = ("q_i*m_j", "(q_i + q_j)**2", "q_i*q_j*m_i", "q_i*q_j")
SHAPES = (
    *("1/(r + c)**0.5", "1/(r + c)**1.5", "1/(r + c)**2.5", "1/(r + c)**3.5", "r**0.5", "r**1.5", "r**2"),
    *("exp(-r**2/L**2)/(r + c)", "r/(r**2 + L**2)", "tanh(r/L)", "log(1 + r/L)", "r*exp(-r/L)", "sin(r/L)"),
)
PLAIN = ("1/(r + c)", "1/(r + c)**2", "(r - L)", "exp(-r/L)")
"""These shapes are known; the factors of masses or charges before them are not."""
OWN = ("v**0.5", "v**1.5", "v**3", "m_i**2", "sqrt(m_i)*v")
"""These drags are not known; they stand beside a force that is."""


@dataclass(frozen=True)
class System:
    """A law, and the distribution of the starts.

    Attributes:
        known: the laws of the catalogue whose sum it is, for ``kind`` "known".
        length, speed: of the starts, N(0, 1) times these.
        strength: typical acceleration.
    """

    kind: Kind
    known: tuple[str, ...]
    law: ForceLaw
    dim: int
    particles: int
    length: float
    speed: float
    strength: float

    @property
    def text(self) -> str:
        return str(self.law)

    def accelerations(self, x: np.ndarray, v: np.ndarray, properties: Mapping[str, np.ndarray]) -> np.ndarray:
        return self.law.acceleration(x, v, properties) if self.law.terms else np.zeros_like(x)

    def start(
        self, rng: np.random.Generator, runs: int, particles: int, dim: int
    ) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Draw starts until enough of them have accelerations below `VIOLENT` times the typical one."""
        drawn = [_draw(rng, runs, self.particles, self.dim)]
        for _ in range(ATTEMPTS):
            x, v, m, q = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
            x, v = self.length * x, self.speed * v
            properties = {"m": m, "q": q}
            size = np.linalg.norm(self.accelerations(x, v, properties), axis=-1).max(axis=-1)
            good = np.flatnonzero(size <= VIOLENT * self.strength)[:runs]
            if len(good) == runs:
                return x[good], v[good], {name: p[good] for name, p in properties.items()}
            drawn.append(_draw(rng, runs, self.particles, self.dim))
        raise DataError("nearly every start is violent")

    def runs(self, seed: int, count: int = RUNS, frames: int = FRAMES) -> tuple[Trajectory, ...]:
        """Simulate motion over three times the time in which the force carries a particle by a length.

        Raises:
            DataError: it ends in a singularity, or flies apart.
        """
        spacing = 3 * self.length / max(self.speed, np.sqrt(self.strength * self.length)) / frames
        simulator = FunctionSimulator(self.accelerations, self.text, spacing, self.start)
        runs = simulator.simulate(SimulationConfig(count, frames, seed=seed))
        if max(np.abs(run.positions).max() for run in runs) > FAR * self.length and self.law.terms:
            raise DataError("the particles fly apart")
        return runs


def _draw(rng: np.random.Generator, runs: int, particles: int, dim: int) -> tuple[np.ndarray, ...]:
    """Draw positions and velocities N(0, 1), log-normal masses, and charges of either sign."""
    x, v = rng.standard_normal((2, runs, particles, dim))
    m = np.exp(0.7 * rng.standard_normal((runs, particles)))
    q = rng.choice([-1.0, 1.0], (runs, particles)) * rng.uniform(0.5, 1.5, (runs, particles))
    return x, v, m, q


def noisy(runs: Sequence[Trajectory], noise: float, seed: int) -> tuple[Trajectory, ...]:
    """Return positions alone, with errors of a part ``noise`` of their spread."""
    rng = np.random.default_rng(seed)
    sigma = noise * np.std(np.concatenate([run.positions for run in runs]))
    return tuple(
        replace(
            run,
            positions=run.positions + sigma * rng.standard_normal(run.positions.shape),
            velocities=None,
            accelerations=None,
        )
        for run in runs
    )


def generate(kind: Kind, number: int, seed: int) -> tuple[System, tuple[Trajectory, ...]]:
    """Return the system of a kind and a number, and its motion; it is drawn again where it has no orderly motion."""
    rng = np.random.default_rng([seed, ("known", "altered", "none").index(kind), number])
    make = {"known": _known, "altered": _altered, "none": _nothing}[kind]
    for _ in range(ATTEMPTS):
        try:
            system = make(rng)
            seed_of_runs = int(rng.integers(2**31))
            system.runs(seed_of_runs, PROBE)
            runs = system.runs(seed_of_runs)
        except DataError:
            continue
        if kind != "altered" or _is_new(system, runs):
            return system, runs
    raise DataError(f"no {kind} system was found in {ATTEMPTS} draws", where=f"number {number}, seed {seed}")


def _nothing(rng: np.random.Generator) -> System:
    return _system(rng, "none", (), lambda system: ())


def _known(rng: np.random.Generator) -> System:
    """Draw a law of the catalogue, every third with a second one that is a self force or an external field."""
    plain = [
        law for law in load_catalogue().laws if law.softened is None and law.order != 1 and law.properties <= {"m", "q"}
    ]
    chosen = [_maybe_soft(rng, plain[rng.integers(len(plain))])]
    others = [law for law in plain if law.kind != "pair"]
    if rng.random() < 1 / 3 and chosen[0].kind == "pair":
        chosen.append(others[rng.integers(len(others))])
    return _system(
        rng,
        "known",
        tuple(law.name for law in chosen),
        lambda system: [term for law in chosen for term in _terms(rng, law, system)],
        flat=any(law.direction == "transverse" for law in chosen),
    )


def _maybe_soft(rng: np.random.Generator, law: KnownLaw) -> KnownLaw:
    """Return the law; where it is singular, it is softened two of three times in one of its ways."""
    ways = law.softenings
    return soften(law, str(rng.choice(ways))) if ways and rng.random() < 2 / 3 else law


def _altered(rng: np.random.Generator) -> System:
    """Draw a pair force whose shape, or whose factor of masses and charges, is not in the catalogue; or a known pair
    force beside an unknown drag."""

    def one(options: Sequence[str]) -> str:
        return str(options[rng.integers(len(options))])

    def terms(system: System) -> list[Term]:
        match rng.integers(4):
            case 0:
                return [_pair(rng, f"{one(('m_i*m_j', 'q_i*q_j', '1'))}*{one(SHAPES)}", system)]
            case 1:
                return [_pair(rng, f"{one(MASSES)}*{one(PLAIN)}", system)]
            case 2:
                return [_pair(rng, f"{one(CHARGES)}*{one((*PLAIN, *SHAPES))}", system)]
        drag = _scaled(rng, "self", "velocity", Expression.parse(f"-A*{one(OWN)}"), {"A": _STRENGTH}, "A", system, 0.5)
        return [_pair(rng, f"m_i*m_j*{one(PLAIN[:2])}", system), drag]

    return _system(rng, "altered", (), terms)


def _is_new(system: System, runs: Sequence[Trajectory]) -> bool:
    """Return True where some component of the law differs from every known law and every sum of known laws."""
    comparison = compare_with_catalogue(system.law, assemble_dataset(runs, 2, "generated"))
    return any(not c.nearest or c.nearest[0].deviation > APART for c in comparison.components)


_STRENGTH = FreeConstant("strength", "")


def _pair(rng: np.random.Generator, factor: str, system: System) -> Term:
    """Draw the constants of a pair force."""
    expression = Expression.parse(f"-A*{factor}")
    free = {"A": _STRENGTH, "L": FreeConstant("range", "length"), "c": FreeConstant("softening length", "length")}
    constants = {name: free[name] for name in free if name in expression.names}
    return _scaled(rng, "pair", "radial", expression, constants, "A", system)


def _terms(rng: np.random.Generator, law: KnownLaw, system: System) -> list[Term]:
    """Draw the constants of a law; a term along an axis is repeated along each axis, with its own centre."""
    share = 1.0 if law.kind == "pair" or not system.law.terms else float(np.exp(rng.uniform(np.log(0.3), np.log(1.5))))
    if law.direction != "axis":
        return [_scaled(rng, law.kind, law.direction, law.expression, law.constants, law.amplitude, system, share)]
    first = _scaled(rng, law.kind, "x", law.expression, law.constants, law.amplitude, system, share)
    if "x" not in law.expression.names:
        return [first]
    terms = []
    for axis in "xyz"[: system.dim]:
        expression = law.expression.substitute({"x": Expression.parse(axis)})
        middle = {name: Constant(_value(rng, law.constants[name], system)) for name in ("L",) if name in law.constants}
        terms.append(replace(first, direction=axis, expression=expression, constants={**first.constants, **middle}))
    return terms


def _scaled(
    rng: np.random.Generator,
    kind: str,
    direction: str,
    expression: Expression,
    free: Mapping[str, FreeConstant],
    amplitude: str,
    system: System,
    share: float = 1.0,
) -> Term:
    """Return a term with random constants, its amplitude such that it makes ``share`` of the typical acceleration."""
    values = {name: _value(rng, constant, system) for name, constant in free.items()}
    bound = free[amplitude]
    values[amplitude] = -1.0 if bound.minimum is None and rng.random() < 0.5 else 1.0

    def made() -> Term:
        return Term(kind, direction, expression, {name: Constant(value) for name, value in values.items()})  # type: ignore[arg-type]

    x, v, m, q = _draw(np.random.default_rng(0), 200, system.particles, system.dim)
    alone = ForceLaw((made(),), divides_by_mass=True)
    with np.errstate(all="ignore"):
        size = np.linalg.norm(alone.acceleration(system.length * x, system.speed * v, {"m": m, "q": q}), axis=-1)
    typical = float(np.median(size[size > 0])) if np.any(size > 0) else np.nan
    if not np.isfinite(typical):
        raise DataError("the force is no number, or none, at random places")
    values[amplitude] *= share * system.strength / typical
    return made()


def _value(rng: np.random.Generator, constant: FreeConstant, system: System) -> float:
    """Draw a constant of the size that lengths and speeds have in this system."""
    drawn = float(np.exp(rng.uniform(np.log(0.5), np.log(2.0))))
    if constant.minimum is None and rng.random() < 0.5:
        drawn = -drawn
    if constant.meaning == "softening length":
        return abs(drawn) * 0.1 * system.length
    size = {"length": system.length, "1/length": 1 / system.length, "length/time": system.speed}
    return drawn * size.get(constant.unit, 1.0)


def _system(
    rng: np.random.Generator,
    kind: Kind,
    known: tuple[str, ...],
    terms: Callable[[System], Sequence[Term]],
    flat: bool = False,
) -> System:
    """Draw two or three dimensions, three to five particles, and length and strength within a factor of ten."""
    length, strength = np.exp(rng.uniform(np.log(0.3), np.log(3.0), 2))
    speed = rng.uniform(0.3, 1.0) * np.sqrt(length * strength)
    dim = 2 if flat else int(rng.integers(2, 4))
    law = ForceLaw((), divides_by_mass=True)
    system = System(kind, known, law, dim, int(rng.integers(3, 6)), float(length), float(speed), float(strength))
    for term in terms(system):
        system = replace(system, law=replace(system.law, terms=(*system.law.terms, term)))
    return system
