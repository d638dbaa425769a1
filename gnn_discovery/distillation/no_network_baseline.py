"""The same regression with no network: what the observed motion gives away without one.

A sum of channels with spline profiles is fitted to the observed force on each particle; it takes the place of the
network, and its contributions go the same way as messages. A benchmark's yardstick, not a step of a discovery.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnn_discovery.data.dataset import Dataset, subsample_dataset
from gnn_discovery.distillation.additive_fit import AdditiveFit
from gnn_discovery.distillation.additive_structure import ROWS, search_structures
from gnn_discovery.messages.table import MessageTable


def tables_without_network(data: Dataset, seed: int = 0) -> tuple[MessageTable, MessageTable]:
    """Contributions of pairs, and of each particle to itself, by sums of channels instead of a network."""
    count, particles = data.present.shape
    data = subsample_dataset(data, max(1, 3 * ROWS // particles), seed)
    count = len(data.run)
    receivers, senders = np.tile(data.receivers, count), np.tile(data.senders, count)
    owner = (particles * np.arange(count)[:, None] + data.receivers).ravel()
    force = data.force.reshape(count * particles, data.dim)
    size = np.linalg.norm(force, axis=-1)
    total = size + (float(np.median(size)) or 1.0)
    both = {f"{k}_{end}": v[:, e].ravel() for k, v in data.properties.items() for end, e in _pair_ends(data)}
    velocity = data.velocities[:, data.receivers] - data.velocities[:, data.senders]
    position, velocity = data.separation().reshape(-1, data.dim), velocity.reshape(-1, data.dim)
    blank = MessageTable("pair", position, velocity, both, receivers, senders, np.zeros_like(position), total[owner])
    here = np.flatnonzero(data.pair_present())
    blank, owner = blank.select(here), owner[here]
    fit = AdditiveFit(blank, force, owner)
    parts = fit.profiles(search_structures(fit)[-1].channels)
    pairs = np.sum([value[:, None] * vector for value, vector in parts], axis=0)
    rest = force.copy()
    np.subtract.at(rest, owner, pairs)
    alone = np.tile(np.arange(particles), count)
    mine = {f"{k}_i": v.ravel() for k, v in data.properties.items()}
    flat = (data.positions.reshape(-1, data.dim), data.velocities.reshape(-1, data.dim))
    return (
        replace(blank, contributions=pairs),
        MessageTable("self", *flat, mine, alone, alone, rest, total),
    )


def _pair_ends(data: Dataset) -> tuple[tuple[str, np.ndarray], ...]:
    return (("i", data.receivers), ("j", data.senders))
