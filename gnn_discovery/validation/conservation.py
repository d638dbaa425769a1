"""Conservation checks: does the law keep momentum, angular momentum and energy in its own motion?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float

from gnn_discovery.catalogue.force_samples import sample_force
from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset
from gnn_discovery.data.dataset.observation import POINTWISE
from gnn_discovery.errors import GnnDiscoveryError
from gnn_discovery.laws.law import ForceLaw, Term
from gnn_discovery.laws.rollout import integrate_law
from gnn_discovery.laws.term_evaluator import TermEvaluator
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.validation.verdict import Check, CheckId

_RECIPROCITY = partial(Check, CheckId.RECIPROCITY, "informative", "reciprocity of the law")
_MOMENTUM = partial(Check, CheckId.MOMENTUM, "informative", "momentum")
_ANGULAR_MOMENTUM = partial(Check, CheckId.ANGULAR_MOMENTUM, "informative", "angular momentum")
_ENERGY = partial(Check, CheckId.ENERGY, "informative", "energy")
_CONSERVED = (_MOMENTUM, _ANGULAR_MOMENTUM, _ENERGY)


def check_conservation(
    law: ForceLaw, data: Dataset, test: Dataset | None = None, *, criteria: Criteria = DEFAULT_CRITERIA
) -> tuple[Check, ...]:
    """Check the reciprocity of the pair terms, and the drift of conserved quantities along a rollout of the law.

    Args:
        law: a law of second order; of a law of first order nothing is checked.
        data: the motion over whose range pair forces are compared with their reactions.
        test: the rollout begins where its first run begins; by default where that of ``data`` does.
        criteria: the largest changes at which a quantity counts as conserved.

    Returns:
        Checks of reciprocity, momentum, angular momentum and energy.
    """
    if law.order != 2 or not law.terms:
        return ()
    unknown_mass = not law.divides_by_mass and any(
        n.endswith(("_i", "_j")) for t in law.terms for n in t.expression.names
    )
    if unknown_mass:
        reason = "the masses are not in the data: action and reaction cannot be compared"
        return tuple(check(None, None, reason) for check in (_RECIPROCITY, *_CONSERVED))
    reciprocity = _check_reciprocity(law, data, criteria)
    path = _integrate(law, data if test is None else test)
    if path is None:
        return reciprocity, *(check(None, None, "the law could not be rolled out") for check in _CONSERVED)
    reciprocal = bool(reciprocity.passed)
    checks = (_check_momentum, _check_angular_momentum, _check_energy)
    return reciprocity, *(check(law, path, reciprocal, criteria) for check in checks)


def exchange_particles(term: Term) -> Expression:
    """Return the expression of a term with receiver and sender exchanged."""
    names = {n: n[:-1] + ("j" if n.endswith("_i") else "i") for n in term.expression.names if n.endswith(("_i", "_j"))}
    return term.expression.substitute({old: Expression.parse(new) for old, new in names.items()})


def _check_reciprocity(law: ForceLaw, data: Dataset, criteria: Criteria) -> Check:
    """Check Newton's third law: the force turns round when receiver and sender are exchanged."""
    pairs = [term for term in law.terms if term.kind == "pair"]
    if not pairs:
        return _RECIPROCITY(True, 0.0, "there is no force between particles")
    if any(term.direction in ("x", "y", "z") for term in pairs):
        return _RECIPROCITY(False, None, "a force between particles acts along a fixed axis")
    if all(exchange_particles(term) == term.expression for term in pairs):
        return _RECIPROCITY(True, 0.0, "exact: exchanging receiver and sender leaves the formula as it is")
    worst = 0.0
    for term in pairs:
        samples = sample_force([term], law, data, criteria=criteria)
        constants = {name: c.value for name, c in term.constants.items()}
        exchanged = exchange_particles(term)
        names = sorted(exchanged.names)
        reaction = exchanged.numpy(tuple(names))(
            *[constants[n] if n in constants else samples.inputs[n] for n in names]
        )
        worst = max(worst, samples.deviation(reaction))
    detail = "the figure is the change of the force when receiver and sender are exchanged"
    return _RECIPROCITY(worst < criteria.verdict.max_reciprocity_change, worst, detail)


