"""Rows: the scalar of a law, with its error, at instants of the data that cover their range evenly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.errors import UsageError
from gnn_discovery.laws.evaluate import term_force, with_latent_properties
from gnn_discovery.laws.law import ForceLaw, Term
from gnn_discovery.laws.term_evaluator import TermEvaluator
from gnn_discovery.types import Direction, Kind

ForceComponent = tuple[Kind, Direction]

_SNAPSHOTS = 3000
_BINS, _PER_BIN = 30, 25
_FLOOR = 1e-3


@dataclass(frozen=True)
class ForceSamples:
    """The total scalar of all terms of one kind and direction, at K places of the data.

    Attributes:
        inputs: every variable by name, (K,); along an axis its coordinate is called ``x``.
        total: (K,) what the law says.
        scale: (K,) what a deviation is measured against: the mean of the size of ``total`` and of its median
            among rows of similar distance (speed, coordinate), so that a zero crossing does no harm.
        error: (K,) one standard error of ``total``, from those of the law's constants.
    """

    inputs: Mapping[str, Float[np.ndarray, " K"]]
    total: Float[np.ndarray, " K"]
    scale: Float[np.ndarray, " K"]
    error: Float[np.ndarray, " K"]

    def deviation(self, values: np.ndarray) -> float:
        """Root mean square of the difference from ``values`` (K,), relative to the scale."""
        with np.errstate(all="ignore"):
            result = float(np.sqrt(np.mean(((values - self.total) / self.scale) ** 2)))
        return result if np.isfinite(result) else np.inf

    @property
    def relative_error(self) -> float:
        """Root mean square of the standard error, relative to the scale."""
        return float(np.sqrt(np.mean((self.error / self.scale) ** 2)))


def force_component(term: Term) -> ForceComponent:
    """What is added up before it is compared: a force along a fixed axis is external, whoever states it."""
    along_axis = term.kind != "pair" and term.direction in ("x", "y", "z")
    return ("external" if along_axis else term.kind), term.direction


def terms_by_component(law: ForceLaw) -> dict[tuple[ForceComponent, tuple[float, ...] | None], tuple[Term, ...]]:
    """The terms of the law by channel and centre, without those that are given."""
    groups: dict = {}
    for term in law.rest.terms:
        groups.setdefault((force_component(term), term.centre), []).append(term)
    return {key: tuple(terms) for key, terms in groups.items()}


def thin_snapshots(data: Dataset, count: int = _SNAPSHOTS) -> Dataset:
    """At most ``count`` instants, evenly spread."""
    size = len(data.run)
    return data if size <= count else data.select(np.linspace(0, size - 1, count).astype(int))


def component_shares(law: ForceLaw, data: Dataset) -> list[float]:
    """What each channel contributes: its part of the sum of magnitudes, averaged over all particles."""
    data = with_latent_properties(law, thin_snapshots(data, 400))
    forces = [
        np.linalg.norm(sum(term_force(term, data) for term in terms), axis=-1)[data.present]
        for terms in terms_by_component(law).values()
    ]
    total = np.sum(forces, axis=0)
    total[total == 0] = 1.0
    return [float(np.mean(force / total)) for force in forces]


def sample_force(terms: Sequence[Term], law: ForceLaw, data: Dataset) -> ForceSamples:
    """The rows of one channel of ``law``, without senders whose inferred property is not determined."""
    data = with_latent_properties(law, thin_snapshots(data))
    scene, term = TermEvaluator(data), terms[0]
    pair = term.kind == "pair"
    kept = _sample_mask(term, law, data)
    shape = kept.shape
    names = [name for name in _variable_names(term, data) if not any(name in t.constants for t in terms)]
    full = {name: np.broadcast_to(scene.scalar(term, name), shape) for name in names}
    if not pair and term.direction in ("x", "y", "z"):
        full["x"] = full[term.direction]
    along = full["r" if pair or term.direction == "radial" else "v" if term.kind == "self" else "x"]
    constants = [{name: c.value for name, c in t.constants.items()} for t in terms]
    total = np.zeros(shape)
    for t, c in zip(terms, constants, strict=True):
        total += scene.values(t, c)
    kept = kept & np.isfinite(total)
    where, bins = _sample_evenly(along[kept], logarithmic=pair or term.direction == "radial")

    def take(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(values, shape)[kept][where].astype(float)

    chosen = take(total)
    scale = _local_scale(chosen, bins)
    jacobian = [
        take(scene.values(t, c, (name,))) * (t.constants[name].std or 0.0)
        for t, c in zip(terms, constants, strict=True)
        for name in t.constants
        if t.constants[name].std
    ]
    # the sign of an inferred property is a convention
    flipped = {f"{name}_j" for name, latent in law.latent.items() if np.sum(latent.values) < 0}
    inputs = {name: -take(values) if name in flipped else take(values) for name, values in full.items()}
    return ForceSamples(inputs, chosen, scale, _propagated_error(jacobian, scale))


def _variable_names(term: Term, data: Dataset) -> list[str]:
    suffixes = ("_i", "_j") if term.kind == "pair" else ("_i",)
    properties = [name + suffix for name in data.properties for suffix in suffixes]
    if term.kind == "pair":
        return ["r", "v", "v_r", *properties]
    centred = ["r"] if term.direction == "radial" else []
    return ["v", *"xyz"[: data.dim], *centred, *properties]


def _sample_mask(term: Term, law: ForceLaw, data: Dataset) -> np.ndarray:
    if term.kind != "pair":
        return data.present.T
    kept = data.pair_present().T
    for latent in law.latent.values():
        if np.any(latent.determined):
            kept = kept & latent.determined[data.senders][:, None]
    return kept


def _sample_evenly(along: np.ndarray, *, logarithmic: bool) -> tuple[np.ndarray, np.ndarray]:
    """Indices that take every part of the range alike, and the part that each lies in."""
    if not len(along):
        raise UsageError("no particles are present in the data that a law is judged on")
    scale = np.log(np.maximum(along, 1e-300)) if logarithmic else along
    low, high = scale.min(), scale.max()
    part = np.minimum(((scale - low) / (high - low or 1.0) * _BINS).astype(int), _BINS - 1)
    chosen = []
    for number in range(_BINS):
        members = np.flatnonzero(part == number)
        if len(members) > _PER_BIN:
            members = members[np.linspace(0, len(members) - 1, _PER_BIN).astype(int)]
        chosen.append(members)
    where = np.concatenate(chosen)
    return where, part[where]


def _local_scale(total: np.ndarray, bins: np.ndarray) -> np.ndarray:
    size = np.abs(total)
    local = np.empty_like(size)
    for number in np.unique(bins):
        local[bins == number] = np.median(size[bins == number])
    nonzero = size[size > 0]
    floor = _FLOOR * np.median(nonzero) if len(nonzero) else 1.0
    return 0.5 * (size + local) + floor


def _propagated_error(jacobian: list[np.ndarray], scale: np.ndarray) -> np.ndarray:
    """Standard error of the total: each constant's own error, correlated as the data correlate them.

    ``jacobian`` holds derivative times standard error, (K,) a constant. A least-squares fit has the
    covariance (J^T J)^-1 up to a factor; its correlations are taken, and the errors are those measured.
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
    return np.sqrt(np.maximum(np.einsum("kp,pq,kq->k", j, correlation, j), 0.0))
