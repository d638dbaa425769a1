"""Functions that thin out a dataset: at random, to a number of pairs, or evenly."""

from __future__ import annotations

import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset.dataset import Dataset
from gnn_discovery.data.dataset.observation import IncrementObservation


def subsample_dataset(dataset: Dataset, count: int, seed: int = 0, *, min_segments: int = 12) -> Dataset:
    """Draw about ``count`` instants at random and keep them in the order of the data.

    Motion in weak form is drawn in contiguous segments of two windows each, as its averages need their neighbours.

    Args:
        dataset: the instants to draw from; all of them are returned if there are no more than ``count``.
        count: number of instants to draw.
        seed: seed of the random numbers.
        min_segments: number of segments that are drawn at least from motion in weak form, so that a sample with a
            wide kernel does not come from one place.
    """
    total, rng = len(dataset.run), np.random.default_rng(seed)
    if total <= count:
        return dataset
    if dataset.observation.window == 1:
        return dataset.select(np.sort(rng.choice(total, count, replace=False)))
    length = 2 * dataset.observation.window
    segments = -(-total // length)
    chosen = rng.choice(segments, min(segments, max(min_segments, count // length)), replace=False)
    return dataset.select(np.isin(np.arange(total) // length, chosen))


def subsample_pairs(
    dataset: Dataset, max_pairs: int, seed: int = 0, *, criteria: Criteria = DEFAULT_CRITERIA
) -> Dataset:
    """Draw snapshots at random, in their order, so that their pairs number about ``max_pairs``.

    Args:
        dataset: the instants to draw from.
        max_pairs: number of snapshots times the number of pairs, or of particles where there are more of these;
            instants of a path between two frames count as one. Of increments
            ``estimation.increments_per_pair`` times as many are drawn.
        seed: seed of the random numbers.
        criteria: at least ``estimation.min_snapshots`` snapshots are drawn.
    """
    if isinstance(dataset.observation, IncrementObservation):
        max_pairs *= criteria.estimation.increments_per_pair
    count = max_pairs // max(1, len(dataset.receivers), dataset.positions.shape[1])
    return subsample_dataset(
        dataset, dataset.observation.substeps * max(criteria.estimation.min_snapshots, count), seed
    )


def thin_snapshots(dataset: Dataset, count: int) -> Dataset:
    """Return at most ``count`` snapshots, evenly spread.

    Args:
        dataset: the instants; all of them are returned if there are no more than ``count``.
        count: largest number of snapshots.
    """
    size = len(dataset.run)
    return dataset if size <= count else dataset.select(np.linspace(0, size - 1, count).astype(int))
