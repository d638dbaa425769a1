"""Runs stacked into one Dataset: all frames of all runs, padded to the particles of the largest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from gnn_discovery.criteria import Criteria
from gnn_discovery.data.dataset.dataset import Dataset
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.types import Order


def stack_runs(runs: Sequence[Trajectory], blocks: Sequence[np.ndarray], order: Order, noise: float) -> Dataset:
    """Stack all frames of all runs, padded to the particles of the largest; ``blocks`` label the frames.

    For order 1 all velocities are zero: a law that states the velocity cannot depend on it.
    """
    first, n_particles = runs[0], max(run.positions.shape[1] for run in runs)
    lengths = [len(run.times) for run in runs]
    senders, receivers = _pairs(runs)

    def property_of_instants(name: str) -> np.ndarray:
        rows = [np.append(run.properties[name], np.ones(n_particles - run.positions.shape[1])) for run in runs]
        return np.repeat(np.array(rows), lengths, axis=0)

    targets = [run.accelerations if order == 2 else run.velocities for run in runs]
    velocities = [run.velocities if order == 2 else np.zeros_like(run.positions) for run in runs]
    return Dataset(
        positions=np.concatenate([pad_particles(run.positions, n_particles, separate=True) for run in runs]),
        velocities=np.concatenate([pad_particles(velocity, n_particles) for velocity in velocities]),
        target=np.concatenate([pad_particles(target, n_particles) for target in targets]),
        properties={name: property_of_instants(name) for name in first.properties},
        present=np.repeat([np.arange(n_particles) < run.positions.shape[1] for run in runs], lengths, axis=0),
        run=np.concatenate(blocks),
        times=np.concatenate([run.times for run in runs]),
        senders=senders,
        receivers=receivers,
        box=first.box,
        cutoff=first.cutoff,
        order=order,
        noise=noise,
        names=first.names if all(run.names == first.names for run in runs) else None,
        units=dict(first.units) or None,
    )


def _pairs(runs: Sequence[Trajectory]) -> tuple[np.ndarray, np.ndarray]:
    """Return senders and receivers, in both directions: all pairs of the largest run, or its edges."""
    largest = max(runs, key=lambda run: run.positions.shape[1])
    if largest.edges is None:
        receivers, senders = np.nonzero(~np.eye(largest.positions.shape[1], dtype=bool))
        return senders, receivers
    return largest.edges[:, 0].copy(), largest.edges[:, 1].copy()


def pad_particles(
    vectors: Float[np.ndarray, "T N D"] | None, n_particles: int, separate: bool = False
) -> Float[np.ndarray, "T M D"]:
    """Pad vectors to ``n_particles``, with zeros or, if ``separate``, with places apart along the first axis."""
    assert vectors is not None  # the run was completed
    frames, count, dim = vectors.shape
    full = np.zeros((frames, n_particles, dim))
    full[:, :count] = vectors
    if separate and n_particles > count:
        step = vectors.std() or 1.0
        full[:, count:, 0] = vectors[..., 0].max() + step * np.arange(1, n_particles - count + 1)
    return full


def block_labels(lengths: Sequence[int], criteria: Criteria) -> list[np.ndarray]:
    """Label the frames of each run: by the run or, if there are few runs, by the contiguous block of frames."""
    if len(lengths) >= criteria.selection.min_runs_for_run_split:
        return [np.full(length, k) for k, length in enumerate(lengths)]
    blocks_per_run = -(-criteria.selection.n_time_blocks // len(lengths))
    labels: list[np.ndarray] = []
    start = 0
    for length in lengths:
        blocks = min(blocks_per_run, length)
        labels.append(start + np.arange(length) * blocks // length)
        start += blocks
    return labels
