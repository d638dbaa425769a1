"""Out of distribution: more particles, wider separations, heavier masses; how far law and network are off there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnn_discovery.law import ForceLaw
from gnn_discovery.law.evaluate import predict
from gnn_discovery.pipeline import DiscoverConfig, load
from gnn_discovery.snapshots import Snapshots, assemble, subsample

MORE, WIDER, HEAVIER = 2, 3.0, 10.0
"""Times as many particles, as far apart, as heavy."""
RUNS = 40
OTHER = 1_000_003
"""Added to the seed, so that the runs of more particles are none of those trained on."""
ROWS = 4000


def shifted(system: str, config: DiscoverConfig, test: Snapshots, truth: ForceLaw) -> dict[str, Snapshots]:
    """By name what is out of the distribution of the training runs, the true accelerations as target.

    More particles are simulated; the places of held-out snapshots are spread out and their masses raised.
    """
    asked = config.simulation
    many = replace(asked, runs=RUNS, particles=MORE * test.present.shape[1], seed=asked.seed + OTHER)
    more = assemble(load(system, many).trajectories, config.order, system)
    some = subsample(test, ROWS, config.seed)
    wider = replace(some, positions=WIDER * some.positions)
    heavier = replace(some, properties={**some.properties, "m": HEAVIER * some.properties["m"]})
    return {
        "more particles": subsample(more, ROWS, config.seed),
        "wider separations": replace(wider, target=predict(truth, wider)),
        "heavier masses": replace(heavier, target=predict(truth, heavier)),
    }


def error(said: np.ndarray, data: Snapshots) -> float:
    """Sum of |a error| over the sum of |a|: the mean error over the mean size."""
    return mean_error(said, data) / float(np.mean(np.linalg.norm(data.target, axis=-1)[data.present]))


def mean_error(said: np.ndarray, data: Snapshots) -> float:
    """Mean over particles of |a error|."""
    return float(np.mean(np.linalg.norm(said - data.target, axis=-1)[data.present]))
