"""A run with its missing velocities and accelerations filled in from its positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from gnn_discovery.data.differentiation.window_selection import (
    DerivativeEstimate,
    differentiate,
    estimate_position_noise,
)
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import DataError
from gnn_discovery.types import Box, Order

MIN_FRAMES_FOR_DERIVATIVE = 5
"""Frames that are needed where a derivative has to be taken."""

TRACKS_PER_BATCH = 4096
"""Particles differentiated at once."""


@dataclass(frozen=True)
class CompletedTrajectory:
    """A run whose velocities, and accelerations for order 2, are known in every frame.

    Attributes:
        trajectory: the usable frames, completed.
        frames: (T',) which frames of the given run these are.
        noise: relative error of the target (root mean square, against the local and the median size of it);
            0 where the target was observed, near 1 where nothing but noise is seen.
        position_noise: (N,) standard error of the positions, as measured from high differences, rounding
            included; 0 in a run too short to tell.
        windows: (N 2), half width and degree of the polynomials that the target was read from; 0 where observed.
        method: how the target was got, in words.
    """

    trajectory: Trajectory
    frames: Int[np.ndarray, " T"]
    noise: float
    position_noise: Float[np.ndarray, " N"]
    filter_windows: Int[np.ndarray, "N 2"]
    method: str


def complete_trajectory(trajectory: Trajectory, order: Order = 2, where: str = "trajectory") -> CompletedTrajectory:
    """The run with its missing velocities and accelerations filled in. See :func:`complete_trajectories`.

    Raises:
        DataError: too few frames, or none in which a derivative can be trusted.
    """
    (motion,) = complete_trajectories([trajectory], order, [where])
    if len(motion.frames) == 0:
        raise DataError(
            f"the motion changes too much between the {len(trajectory.times)} frames to read derivatives",
            where=where,
            remedy="Store frames more often, or give velocities and accelerations",
        )
    return motion


def complete_trajectories(
    trajectories: Sequence[Trajectory], order: Order = 2, where: Sequence[str] | None = None
) -> list[CompletedTrajectory]:
    """Each run with velocities (and accelerations, for order 2), cut to the frames where they are good.

    What was observed is kept. Accelerations come from the positions or, where velocities were observed, from
    those if that is better. Frames too near to the ends of the run are dropped, and those whose truncation
    error is above a tenth of the target. Runs with the same times are worked on together. A run may be left
    without any frame.

    Raises:
        DataError: fewer than 5 frames where a derivative has to be taken.
    """
    labels = list(where) if where is not None else [f"run {i}" for i in range(len(trajectories))]
    groups: dict[tuple, list[int]] = {}
    for index, run in enumerate(trajectories):
        key = (run.positions.shape, run.times.tobytes(), run.velocities is None, run.accelerations is None)
        groups.setdefault(key, []).append(index)
    motions: dict[int, CompletedTrajectory] = {}
    for (shape, *_), members in groups.items():
        size = max(TRACKS_PER_BATCH // shape[1], 1)
        for start in range(0, len(members), size):
            chunk = members[start : start + size]
            group = _complete_group([trajectories[i] for i in chunk], order, [labels[i] for i in chunk])
            motions.update(zip(chunk, group, strict=True))
    return [motions[index] for index in range(len(trajectories))]


def unwrap(positions: Float[np.ndarray, "T N D"], box: Box | None) -> Float[np.ndarray, "T N D"]:
    """Positions without the jumps at the walls of a periodic box: each step is the shortest one."""
    if box is None:
        return positions
    steps = np.diff(positions, axis=0)
    return positions - np.concatenate([np.zeros_like(positions[:1]), np.cumsum(box * np.round(steps / box), axis=0)])


def _complete_group(runs: Sequence[Trajectory], order: Order, labels: Sequence[str]) -> list[CompletedTrajectory]:
    first, count = runs[0], runs[0].positions.shape[1]
    frames = len(first.times)
    wants_acceleration = order == 2 and first.accelerations is None
    derives = wants_acceleration or first.velocities is None
    if derives and frames < MIN_FRAMES_FOR_DERIVATIVE:
        missing = "accelerations" if wants_acceleration else "velocities"
        raise DataError(
            f"too few frames: {frames}, and no {missing} are given",
            where=labels[0],
            remedy=f"Give at least {MIN_FRAMES_FOR_DERIVATIVE} frames (better 20), or the {missing} themselves",
        )
    positions = np.concatenate([unwrap(run.positions, run.box) for run in runs], axis=1)
    sigma = (
        estimate_position_noise(first.times, positions)
        if frames >= MIN_FRAMES_FOR_DERIVATIVE
        else np.zeros(positions.shape[1])
    )
    velocity = differentiate(first.times, positions, sigma, 1) if first.velocities is None else None
    target = velocity if order == 1 else None
    if wants_acceleration:
        target = differentiate(first.times, positions, sigma, 2)
        if first.velocities is not None:
            observed = np.concatenate([run.velocities for run in runs], axis=1)
            slope = differentiate(first.times, observed, estimate_position_noise(first.times, observed), 1)
            target = target.with_lower_risk(slope)
    motions = []
    for index, run in enumerate(runs):
        part = slice(index * count, (index + 1) * count)
        good = np.ones(frames, dtype=bool)
        for estimate in (velocity, target):
            if estimate is not None:
                good &= estimate.good[:, part].all(axis=1)
        keep = np.flatnonzero(good)
        filled = replace(
            run,
            positions=run.positions[keep],
            times=run.times[keep],
            velocities=_observed_or_derived(run.velocities, velocity, keep, part),
            accelerations=_observed_or_derived(run.accelerations, target if wants_acceleration else None, keep, part),
        )
        error = 0.0 if target is None else float(np.sqrt(np.mean(target.error[part] ** 2)))
        windows = np.zeros((count, 2), int) if target is None else np.stack([target.half[part], target.degree[part]], 1)
        motions.append(CompletedTrajectory(filled, keep, error, sigma[part], windows, _describe_method(windows)))
    return motions


def _observed_or_derived(
    observed: np.ndarray | None, derived: DerivativeEstimate | None, keep: np.ndarray, part: slice
) -> np.ndarray | None:
    if derived is not None:
        return derived.values[keep, part]
    return None if observed is None else observed[keep]


def _describe_method(windows: np.ndarray) -> str:
    if not windows.any():
        return "observed"
    text = ", ".join(
        f"central differences of order {d}" if 2 * h == d else f"polynomials of degree {d} over {2 * h + 1} frames"
        for h, d in sorted({(int(h), int(d)) for h, d in windows})
    )
    return f"derivatives of the motion by {text}"
