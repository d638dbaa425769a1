"""A reader of LAMMPS dumps in text, of styles atom and custom."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np

from gnn_discovery.data.readers.frame_assembly import RecordedFrame, recording_from_frames
from gnn_discovery.data.readers.frame_times import assign_frame_times
from gnn_discovery.data.readers.frame_windows import choose_windows
from gnn_discovery.data.readers.protocol import Recording, name_file_in_errors
from gnn_discovery.errors import DataError

_AXES = "xyz"
_UNIT_STYLES = {
    "lj": (None, None, None, 1.0),
    "real": ("Å", "fs", "g/mol", 1 / 48.88821291**2),
    "metal": ("Å", "ps", "g/mol", 1 / 1.0364269e-4),
    "si": ("m", "s", "kg", 1.0),
    "cgs": ("cm", "s", "g", 1.0),
    "electron": ("bohr", "fs", "u", 0.937582899),
    "micro": ("µm", "µs", "pg", 1.0),
    "nano": ("nm", "ns", "ag", 1.0),
}
"""Each style has units of length, time, mass, and force / mass in length / time², as in LAMMPS' update.cpp."""

_RESERVED_COLUMNS = {"id", "element", "proc", "procp1", "mass", *"xyz"} | {
    f"{kind}{axis}" for kind in ("v", "f", "i") for axis in _AXES
}
_POSITION_COLUMNS = tuple(f"{{}}{suffix}" for suffix in ("", "s", "u", "su"))  # wrapped, scaled, unwrapped, both


class LammpsReader:
    """Reads LAMMPS dumps (text), sorted by id; forces become accelerations where masses and units are given."""

    name = "lammps"

    def sniff(self, path: Path) -> bool:
        """Tell whether the file begins with the header of a frame."""
        with path.open("rb") as file:
            return file.read(64).startswith((b"ITEM: TIMESTEP", b"ITEM: UNITS", b"ITEM: TIME\n"))

    def read(self, path: Path, budget: int) -> Recording:
        """Read the run; times are those of ``dump_modify time yes``, else the velocities tell them, if there are any.

        Args:
            path: the dump.
            budget: bytes of motion above which windows of frames are read.

        Raises:
            DataError: a frame is truncated, the box is tilted, or positions or ids are missing.
        """
        where = str(path)
        with name_file_in_errors(where), path.open("rb") as file:
            offsets = _offsets(file)
            seen: dict[str, str] = {}
            first = _frame(file, offsets[0], 0, seen, where)
            nbytes = 8 * sum(array.size for array in first.arrays.values())
            chosen, note = choose_windows([len(offsets)], nbytes, budget)
            recorded = [[_frame(file, offsets[k], k, seen, where) for k in range(w.start, w.stop)] for w in chosen]
        length, time, mass, _ = _UNIT_STYLES.get(seen.get("UNITS", ""), (None, None, None, None))
        units = {what: unit for what, unit in {"length": length, "m": mass}.items() if unit}
        if "TIME" in seen and time:
            units["time"] = time
        recording = recording_from_frames(recorded, where, units, [note] if note else [])
        return recording if "TIME" in seen else assign_frame_times(recording, "timestep", time)


def _offsets(file: IO[bytes]) -> list[int]:
    """Return the offset of each frame."""
    offsets, at, fresh = [], 0, True
    for line in file:
        if line.startswith(b"ITEM:"):
            if fresh:
                offsets.append(at)
            fresh = line.startswith(b"ITEM: ATOMS")
        at += len(line)
    return offsets


def _frame(file: IO[bytes], offset: int, number: int, seen: dict[str, str], where: str) -> RecordedFrame:
    """Read one frame; ``seen`` keeps the units, which the first frame alone states."""
    where = f"{where}, frame {number}"
    file.seek(offset)
    header: dict[str, list[str]] = {}
    while not (title := file.readline().decode().strip()).startswith("ITEM: ATOMS"):
        if not title.startswith("ITEM:"):
            raise _truncated(where)
        name = title.removeprefix("ITEM:").strip()
        what = next((known for known in ("BOX BOUNDS", "NUMBER OF ATOMS") if name.startswith(known)), name)
        header[what] = [name, *(file.readline().decode() for _ in range(3 if what == "BOX BOUNDS" else 1))]
    seen.update({name: header[name][1].strip() for name in ("UNITS", "TIME") if name in header})
    names = title.removeprefix("ITEM: ATOMS").split()
    count = int(header["NUMBER OF ATOMS"][1])
    rows = [line.split() for line in islice(file, count)]
    if len(rows) < count or any(len(row) != len(names) for row in rows):
        raise _truncated(where)
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    if "id" not in columns:
        raise DataError("no column id", where=where, remedy="dump ... custom ... id type x y z vx vy vz mass")
    low, sides = _box(header["BOX BOUNDS"], where)
    periodic = [kind == "pp" for kind in header["BOX BOUNDS"][0].split()[2:]] or [True] * 3
    time = float(header["TIME"][1] if "TIME" in header else header["TIMESTEP"][1])
    arrays = _arrays(columns, low, sides, _UNIT_STYLES.get(seen.get("UNITS", ""), (None,))[-1], where)
    box = np.where(periodic, sides, np.inf)
    return RecordedFrame(time, np.array(columns["id"], dtype=np.int64), arrays, box)


def _box(bounds: list[str], where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower corner and the side lengths."""
    if "xy" in bounds[0] or "abc" in bounds[0]:
        raise DataError("the box is tilted", where=where, remedy="Give motion in an orthogonal box")
    low, high = np.array([line.split() for line in bounds[1:]], dtype=np.float64).T
    return low, high - low


def _arrays(
    columns: Mapping[str, tuple[str, ...]], low: np.ndarray, sides: np.ndarray, factor: float | None, where: str
) -> dict[str, np.ndarray]:
    def numbers(names: list[str]) -> np.ndarray | None:
        have = set(names) <= set(columns)
        return np.array([columns[name] for name in names], dtype=np.float64).T if have else None

    place = next((p for p in _POSITION_COLUMNS if p.format("x") in columns), None)
    positions = numbers([place.format(axis) for axis in _AXES]) if place else None
    if place is None or positions is None:
        raise DataError(
            f"no positions, only {', '.join(columns)}", where=where, remedy="dump ... custom ... id type x y z"
        )
    arrays = {"positions": low + positions * sides if "s" in place else positions}
    velocities, forces = (numbers([f"{kind}{axis}" for axis in _AXES]) for kind in "vf")
    if velocities is not None:
        arrays["velocities"] = velocities
    if "mass" in columns:
        arrays["m"] = np.array(columns["mass"], dtype=np.float64)
        if forces is not None and factor is not None:
            arrays["accelerations"] = factor * forces / arrays["m"][:, None]
    used = _RESERVED_COLUMNS | {p.format(axis) for p in _POSITION_COLUMNS for axis in _AXES}
    for name, column in columns.items():
        if name not in used and name.isidentifier() and len(set(column)) > 1:
            arrays[name] = np.array(column, dtype=np.float64)
    return arrays


def _truncated(where: str) -> DataError:
    return DataError("ends in the middle of it, or is no dump", where=where, remedy="Copy it again, or cut that frame")
