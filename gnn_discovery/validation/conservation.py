"""Conservation: does the law keep momentum, angular momentum and energy in its own motion?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from gnn_discovery.catalogue.force_samples import sample_force
from gnn_discovery.data.dataset import Dataset
from gnn_discovery.errors import GnnDiscoveryError
from gnn_discovery.laws.law import ForceLaw, Term
from gnn_discovery.laws.rollout import integrate_law
from gnn_discovery.laws.term_evaluator import TermEvaluator
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.validation.verdict import Check

RECIPROCITY = "reciprocity of the law"
_CONSERVED = ("momentum", "angular momentum", "energy")
_INTEGRATION_TOLERANCE = 1e-10
_PAIR_EVALUATIONS, _FORCE_EVALUATIONS = 3e7, (300, 3000)
_N_COMPARED_SNAPSHOTS = 24
_KEPT = 1e-4
_RECIPROCAL = 1e-3
_QUADRATURE_NODES = 48


def check_conservation(law: ForceLaw, data: Dataset, test: Dataset | None = None) -> tuple[Check, ...]:
    """Reciprocity of the pair terms, and the drift of momentum, angular momentum and energy when the law is rolled out
    from where a run of ``test`` begins, by default one of ``data``."""
    if law.order != 2 or not law.terms:
        return ()
    unknown_mass = not law.divides_by_mass and any(
        n.endswith(("_i", "_j")) for t in law.terms for n in t.expression.names
    )
    if unknown_mass:
        why = "the masses are not in the data: action and reaction cannot be compared"
        return tuple(Check(name, None, None, why) for name in (RECIPROCITY, *_CONSERVED))
    reciprocity = _check_reciprocity(law, data)
    path = _integrate(law, data if test is None else test)
    if path is None:
        return reciprocity, *(Check(name, None, None, "the law could not be rolled out") for name in _CONSERVED)
    checks = (
        check(law, path, bool(reciprocity.passed))
        for check in (_check_momentum, _check_angular_momentum, _check_energy)
    )
    return reciprocity, *checks


def exchange_particles(term: Term) -> Expression:
    """The expression with receiver and sender exchanged."""
    names = {n: n[:-1] + ("j" if n.endswith("_i") else "i") for n in term.expression.names if n.endswith(("_i", "_j"))}
    return term.expression.substitute({old: Expression.parse(new) for old, new in names.items()})


def _check_reciprocity(law: ForceLaw, data: Dataset) -> Check:
    """Newton's third law: a direction turns round when receiver and sender are exchanged."""
    pairs = [term for term in law.terms if term.kind == "pair"]
    if not pairs:
        return Check(RECIPROCITY, True, 0.0, "no force between particles")
    if any(term.direction in ("x", "y", "z") for term in pairs):
        return Check(RECIPROCITY, False, None, "a force between particles along a fixed axis")
    if all(exchange_particles(term) == term.expression for term in pairs):
        return Check(RECIPROCITY, True, 0.0, "exact: exchanging receiver and sender leaves the formula as it is")
    worst = 0.0
    for term in pairs:
        here = sample_force([term], law, data)
        constants = {name: c.value for name, c in term.constants.items()}
        other = exchange_particles(term)
        there = other.numpy(tuple(sorted(other.names)))(
            *[constants[n] if n in constants else here.inputs[n] for n in sorted(other.names)]
        )
        worst = max(worst, here.deviation(there))
    return Check(
        RECIPROCITY,
        worst < _RECIPROCAL,
        worst,
        "change of the force when receiver and sender are exchanged",
    )


@dataclass(frozen=True)
class LawTrajectory:
    """The law's own motion, as snapshots of one run, with the mass of each particle (N,)."""

    data: Dataset
    mass: Float[np.ndarray, " N"]

    @property
    def momenta(self) -> Float[np.ndarray, "S N D"]:
        """Of each particle."""
        return self.mass[:, None] * self.data.velocities


def _integrate(law: ForceLaw, data: Dataset) -> LawTrajectory | None:
    """The motion from the start of the first run of ``data``, over its times; None where it cannot be followed."""
    run = data.select(data.run == data.run[0])
    here = np.flatnonzero(run.present[0])
    place = np.searchsorted(here, np.stack([run.senders, run.receivers]))
    both = run.present[0][run.senders] & run.present[0][run.receivers]
    properties = {name: values[0] for name, values in run.properties.items()}
    properties |= {name: latent.values for name, latent in law.latent.items()}
    start = replace(
        run.select(np.arange(1)),
        positions=run.positions[:1, here],
        velocities=run.velocities[:1, here],
        target=run.target[:1, here],
        properties={name: values[None, here] for name, values in properties.items()},
        present=run.present[:1, here],
        senders=place[0, both],
        receivers=place[1, both],
        kernel=None,
        weak_form_valid=None,
    )
    try:
        motion = integrate_law(
            law,
            start.positions[0],
            start.velocities[0],
            {name: values[0] for name, values in start.properties.items()},
            run.times,
            edges=place[:, both].T,
            box=run.box,
            cutoff=run.cutoff,
            tolerance=_INTEGRATION_TOLERANCE,
            evaluations=int(np.clip(_PAIR_EVALUATIONS / max(1, both.sum()), *_FORCE_EVALUATIONS)),
        )
    except GnnDiscoveryError:
        return None
    if len(motion) < 2:
        return None
    kept = np.unique(np.linspace(0, len(motion) - 1, _N_COMPARED_SNAPSHOTS).astype(int))
    repeated = start.select(np.zeros(len(kept), dtype=int))
    rolled = replace(repeated, positions=motion[kept, 0], velocities=motion[kept, 1], times=run.times[kept])
    return LawTrajectory(rolled, start.properties["m"][0] if law.divides_by_mass else np.ones(len(here)))


