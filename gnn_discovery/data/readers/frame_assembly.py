"""From frames, as trackers and simulation programs store them, to runs of the same particles at steady times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from gnn_discovery.data.differentiation import MIN_FRAMES_FOR_DERIVATIVE
from gnn_discovery.data.readers.plain_format import MOTION_ARRAYS
from gnn_discovery.data.readers.protocol import Recording
from gnn_discovery.data.trajectory import Trajectory, validate_trajectory
from gnn_discovery.errors import DataError
from gnn_discovery.registry.units import keep_known_units

_MAX_NAMED = 3  # particles or places that a sentence names
_STEADY, _GAP = 1e-3, 1.5  # of the median time step


@dataclass(frozen=True)
class RecordedFrame:
    """What is stored of one instant.

    Attributes:
        ids: (N,) what tells the particles apart, numbers or names, in any order.
        arrays: ``positions`` and perhaps ``velocities`` and ``accelerations`` (N D); any other is a property (N).
        box: (D,) side lengths when periodic, infinite along an axis that is not.
    """

    time: float
    ids: np.ndarray
    arrays: Mapping[str, np.ndarray]
    box: np.ndarray | None = None


@dataclass
class _Findings:
    """What was noticed on the way."""

    missing: Counter = field(default_factory=Counter)
    gaps: list[tuple[float, float]] = field(default_factory=list)
    short: list[int] = field(default_factory=list)


def recording_from_frames(
    recorded: Sequence[Sequence[RecordedFrame]], where: str, units: Mapping[str, str], notes: Sequence[str] = ()
) -> Recording:
    """Runs over the frames in which the particles are the same and none is missing in between.

    An axis along which nothing moves is dropped. Properties must not change; those that do are left out.

    Args:
        recorded: the frames of each run, or window of one, in the order of time.
        where: the file, for the errors.
        units: of length, time and properties.
        notes: what is already to be said.

    Raises:
        DataError: a particle that stands twice in a frame, a box that changes, or no stretch that is long enough.
    """
    said = _Findings()
    stretches = [
        part for frames in recorded for part in _contiguous_segments([_sort_by_id(f, where) for f in frames], said)
    ]
    kept = [part for part in stretches if _is_usable(part)]
    said.short = [len(part) for part in stretches if not _is_usable(part)]
    if not kept:
        raise DataError(
            f"no {MIN_FRAMES_FOR_DERIVATIVE} frames in a row hold the same two particles or more"
            + "".join(f"; {s[0].lower()}{s[1:].rstrip('.')}" for s in _describe_findings(said, 0)),
            where=where,
            remedy="Give each particle one identity, and a row in every frame",
        )
    varying = {name for part in kept for name in _varying_properties(part)}
    units, odd = keep_known_units(units)
    runs = [_stack_frames(part, varying, units, where) for part in kept]
    notes = [*notes, *_describe_findings(said, len(kept)), *odd]
    if varying:
        notes.append(f"Not constant in time and left out: {', '.join(sorted(varying))}.")
    runs, notes = drop_constant_axes(*rename_zero_masses(runs, notes))
    labels = [f"{where}, run {k}" if len(runs) > 1 else where for k in range(len(runs))]
    return Recording(
        [validate_trajectory(_check_periodic_box(run, label), label) for run, label in zip(runs, labels, strict=True)],
        notes,
    )


def _check_periodic_box(run: Trajectory, where: str) -> Trajectory:
    """The run with its box, or without where no axis is periodic."""
    if run.box is None or np.isfinite(run.box).all():
        return run
    if np.isfinite(run.box).any():
        axes = ", ".join("xyz"[axis] for axis in np.flatnonzero(np.isfinite(run.box)))
        raise DataError(
            f"the box is periodic along {axes} only",
            where=where,
            remedy="Give motion that is periodic along all axes or along none",
        )
    return replace(run, box=None)


def drop_constant_axes(runs: Sequence[Trajectory], notes: Sequence[str] = ()) -> tuple[list[Trajectory], list[str]]:
    """Runs without the axes along which all is at one place."""
    ends = np.array([[run.positions.min((0, 1)), run.positions.max((0, 1))] for run in runs])
    moving = ends.max((0, 1)) > ends.min((0, 1))
    if moving.all() or not moving.any():
        return list(runs), list(notes)
    flat = ", ".join("xyz"[axis] for axis in np.flatnonzero(~moving))
    cut = [
        replace(
            run,
            box=None if run.box is None else run.box[moving],
            **{name: getattr(run, name)[..., moving] for name in MOTION_ARRAYS if getattr(run, name) is not None},
        )
        for run in runs
    ]
    return cut, [*notes, f"All particles have the same {flat} at all times: the motion is read without it."]


def rename_zero_masses(runs: Sequence[Trajectory], notes: Sequence[str] = ()) -> tuple[list[Trajectory], list[str]]:
    """Runs whose ``m``, where it is zero for some particle, is a property like any other, ``mass``."""
    if all((run.properties.get("m", np.ones(1)) > 0).all() for run in runs):
        return list(runs), list(notes)

    def renamed(names: Mapping[str, object]) -> dict:
        return {("mass" if name == "m" else name): value for name, value in names.items()}

    changed = [replace(run, properties=renamed(run.properties), units=renamed(run.units)) for run in runs]
    return changed, [*notes, "Some masses are zero: they are read as a property, mass, and not as m of m a = F."]


def _sort_by_id(frame: RecordedFrame, where: str) -> RecordedFrame:
    order = np.argsort(frame.ids, kind="stable")
    ids = np.asarray(frame.ids)[order]
    twice = ids[1:] == ids[:-1]
    if twice.any():
        raise DataError(
            f"particle {ids[:-1][twice][0]} stands twice at time {frame.time:.12g}",
            where=where,
            remedy="Give each particle one identity, and each run a number in a column run",
        )
    return replace(frame, ids=ids, arrays={name: np.asarray(a)[order] for name, a in frame.arrays.items()})


def _contiguous_segments(frames: Sequence[RecordedFrame], said: _Findings) -> list[Sequence[RecordedFrame]]:
    if not frames:
        return []
    everyone = {i for frame in frames for i in frame.ids.tolist()}
    for frame in frames:
        if len(frame.ids) < len(everyone):
            said.missing.update(everyone.difference(frame.ids.tolist()))
    steps = np.diff([frame.time for frame in frames])
    usual = np.median(steps) if len(steps) else 0.0
    steady = np.mean(np.abs(steps - usual) <= _STEADY * usual) > 0.5 if len(steps) else False
    ends = [0]
    for index, (before, after) in enumerate(pairwise(frames)):
        gap = steady and steps[index] > _GAP * usual
        if gap:
            said.gaps.append((before.time, after.time))
        if gap or not np.array_equal(before.ids, after.ids):
            ends.append(index + 1)
    return [frames[a:b] for a, b in pairwise([*ends, len(frames)])]


def _is_usable(part: Sequence[RecordedFrame]) -> bool:
    whole = {"velocities", "accelerations"} <= set(part[0].arrays)
    return len(part[0].ids) >= 2 and (whole or len(part) >= MIN_FRAMES_FOR_DERIVATIVE)


def _varying_properties(part: Sequence[RecordedFrame]) -> list[str]:
    first = part[0].arrays
    names = [name for name in first if name not in MOTION_ARRAYS]
    return [name for name in names if any(not np.array_equal(f.arrays[name], first[name]) for f in part)]


def _stack_frames(part: Sequence[RecordedFrame], without: set[str], units: Mapping[str, str], where: str) -> Trajectory:
    first = part[0]
    boxes = [frame.box for frame in part]
    for frame in part:
        same = frame.box is None if first.box is None else frame.box is not None and np.allclose(frame.box, first.box)
        if not same:
            raise DataError(
                f"the box changes: {first.box} at time {first.time:.12g}, {frame.box} at {frame.time:.12g}",
                where=where,
                remedy="Give motion in a box of constant size",
            )
    properties = {name: a for name, a in first.arrays.items() if name not in MOTION_ARRAYS and name not in without}
    motion = {
        name: np.array([f.arrays[name] for f in part], dtype=np.float64)
        for name in MOTION_ARRAYS
        if name in first.arrays
    }
    text = first.ids.dtype.kind in "UO"
    return Trajectory(
        positions=motion["positions"],
        velocities=motion.get("velocities"),
        accelerations=motion.get("accelerations"),
        times=np.array([frame.time for frame in part], dtype=np.float64),
        properties={name: np.asarray(a, dtype=np.float64) for name, a in properties.items()},
        box=boxes[0],
        names=tuple(str(i) for i in first.ids) if text else None,
        units={what: unit for what, unit in units.items() if what in ("length", "time", *properties)},
    )


def _describe_findings(said: _Findings, runs: int) -> list[str]:
    notes = []
    if said.missing:
        worst = ", ".join(f"{i} in {n}" for i, n in said.missing.most_common(_MAX_NAMED))
        more = f", and {len(said.missing) - _MAX_NAMED} more" if len(said.missing) > _MAX_NAMED else ""
        notes.append(f"Particles are missing in some frames ({worst}{more}).")
    if said.gaps:
        places = ", ".join(f"{a:.6g} to {b:.6g}" for a, b in said.gaps[:_MAX_NAMED])
        more = f", and {len(said.gaps) - _MAX_NAMED} more" if len(said.gaps) > _MAX_NAMED else ""
        notes.append(f"Frames are missing between the times {places}{more}.")
    if runs and (said.missing or said.gaps):
        notes.append(f"It is read as {runs} run{'s' if runs > 1 else ''} in which nothing is missing.")
    if said.short:
        notes.append(
            f"{len(said.short)} stretches ({sum(said.short)} frames) of fewer than {MIN_FRAMES_FOR_DERIVATIVE} frames or two "
            "particles are left out."
        )
    return notes
