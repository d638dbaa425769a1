"""Make test sets out of the distribution of the training runs, and measure the error of law and network on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from gnn_discovery.data.dataset import Dataset, assemble_dataset, subsample_dataset
from gnn_discovery.laws.evaluate import predict_with_law
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.pipeline import DiscoverConfig, load_motion
from gnn_discovery_replication.criteria import DEFAULT_RECOVERY_CRITERIA, RecoveryCriteria

_SEED_OFFSET = 1_000_003
"""This is added to the seed, so that the runs of more particles are none of those trained on."""


def shifted_test_sets(
    system: str,
    config: DiscoverConfig,
    test: Dataset,
    truth: ForceLaw,
    *,
    runs: int = 40,
    rows: int = 4000,
    criteria: RecoveryCriteria = DEFAULT_RECOVERY_CRITERIA,
) -> dict[str, Dataset]:
    """Return test sets with more particles, wider separations and heavier masses, true accelerations as target.

    Runs with more particles are simulated; for the others the positions of held-out snapshots are scaled, or their
    masses.

    Args:
        system: name of the built-in system.
        config: settings of the cell.
        test: held-out snapshots (S N D).
        truth: the true law.
        runs: number of runs with more particles.
        rows: limit of the rows of each set.
        criteria: the factors.
    """
    simulation = config.simulation
    n_particles = criteria.particle_factor * test.present.shape[1]
    larger = replace(simulation, runs=runs, particles=n_particles, seed=simulation.seed + _SEED_OFFSET)
    more = assemble_dataset(load_motion(system, larger).trajectories, test.order, system)
    sample = subsample_dataset(test, rows, config.seed)
    wider = replace(sample, positions=criteria.separation_factor * sample.positions)
    masses = criteria.mass_factor * sample.properties["m"]
    heavier = replace(sample, properties={**sample.properties, "m": masses})
    return {
        "more particles": subsample_dataset(more, rows, config.seed),
        "wider separations": replace(wider, target=predict_with_law(truth, wider)),
        "heavier masses": replace(heavier, target=predict_with_law(truth, heavier)),
    }


def normalised_mean_error(prediction: Float[np.ndarray, "S N D"], data: Dataset) -> float:
    """Return the sum of |residual| over the sum of |target|.

    Args:
        prediction: (S N D) predicted targets.
        data: the snapshots; particles that are not present do not count.
    """
    size = float(np.mean(np.linalg.norm(data.target, axis=-1)[data.present]))
    return mean_acceleration_error(prediction, data) / size


def mean_acceleration_error(prediction: Float[np.ndarray, "S N D"], data: Dataset) -> float:
    """Return the mean of |residual| over particles, in the unit of the target.

    Args:
        prediction: (S N D) predicted targets.
        data: the snapshots; particles that are not present do not count.
    """
    return float(np.mean(np.linalg.norm(prediction - data.target, axis=-1)[data.present]))