def _check_momentum(law: ForceLaw, path: LawTrajectory, reciprocal: bool) -> Check:
    total = path.momenta.sum(axis=1)
    size = np.linalg.norm(path.momenta, axis=-1).sum(axis=1)
    outside = any(term.kind != "pair" for term in law.terms)
    why = "an outside force acts" if outside else "" if reciprocal else "action and reaction differ"
    return _check_conserved("momentum", total, size, why, path)


def _check_angular_momentum(law: ForceLaw, path: LawTrajectory, reciprocal: bool) -> Check:
    """About the centre of an outer field, or else the centre of mass at the start."""
    if path.data.box is not None:
        return Check("angular momentum", None, None, "in a periodic box no point is the centre")
    fields = [term for term in law.terms if term.kind == "external"]
    centre = np.average(path.data.positions[0], axis=0, weights=np.abs(path.mass))
    if fields:
        given = fields[0].centre
        centre = np.zeros(path.data.dim) if given is None else np.array(given)
    arms = path.data.positions - centre
    turning = np.einsum("snd,sne->sde", arms, path.momenta)
    total = (turning - np.swapaxes(turning, 1, 2)) / np.sqrt(2)
    size = (np.linalg.norm(arms, axis=-1) * np.linalg.norm(path.momenta, axis=-1)).sum(axis=1)
    central = all(term.direction == "radial" for term in law.terms)
    why = "a force is along no line of centres" if not central else "" if reciprocal else "action and reaction differ"
    return _check_conserved("angular momentum", total.reshape(len(total), -1), size, why, path)


def _check_conserved(name: str, total: np.ndarray, size: np.ndarray, why: str, path: LawTrajectory) -> Check:
    """Whether a sum over all particles, (S K), stays what it was; ``size`` (S) of its parts."""
    drift = float(np.linalg.norm(total - total[0], axis=1).max() / max(size.max(), 1e-300))
    return Check(name, drift < _KEPT, drift, f"change {_time_span_text(path)}{f': {why}' if why else ''}")


def _check_energy(law: ForceLaw, path: LawTrajectory, reciprocal: bool) -> Check:
    """The sum of kinetic energy and of the potentials of those forces that have one."""
    conserved = [term for term in law.terms if _has_potential(term) and (reciprocal or term.kind != "pair")]
    kinetic = 0.5 * np.einsum("n,snd,snd->s", path.mass, path.data.velocities, path.data.velocities)
    total = kinetic + sum(potential_energy(term, path.data) for term in conserved)
    figure = float(np.abs(total - total[0]).max() / max(np.ptp(kinetic) + np.mean(kinetic), 1e-300))
    detail = f"change {_time_span_text(path)}, relative to the kinetic energy"
    if len(conserved) < len(law.terms):
        why = "a force without a potential: it depends on velocity, turns round, or is not reciprocal"
        return Check("energy", False, figure, f"{detail}: {why}")
    return Check("energy", figure < _KEPT, figure, detail)


def _time_span_text(path: LawTrajectory) -> str:
    return f"when the law is rolled out from the start of an observed run, over a time of {np.ptp(path.data.times):.3g}"


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


def potential_energy(term: Term, data: Dataset) -> Float[np.ndarray, " S"]:
    """Minus the work of a term from a reference place, by Gauss-Legendre quadrature; a pair counts once."""
    if term.kind == "self":
        return np.zeros(len(data.run))
    scene = TermEvaluator(data)
    variable = "r" if term.direction == "radial" else str(term.direction)
    end = scene.scalar(term, variable)
    names = tuple(sorted(term.expression.names))
    force = term.expression.numpy(names)
    fixed = {n: term.constants[n].value if n in term.constants else scene.scalar(term, n) for n in names}
    nodes, weights = np.polynomial.legendre.leggauss(_QUADRATURE_NODES)
    positive = variable == "r"
    start = float(np.median(end)) if positive else 0.0
    work = np.zeros_like(end)
    for node, weight in zip(0.5 * (nodes + 1), 0.5 * weights, strict=True):
        place = start * (end / start) ** node if positive else end * node
        step = place * np.log(end / start) if positive else end
        work += weight * force(*[place if n == variable else fixed[n] for n in names]) * step
    present = data.pair_present().T if term.kind == "pair" else data.present.T
    return -np.sum(np.where(present, work, 0.0), axis=0) * (0.5 if term.kind == "pair" else 1.0)
