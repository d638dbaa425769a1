"""Conservation: does the law keep momentum and energy, by its form and in its own motion?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.integrate import DOP853

from gnn_discovery.errors import GnnDiscoveryError
from gnn_discovery.expression import Expression
from gnn_discovery.law.evaluate import acceleration
from gnn_discovery.law.record import ForceLaw, Term
from gnn_discovery.law.scene import Scene
from gnn_discovery.physics.record import Check
from gnn_discovery.physics.rows import rows
from gnn_discovery.snapshots import Snapshots

_STEPS = 12
_TOLERANCE = 1e-8
_KEPT = 1e-4
_RECIPROCAL = 1e-3
_NODES = 48


def check_conservation(law: ForceLaw, data: Snapshots) -> tuple[Check, ...]:
    """Reciprocity of the pair terms, and the drift of momentum and energy when the law is rolled out."""
    if law.order != 2 or not law.terms:
        return ()
    unknown_mass = not law.divides_by_mass and any(
        n.endswith(("_i", "_j")) for t in law.terms for n in t.expression.names
    )
    if unknown_mass:
        why = "the masses are not in the data: action and reaction cannot be compared"
        return tuple(Check(name, None, None, why) for name in ("reciprocity", "momentum", "energy"))
    reciprocity = _reciprocity(law, data)
    path = _roll(law, data)
    return (
        reciprocity,
        _momentum(law, path, bool(reciprocity.passed)),
        _energy(law, path, bool(reciprocity.passed)),
    )


def swapped(term: Term) -> Expression:
    """The expression with receiver and sender exchanged."""
    names = {n: n[:-1] + ("j" if n.endswith("_i") else "i") for n in term.expression.names if n.endswith(("_i", "_j"))}
    return term.expression.substitute({old: Expression.parse(new) for old, new in names.items()})


def _reciprocity(law: ForceLaw, data: Snapshots) -> Check:
    """Newton's third law: a direction turns round when receiver and sender are exchanged."""
    pairs = [term for term in law.terms if term.kind == "pair"]
    if not pairs:
        return Check("reciprocity", True, 0.0, "no force between particles")
    if any(term.direction in ("x", "y", "z") for term in pairs):
        return Check("reciprocity", False, None, "a force between particles along a fixed axis")
    if all(swapped(term) == term.expression for term in pairs):
        return Check("reciprocity", True, 0.0, "exact: exchanging receiver and sender leaves the formula as it is")
    worst = 0.0
    for term in pairs:
        here = rows([term], law, data)
        constants = {name: c.value for name, c in term.constants.items()}
        other = swapped(term)
        there = other.numpy(tuple(sorted(other.names)))(
            *[constants[n] if n in constants else here.inputs[n] for n in sorted(other.names)]
        )
        worst = max(worst, here.deviation(there))
    return Check(
        "reciprocity",
        worst < _RECIPROCAL,
        worst,
        "change of the force when receiver and sender are exchanged",
    )


@dataclass(frozen=True)
class Path:
    """The law's own motion, as snapshots, with the mass of each particle (N,)."""

    data: Snapshots
    mass: Float[np.ndarray, " N"]


def _roll(law: ForceLaw, data: Snapshots) -> Path | None:
    """The motion from the first full instant, some adaptive steps long; None where it cannot be followed."""
    full = np.flatnonzero(data.present.all(axis=1))
    if not len(full):
        return None
    start = data.select(full[:1])
    x, v = start.positions[0], start.velocities[0]
    properties = {name: values[0] for name, values in start.properties.items()}
    edges = np.stack([start.senders, start.receivers], axis=1)

    def rate(_: float, state: np.ndarray) -> np.ndarray:
        here, speed = state.reshape(2, *x.shape)
        return np.concatenate(
            [speed, acceleration(law, here, speed, properties, edges, start.box, start.cutoff)]
        ).ravel()

    states = [np.stack([x, v]).ravel()]
    try:
        solver = DOP853(rate, 0.0, states[0], np.inf, rtol=_TOLERANCE, atol=_TOLERANCE)
        while len(states) < _STEPS and solver.status == "running":
            solver.step()
            if not np.isfinite(solver.y).all():
                return None
            states.append(solver.y.copy())
    except (GnnDiscoveryError, ValueError, FloatingPointError):
        return None
    motion = np.stack(states).reshape(-1, 2, *x.shape)
    repeated = start.select(np.zeros(len(motion), dtype=int))
    rolled = replace(repeated, positions=motion[:, 0], velocities=motion[:, 1], target=np.zeros_like(motion[:, 0]))
    mass = properties["m"] if law.divides_by_mass else np.ones(len(x))
    return Path(rolled, mass)


