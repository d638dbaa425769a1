"""Runs cut into instants; what is missing of the motion comes from the positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import gamma

from gnn_discovery.data.dataset.dataset import Dataset
from gnn_discovery.data.differentiation import (
    CompletedTrajectory,
    WeakFormRuns,
    complete_trajectories,
    resolvable_mask,
    to_weak_form,
)
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import DataError
from gnn_discovery.types import Order

FEWEST_RUNS = 5
"""With fewer runs than this, contiguous blocks of frames are held out in the place of whole runs."""

_BLOCKS = 20  # all runs together are cut into about so many
_TRUSTED = 0.05  # share of a motion that has to be resolved for its weak form to be of use


def assemble_dataset(trajectories: Sequence[Trajectory], order: Order = 2, where: str = "") -> Dataset:
    """All usable frames of all runs, side by side; what is missing of the motion comes from the positions.

    Where a run has fewer particles than another, the places of the absent ones are filled with finite
    numbers, apart from each other and from the others, with properties of one and nothing to be explained.

    Args:
        trajectories: validated runs.
        order: the target is the acceleration (2) or the velocity (1).
        where: the source of the runs, for the errors.

    Raises:
        DataError: runs that do not belong together (dimension, properties, box, edges, units), too few
            frames, or none in which a derivative can be trusted.
    """
    if not trajectories:
        raise DataError("no run", where=where or None, remedy="Give at least one run of motion")
    labels = [f"{where}, run {i}" if where else f"run {i}" for i in range(len(trajectories))]
    _check_compatible(trajectories, labels)
    given, motions = [], []
    for run, motion in zip(trajectories, complete_trajectories(trajectories, order, labels), strict=True):
        if len(motion.frames):
            given.append(run)
            motions.append(motion)
    runs = [motion.trajectory for motion in motions]
    lengths = [len(run.times) for run in runs]
    if sum(lengths) < 3:
        raise DataError(
            f"{sum(lengths)} usable frames in all",
            where=where or None,
            remedy="Store more frames, and more often, or give velocities and accelerations",
        )
    blocks = _block_labels([len(run.times) for run in given])
    noise = float(np.sqrt(np.average([motion.noise**2 for motion in motions], weights=lengths)))
    seen = _stack_runs(runs, [block[m.frames] for block, m in zip(blocks, motions, strict=True)], order, noise)
    stretch = min(int(np.unique(block, return_counts=True)[1].min()) for block in blocks)
    weak = to_weak_form(given, motions, order, stretch)
    while weak is not None:
        averages = _weak_form_dataset(weak, blocks, motions, order)
        if np.count_nonzero(averages.target_mask) >= _TRUSTED * np.count_nonzero(averages.present):
            return replace(seen, weak_form=averages)
        half = len(weak.kernel) // 4  # of half the window: fewer frames have to be resolved together
        weak = to_weak_form(given, motions, order, stretch, half) if half else None
    return seen


def _weak_form_dataset(
    weak: WeakFormRuns, blocks: Sequence[np.ndarray], motions: Sequence[CompletedTrajectory], order: Order
) -> Dataset:
    """The weak form as snapshots, with where it can be trusted, and the share of noise in its target."""
    data = replace(_stack_runs(weak.runs, blocks, order, 0.0), kernel=weak.kernel)
    each = [np.pad(m.position_noise, (0, data.present.shape[1] - len(m.position_noise))) for m in motions]
    sigma = np.repeat(each, [len(block) for block in blocks], axis=0)
    trusted = resolvable_mask(
        data.separation(), data.pair_present(), sigma, data.senders, data.receivers, len(weak.kernel)
    )
    data = replace(data, weak_form_valid=trusted)
    length = np.sqrt(2) * gamma((data.dim + 1) / 2) / gamma(data.dim / 2)  # mean of the norm of D normal numbers
    error = float(np.sum(sigma[data.target_mask])) * weak.noise_gain * length
    size = float(np.sum(np.linalg.norm(data.target, axis=-1)[data.target_mask]))
    most = data.present.shape[1]
    filled = [np.pad(noise, ((0, 0), (0, 0), (0, most - noise.shape[2]), (0, 0))) for noise in weak.noise]
    return replace(data, noise=error / size if size > 0 else 1.0, noise_realisation=np.concatenate(filled, axis=1))


def _stack_runs(runs: Sequence[Trajectory], blocks: Sequence[np.ndarray], order: Order, noise: float) -> Dataset:
    """All frames of all runs, filled up to the particles of the largest; ``block_errors`` are the labels of the frames."""
    first, most = runs[0], max(run.positions.shape[1] for run in runs)
    lengths = [len(run.times) for run in runs]
    senders, receivers = _pairs(runs)

    def column(name: str) -> np.ndarray:
        rows = [np.append(run.properties[name], np.ones(most - run.positions.shape[1])) for run in runs]
        return np.repeat(np.array(rows), lengths, axis=0)

    return Dataset(
        positions=np.concatenate([_pad_particles(run.positions, most, apart=True) for run in runs]),
        velocities=np.concatenate([_pad_particles(run.velocities, most) for run in runs]),
        target=np.concatenate(
            [_pad_particles(run.accelerations if order == 2 else run.velocities, most) for run in runs]
        ),
        properties={name: column(name) for name in first.properties},
        present=np.repeat([np.arange(most) < run.positions.shape[1] for run in runs], lengths, axis=0),
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


def _check_compatible(runs: Sequence[Trajectory], labels: Sequence[str]) -> None:
    def kind(run: Trajectory) -> dict[str, object]:
        return {
            "dimensions of space": run.positions.shape[2],
            "properties": sorted(run.properties),
            "box": None if run.box is None else run.box.tolist(),
            "cut-off": run.cutoff,
            "units": dict(run.units),
            "edges given": run.edges is not None,
        }

    there = kind(runs[0])
    for run, label in zip(runs, labels, strict=True):
        for what, here in kind(run).items():
            if here != there[what]:
                raise DataError(
                    f"{what}: {here}, but in run 0: {there[what]}",
                    where=label,
                    remedy="One law is sought for all runs: give runs of one kind",
                )
    largest = max(runs, key=lambda run: run.positions.shape[1])
    for run, label in zip(runs, labels, strict=True):
        if largest.edges is None or run.edges is None:
            continue  # all of them then, as found above
        expected = largest.edges[(largest.edges < run.positions.shape[1]).all(axis=1)]
        if not np.array_equal(run.edges, expected):
            raise DataError(
                "other edges than in the largest run",
                where=label,
                remedy="Give the same pairs in all runs, or no edges",
            )


def _pairs(runs: Sequence[Trajectory]) -> tuple[np.ndarray, np.ndarray]:
    """Senders and receivers, both directions: all pairs of the largest run, or its edges."""
    largest = max(runs, key=lambda run: run.positions.shape[1])
    if largest.edges is None:
        receivers, senders = np.nonzero(~np.eye(largest.positions.shape[1], dtype=bool))
        return senders, receivers
    return largest.edges[:, 0].copy(), largest.edges[:, 1].copy()


def _pad_particles(vectors: np.ndarray | None, most: int, apart: bool = False) -> np.ndarray:
    """(T most D), zero in the place of absent particles, or apart from the others along the first axis."""
    assert vectors is not None  # completed
    frames, count, dim = vectors.shape
    full = np.zeros((frames, most, dim))
    full[:, :count] = vectors
    if apart and most > count:
        step = vectors.std() or 1.0
        full[:, count:, 0] = vectors[..., 0].max() + step * np.arange(1, most - count + 1)
    return full


def _block_labels(lengths: Sequence[int]) -> list[np.ndarray]:
    """Of each run the label of its frames: the run; of few runs, the contiguous block of frames."""
    if len(lengths) >= FEWEST_RUNS:
        return [np.full(length, k) for k, length in enumerate(lengths)]
    each = -(-_BLOCKS // len(lengths))
    labels: list[np.ndarray] = []
    start = 0
    for length in lengths:
        blocks = min(each, length)
        labels.append(start + np.arange(length) * blocks // length)
        start += blocks
    return labels
