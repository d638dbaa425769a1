"""The assembly of frames, as trackers and simulation programs store them, into runs of the same particles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from gnn_discovery.data.differentiation import MIN_FRAMES_FOR_DERIVATIVE
from gnn_discovery.data.readers.plain_format import MOTION_ARRAYS
from gnn_discovery.data.readers.protocol import Recording
from gnn_discovery.data.trajectory import MAX_GAP, Trajectory, validate_trajectory
from gnn_discovery.errors import DataError
from gnn_discovery.registry.units import keep_known_units


@dataclass(frozen=True)
class RecordedFrame:
    """A frozen record of one instant.

    Attributes:
        time: the time, or the number of the frame.
        ids: (N,) identities of the particles, numbers or names, in any order.
        arrays: ``positions`` and perhaps ``velocities`` and ``accelerations`` (N D); any other is a property (N).
        box: (D,) side lengths when periodic, infinite along an axis that is not.
    """

    time: float
    ids: np.ndarray
    arrays: Mapping[str, np.ndarray]
    box: np.ndarray | None = None


@dataclass
class _Findings:
    """The faults of a recording that its notes report.

    Attributes:
        missing: the number of frames in which each particle is missing.
        gaps: the times before and after each gap.
        short: the number of frames of each segment that is too short to be used.
        bridged: the number of positions of particles that are not seen for a few frames only.
    """

    missing: Counter[Any] = field(default_factory=Counter)
    gaps: list[tuple[float, float]] = field(default_factory=list)
    short: list[int] = field(default_factory=list)
    bridged: int = 0


def recording_from_frames(
    recorded: Sequence[Sequence[RecordedFrame]], where: str, units: Mapping[str, str], notes: Sequence[str] = ()
) -> Recording:
    """Assemble runs of frames in which the particles are the same and no frame is missing.

    An axis along which nothing moves is dropped. Properties must not change; those that do are left out.

    Args:
        recorded: the frames of each run, or window of one, in the order of time.
        where: the file, for the errors.
        units: units of length, time and properties.
        notes: notes that are already known.

    Raises:
        DataError: a particle stands twice in a frame, the box changes, or no segment is long enough.
    """
    findings = _Findings()
    sorted_runs = [[_sort_by_id(frame, where) for frame in frames] for frames in recorded]
    segments = [segment for frames in sorted_runs for segment in _contiguous_segments(frames, findings)]
    segments = [part for segment in segments for part in _bridged_segments(segment, findings)]
    kept = [segment for segment in segments if _is_usable(segment)]
    findings.short = [len(segment) for segment in segments if not _is_usable(segment)]
    if not kept:
        raise DataError(
            f"no {MIN_FRAMES_FOR_DERIVATIVE} frames in a row hold the same two particles or more"
            + "".join(f"; {s[0].lower()}{s[1:].rstrip('.')}" for s in _describe_findings(findings, 0)),
            where=where,
            remedy="Give each particle one identity, and a row in every frame",
        )
    varying = {name for segment in kept for name in _varying_properties(segment)}
    units, unit_notes = keep_known_units(units)
    runs = [_stack_frames(segment, varying, units, where) for segment in kept]
    notes = [*notes, *_describe_findings(findings, len(kept)), *unit_notes]
    if varying:
        notes.append(f"Not constant in time and left out: {', '.join(sorted(varying))}.")
    runs, notes = drop_constant_axes(*rename_zero_masses(runs, notes))
    labels = [f"{where}, run {k}" if len(runs) > 1 else where for k in range(len(runs))]
    runs = [_check_periodic_box(run, label) for run, label in zip(runs, labels, strict=True)]
    return Recording([validate_trajectory(run, label) for run, label in zip(runs, labels, strict=True)], notes)


def _check_periodic_box(run: Trajectory, where: str) -> Trajectory:
    """Return the run with its box, or without one if no axis is periodic."""
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
    """Drop the axes along which all particles stay at one place.

    Args:
        runs: the runs, of one dimension.
        notes: notes that are already known.

    Returns:
        The runs, and the notes with one on the axes that were dropped.
    """
    ends = np.array([[np.nanmin(run.positions, (0, 1)), np.nanmax(run.positions, (0, 1))] for run in runs])
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


def name_masses(runs: Sequence[Trajectory], notes: Sequence[str] = ()) -> tuple[tuple[Trajectory, ...], list[str]]:
    """Rename the property ``mass`` or ``masses`` to ``m``, the name of the mass in m a = F.

    Nothing changes where there is an ``m`` already, or where some mass is zero, see `rename_zero_masses`.

    Args:
        runs: the runs, with the same properties.
        notes: notes that are already known.

    Returns:
        The runs, and the notes with one on the masses.
    """
    for name in ("mass", "masses"):
        if all(name in run.properties and "m" not in run.properties for run in runs):
            if not all((run.properties[name] > 0).all() for run in runs):
                continue

            def renamed(names: Mapping[str, Any], name: str = name) -> dict[str, Any]:
                return {("m" if key == name else key): value for key, value in names.items()}

            changed = (replace(run, properties=renamed(run.properties), units=renamed(run.units)) for run in runs)
            return tuple(changed), [*notes, f"The property {name} is taken as the mass, m."]
    return tuple(runs), list(notes)


def rename_zero_masses(runs: Sequence[Trajectory], notes: Sequence[str] = ()) -> tuple[list[Trajectory], list[str]]:
    """Rename the property ``m`` to ``mass`` if it is zero for some particle, which then has no m of m a = F.

    Args:
        runs: the runs, with the same properties.
        notes: notes that are already known.

    Returns:
        The runs, and the notes with one on the masses.
    """
    if all((run.properties.get("m", np.ones(1)) > 0).all() for run in runs):
        return list(runs), list(notes)

    def renamed(names: Mapping[str, Any]) -> dict[str, Any]:
        return {("mass" if name == "m" else name): value for name, value in names.items()}

    changed = [replace(run, properties=renamed(run.properties), units=renamed(run.units)) for run in runs]
    return changed, [*notes, "Some masses are zero: they are read as a property, mass, and not as m of m a = F."]


def _sort_by_id(frame: RecordedFrame, where: str) -> RecordedFrame:
    """Sort the particles of a frame by their identities, which must differ."""
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


def _contiguous_segments(
    frames: Sequence[RecordedFrame],
    findings: _Findings,
    *,
    step_tolerance: float = 1e-3,
    max_gap: float = 1.5,
    min_regular_fraction: float = 0.5,
) -> list[Sequence[RecordedFrame]]:
    """Cut a run at gaps in time.

    Args:
        frames: the frames of one run, in the order of time.
        findings: missing particles and gaps are added to it.
        step_tolerance: a time step is regular if it deviates from the median by no more than this fraction of it.
        max_gap: a time step that is longer than this, in units of the median, is a gap in a regular recording.
        min_regular_fraction: a recording is regular if more than this fraction of its time steps is.
    """
    if not frames:
        return []
    everyone = {i for frame in frames for i in frame.ids.tolist()}
    for frame in frames:
        if len(frame.ids) < len(everyone):
            findings.missing.update(everyone.difference(frame.ids.tolist()))
    steps = np.diff([frame.time for frame in frames])
    median = np.median(steps) if len(steps) else 0.0
    is_regular = np.abs(steps - median) <= step_tolerance * median
    regular = np.mean(is_regular) > min_regular_fraction if len(steps) else False
    cuts = [0]
    for index, (before, after) in enumerate(pairwise(frames)):
        gap = regular and steps[index] > max_gap * median
        if gap:
            findings.gaps.append((before.time, after.time))
        if gap:
            cuts.append(index + 1)
    return [frames[a:b] for a, b in pairwise([*cuts, len(frames)])]


def _bridged_segments(frames: Sequence[RecordedFrame], findings: _Findings) -> list[Sequence[RecordedFrame]]:
    """Cut a stretch of frames where particles appear or disappear.

    Of positions alone, a particle that is not seen for up to `MAX_GAP` frames has not disappeared: it stands there with
    positions that are nan.

    Args:
        frames: the frames of one stretch without a gap in time.
        findings: the number of positions that are nan is added to it.
    """
    everyone = np.unique(np.concatenate([frame.ids for frame in frames]))
    seen = np.array([np.isin(everyone, frame.ids, assume_unique=True) for frame in frames])
    alive = seen.copy()
    if not any({"velocities", "accelerations"} & set(frame.arrays) for frame in frames):
        alive |= _short_gaps(seen)
    cuts = np.flatnonzero((alive[1:] != alive[:-1]).any(axis=1)) + 1
    segments: list[Sequence[RecordedFrame]] = []
    for a, b in pairwise([0, *cuts.tolist(), len(frames)]):
        kept = alive[a]
        if seen[a:b, kept].all():
            segments.append(frames[a:b])
            continue
        findings.bridged += int(np.count_nonzero(~seen[a:b, kept]))
        segments.append(_with_unseen(frames[a:b], everyone[kept]))
    return segments


def _short_gaps(seen: np.ndarray) -> np.ndarray:
    """Mark the gaps (T N) of up to `MAX_GAP` frames between two frames in which a particle was seen."""
    frames = np.arange(len(seen))[:, None]
    before = np.maximum.accumulate(np.where(seen, frames, -1), axis=0)
    after = np.minimum.accumulate(np.where(seen, frames, len(seen))[::-1], axis=0)[::-1]
    return np.asarray(~seen & (before >= 0) & (after < len(seen)) & (after - before - 1 <= MAX_GAP))


def _with_unseen(frames: Sequence[RecordedFrame], ids: np.ndarray) -> list[RecordedFrame]:
    """Return frames of all these particles: one that was not seen has no position, and the properties it had last."""
    last: dict[str, np.ndarray] = {}
    for frame in reversed(frames):  # what is not seen at first has the properties that it is first seen with
        rows = np.searchsorted(ids, frame.ids)
        for name, values in frame.arrays.items():
            last.setdefault(name, np.zeros((len(ids), *values.shape[1:]), dtype=values.dtype))[rows] = values
    complete = []
    for frame in frames:
        rows, arrays = np.searchsorted(ids, frame.ids), {}
        for name, values in frame.arrays.items():
            last[name][rows] = values
            arrays[name] = last[name].copy()
        arrays["positions"] = np.full((len(ids), frame.arrays["positions"].shape[1]), np.nan)
        arrays["positions"][rows] = frame.arrays["positions"]
        complete.append(RecordedFrame(frame.time, ids, arrays, frame.box))
    return complete


def _is_usable(segment: Sequence[RecordedFrame]) -> bool:
    """Tell whether a segment has two particles, and enough frames to take the derivatives that it lacks."""
    complete = {"velocities", "accelerations"} <= set(segment[0].arrays)
    return len(segment[0].ids) >= 2 and (complete or len(segment) >= MIN_FRAMES_FOR_DERIVATIVE)


def _varying_properties(segment: Sequence[RecordedFrame]) -> list[str]:
    """Return the names of the properties that change in time."""
    first = segment[0].arrays
    names = [name for name in first if name not in MOTION_ARRAYS]
    return [name for name in names if any(not np.array_equal(f.arrays[name], first[name]) for f in segment)]


def _stack_frames(
    segment: Sequence[RecordedFrame], left_out: set[str], units: Mapping[str, str], where: str
) -> Trajectory:
    """Stack the frames of a segment into a run, without the properties that are left out."""
    first = segment[0]
    for frame in segment:
        without = first.box is None and frame.box is None
        if not without and (first.box is None or frame.box is None or not np.allclose(frame.box, first.box)):
            raise DataError(
                f"the box changes: {first.box} at time {first.time:.12g}, {frame.box} at {frame.time:.12g}",
                where=where,
                remedy="Give motion in a box of constant size",
            )
    properties = {name: a for name, a in first.arrays.items() if name not in MOTION_ARRAYS and name not in left_out}
    motion = {
        name: np.array([f.arrays[name] for f in segment], dtype=np.float64)
        for name in MOTION_ARRAYS
        if name in first.arrays
    }
    named = first.ids.dtype.kind in "UO"
    return Trajectory(
        positions=motion["positions"],
        velocities=motion.get("velocities"),
        accelerations=motion.get("accelerations"),
        times=np.array([frame.time for frame in segment], dtype=np.float64),
        properties={name: np.asarray(a, dtype=np.float64) for name, a in properties.items()},
        box=first.box,
        names=tuple(str(i) for i in first.ids) if named else None,
        units={what: unit for what, unit in units.items() if what in ("length", "time", *properties)},
    )


def _describe_findings(findings: _Findings, runs: int, *, max_named: int = 3) -> list[str]:
    """Describe the faults of a recording that was read as so many runs; further particles and gaps are counted."""
    notes = []
    if findings.missing:
        worst = ", ".join(f"{i} in {n}" for i, n in findings.missing.most_common(max_named))
        more = f", and {len(findings.missing) - max_named} more" if len(findings.missing) > max_named else ""
        notes.append(f"Particles are missing in some frames ({worst}{more}).")
    if findings.gaps:
        places = ", ".join(f"{a:.6g} to {b:.6g}" for a, b in findings.gaps[:max_named])
        more = f", and {len(findings.gaps) - max_named} more" if len(findings.gaps) > max_named else ""
        notes.append(f"Frames are missing between the times {places}{more}.")
    if runs and (findings.missing or findings.gaps):
        left = f" but {findings.bridged} positions, in gaps of up to {MAX_GAP} frames" if findings.bridged else ""
        notes.append(f"It is read as {runs} run{'s' if runs > 1 else ''} in which nothing is missing{left}.")
    if findings.short:
        notes.append(
            f"{len(findings.short)} stretches ({sum(findings.short)} frames) of fewer than "
            f"{MIN_FRAMES_FOR_DERIVATIVE} frames or two particles are left out."
        )
    return notes
