"""The time between frames where a file counts them only, from positions and velocities together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnn_discovery.data.differentiation import complete_trajectories
from gnn_discovery.data.readers.protocol import Recording
from gnn_discovery.errors import DataError

_AGREE = 0.02
"""Relative difference at which derivatives of the positions are the velocities but for one factor."""


def assign_frame_times(found: Recording, count: str, unit: str | None) -> Recording:
    """The runs with times in the unit of their velocities; without velocities where these do not tell it.

    Args:
        found: runs whose times are numbers of ``count``.
        count: what the times are numbers of: frames, time steps.
        unit: of time in velocities and accelerations, where it is known.
    """
    step = _frame_interval(found)
    if step is not None:
        units = {"time": unit} if unit else {}
        runs = [replace(run, times=run.times * step, units={**run.units, **units}) for run in found]
        return Recording(runs, [*found.notes, f"One {count} takes {step:.6g}, as positions and velocities tell."])
    notes, moves = list(found.notes), found[0].velocities is not None
    if moves:
        notes.append("The velocities are left out: they are not the derivatives of the positions.")
    if found[0].accelerations is None:
        unit = count
    notes.append(f"No times are given: each is the number of its {count}.")
    stated = {"time": unit} if unit else {}
    return Recording([replace(run, velocities=None, units={**run.units, **stated}) for run in found], notes)


def _frame_interval(found: Recording) -> float | None:
    """The factor between the derivatives of the positions and the velocities, if there is one."""
    still = [replace(run, velocities=None, accelerations=None) for run in found]
    try:
        derived = complete_trajectories(still, order=1)
    except DataError:
        return None
    pairs = [
        (run.velocities[motion.frames].ravel(), motion.trajectory.velocities.ravel())
        for run, motion in zip(found, derived, strict=True)
        if run.velocities is not None and motion.trajectory.velocities is not None
    ]
    if not pairs:
        return None
    given, taken = (np.concatenate(side) for side in zip(*pairs, strict=True))
    step = float(given @ taken / (given @ given)) if given.any() else 0.0
    return step if step > 0 and np.linalg.norm(taken - step * given) <= _AGREE * np.linalg.norm(taken) else None
