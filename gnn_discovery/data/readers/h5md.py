"""A reader of H5MD, molecular data in HDF5 (de Buyl, Colberg and Höfling, Comput. Phys. Commun. 185, 1546, 2014)."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from gnn_discovery.data.readers.frame_assembly import RecordedFrame, recording_from_frames
from gnn_discovery.data.readers.frame_windows import FrameWindow, choose_windows
from gnn_discovery.data.readers.hdf5 import hdf5_members, read_hdf5_array
from gnn_discovery.data.readers.protocol import Recording, name_file_in_errors
from gnn_discovery.errors import DataError

_PROPERTIES = {"mass": "m", "charge": "q", "species": "species"}


class H5mdReader:
    """Reads H5MD: positions, velocities, masses, charges, species and the box, with their units."""

    name = "h5md"

    def sniff(self, path: Path) -> bool:
        """Tell whether the file is HDF5 with the group h5md."""
        with path.open("rb") as file:
            if file.read(8) != b"\x89HDF\r\n\x1a\n":
                return False
        with h5py.File(path, "r") as file:
            return "h5md" in file and "particles" in file

    def read(self, path: Path, budget: int) -> Recording:
        """Read the run of the one group of particles.

        Args:
            path: the file.
            budget: bytes of motion above which windows of frames are read.

        Raises:
            DataError: the file is damaged or has a link, several groups, positions without times, or a tilted box.
        """
        where = str(path)
        with name_file_in_errors(where), h5py.File(path, "r") as file:
            _, top = hdf5_members(file, where)
            _, groups = hdf5_members(top["particles"], where)
            if len(groups) != 1:
                raise DataError(
                    f"holds the groups of particles {', '.join(groups) or 'none'}",
                    where=where,
                    remedy="Keep one group of particles",
                )
            ((name, group),) = groups.items()
            return _ParticleGroup(group, f"{where}, particles {name!r}").read(budget)


class _ParticleGroup:
    """One group of particles: its elements are fixed (a dataset) or vary in time (a group of value, step and time)."""

    def __init__(self, group: h5py.Group, where: str):
        self.where = where
        self.fixed, self.timed = hdf5_members(group, where)
        if "position" not in self.timed:
            raise DataError("no positions in time", where=where, remedy="Store position as value, step and time")

    def read(self, budget: int) -> Recording:
        times, unit = self._times()
        shape = self.timed["position"]["value"].shape
        if len(shape) != 3 or shape[0] != len(times):
            raise DataError(
                f"positions have shape {shape}, and there are {len(times)} times",
                where=self.where,
                remedy="Store position/value as (T N D), with one time for each frame",
            )
        units = {"length": self._unit("position"), "time": unit}
        names, notes = ["position"], []
        if "velocity" in self.timed:
            if self._coherent(units):
                names.append("velocity")
            else:
                notes.append("The velocities are left out: they have other frames or units than the positions.")
        chosen, note = choose_windows([len(times)], 8 * shape[1] * shape[2] * len(names), budget)
        units |= {ours: self._unit(theirs) for theirs, ours in _PROPERTIES.items()}
        return recording_from_frames(
            [self._frames(window, times, names) for window in chosen],
            self.where,
            {what: unit for what, unit in units.items() if unit},
            [*([note] if note else []), *notes],
        )

    def _frames(self, window: FrameWindow, times: np.ndarray, names: list[str]) -> list[RecordedFrame]:
        part = slice(window.start, window.stop)
        vectors = {"velocities" if name == "velocity" else "positions": self._value(name, part) for name in names}
        properties = {ours: self._value(theirs, part) for theirs, ours in _PROPERTIES.items() if self._has(theirs)}
        if "species" in properties and np.ptp(properties["species"]) == 0:
            del properties["species"]  # a label that all share carries no information
        ids = self._value("id", part) if self._has("id") else np.arange(vectors["positions"].shape[1])
        box = self._box(part)

        def at(values: np.ndarray, k: int, rank: int) -> np.ndarray:
            return values[k] if values.ndim > rank else values

        frames = []
        for k, time in enumerate(times[part]):
            frame_ids = at(ids, k, 1)
            present = frame_ids >= 0  # an id below zero stands for no particle
            arrays = {name: values[k][present] for name, values in vectors.items()}
            arrays |= {name: at(values, k, 1)[present] for name, values in properties.items()}
            frames.append(
                RecordedFrame(float(time), frame_ids[present], arrays, None if box is None else at(box, k, 1))
            )
        return frames

    def _has(self, name: str) -> bool:
        return name in self.fixed or name in self.timed

    def _value(self, name: str, part: slice) -> np.ndarray:
        if name in self.fixed:
            return read_hdf5_array(self.fixed[name], name, self.where)
        return read_hdf5_array(self._inside(name)["value"], f"{name}/value", self.where, part)

    def _inside(self, name: str) -> dict[str, h5py.Dataset]:
        return hdf5_members(self.timed[name], f"{self.where}, {name}")[0]

    def _times(self) -> tuple[np.ndarray, str | None]:
        """Return the times of the frames, or the numbers of the steps, and the unit; one number is their distance."""
        inside = self._inside("position")
        name = "time" if "time" in inside else "step"
        clock = inside[name]
        times = np.asarray(read_hdf5_array(clock, name, self.where), dtype=np.float64)
        if times.ndim == 0:
            times = float(clock.attrs.get("offset", 0.0)) + times * np.arange(len(inside["value"]))
        return times, _text(clock.attrs.get("unit")) if name == "time" else "step"

    def _unit(self, name: str) -> str | None:
        if name in self.fixed:
            return _text(self.fixed[name].attrs.get("unit"))
        return _text(self._inside(name)["value"].attrs.get("unit")) if name in self.timed else None

    def _coherent(self, units: dict[str, str | None]) -> bool:
        """Tell whether velocities have the frames of the positions, and their units of length and time."""
        velocity, position = self._inside("velocity"), self._inside("position")
        length, time, stated = units["length"], units["time"], self._unit("velocity")
        same = stated is None or length is None or stated in (f"{length} {time}-1", f"{length}/{time}")
        steps = [read_hdf5_array(x["step"], "step", self.where) for x in (velocity, position) if "step" in x]
        return same and time != "step" and (len(steps) < 2 or np.array_equal(steps[0], steps[1]))

    def _box(self, part: slice) -> np.ndarray | None:
        """Return the side lengths, infinite along axes that are not periodic."""
        if "box" not in self.timed:
            return None
        box = self.timed["box"]
        fixed, timed = hdf5_members(box, f"{self.where}, box")
        periodic = np.array([_text(kind) == "periodic" for kind in np.atleast_1d(box.attrs.get("boundary", []))])
        if not periodic.any():
            return None
        edges = (
            read_hdf5_array(fixed["edges"], "edges", self.where)
            if "edges" in fixed
            else read_hdf5_array(hdf5_members(timed["edges"], self.where)[0]["value"], "edges/value", self.where, part)
        )
        if edges.shape[-2:] == (len(periodic),) * 2 and (edges.ndim == 3 or "edges" in fixed):
            sides = np.diagonal(edges, axis1=-2, axis2=-1)
            if np.any(edges != sides[..., None] * np.eye(len(periodic))):
                raise DataError("the box is tilted", where=self.where, remedy="Give motion in an orthogonal box")
            edges = sides
        return np.where(periodic, edges, np.inf)


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return value.decode() if isinstance(value, bytes) else str(value)
