"""Gaps: frames in which a particle was not seen, nan in the positions of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import make_interp_spline

from gnn_discovery.data.differentiation.completion import unwrap
from gnn_discovery.data.trajectory import Trajectory


@dataclass(frozen=True)
class BridgedRun:
    """A frozen record of a run whose gaps are bridged by splines.

    Attributes:
        run: unwrapped positions, with splines of the fifth degree through what was seen in the place of gaps.
        rough: the same with cubic splines: where the two differ, nobody knows where the particle was.
        seen: (T N), False in the gaps.
    """

    run: Trajectory
    rough: Float[np.ndarray, "T N D"]
    seen: Bool[np.ndarray, "T N"]


def has_gaps(runs: Sequence[Trajectory]) -> bool:
    """Tell whether any particle of any run was not seen in some frame."""
    return any(bool(np.isnan(run.positions).any()) for run in runs)


def bridge_gaps(run: Trajectory) -> BridgedRun:
    """Return the run, from the frame at which all particles have been seen to the last before one is gone, bridged.

    Args:
        run: positions alone; the frames of a particle that was not seen are nan.
    """
    seen = np.isfinite(run.positions).all(axis=-1)
    if seen.all():
        positions = unwrap(run.positions, run.box)
        return BridgedRun(replace(run, positions=positions), positions, seen)
    first = int(np.argmax(seen, axis=0).max())
    last = len(seen) - int(np.argmax(seen[::-1], axis=0).max())
    kept = slice(first, max(last, first))
    seen, times = seen[kept], run.times[kept]
    fine, rough = np.empty((2, len(times), *run.positions.shape[1:]))
    for particle in range(seen.shape[1]):
        rows = seen[:, particle]
        track = unwrap(run.positions[kept][rows, particle, None], run.box)[:, 0]
        for target, degree in ((fine, 5), (rough, 3)):
            degree = min(degree, 2 * ((len(track) - 2) // 2) + 1)
            target[:, particle] = track if rows.all() else make_interp_spline(times[rows], track, k=degree)(times)
    return BridgedRun(replace(run, positions=fine, times=times), rough, seen)


def complete_stretches(run: Trajectory, min_frames: int) -> list[Trajectory]:
    """Return the stretches of a run in which every particle was seen, if they have so many frames.

    Args:
        run: its frames of a particle that was not seen are nan.
        min_frames: smallest number of frames of a stretch.
    """
    complete = np.isfinite(run.positions).all(axis=(1, 2))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], complete, [False]]).astype(int)))
    stretches = [slice(a, b) for a, b in edges.reshape(-1, 2) if b - a >= min_frames]

    def cut(values: np.ndarray | None, part: slice) -> np.ndarray | None:
        return None if values is None else values[part]

    return [
        replace(
            run,
            positions=run.positions[part],
            times=run.times[part],
            velocities=cut(run.velocities, part),
            accelerations=cut(run.accelerations, part),
        )
        for part in stretches
    ]
