"""A formula against the catalogue, by its form alone: where there is no motion to hold it against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gnn_discovery.catalogue.equivalence import compare_with_catalogue, fit_label
from gnn_discovery.data.dataset import Dataset
from gnn_discovery.errors import DataError, UsageError
from gnn_discovery.laws.evaluate import force
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.parser import parse_law

RecognitionStatus = Literal["known", "ambiguous", "unknown"]

RECOGNITION_RANGE = (0.1, 10.0)
_SNAPSHOTS, _SNAPSHOTS_PER_RUN, _N_NEAREST = 1500, 30, 3
_DISTRIBUTION_TEXT = ("log-normal", "of either sign")


@dataclass(frozen=True)
class Recognition:
    """What the catalogue says of a formula. It never says ``candidate``: for that there must be motion.

    Attributes:
        status: ``known``; ``ambiguous`` where known laws of which none is a limit of the other are the same over this
            range; ``unknown``.
        match: the known law, or the sum of known laws, that it is.
        alternatives: other known laws that are the same over this range.
        nearest: known laws and their distance, as a part of the force (root mean square over the range).
        over: the range on which they were compared, in words.
    """

    law: ForceLaw
    status: RecognitionStatus
    match: str | None
    alternatives: tuple[str, ...]
    nearest: Mapping[str, float]
    over: str

    def __str__(self) -> str:
        others = f"; over this range it is also {', '.join(self.alternatives)}" if self.alternatives else ""
        if self.status != "unknown":
            return f"{self.status}: {self.match}{others}"
        near = "; ".join(f"{name} is {distance:.2g} of the force away" for name, distance in self.nearest.items())
        return f"unknown: {near or 'no known law has this kind and direction'}"


def recognise(law: ForceLaw | str, distances: tuple[float, float] = RECOGNITION_RANGE) -> Recognition:
    """Whether a formula is a known law, and which: ``recognise("-3*m_i*m_j/(r + 0.01)**2")``.

    A number in it is taken as it is, a name that is no variable for 1; the constants of known laws are fitted to it.
    They are compared over ``distances`` between two particles, and from a centre, with speeds of order one, log-normal
    masses (and other properties), and charges of either sign. Properties that the formula does not name count as equal
    for all particles. Known is what differs by less than a thousandth of the force.

    Args:
        law: a law, or a text such as ``self velocity: -0.5``; see `gnn_discovery.laws.parser.parse_law`.
        distances: the least and the largest.

    Raises:
        UsageError: a kind of force or distances that are none.
        DataError: no formula, or one that is zero.
    """
    law = parse_law(law) if isinstance(law, str) else law
    low, high = distances
    if not 0 < low < high < float("inf"):
        raise UsageError(f"distances from {low:g} to {high:g}", remedy="Give the least and the largest, both positive")
    used = {name for term in law.terms for name in term.expression.names - set(term.constants)}
    properties = sorted({name[:-2] for name in used if name.endswith(("_i", "_j"))})
    law = replace(law, divides_by_mass=law.order == 2 and "m" in properties)
    scene = _synthetic_dataset(law, properties, low, high)
    said = force(law, scene)
    if not np.any(said[np.isfinite(said)]):
        raise DataError("is no force", where=str(law))
    found = compare_with_catalogue(law, scene)
    lacking = [part for part in found.channels if not part.matches] or found.channels
    nearest = {fit_label(fit): fit.deviation for part in lacking for fit in part.nearest[:_N_NEAREST]}
    words = [f"r from {low:g} to {high:g}", *(f"{name} {_DISTRIBUTION_TEXT[name == 'q']}" for name in properties)]
    status: RecognitionStatus = "unknown" if not found.matched else "ambiguous" if found.rivals else "known"
    others = (*found.rivals, *found.alternatives) if found.matched else ()
    return Recognition(law, status, found.match, others, nearest, ", ".join(words))


def _synthetic_dataset(law: ForceLaw, properties: Sequence[str], low: float, high: float) -> Dataset:
    """Instants of two particles, or of one where there is no pair force; log-uniform distances in all directions."""
    rng = np.random.default_rng(0)
    particles = 2 if any(term.kind == "pair" for term in law.terms) else 1
    names = {term.direction for term in law.terms} | {n for term in law.terms for n in term.expression.names}
    shape = (_SNAPSHOTS, particles, 3 if "z" in names else 2)
    steps = rng.normal(size=shape)
    steps *= np.geomspace(low, high, _SNAPSHOTS * particles).reshape(particles, _SNAPSHOTS).T[..., None] / _norm(steps)
    values = {
        n: rng.choice([-1.0, 1.0], shape[:2]) if n == "q" else np.exp(rng.normal(size=shape[:2])) for n in properties
    }
    receivers, senders = np.nonzero(~np.eye(particles, dtype=bool))
    return Dataset(
        positions=np.cumsum(rng.permutation(steps), axis=1),
        velocities=rng.normal(size=shape),
        target=np.zeros(shape),
        properties=values,
        present=np.ones(shape[:2], dtype=bool),
        run=np.arange(_SNAPSHOTS) // _SNAPSHOTS_PER_RUN,
        times=np.arange(_SNAPSHOTS, dtype=float),
        senders=senders,
        receivers=receivers,
        order=law.order,
    )


def _norm(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=-1, keepdims=True)
