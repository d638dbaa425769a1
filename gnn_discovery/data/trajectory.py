"""The Trajectory: one run of moving particles as it was observed, and its validation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.ndimage import binary_opening

from gnn_discovery.errors import DataError
from gnn_discovery.registry.properties import known_properties
from gnn_discovery.registry.units import check_units, conversion_factor, magnitude_of, unit_of
from gnn_discovery.types import Box, Edges, Properties, Times, Vectors

_DIMENSIONS = {
    "positions": (1, 0),
    "times": (0, 1),
    "velocities": (1, -1),
    "accelerations": (1, -2),
    "box": (1, 0),
    "cutoff": (1, 0),
}
"""Each field has these powers of length and time."""


MAX_GAP = 5
"""Largest number of frames in a row in which a particle may not have been seen; a run is cut at longer gaps."""


@dataclass(frozen=True)
class Trajectory:
    """A frozen record of one run of N particles in D dimensions at T times, float64.

    Quantities of astropy or pint become numbers at once, in the units of the positions, the times and each property.

    Attributes:
        positions: (T N D). Where positions alone were observed, nan says that a particle was not seen in a frame, of
            no more than `MAX_GAP` in a row.
        times: (T,), increasing.
        velocities, accelerations: (T N D), None if they were not observed.
        properties: arrays (N,) by name: ``m`` is the mass, ``q`` a charge, plug-ins may define others, and any
            other name is accepted as it is.
        edges: (E 2) sender and receiver of each pair, in both directions, if only some pairs interact.
        box: (D,) side lengths when periodic.
        cutoff: distance beyond which pairs do not interact, if the program that moved them has one.
        names: names of the particles, if they have any.
        units: units of ``length``, ``time`` and of properties by name, as text, if they are known.
    """

    positions: Vectors
    times: Times
    velocities: Vectors | None = None
    accelerations: Vectors | None = None
    properties: Properties = field(default_factory=dict)
    edges: Edges | None = None
    box: Box | None = None
    cutoff: float | None = None
    names: tuple[str, ...] | None = None
    units: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in _strip_units(self).items():
            object.__setattr__(self, name, value)


def convert_units(run: Trajectory, units: Mapping[str, str]) -> Trajectory:
    """Convert a run to other units.

    Args:
        run: a run that states its units.
        units: the new units of ``length``, ``time`` and of properties by name; others are kept.

    Raises:
        DataError: the run states no unit of a quantity, or one that measures something else.
    """
    if missing := sorted(set(units) - set(run.units)):
        raise DataError(f"the run states no unit of {', '.join(missing)}", remedy="State it, or leave it out")
    factors = {what: conversion_factor(run.units[what], unit) for what, unit in units.items()}
    length, time = factors.get("length", 1.0), factors.get("time", 1.0)
    changed = {
        name: value * (length**length_power * time**time_power)
        for name, (length_power, time_power) in _DIMENSIONS.items()
        if (value := getattr(run, name)) is not None
    }
    properties = {name: values * factors.get(name, 1.0) for name, values in run.properties.items()}
    return replace(run, **changed, properties=properties, units={**run.units, **units})


def validate_trajectory(trajectory: Trajectory, where: str = "trajectory") -> Trajectory:
    """Return the same run, checked, as contiguous float64, with sorted edges in both directions, each once.

    Frames and particles are counted from 0 in the errors. A run of one particle is refused unless ``edges`` is given
    and empty, which says that no pair is wanted.

    Args:
        trajectory: the run to check.
        where: the source of the run, for the errors.

    Raises:
        DataError: the message names the fault, the frame and the particle.
    """
    positions = _float_array(trajectory.positions, "positions", where)
    if positions.ndim != 3:
        raise DataError(
            f"positions have shape {positions.shape}",
            where=where,
            remedy="A run needs (T N D): time, particle, space",
        )
    frames, count, dim = positions.shape
    if frames == 0 or dim not in (1, 2, 3):
        raise DataError(
            f"positions have shape {positions.shape}: {frames} frames, {count} particles, {dim} dimensions",
            where=where,
            remedy="At least one frame and 1, 2 or 3 dimensions are needed",
        )
    units = {str(k): str(v) for k, v in trajectory.units.items()}
    check_units(units, where)
    names = _checked_names(trajectory.names, count, where)
    unseen = np.isnan(positions).all(axis=-1)
    if trajectory.velocities is None and trajectory.accelerations is None:
        unseen &= ~binary_opening(unseen, np.ones((MAX_GAP + 1, 1)))
    else:
        unseen[:] = False
    _check_finite(np.where(unseen[..., None], 0.0, positions), "position", names, where)
    edges = _checked_edges(trajectory.edges, count, where)
    if count < 2 and (count < 1 or edges is None):
        raise DataError(
            "one particle: there is no pair that could interact" if count else "no particle",
            where=where,
            remedy="Give the motion of two particles or more",
        )
    box = _checked_box(trajectory.box, dim, where)
    _check_distinct_positions(positions, edges, box, names, where)
    return replace(
        trajectory,
        positions=positions,
        times=_checked_times(trajectory.times, frames, where),
        velocities=_checked_vectors(trajectory.velocities, "velocities", positions.shape, names, where),
        accelerations=_checked_vectors(trajectory.accelerations, "accelerations", positions.shape, names, where),
        properties={k: _checked_property(v, k, count, names, where) for k, v in trajectory.properties.items()},
        edges=edges,
        box=box,
        cutoff=_checked_cutoff(trajectory.cutoff, box, where),
        names=names,
        units=units,
    )


def trajectory_fingerprint(trajectories: Iterable[Trajectory]) -> str:
    """Return the SHA-256 of all that the runs hold; it is the same on every machine."""
    digest = hashlib.sha256()

    def add(name: str, value: np.ndarray | None, dtype: str = "<f8") -> None:
        if value is None:
            return
        array = np.ascontiguousarray(value, dtype=dtype)
        digest.update(f"{name}{array.shape};".encode())
        digest.update(array.tobytes())

    for index, run in enumerate(trajectories):
        digest.update(f"run {index};".encode())
        for name in ("positions", "times", "velocities", "accelerations", "box"):
            add(name, getattr(run, name))
        add("edges", run.edges, "<i8")
        add("cutoff", None if run.cutoff is None else np.array(run.cutoff))
        for name in sorted(run.properties):
            add(f"property {name}", run.properties[name])
        digest.update(repr((run.names, sorted(run.units.items()))).encode())
    return digest.hexdigest()


def _strip_units(run: Trajectory) -> dict[str, Any]:
    """Return the fields as numbers in the units of the run, and these units; an empty dictionary if all are plain.

    Raises:
        DataError: a quantity measures something else, or the run has no unit to convert it to.
    """
    stated = {name: unit_of(getattr(run, name)) for name in _DIMENSIONS}
    property_units = {name: unit_of(values) for name, values in run.properties.items()}
    if not any((*stated.values(), *property_units.values())):
        return {}
    first = {"length": stated["positions"], "time": stated["times"], **property_units}
    units = {**{what: unit for what, unit in first.items() if unit is not None}, **run.units}
    numbers: dict[str, Any] = {}
    for name, (length_power, time_power) in _DIMENSIONS.items():
        if (unit := stated[name]) is not None:
            needed = {what: p for what, p in (("length", length_power), ("time", time_power)) if p}
            if missing := [what for what in needed if what not in units]:
                raise DataError(
                    f"{name} have a unit ({unit}), and there is none of {' and '.join(missing)}",
                    remedy="Give positions and times with their units too, or name these in units",
                )
            target = " ".join(f"({units[what]})^{p}" for what, p in needed.items())
            numbers[name] = magnitude_of(getattr(run, name)) * conversion_factor(unit, target)
    properties = {
        name: values
        if (unit := property_units[name]) is None
        else magnitude_of(values) * conversion_factor(unit, units[name])
        for name, values in run.properties.items()
    }
    return {**numbers, "properties": properties, "units": units}


def _float_array(value: object, name: str, where: str) -> np.ndarray:
    """Return real numbers as contiguous float64, and refuse anything else."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise DataError(f"{name} are not real numbers but {array.dtype}", where=where, remedy=f"Store {name} as floats")
    return np.ascontiguousarray(array, dtype=np.float64)


