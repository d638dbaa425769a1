"""Samples of the force of a law at places of the data, drawn evenly over their range, with errors.

Deviations between two laws are measured on these samples, relative to the local force scale
``s_k = (|F_k| + median_bin |F|) / 2 + floor * median |F|``, which stays finite where the force crosses zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset, thin_snapshots
from gnn_discovery.errors import UsageError
from gnn_discovery.laws.evaluate import term_force, with_latent_properties
from gnn_discovery.laws.law import ForceLaw, Term
from gnn_discovery.laws.term_evaluator import TermEvaluator
from gnn_discovery.types import Direction, Kind

ForceComponent = tuple[Kind, Direction]
"""All terms of one kind and direction together: they are added up before they are compared with known laws."""


@dataclass(frozen=True)
class ForceSamples:
    """The total scalar of all terms of one force component, at K places of the data.

    Attributes:
        inputs: (K,) of every variable by name; along an axis its coordinate is called ``x``.
        total: (K,) force of the law.
        scale: (K,) local force scale that a deviation is measured against: the mean of ``|total|`` and its median
            among samples of similar distance (speed, coordinate), so that a zero crossing does no harm.
        error: (K,) one standard error of ``total``, propagated from those of the law's constants.
    """

    inputs: Mapping[str, Float[np.ndarray, " K"]]
    total: Float[np.ndarray, " K"]
    scale: Float[np.ndarray, " K"]
    error: Float[np.ndarray, " K"]

    def deviation(self, values: Float[np.ndarray, " K"]) -> float:
        """Return the root mean square of ``(values - total) / scale``; infinite where that is not finite."""
        with np.errstate(all="ignore"):
            result = float(np.sqrt(np.mean(((values - self.total) / self.scale) ** 2)))
        return result if np.isfinite(result) else np.inf

    @property
    def relative_error(self) -> float:
        """Return the root mean square of ``error / scale``."""
        return float(np.sqrt(np.mean((self.error / self.scale) ** 2)))

    def every(self, step: int) -> ForceSamples:
        """Return every ``step``-th sample."""
        inputs = {name: values[::step] for name, values in self.inputs.items()}
        return ForceSamples(inputs, self.total[::step], self.scale[::step], self.error[::step])


def force_component(term: Term) -> ForceComponent:
    """Return the component that a term belongs to; a force along a fixed axis is external, whoever states it."""
    along_axis = term.kind != "pair" and term.direction in ("x", "y", "z")
    return ("external" if along_axis else term.kind), term.direction


def terms_by_component(law: ForceLaw) -> dict[tuple[ForceComponent, tuple[float, ...] | None], tuple[Term, ...]]:
    """Group the discovered terms of the law by component and centre; terms that the user stated are left out."""
    groups: dict[tuple[ForceComponent, tuple[float, ...] | None], list[Term]] = {}
    for term in law.discovered_terms.terms:
        groups.setdefault((force_component(term), term.centre), []).append(term)
    return {key: tuple(terms) for key, terms in groups.items()}


def component_shares(law: ForceLaw, data: Dataset, *, criteria: Criteria = DEFAULT_CRITERIA) -> list[float]:
    """Return the share of each component in the sum of force magnitudes, averaged over all particles.

    Args:
        law: the law whose components are compared.
        data: the motion that the force is evaluated along.
        criteria: the number of snapshots that are enough.

    Returns:
        One share for each component, in the order of `terms_by_component`.
    """
    data = with_latent_properties(law, thin_snapshots(data, criteria.equivalence.max_share_snapshots))
    forces = [
        np.linalg.norm(sum(term_force(term, data) for term in terms), axis=-1)[data.present]
        for terms in terms_by_component(law).values()
    ]
    total = np.sum(forces, axis=0)
    total[total == 0] = 1.0
    return [float(np.mean(force / total)) for force in forces]


def sample_force(
    terms: Sequence[Term], law: ForceLaw, data: Dataset, *, criteria: Criteria = DEFAULT_CRITERIA
) -> ForceSamples:
    """Sample the total scalar of one force component of ``law`` evenly over the range of the data.

    Senders whose inferred property is not determined are left out.

    Args:
        terms: all terms of the component.
        law: the law that they belong to, with its inferred properties.
        data: the motion whose range is covered.
        criteria: the numbers of snapshots, bins and samples, and the floor of the force scale.

    Raises:
        UsageError: no particles are present.
    """
    numbers = criteria.equivalence
    data = with_latent_properties(law, thin_snapshots(data, numbers.max_snapshots))
    evaluator, term = TermEvaluator(data), terms[0]
    pair = term.kind == "pair"
    mask = _sample_mask(term, law, data)
    shape = mask.shape
    names = [name for name in _variable_names(term, data) if not any(name in t.constants for t in terms)]
    full = {name: np.broadcast_to(evaluator.scalar(term, name), shape) for name in names}
    if not pair and term.direction in ("x", "y", "z"):
        full["x"] = full[term.direction]
    abscissa = full["r" if pair or term.direction == "radial" else "v" if term.kind == "self" else "x"]
    constants = [{name: c.value for name, c in t.constants.items()} for t in terms]
    force = np.zeros(shape)
    for t, c in zip(terms, constants, strict=True):
        force += evaluator.values(t, c)
    mask = mask & np.isfinite(force)
    logarithmic = pair or term.direction == "radial"
    index, bins = _sample_evenly(abscissa[mask], logarithmic=logarithmic, criteria=criteria)

    def sampled(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.broadcast_to(values, shape)[mask][index].astype(float))

    total = sampled(force)
    scale = _local_scale(total, bins, criteria)
    jacobian = [
        sampled(evaluator.values(t, c, (name,))) * (t.constants[name].std or 0.0)
        for t, c in zip(terms, constants, strict=True)
        for name in t.constants
        if t.constants[name].std
    ]
    # the sign of an inferred property is a convention
    flipped = {f"{name}_j" for name, latent in law.latent.items() if np.sum(latent.values) < 0}
    inputs = {name: -sampled(values) if name in flipped else sampled(values) for name, values in full.items()}
    return ForceSamples(inputs, total, scale, _propagated_error(jacobian, scale))


def _variable_names(term: Term, data: Dataset) -> list[str]:
    suffixes = ("_i", "_j") if term.kind == "pair" else ("_i",)
    properties = [name + suffix for name in data.properties for suffix in suffixes]
    if term.kind == "pair":
        return ["r", "v", "v_r", *properties]
    centred = ["r"] if term.direction == "radial" else []
    return ["v", *"xyz"[: data.dim], *centred, *properties]


def _sample_mask(term: Term, law: ForceLaw, data: Dataset) -> Bool[np.ndarray, "E_or_N S"]:
    """Mark the pairs, or the particles, that are present and whose inferred properties are determined."""
    if term.kind != "pair":
        return data.present.T
    mask = data.pair_present().T
    for latent in law.latent.values():
        if np.any(latent.determined):
            mask = mask & latent.determined[data.senders][:, None]
    return mask


def _sample_evenly(
    abscissa: Float[np.ndarray, " Q"], *, logarithmic: bool, criteria: Criteria
) -> tuple[Int[np.ndarray, " K"], Int[np.ndarray, " K"]]:
    """Return indices that take every bin of the range alike, and the bin of each."""
    if not len(abscissa):
        raise UsageError("no particles are present in the data that a law is judged on")
    n_bins, most = criteria.equivalence.n_bins, criteria.equivalence.max_samples_per_bin
    x = np.log(np.maximum(abscissa, 1e-300)) if logarithmic else abscissa
    low, high = x.min(), x.max()
    bins = np.minimum(((x - low) / (high - low or 1.0) * n_bins).astype(int), n_bins - 1)
    chosen = []
    for number in range(n_bins):
        members = np.flatnonzero(bins == number)
        if len(members) > most:
            members = members[np.linspace(0, len(members) - 1, most).astype(int)]
        chosen.append(members)
    index = np.concatenate(chosen)
    return index, bins[index]


def _local_scale(
    total: Float[np.ndarray, " K"], bins: Int[np.ndarray, " K"], criteria: Criteria
) -> Float[np.ndarray, " K"]:
    size = np.abs(total)
    local = np.empty_like(size)
    for number in np.unique(bins):
        local[bins == number] = np.median(size[bins == number])
    nonzero = size[size > 0]
    floor = criteria.equivalence.force_scale_floor * np.median(nonzero) if len(nonzero) else 1.0
    return np.asarray(0.5 * (size + local) + floor)


def _propagated_error(
    jacobian: list[Float[np.ndarray, " K"]], scale: Float[np.ndarray, " K"]
) -> Float[np.ndarray, " K"]:
    """Return the standard error of the total: each constant's own error, correlated as the data correlate them.

    A least-squares fit has the covariance (J^T J)^-1 up to a factor; its correlations are taken, and the errors are
    those measured.

    Args:
        jacobian: derivative times standard error, (K,) for each constant.
        scale: (K,) by which samples are weighed.
    """
    if not jacobian:
        return np.zeros_like(scale)
    if not np.isfinite(jacobian).all():
        return np.full_like(scale, np.inf)
    j = np.stack(jacobian, axis=1)
    weighted = j / scale[:, None]
    size = np.sqrt(np.sum(weighted**2, axis=0))
    size[size == 0] = 1.0
    normal = (weighted / size).T @ (weighted / size)
    covariance = np.linalg.pinv(normal + 1e-12 * np.eye(len(normal)), hermitian=True)
    spread = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    correlation = covariance / np.outer(spread, spread)
    return np.asarray(np.sqrt(np.maximum(np.einsum("kp,pq,kq->k", j, correlation, j), 0.0)))
