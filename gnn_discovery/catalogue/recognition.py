"""Recognition: a formula is compared with the catalogue where there is no motion to hold it against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gnn_discovery.catalogue.equivalence import compare_with_catalogue, fit_label
from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset
from gnn_discovery.errors import DataError, UsageError
from gnn_discovery.laws.evaluate import force
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.parser import parse_law

RecognitionStatus = Literal["known", "ambiguous", "unknown"]


@dataclass(frozen=True)
class Recognition:
    """The conclusion about a formula. It is never ``candidate``: for that there must be motion.

    Attributes:
        law: the formula as a law.
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


def recognise(
    law: ForceLaw | str, distances: tuple[float, float] | None = None, *, criteria: Criteria = DEFAULT_CRITERIA
) -> Recognition:
    """Tell which known law a formula is, if any: ``recognise("-3*m_i*m_j/(r + 0.01)**2")``.

    A number in it is taken as it is, a name that is no variable for 1; the constants of known laws are fitted to it.
    They are compared over ``distances`` between two particles, and from a centre, with speeds of order one, log-normal
    masses (and other properties), and charges of either sign. Properties that the formula does not name count as equal
    for all particles. A formula is known where it differs by less than a thousandth of the force.

    Args:
        law: a law, or a text such as ``self velocity: -0.5``; see `gnn_discovery.laws.parser.parse_law`.
        distances: the smallest and the largest; by default those of the criteria, 0.1 and 10.
        criteria: the numbers that decide.

    Raises:
        UsageError: a kind of force or distances that are none.
        DataError: no formula, one that is zero, or one that has no value over most of the range.
    """
    numbers = criteria.equivalence
    law = parse_law(law) if isinstance(law, str) else law
    low, high = distances or (numbers.recognition_min_distance, numbers.recognition_max_distance)
    if not 0 < low < high < float("inf"):
        raise UsageError(f"distances from {low:g} to {high:g}", remedy="Give the least and the largest, both positive")
    used = {name for term in law.terms for name in term.expression.names - set(term.constants)}
    properties = sorted({name[:-2] for name in used if name.endswith(("_i", "_j"))})
    law = replace(law, divides_by_mass=law.order == 2 and "m" in properties)
    data = _synthetic_dataset(law, properties, low, high, criteria)
    values = force(law, data)
    if not np.any(values[np.isfinite(values)]):
        raise DataError("is no force", where=str(law))
    finite = float(np.isfinite(values).all(axis=-1).mean())
    if finite < numbers.recognition_min_finite_share:
        raise DataError(
            f"is finite at {finite:.2g} of the distances from {low:g} to {high:g}: it is no force",
            where=str(law),
            remedy="Give a formula that has a value there, or other distances",
        )
    comparison = compare_with_catalogue(law, data, criteria=criteria)
    unmatched = [part for part in comparison.components if not part.matches] or comparison.components
    n_named = 3  # of the nearest known laws
    nearest = {fit_label(fit): fit.deviation for part in unmatched for fit in part.nearest[:n_named]}
    drawn = [f"{name} {'of either sign' if name == 'q' else 'log-normal'}" for name in properties]
    over = ", ".join([f"r from {low:g} to {high:g}", *drawn])
    status: RecognitionStatus = "unknown" if not comparison.matched else "ambiguous" if comparison.rivals else "known"
    others = (*comparison.rivals, *comparison.alternatives) if comparison.matched else ()
    return Recognition(law, status, comparison.match, others, nearest, over)


def _synthetic_dataset(
    law: ForceLaw, properties: Sequence[str], low: float, high: float, criteria: Criteria
) -> Dataset:
    """Return snapshots of two particles, or of one where there is no pair force.

    Distances from ``low`` to ``high`` are log-uniform, in all directions.
    """
    rng = np.random.default_rng(0)
    count, per_run = criteria.equivalence.recognition_snapshots, 30
    particles = 2 if any(term.kind == "pair" for term in law.terms) else 1
    names = {term.direction for term in law.terms} | {n for term in law.terms for n in term.expression.names}
    shape = (count, particles, 3 if "z" in names else 2)
    steps = rng.normal(size=shape)
    distances = np.geomspace(low, high, count * particles).reshape(particles, count).T
    steps *= distances[..., None] / np.linalg.norm(steps, axis=-1, keepdims=True)
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
        run=np.arange(count) // per_run,
        times=np.arange(count, dtype=float),
        senders=senders,
        receivers=receivers,
        order=law.order,
    )
