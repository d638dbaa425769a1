"""Batches: which snapshots a step of training sees."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from gnn_discovery.data.dataset import Dataset

ACTS, FEW = 0.1, 0.2
"""Of the typical force: from where on it acts; and the share of snapshots below which such are few."""


def interacting_snapshots(train: Dataset, scale: float) -> Int[jax.Array, " B"] | None:
    """Those in which something acts, where there are few of them; ``scale`` is the typical force."""
    size = np.max(np.where(train.present, np.linalg.norm(train.force, axis=-1), 0.0), axis=1)
    busy = np.flatnonzero(size > ACTS * scale)
    return jnp.asarray(busy) if 0 < len(busy) < FEW * len(size) else None


def draw_batch(key: jax.Array, size: int, count: int, busy: Int[jax.Array, " B"] | None) -> Int[jax.Array, " size"]:
    """A batch of ``count`` snapshots, drawn with replacement; where few are ``is_active``, half of it from these."""
    index = jax.random.randint(key, (size,), 0, count)
    return index if busy is None else index.at[: size // 2].set(busy[index[: size // 2] % len(busy)])
