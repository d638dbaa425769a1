"""The choice of the snapshots of each batch, with oversampling where interactions are rare."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset
from gnn_discovery.gnn.graph import pad_rows

IndexSet = tuple[Int[jax.Array, " R"], Int[jax.Array, ""]]
"""Indices, below them padding, and their number."""


def interacting_snapshots(train: Dataset, scale: float, *, criteria: Criteria = DEFAULT_CRITERIA) -> IndexSet | None:
    """Return the snapshots in which some force exceeds a fraction of the typical one, if these are rare.

    Args:
        train: the training runs.
        scale: the typical force.
        criteria: the fields ``training.interaction_threshold`` and ``training.max_rare_fraction`` decide.

    Returns:
        Indices of the snapshots to oversample; None where there are none, or where they are not rare.
    """
    limits = criteria.training
    size = np.max(np.where(train.present, np.linalg.norm(train.force, axis=-1), 0.0), axis=1)
    interacting = np.flatnonzero(size > limits.interaction_threshold * scale)
    is_rare = 0 < len(interacting) < limits.max_rare_fraction * len(size)
    return (jnp.asarray(pad_rows(interacting)), jnp.asarray(len(interacting))) if is_rare else None


def draw_batch(
    key: jax.Array,
    size: int,
    count: Int[jax.Array, ""],
    interacting: IndexSet | None,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> Int[jax.Array, " size"]:
    """Return the indices of a batch of snapshots, drawn with replacement.

    Args:
        key: the random key.
        size: the number of snapshots in the batch.
        count: the number of all snapshots.
        interacting: the snapshots to oversample; None draws all alike.
        criteria: the field ``training.oversampled_fraction`` is the part of the batch that is drawn from these.
    """
    index = jax.random.randint(key, (size,), 0, count)
    if interacting is None:
        return index
    part = int(criteria.training.oversampled_fraction * size)
    rare, n_rare = interacting
    return index.at[:part].set(rare[index[:part] % n_rare])
