"""The time between frames of a file that only counts them, from positions and velocities together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA
from gnn_discovery.data.differentiation import complete_trajectories
from gnn_discovery.data.readers.protocol import Recording
from gnn_discovery.errors import DataError

_MAX_VELOCITY_MISMATCH = 0.02
"""Velocities count as derivatives of the positions, up to one factor, if they differ by no more than this fraction."""


def assign_frame_times(recording: Recording, count: str, unit: str | None) -> Recording:
    """Return the runs with times in the unit of their velocities, or without velocities if these do not tell it.

    Args:
        recording: runs whose times count frames or time steps.
        count: the name of what is counted, for the notes and the unit.
        unit: unit of time in velocities and accelerations, if it is known.
    """
    step = _frame_interval(recording)
    if step is not None:
        units = {"time": unit} if unit else {}
        runs = [replace(run, times=run.times * step, units={**run.units, **units}) for run in recording]
        return Recording(runs, [*recording.notes, f"One {count} takes {step:.6g}, as positions and velocities tell."])
    notes = list(recording.notes)
    if recording[0].velocities is not None:
        notes.append("The velocities are left out: they are not the derivatives of the positions.")
    if recording[0].accelerations is None:
        unit = count
    notes.append(f"No times are given: each is the number of its {count}.")
    stated = {"time": unit} if unit else {}
    return Recording([replace(run, velocities=None, units={**run.units, **stated}) for run in recording], notes)


def _frame_interval(recording: Recording) -> float | None:
    """Return the factor between the derivatives of the positions and the velocities, if there is one.

    A file is read before a discovery and its criteria are known, so that the default ones apply.
    """
    positions_alone = [replace(run, velocities=None, accelerations=None) for run in recording]
    try:
        derived = complete_trajectories(positions_alone, order=1, criteria=DEFAULT_CRITERIA)
    except DataError:
        return None
    pairs = [
        (run.velocities[completed.frames].ravel(), completed.trajectory.velocities.ravel())
        for run, completed in zip(recording, derived, strict=True)
        if run.velocities is not None and completed.trajectory.velocities is not None
    ]
    if not pairs:
        return None
    recorded, estimated = (np.concatenate(side) for side in zip(*pairs, strict=True))
    step = float(recorded @ estimated / (recorded @ recorded)) if recorded.any() else 0.0
    mismatch = np.linalg.norm(estimated - step * recorded)
    return step if step > 0 and mismatch <= _MAX_VELOCITY_MISMATCH * np.linalg.norm(estimated) else None
