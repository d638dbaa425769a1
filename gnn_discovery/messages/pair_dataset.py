"""The motion of two bodies alone, as a network says it: what its law is fitted to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.messages.gauge import Messages


def pair_dataset(
    sample: Dataset, messages: Messages, *, faint: float = 0.0, own: bool = False, particular: bool = False
) -> Dataset:
    """Each pair of ``sample`` by itself: two particles where they were, the target what ``messages`` says of it.

    A law that is fitted to it is the network's, whatever the motion does.

    Args:
        messages: read at all pairs of ``sample``.
        faint: part of the whole force on the receiver; pairs that say no more either way are left out.
        own: whether each particle also does to itself what ``messages`` says.
        particular: whether the bodies are particular ones, whose inferred properties are sought: then each keeps its
            place among the N, and all but two are absent.
    """
    there = sample.pair_present()
    force = np.zeros((*there.shape, sample.dim))
    force[there] = messages.pair.contributions
    seen = np.zeros(there.shape, bool)
    seen[there] = np.linalg.norm(messages.pair.contributions, axis=-1) > faint * messages.pair.total
    if own:
        alone = np.zeros_like(sample.positions)
        alone[sample.present] = messages.own.contributions
        force += alone[:, sample.receivers]
    number = {pair: k for k, pair in enumerate(zip(sample.receivers.tolist(), sample.senders.tolist(), strict=True))}
    both = [(k, number[j, i]) for (i, j), k in number.items() if i < j and (j, i) in number]
    one, other = np.array(both, int).reshape(-1, 2).T
    i, j = sample.receivers[one], sample.senders[one]
    s, e = np.nonzero(seen[:, one] | seen[:, other])
    ends = np.stack([i[e], j[e]], -1)
    at = (s[:, None], ends)
    x = sample.positions[at]
    x[:, 0] = x[:, 1] + sample.separation()[s, one[e]]
    f = np.stack([force[s, one[e]], force[s, other[e]]], 1)
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
        kernel=None,
        weak_form_valid=None,
        weak_form=None,
    )
    return _with_original_indices(pairs, sample, ends) if particular else pairs


def _with_original_indices(pairs: Dataset, sample: Dataset, ends: np.ndarray) -> Dataset:
    """The pairs with each body in its own place among the N, where it stands by number."""
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
