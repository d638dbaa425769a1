"""The dataset of isolated pairs: the motion of two bodies alone, as a network states it, to which its law is fitted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.data.dataset.observation import POINTWISE
from gnn_discovery.messages.gauge import Messages


def pair_dataset(
    sample: Dataset,
    messages: Messages,
    *,
    detection_limit: float = 0.0,
    with_self_force: bool = False,
    keep_particle_indices: bool = False,
) -> Dataset:
    """Return each pair of a dataset by itself: two particles at their places, whose target is what the messages say.

    A law that is fitted to it is the law of the network, whatever the observed motion is.

    Args:
        sample: Snapshots (S N D) with E edges.
        messages: Messages that were read at all pairs of ``sample``.
        detection_limit: Fraction of the total force on the receiver; a pair is left out if its contributions in both
            directions are below it.
        with_self_force: True adds the force of each particle on itself.
        keep_particle_indices: True keeps each body at its own index among the N and marks all others as absent;
            inferred properties of single bodies need it. False gives two particles for each pair.

    Returns:
        One snapshot (2 D, or N D) for each instant and pair.
    """
    present = sample.pair_present()
    force = np.zeros((*present.shape, sample.dim))
    force[present] = messages.pair.contributions
    visible = np.zeros(present.shape, bool)
    visible[present] = np.linalg.norm(messages.pair.contributions, axis=-1) > detection_limit * messages.pair.total
    if with_self_force:
        self_force = np.zeros_like(sample.positions)
        self_force[sample.present] = messages.self_force.contributions
        force += self_force[:, sample.receivers]
    edge_of = {pair: k for k, pair in enumerate(zip(sample.receivers.tolist(), sample.senders.tolist(), strict=True))}
    both_ways = [(k, edge_of[j, i]) for (i, j), k in edge_of.items() if i < j and (j, i) in edge_of]
    forward, backward = np.array(both_ways, int).reshape(-1, 2).T
    i, j = sample.receivers[forward], sample.senders[forward]
    s, e = np.nonzero(visible[:, forward] | visible[:, backward])
    ends = np.stack([i[e], j[e]], -1)
    at = (s[:, None], ends)
    x = sample.positions[at]
    x[:, 0] = x[:, 1] + sample.separation()[s, forward[e]]
    f = np.stack([force[s, forward[e]], force[s, backward[e]]], 1)
    pairs = replace(
        sample,
        positions=x,
        velocities=sample.velocities[at],
        target=f / sample.properties["m"][at][..., None] if sample.has_mass else f,
        properties={name: values[at] for name, values in sample.properties.items()},
        present=np.ones((len(s), 2), bool),
        run=sample.run[s],
        times=sample.times[s],
        senders=np.array([1, 0]),
        receivers=np.array([0, 1]),
        box=None,
        cutoff=None,
        noise=0.0,
        names=None,
        observation=POINTWISE,
        weak_form=None,
    )
    return _with_original_indices(pairs, sample, ends) if keep_particle_indices else pairs


def _with_original_indices(pairs: Dataset, sample: Dataset, ends: np.ndarray) -> Dataset:
    """Return the pairs with each body at its own index among the N, given by ``ends`` (K 2)."""
    count, particles = len(pairs.run), sample.present.shape[1]

    def spread(values: np.ndarray) -> np.ndarray:
        out = np.zeros((count, particles, *values.shape[2:]), values.dtype)
        out[np.arange(count)[:, None], ends] = values
        return out

    return replace(
        pairs,
        positions=spread(pairs.positions),
        velocities=spread(pairs.velocities),
        target=spread(pairs.target),
        properties={name: spread(values) for name, values in pairs.properties.items()},
        present=spread(pairs.present),
        senders=sample.senders,
        receivers=sample.receivers,
        names=sample.names,
    )