def _particle_label(index: int, names: tuple[str, ...] | None) -> str:
    """Return the number of a particle, with its name if it has one."""
    return f"particle {index} ({names[index]})" if names else f"particle {index}"


def _check_finite(array: np.ndarray, quantity: str, names: tuple[str, ...] | None, where: str) -> None:
    """Raise an error that names the first vector with an infinite or undefined component."""
    finite = np.isfinite(array)
    if finite.all():
        return
    frame, particle, axis = np.argwhere(~finite)[0]
    raise DataError(
        f"the {quantity} of {_particle_label(particle, names)} at frame {frame} is {array[frame, particle, axis]} "
        f"({np.count_nonzero(~finite.all(axis=-1))} such entries; counted from 0)",
        where=where,
        remedy="Drop those frames, or the run"
        + (f"; a particle may be nan in up to {MAX_GAP} frames in a row of positions alone" * (quantity == "position")),
    )


def _checked_vectors(
    value: np.ndarray | None, name: str, shape: tuple[int, ...], names: tuple[str, ...] | None, where: str
) -> np.ndarray | None:
    if value is None:
        return None
    array = _float_array(value, name, where)
    if array.shape != shape:
        raise DataError(
            f"{name} have shape {array.shape}, positions {shape}",
            where=where,
            remedy="Both need (T N D), or leave one out",
        )
    _check_finite(array, {"velocities": "velocity"}.get(name, "acceleration"), names, where)
    return array


