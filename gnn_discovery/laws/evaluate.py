"""The force that a law gives, on a data set or on plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.errors import DataError
from gnn_discovery.laws.term import ForceLawLike, Term
from gnn_discovery.laws.term_evaluator import TermEvaluator, iterate_blocks
from gnn_discovery.messages.table import MessageTable


def all_pairs(particles: int) -> tuple[np.ndarray, np.ndarray]:
    """Return senders and receivers, (E,) each, of every ordered pair of ``particles`` particles."""
    receivers, senders = np.nonzero(~np.eye(particles, dtype=bool))
    return senders, receivers


def with_latent_properties(law: ForceLawLike, data: Dataset) -> Dataset:
    """Return the data with the inferred properties of the law added.

    Args:
        law: the law that holds the properties.
        data: data of the same particles in the same order; a property that they have already stays.

    Raises:
        DataError: the law holds a property of another number of particles.
    """
    count, size = data.present.shape
    extra = {}
    for name, latent in law.latent.items():
        if name in data.properties:
            continue
        if len(latent.values) != size:
            raise DataError(
                f"the law holds {name!r} of {len(latent.values)} particles, the data have {size}",
                remedy=f"give the property {name!r}",
            )
        extra[name] = np.broadcast_to(latent.values, (count, size))
    return replace(data, properties={**data.properties, **extra}) if extra else data


def term_force(term: Term, data: Dataset) -> Float[np.ndarray, "S N D"]:
    """Return the force of one term on every particle.

    Args:
        term: the term, with its constants.
        data: S instants of N particles in D dimensions, with the properties that the term needs.
    """
    parts = [np.swapaxes(TermEvaluator(block).force(term), 0, 1) for block in iterate_blocks(data)]
    return np.concatenate(parts) if parts else np.zeros_like(data.positions)


def force(law: ForceLawLike, data: Dataset) -> Float[np.ndarray, "S N D"]:
    """Return the sum of all terms: the force where the law divides by mass, else the target itself.

    Args:
        law: the law.
        data: S instants of N particles in D dimensions.

    Raises:
        DataError: a property is missing, or two interacting particles are at one place.
    """
    data = with_latent_properties(law, data)
    total = np.zeros_like(data.positions)
    for term in law.terms:
        total += term_force(term, data)
    return total


def predict_with_law(law: ForceLawLike, data: Dataset) -> Float[np.ndarray, "S N D"]:
    """Return the prediction of ``data.target``: accelerations (order 2) or velocities (order 1).

    Args:
        law: the law.
        data: S instants of N particles in D dimensions.

    Raises:
        DataError: a property is missing, or two interacting particles are at one place.
    """
    total = force(law, data)
    if not law.divides_by_mass:
        return total
    if not data.has_mass:
        raise DataError("the law divides by the mass, the data have no 'm'", remedy="give the property 'm'")
    return total / np.where(data.present, data.properties["m"], 1.0)[..., None]


def acceleration(
    law: ForceLawLike,
    positions: np.ndarray,
    velocities: np.ndarray | None = None,
    properties: Mapping[str, np.ndarray] | None = None,
    edges: np.ndarray | None = None,
    box: np.ndarray | None = None,
    cutoff: float | None = None,
) -> np.ndarray:
    """Return the acceleration of each particle; its velocity where ``law.order`` is 1.

    Args:
        law: the law.
        positions: (..., N, D) positions.
        velocities: (..., N, D) velocities; needed where the law depends on them.
        properties: properties by name, (N,) or (..., N).
        edges: (E, 2) sender and receiver of each pair; every pair by default.
        box: (D,) side lengths where space is periodic.
        cutoff: distance beyond which pairs do not interact.

    Returns:
        (..., N, D) accelerations or velocities.

    Raises:
        DataError: a shape is wrong, a property or the velocities are missing, or two particles are at one place.
    """
    positions = np.asarray(positions, dtype=float)
    if positions.ndim < 2:
        raise DataError(f"positions must have shape (..., N, D), got {positions.shape}")
    lead, (particles, dim) = positions.shape[:-2], positions.shape[-2:]
    count = int(np.prod(lead))
    if velocities is None:
        if depends_on_velocity(law):
            raise DataError("the law depends on velocities, none are given", remedy="pass velocities (..., N, D)")
        velocities = np.zeros_like(positions)
    velocities = np.asarray(velocities, dtype=float)
    if velocities.shape != positions.shape:
        raise DataError(f"velocities have shape {velocities.shape}, positions {positions.shape}")
    values = {}
    for name, value in (properties or {}).items():
        value = np.asarray(value, dtype=float)
        if value.shape not in ((), (particles,), (*lead, particles)):
            raise DataError(f"property {name!r} has shape {value.shape}, expected ({particles},) or (..., {particles})")
        values[name] = np.broadcast_to(value, (*lead, particles)).reshape(count, particles)
    if edges is None:
        senders, receivers = all_pairs(particles)
    else:
        senders, receivers = np.asarray(edges, dtype=int).reshape(-1, 2).T
    data = Dataset(
        positions=positions.reshape(count, particles, dim),
        velocities=velocities.reshape(count, particles, dim),
        target=np.zeros((count, particles, dim)),
        properties=values,
        present=np.ones((count, particles), dtype=bool),
        run=np.zeros(count, dtype=int),
        times=np.arange(count, dtype=float),
        senders=senders,
        receivers=receivers,
        box=None if box is None else np.asarray(box, dtype=float),
        cutoff=cutoff,
        order=law.order,
    )
    return predict_with_law(law, data).reshape(positions.shape)


def depends_on_velocity(law: ForceLawLike) -> bool:
    """Return True where any term depends on the velocities of the particles."""
    return any(
        term.expression.names & {"v", "v_r"}
        or term.direction == "velocity"
        or (term.direction == "transverse" and term.kind == "self")
        for term in law.terms
    )


def law_pair_force(law: ForceLawLike, table: MessageTable) -> Float[np.ndarray, "K D"]:
    """Return the force of the pair terms for each row of a message table.

    Args:
        law: the law, of which only the pair terms take part.
        table: K pairs; each row is evaluated as an instant of two particles, the receiver first.

    Raises:
        DataError: a property is missing from the table, or two particles are at one place.
    """
    rows, origin = len(table.position), np.zeros_like(table.position)
    bare = sorted({name[:-2] for name in table.properties})
    nothing = np.zeros(rows)
    columns = {n: np.stack([table.properties.get(f"{n}_{end}", nothing) for end in "ij"], axis=1) for n in bare}
    pairs = Dataset(
        positions=np.stack([table.position, origin], axis=1),
        velocities=np.stack([table.velocity, origin], axis=1),
        target=np.zeros((rows, 2, table.position.shape[1])),
        properties=columns,
        present=np.ones((rows, 2), dtype=bool),
        run=np.zeros(rows, dtype=int),
        times=np.zeros(rows),
        senders=np.array([1]),
        receivers=np.array([0]),
        order=law.order,
    )
    total = np.zeros_like(pairs.positions)
    for term in law.terms:
        if term.kind == "pair":
            total += term_force(term, pairs)
    return total[:, 0]
