"""Out of distribution: more particles, wider separations, heavier masses; how far law and network are off there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnn_discovery.data.dataset import Dataset, assemble_dataset, subsample_dataset
from gnn_discovery.laws.evaluate import predict_with_law
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.pipeline import DiscoverConfig, load_motion

MORE, WIDER, HEAVIER = 2, 3.0, 10.0
"""Times as many particles, as far apart, as heavy."""
N_EXTRA_RUNS = 40
SEED_OFFSET = 1_000_003
"""Added to the seed, so that the runs of more particles are none of those trained on."""
TEST_ROW_LIMIT = 4000


def shifted_test_sets(system: str, config: DiscoverConfig, test: Dataset, truth: ForceLaw) -> dict[str, Dataset]:
    """By name what is out of the distribution of the training runs, the true accelerations as target.

    More particles are simulated; the places of held-out snapshots are spread out and their masses raised.
    """
    asked = config.simulation
    many = replace(asked, runs=N_EXTRA_RUNS, particles=MORE * test.present.shape[1], seed=asked.seed + SEED_OFFSET)
    more = assemble_dataset(load_motion(system, many).trajectories, config.order, system)
    some = subsample_dataset(test, TEST_ROW_LIMIT, config.seed)
    wider = replace(some, positions=WIDER * some.positions)
    heavier = replace(some, properties={**some.properties, "m": HEAVIER * some.properties["m"]})
    return {
        "more particles": subsample_dataset(more, TEST_ROW_LIMIT, config.seed),
        "wider separations": replace(wider, target=predict_with_law(truth, wider)),
        "heavier masses": replace(heavier, target=predict_with_law(truth, heavier)),
    }


def normalised_mean_error(said: np.ndarray, data: Dataset) -> float:
    """Sum of |a error| over the sum of |a|: the mean error over the mean size."""
    return mean_acceleration_error(said, data) / float(np.mean(np.linalg.norm(data.target, axis=-1)[data.present]))


def mean_acceleration_error(said: np.ndarray, data: Dataset) -> float:
    """Mean over particles of |a error|."""
    return float(np.mean(np.linalg.norm(said - data.target, axis=-1)[data.present]))