def _checked_times(value: np.ndarray, frames: int, where: str) -> np.ndarray:
    times = _float_array(value, "times", where)
    if times.shape != (frames,):
        raise DataError(
            f"times have shape {times.shape}, but there are {frames} frames of positions",
            where=where,
            remedy="Give one time for each frame",
        )
    if not np.isfinite(times).all():
        frame = int(np.argmin(np.isfinite(times)))
        raise DataError(f"the time of frame {frame} is {times[frame]}", where=where, remedy="Drop that frame")
    not_increasing = np.diff(times) <= 0
    if not_increasing.any():
        frame = int(np.argmax(not_increasing)) + 1
        raise DataError(
            f"times do not increase: frame {frame} is at {times[frame]:.12g}, after {times[frame - 1]:.12g}",
            where=where,
            remedy="Sort the frames by time and keep each time once",
        )
    return times


def _checked_names(value: tuple[str, ...] | None, count: int, where: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = tuple(str(name) for name in value)
    if len(names) != count or len(set(names)) != count:
        raise DataError(
            f"{len(set(names))} different names for {count} particles",
            where=where,
            remedy="Name each particle once",
        )
    return names


def _checked_property(
    value: np.ndarray, name: str, count: int, names: tuple[str, ...] | None, where: str
) -> np.ndarray:
    if not (name.isidentifier() and name.isascii()):
        raise DataError(
            f"{name!r} cannot be the name of a property",
            where=where,
            remedy="Use letters, digits and _, as in m or q_eff",
        )
    array = _float_array(value, f"values of {name}", where)
    if array.shape != (count,):
        raise DataError(
            f"property {name} has shape {array.shape}, but there are {count} particles",
            where=where,
            remedy="Give one number for each particle",
        )
    known = known_properties().entries.get(name)
    positive = known is not None and known.positive
    wrong = ~np.isfinite(array) | (array <= 0 if positive else False)
    if wrong.any():
        index = int(np.argmax(wrong))
        raise DataError(
            f"{name} of {_particle_label(index, names)} is {array[index]}",
            where=where,
            remedy=f"{name} stands for the {known.meaning}, positive and finite; rename {name} if it is something else"
            if known is not None and positive
            else "Give a finite number",
        )
    return array


def _checked_box(value: np.ndarray | None, dim: int, where: str) -> np.ndarray | None:
    if value is None:
        return None
    box = _float_array(value, "box lengths", where)
    if box.shape != (dim,) or not (np.isfinite(box) & (box > 0)).all():
        raise DataError(
            f"box is {box.tolist()}",
            where=where,
            remedy=f"A periodic box needs {dim} positive lengths, one for each axis",
        )
    return box


def _checked_cutoff(value: float | None, box: np.ndarray | None, where: str) -> float | None:
    if value is None:
        return None
    cutoff = float(value)
    if not 0 < cutoff < np.inf or (box is not None and cutoff > 0.5 * box.min()):
        raise DataError(
            f"the cut-off is {cutoff:g}" + ("" if box is None else f" in a box of {box.tolist()}"),
            where=where,
            remedy="It is a positive length, and in a periodic box at most half of its shortest side",
        )
    return cutoff


def _checked_edges(value: np.ndarray | None, count: int, where: str) -> np.ndarray | None:
    if value is None:
        return None
    edges = np.asarray(value)
    if edges.size == 0:
        return np.zeros((0, 2), dtype=np.int64)
    if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind not in "iu":
        raise DataError(
            f"edges have shape {edges.shape} and type {edges.dtype}",
            where=where,
            remedy="Give (E 2) integers: the two particles of each pair",
        )
    edges = edges.astype(np.int64)
    wrong = (edges < 0).any(axis=1) | (edges >= count).any(axis=1) | (edges[:, 0] == edges[:, 1])
    if wrong.any():
        index = int(np.argmax(wrong))
        raise DataError(
            f"edge {index} joins particle {edges[index, 0]} to particle {edges[index, 1]}, of {count}",
            where=where,
            remedy="An edge joins two different particles, counted from 0",
        )
    return np.ascontiguousarray(np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0))


def _check_distinct_positions(
    positions: np.ndarray,
    edges: np.ndarray | None,
    box: np.ndarray | None,
    names: tuple[str, ...] | None,
    where: str,
) -> None:
    """Raise an error if two interacting particles are at one place, where their force has no direction."""
    places = positions if box is None else np.mod(positions, box)
    if edges is not None:
        same = (places[:, edges[:, 0]] == places[:, edges[:, 1]]).all(axis=-1)
        if not same.any():
            return
        frame, edge = np.argwhere(same)[0]
        pair = edges[edge]
    else:
        ordered = np.sort(places[..., 0], axis=1)
        frame = pair = None
        for candidate in np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1)):
            _, index, counts = np.unique(places[candidate], axis=0, return_inverse=True, return_counts=True)
            if counts.max() > 1:
                frame, pair = candidate, np.flatnonzero(index.ravel() == np.argmax(counts))[:2]
                break
        if pair is None:
            return
    first, second = sorted(int(p) for p in pair)
    labels = f"{_particle_label(first, names)} and {_particle_label(second, names)}"
    raise DataError(
        f"{labels} are at one place at frame {frame} (counted from 0)",
        where=where,
        remedy="Drop that frame, or store positions with more digits",
    )
