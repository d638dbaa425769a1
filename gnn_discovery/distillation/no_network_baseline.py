"""This module makes message tables without a network; they are the baseline of a benchmark.

A sum of additive components with spline profiles is fitted to the observed force on each particle. It takes the place
of the network, and its contributions are distilled like messages. No step of a discovery uses it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset, subsample_dataset
from gnn_discovery.distillation.additive_fit import AdditiveFit
from gnn_discovery.distillation.additive_structure import search_structures
from gnn_discovery.messages.table import MessageTable


def tables_without_network(
    data: Dataset, seed: int = 0, *, criteria: Criteria = DEFAULT_CRITERIA
) -> tuple[MessageTable, MessageTable]:
    """Return the contributions of pairs, and of each particle to itself, by additive components.

    The self contribution is what the pairs leave of the observed force.

    Args:
        data: observed motion; about three times ``structure.max_rows`` receivers are used.
        seed: seed of the subsample.
        criteria: the stage ``structure`` is used.

    Returns:
        The pair table and the self table.
    """
    _, n_particles = data.present.shape
    data = subsample_dataset(data, max(1, 3 * criteria.structure.max_rows // n_particles), seed)
    count = len(data.run)
    receivers, senders = np.tile(data.receivers, count), np.tile(data.senders, count)
    sum_index = (n_particles * np.arange(count)[:, None] + data.receivers).ravel()
    force = data.force.reshape(count * n_particles, data.dim)
    size = np.linalg.norm(force, axis=-1)
    total = size + (float(np.median(size)) or 1.0)
    pair_properties = {
        f"{name}_{end}": values[:, edges].ravel()
        for name, values in data.properties.items()
        for end, edges in (("i", data.receivers), ("j", data.senders))
    }
    velocity = data.velocities[:, data.receivers] - data.velocities[:, data.senders]
    position, velocity = data.separation().reshape(-1, data.dim), velocity.reshape(-1, data.dim)
    empty = MessageTable(
        "pair", position, velocity, pair_properties, receivers, senders, np.zeros_like(position), total[sum_index]
    )
    present = np.flatnonzero(data.pair_present())
    empty, sum_index = empty.select(present), sum_index[present]
    fit = AdditiveFit(empty, force, sum_index, criteria=criteria)
    parts = fit.profiles(search_structures(fit, criteria=criteria)[-1].components)
    pair_force = np.sum([value[:, None] * vector for value, vector in parts], axis=0)
    residual = force.copy()
    np.subtract.at(residual, sum_index, pair_force)
    particles = np.tile(np.arange(n_particles), count)
    self_properties = {f"{name}_i": values.ravel() for name, values in data.properties.items()}
    states = (data.positions.reshape(-1, data.dim), data.velocities.reshape(-1, data.dim))
    return (
        replace(empty, contributions=pair_force),
        MessageTable("self", *states, self_properties, particles, particles, residual, total),
    )