@dataclass(frozen=True)
class LawTrajectory:
    """The law's own motion.

    Attributes:
        data: the snapshots of one run.
        mass: (N,) of each particle; 1 where the law does not divide by the mass.
    """

    data: Dataset
    mass: Float[np.ndarray, " N"]

    @property
    def momenta(self) -> Float[np.ndarray, "S N D"]:
        """Return the momentum of each particle."""
        return np.asarray(self.mass[:, None] * self.data.velocities)


def _integrate(
    law: ForceLaw,
    data: Dataset,
    *,
    tolerance: float = 1e-10,
    pair_evaluations: float = 3e7,
    evaluations: tuple[int, int] = (300, 3000),
    n_compared: int = 24,
) -> LawTrajectory | None:
    """Return the motion from the start of the first run of ``data``, over its times; None where it diverges at once.

    Args:
        law: of second order.
        data: whose first run is followed.
        tolerance: relative, of a step of the integrator.
        pair_evaluations: largest number of evaluations of a pair force, all pairs together.
        evaluations: bounds of the number of evaluations of the force.
        n_compared: largest number of snapshots that are returned.
    """
    run = data.select(data.run == data.run[0])
    particles = np.flatnonzero(run.present[0])
    edges = np.searchsorted(particles, np.stack([run.senders, run.receivers]))
    both = run.present[0][run.senders] & run.present[0][run.receivers]
    properties = {name: values[0] for name, values in run.properties.items()}
    properties |= {name: latent.values for name, latent in law.latent.items()}
    start = replace(
        run.select(np.arange(1)),
        positions=run.positions[:1, particles],
        velocities=run.velocities[:1, particles],
        target=run.target[:1, particles],
        properties={name: values[None, particles] for name, values in properties.items()},
        present=run.present[:1, particles],
        senders=edges[0, both],
        receivers=edges[1, both],
        observation=POINTWISE,
    )
    try:
        motion = integrate_law(
            law,
            start.positions[0],
            start.velocities[0],
            {name: values[0] for name, values in start.properties.items()},
            run.times,
            edges=edges[:, both].T,
            box=run.box,
            cutoff=run.cutoff,
            tolerance=tolerance,
            evaluations=int(np.clip(pair_evaluations / max(1, both.sum()), *evaluations)),
        )
    except GnnDiscoveryError:
        return None
    if len(motion) < 2:
        return None
    index = np.unique(np.linspace(0, len(motion) - 1, n_compared).astype(int))
    repeated = start.select(np.zeros(len(index), dtype=int))
    rolled = replace(repeated, positions=motion[index, 0], velocities=motion[index, 1], times=run.times[index])
    return LawTrajectory(rolled, start.properties["m"][0] if law.divides_by_mass else np.ones(len(particles)))


def _check_momentum(law: ForceLaw, path: LawTrajectory, reciprocal: bool, criteria: Criteria) -> Check:
    total = path.momenta.sum(axis=1)
    size = np.linalg.norm(path.momenta, axis=-1).sum(axis=1)
    outside = any(term.kind != "pair" for term in law.terms)
    reason = "an outside force acts" if outside else "" if reciprocal else "action and reaction differ"
    return _check_conserved(_MOMENTUM, total, size, reason, path, criteria)


def _check_angular_momentum(law: ForceLaw, path: LawTrajectory, reciprocal: bool, criteria: Criteria) -> Check:
    """Check the angular momentum about the centre of an outer field, or else about the centre of mass at the start."""
    if path.data.box is not None:
        return _ANGULAR_MOMENTUM(None, None, "in a periodic box no point is the centre")
    fields = [term for term in law.terms if term.kind == "external"]
    centre = np.average(path.data.positions[0], axis=0, weights=np.abs(path.mass))
    if fields:
        stated = fields[0].centre
        centre = np.zeros(path.data.dim) if stated is None else np.array(stated)
    arms = path.data.positions - centre
    product = np.einsum("snd,sne->sde", arms, path.momenta)
    total = (product - np.swapaxes(product, 1, 2)) / np.sqrt(2)
    size = (np.linalg.norm(arms, axis=-1) * np.linalg.norm(path.momenta, axis=-1)).sum(axis=1)
    central = all(term.direction == "radial" for term in law.terms)
    reason = (
        "a force is along no line of centres" if not central else "" if reciprocal else "action and reaction differ"
    )
    return _check_conserved(_ANGULAR_MOMENTUM, total.reshape(len(total), -1), size, reason, path, criteria)