def _momentum(law: ForceLaw, path: Path | None, reciprocal: bool) -> Check:
    if path is None:
        return Check("momentum", None, None, "the law could not be rolled out")
    each = path.mass[:, None] * path.data.velocities
    drift = np.linalg.norm(each.sum(axis=1) - each[0].sum(axis=0), axis=-1).max()
    figure = float(drift / max(np.linalg.norm(each, axis=-1).sum(axis=1).max(), 1e-300))
    outside = any(term.kind != "pair" for term in law.terms)
    why = "an outside force acts" if outside else "" if reciprocal else "action and reaction differ"
    return Check("momentum", figure < _KEPT, figure, f"change in a roll-out{f': {why}' if why else ''}")


def _energy(law: ForceLaw, path: Path | None, reciprocal: bool) -> Check:
    if path is None:
        return Check("energy", None, None, "the law could not be rolled out")
    if not reciprocal or not all(_has_potential(term) for term in law.terms):
        return Check(
            "energy",
            False,
            None,
            "the law has no potential: a force depends on velocity, turns round, or is not reciprocal",
        )
    kinetic = 0.5 * np.einsum("n,snd,snd->s", path.mass, path.data.velocities, path.data.velocities)
    potential = sum(potential_energy(term, path.data) for term in law.terms)
    total, scale = kinetic + potential, np.ptp(kinetic) + np.mean(kinetic)
    figure = float(np.abs(total - total[0]).max() / max(scale, 1e-300))
    return Check("energy", figure < _KEPT, figure, "change in a roll-out, relative to the kinetic energy")


def _has_potential(term: Term) -> bool:
    """Whether the force follows from a potential by its form: one coordinate, along its own direction."""
    if term.kind == "self" and term.direction == "transverse":
        return True
    if term.expression.names & {"v", "v_r"} or term.direction in ("velocity", "transverse"):
        return False
    if term.kind == "pair":
        return term.direction == "radial"
    own = {"r"} if term.direction == "radial" else {str(term.direction)}
    return not term.expression.names & ({"r", "x", "y", "z"} - own)


def potential_energy(term: Term, data: Snapshots) -> Float[np.ndarray, " S"]:
    """Minus the work of a term from a reference place, by Gauss-Legendre quadrature; a pair counts once."""
    if term.kind == "self":
        return np.zeros(len(data.run))
    scene = Scene(data)
    variable = "r" if term.direction == "radial" else str(term.direction)
    end = scene.scalar(term, variable)
    names = tuple(sorted(term.expression.names))
    force = term.expression.numpy(names)
    fixed = {n: term.constants[n].value if n in term.constants else scene.scalar(term, n) for n in names}
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    positive = variable == "r"
    start = float(np.median(end)) if positive else 0.0
    work = np.zeros_like(end)
    for node, weight in zip(0.5 * (nodes + 1), 0.5 * weights, strict=True):
        place = start * (end / start) ** node if positive else end * node
        step = place * np.log(end / start) if positive else end
        work += weight * force(*[place if n == variable else fixed[n] for n in names]) * step
    present = data.pair_present().T if term.kind == "pair" else data.present.T
    return -np.sum(np.where(present, work, 0.0), axis=0) * (0.5 if term.kind == "pair" else 1.0)
