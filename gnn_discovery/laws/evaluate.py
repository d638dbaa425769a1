"""The force of a law, on snapshots or on plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.errors import DataError
from gnn_discovery.laws.law import ForceLaw, Term
from gnn_discovery.laws.term_evaluator import TermEvaluator, iterate_blocks
from gnn_discovery.messages.table import MessageTable


def all_pairs(particles: int) -> tuple[np.ndarray, np.ndarray]:
    """Senders and receivers of every ordered pair."""
    receivers, senders = np.nonzero(~np.eye(particles, dtype=bool))
    return senders, receivers


def with_latent_properties(law: ForceLaw, data: Dataset) -> Dataset:
    """``data`` with the law's inferred properties added, for bodies in the same order."""
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
    """Force of one term on every particle; properties must be in ``data``."""
    parts = [np.swapaxes(TermEvaluator(block).force(term), 0, 1) for block in iterate_blocks(data)]
    return np.concatenate(parts) if parts else np.zeros_like(data.positions)


def force(law: ForceLaw, data: Dataset) -> Float[np.ndarray, "S N D"]:
    """Sum of the terms: the force where the law divides by mass, else the target itself.

    Raises:
        DataError: a property is missing, or two interacting particles are at one place.
    """
    data = with_latent_properties(law, data)
    total = np.zeros_like(data.positions)
    for term in law.terms:
        total += term_force(term, data)
    return total


def predict_with_law(law: ForceLaw, data: Dataset) -> Float[np.ndarray, "S N D"]:
    """What the law says of ``data.target``: accelerations (order 2) or velocities (order 1)."""
    total = force(law, data)
    if not law.divides_by_mass:
        return total
    if not data.has_mass:
        raise DataError("the law divides by the mass, the data have no 'm'", remedy="give the property 'm'")
    return total / np.where(data.present, data.properties["m"], 1.0)[..., None]


def acceleration(
    law: ForceLaw,
    positions: np.ndarray,
    velocities: np.ndarray | None = None,
    properties: Mapping[str, np.ndarray] | None = None,
    edges: np.ndarray | None = None,
    box: np.ndarray | None = None,
    cutoff: float | None = None,
) -> np.ndarray:
    """The law's acceleration (its velocity when ``law.order`` is 1) of each particle.

    Args:
        positions: (..., N, D).
        velocities: as positions; needed when the law depends on them.
        properties: by name, (N,) or (..., N).
        edges: (E, 2) sender, receiver; every pair by default.
        box: (D,) when periodic.
        cutoff: distance beyond which pairs do not interact.

    Raises:
        DataError: a wrong shape, a missing property or velocity, or two particles at one place.
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


def depends_on_velocity(law: ForceLaw) -> bool:
    """Whether any term depends on how fast the particles move."""
    return any(
        term.expression.names & {"v", "v_r"}
        or term.direction == "velocity"
        or (term.direction == "transverse" and term.kind == "self")
        for term in law.terms
    )


def law_pair_force(law: ForceLaw, table: MessageTable) -> Float[np.ndarray, "K D"]:
    """Force of the pair terms for each row of a table: K snapshots of two particles, the receiver first."""
    rows, nowhere = len(table.position), np.zeros_like(table.position)
    bare = sorted({name[:-2] for name in table.properties})
    nothing = np.zeros(rows)
    columns = {n: np.stack([table.properties.get(f"{n}_{end}", nothing) for end in "ij"], axis=1) for n in bare}
    pairs = Dataset(
        positions=np.stack([table.position, nowhere], axis=1),
        velocities=np.stack([table.velocity, nowhere], axis=1),
        target=np.zeros((rows, 2, table.position.shape[1])),
        properties=columns,
        present=np.ones((rows, 2), dtype=bool),
        run=np.zeros(rows, dtype=int),
        times=np.zeros(rows),
        senders=np.array([1]),
        receivers=np.array([0]),
        order=law.order,
    )
    terms = tuple(term for term in law.terms if term.kind == "pair")
    return force(replace(law, terms=terms, latent={}), pairs)[:, 0]