def _check_conserved(
    check: partial[Check],
    total: Float[np.ndarray, "S K"],
    size: Float[np.ndarray, " S"],
    reason: str,
    path: LawTrajectory,
    criteria: Criteria,
) -> Check:
    """Check that a sum over all particles stays what it was.

    Args:
        check: the check without its outcome.
        total: the sum, at each snapshot.
        size: sum of the magnitudes of its parts.
        reason: why it may change, in words; empty where there is none.
        path: the motion of the law.
        criteria: the largest drift.
    """
    drift = float(np.linalg.norm(total - total[0], axis=1).max() / max(size.max(), 1e-300))
    detail = f"change {_time_span_text(path)}{f': {reason}' if reason else ''}"
    return check(drift < criteria.verdict.max_conservation_drift, drift, detail)


def _check_energy(law: ForceLaw, path: LawTrajectory, reciprocal: bool, criteria: Criteria) -> Check:
    """Check the sum of kinetic energy and of the potentials of those forces that have one."""
    conserved = [term for term in law.terms if _has_potential(term) and (reciprocal or term.kind != "pair")]
    kinetic = 0.5 * np.einsum("n,snd,snd->s", path.mass, path.data.velocities, path.data.velocities)
    total = kinetic + sum(potential_energy(term, path.data) for term in conserved)
    figure = float(np.abs(total - total[0]).max() / max(np.ptp(kinetic) + np.mean(kinetic), 1e-300))
    detail = f"change {_time_span_text(path)}, relative to the kinetic energy"
    if len(conserved) < len(law.terms):
        reason = "a force has no potential: it depends on velocity, turns round, or is not reciprocal"
        return _ENERGY(False, figure, f"{detail}: {reason}")
    return _ENERGY(figure < criteria.verdict.max_conservation_drift, figure, detail)


def _time_span_text(path: LawTrajectory) -> str:
    return f"when the law is rolled out from the start of an observed run, over a time of {np.ptp(path.data.times):.3g}"


def _has_potential(term: Term) -> bool:
    """Tell whether the force follows from a potential by its form: one coordinate, along its own direction."""
    if term.kind == "self" and term.direction == "transverse":
        return True
    if term.expression.names & {"v", "v_r"} or term.direction in ("velocity", "transverse"):
        return False
    if term.kind == "pair":
        return term.direction == "radial"
    coordinate = {"r"} if term.direction == "radial" else {str(term.direction)}
    return not term.expression.names & ({"r", "x", "y", "z"} - coordinate)


def potential_energy(term: Term, data: Dataset, *, nodes: int = 48) -> Float[np.ndarray, " S"]:
    """Return minus the work of a term from a reference place, by Gauss-Legendre quadrature; a pair counts once.

    Args:
        term: a term with a potential; the energy of a self force is zero, since it does no work.
        data: the snapshots (S).
        nodes: of the quadrature.
    """
    if term.kind == "self":
        return np.zeros(len(data.run))
    evaluator = TermEvaluator(data)
    variable = "r" if term.direction == "radial" else str(term.direction)
    end = evaluator.scalar(term, variable)
    names = tuple(sorted(term.expression.names))
    force = term.expression.numpy(names)
    fixed = {n: term.constants[n].value if n in term.constants else evaluator.scalar(term, n) for n in names}
    points, weights = np.polynomial.legendre.leggauss(nodes)
    positive = variable == "r"
    start = float(np.median(end)) if positive else 0.0
    work = np.zeros_like(end)
    for point, weight in zip(0.5 * (points + 1), 0.5 * weights, strict=True):
        place = start * (end / start) ** point if positive else end * point
        step = place * np.log(end / start) if positive else end
        work += weight * force(*[place if n == variable else fixed[n] for n in names]) * step
    present = data.pair_present().T if term.kind == "pair" else data.present.T
    return np.asarray(-np.sum(np.where(present, work, 0.0), axis=0) * (0.5 if term.kind == "pair" else 1.0))
