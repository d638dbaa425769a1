"""The completion of a trajectory: missing velocities and accelerations are estimated from its positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.differentiation.window_selection import (
    DerivativeEstimate,
    differentiate,
    estimate_position_noise,
)
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import DataError
from gnn_discovery.types import Box, Order

MIN_FRAMES_FOR_DERIVATIVE = 5
"""A derivative with an estimate of its truncation error needs so many frames: the window of degree 4 has five."""

TRACKS_PER_BATCH = 4096
"""So many tracks are differentiated at once; the number bounds the memory."""


@dataclass(frozen=True)
class CompletedTrajectory:
    """A frozen record of a run whose velocities, and accelerations for order 2, are known in every frame.

    Attributes:
        trajectory: the usable frames, completed.
        frames: (T',) indices of these frames in the original run.
        noise: relative error of the target (root mean square, relative to the local and the median size of it); 0
            where the target was observed, near 1 where only noise is seen.
        position_noise: (N,) standard error of the positions, estimated from high-order differences, rounding
            included; 0 in a run too short to tell.
        filter_windows: (N 2), half width and degree of the polynomials that the target was read from; 0 where it
            was observed.
        method: a description of how the target was obtained.
    """

    trajectory: Trajectory
    frames: Int[np.ndarray, " T"]
    noise: float
    position_noise: Float[np.ndarray, " N"]
    filter_windows: Int[np.ndarray, "N 2"]
    method: str


def complete_trajectory(
    trajectory: Trajectory, order: Order = 2, where: str = "trajectory", *, criteria: Criteria = DEFAULT_CRITERIA
) -> CompletedTrajectory:
    """Complete one run with its missing velocities and accelerations; see `complete_trajectories`.

    Args:
        trajectory: a validated run.
        order: accelerations are needed for order 2 only.
        where: the source of the run, for the errors.
        criteria: ``noise`` decides which filter is chosen and which frames are kept.

    Raises:
        DataError: there are too few frames, or none in which a derivative can be trusted.
    """
    (completed,) = complete_trajectories([trajectory], order, [where], criteria=criteria)
    if len(completed.frames) == 0:
        raise DataError(
            f"the motion changes too much between the {len(trajectory.times)} frames to read derivatives",
            where=where,
            remedy="Store frames more often, or give velocities and accelerations",
        )
    return completed


def complete_trajectories(
    trajectories: Sequence[Trajectory],
    order: Order = 2,
    where: Sequence[str] | None = None,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> list[CompletedTrajectory]:
    """Complete each run with velocities (and accelerations, for order 2), cut to the frames where they are good.

    What was observed is kept. Accelerations are estimated from the positions or, where velocities were observed,
    from those if that is better. Frames too near to the ends of the run are dropped, and those whose truncation
    error is above a tenth of the target. Runs with the same times are worked on together. A run may be left
    without any frame.

    Args:
        trajectories: validated runs.
        order: accelerations are needed for order 2 only.
        where: the source of each run, for the errors.
        criteria: ``noise`` decides which filter is chosen and which frames are kept.

    Raises:
        DataError: there are fewer than 5 frames where a derivative has to be taken.
    """
    labels = list(where) if where is not None else [f"run {i}" for i in range(len(trajectories))]
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, run in enumerate(trajectories):
        key = (run.positions.shape, run.times.tobytes(), run.velocities is None, run.accelerations is None)
        groups.setdefault(key, []).append(index)
    completed: dict[int, CompletedTrajectory] = {}
    for members in groups.values():
        size = max(TRACKS_PER_BATCH // trajectories[members[0]].positions.shape[1], 1)
        for start in range(0, len(members), size):
            batch = members[start : start + size]
            group = _complete_group([trajectories[i] for i in batch], order, [labels[i] for i in batch], criteria)
            completed.update(zip(batch, group, strict=True))
    return [completed[index] for index in range(len(trajectories))]


def unwrap(positions: Float[np.ndarray, "T N D"], box: Box | None) -> Float[np.ndarray, "T N D"]:
    """Remove the jumps at the walls of a periodic box: each step becomes the shortest one.

    Args:
        positions: (T N D), wrapped into the box or not.
        box: (D,) side lengths; None returns the positions unchanged.
    """
    if box is None:
        return positions
    steps = np.diff(positions, axis=0)
    jumps = np.concatenate([np.zeros_like(positions[:1]), np.cumsum(box * np.round(steps / box), axis=0)])
    unwrapped: np.ndarray = positions - jumps
    return unwrapped


def _complete_group(
    runs: Sequence[Trajectory], order: Order, labels: Sequence[str], criteria: Criteria
) -> list[CompletedTrajectory]:
    """Complete runs with the same times and particle number, all of whose tracks are differentiated at once."""
    first, count = runs[0], runs[0].positions.shape[1]
    frames = len(first.times)
    needs_acceleration = order == 2 and first.accelerations is None
    if (needs_acceleration or first.velocities is None) and frames < MIN_FRAMES_FOR_DERIVATIVE:
        missing = "accelerations" if needs_acceleration else "velocities"
        raise DataError(
            f"too few frames: {frames}, and no {missing} are given",
            where=labels[0],
            remedy=f"Give at least {MIN_FRAMES_FOR_DERIVATIVE} frames (better 20), or the {missing} themselves",
        )
    positions = np.concatenate([unwrap(run.positions, run.box) for run in runs], axis=1)
    if frames >= MIN_FRAMES_FOR_DERIVATIVE:
        sigma = estimate_position_noise(first.times, positions, criteria=criteria)
    else:
        sigma = np.zeros(positions.shape[1])
    velocity = None
    if first.velocities is None:
        velocity = differentiate(first.times, positions, sigma, 1, criteria=criteria)
    target = velocity if order == 1 else None
    if needs_acceleration:
        target = differentiate(first.times, positions, sigma, 2, criteria=criteria)
        if first.velocities is not None:
            observed = np.concatenate([run.velocities for run in runs if run.velocities is not None], axis=1)
            velocity_noise = estimate_position_noise(first.times, observed, criteria=criteria)
            from_velocities = differentiate(first.times, observed, velocity_noise, 1, criteria=criteria)
            target = target.with_lower_risk(from_velocities, criteria=criteria)
    completed = []
    for index, run in enumerate(runs):
        tracks = slice(index * count, (index + 1) * count)
        good = np.ones(frames, dtype=bool)
        for estimate in (velocity, target):
            if estimate is not None:
                good &= estimate.good[:, tracks].all(axis=1)
        keep = np.flatnonzero(good)
        filled = replace(
            run,
            positions=run.positions[keep],
            times=run.times[keep],
            velocities=_observed_or_derived(run.velocities, velocity, keep, tracks),
            accelerations=_observed_or_derived(run.accelerations, target if needs_acceleration else None, keep, tracks),
        )
        if target is None:
            error, windows = 0.0, np.zeros((count, 2), int)
        else:
            error = float(np.sqrt(np.mean(target.error[tracks] ** 2)))
            windows = np.stack([target.half[tracks], target.degree[tracks]], 1)
        completed.append(CompletedTrajectory(filled, keep, error, sigma[tracks], windows, _describe_method(windows)))
    return completed


def _observed_or_derived(
    observed: Float[np.ndarray, "T N D"] | None, derived: DerivativeEstimate | None, keep: np.ndarray, tracks: slice
) -> np.ndarray | None:
    """Return the derived values of these tracks if there are any, else the observed ones, at the frames to keep."""
    if derived is not None:
        return derived.values[keep, tracks]
    return None if observed is None else observed[keep]


def _describe_method(windows: Int[np.ndarray, "N 2"]) -> str:
    """Describe how derivatives were taken, from half widths and degrees."""
    if not windows.any():
        return "observed"
    text = ", ".join(
        f"central differences of order {d}" if 2 * h == d else f"polynomials of degree {d} over {2 * h + 1} frames"
        for h, d in sorted({(int(h), int(d)) for h, d in windows})
    )
    return f"derivatives of the motion by {text}"
