"""A reader of extended XYZ and of other formats that ASE reads."""

from __future__ import annotations

import re
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from gnn_discovery.data.readers.frame_assembly import RecordedFrame, recording_from_frames
from gnn_discovery.data.readers.frame_times import assign_frame_times
from gnn_discovery.data.readers.frame_windows import choose_windows
from gnn_discovery.data.readers.protocol import Recording, import_extra, name_file_in_errors
from gnn_discovery.errors import DataError

_SAFE_FORMATS = {
    *("extxyz", "xyz", "traj", "vasp-xdatcar", "vasp-xml", "vasp-out", "castep-md", "castep-geom", "dlp-history"),
    *("espresso-out", "aims-output", "netcdftrajectory", "xsf", "xtd", "gpaw-out", "abinit-out", "siesta-xv"),
}
"""These formats hold many frames, and none of their readers in ASE unpickles or runs the content of a file."""

_ATOM_LINE = re.compile(r"\s*[A-Z][a-z]?\w*(\s+\S+)*\s+[-+.\d]")
_TIME_UNIT = "Å*(u/eV)^0.5"


class AseReader:
    """Reads extended XYZ and other formats of ASE; masses, and accelerations where forces are given."""

    name = "xyz"

    def sniff(self, path: Path) -> bool:
        """Tell whether the file starts like .xyz or .traj, or ASE recognises its content."""
        with path.open("rb") as file:
            start = file.read(4096)
        if start.startswith(b"- of Ulm") or _is_xyz(start):
            return True
        return find_spec("ase") is not None and _format(path) in _SAFE_FORMATS

    def read(self, path: Path, budget: int) -> Recording:
        """Read the run; times are ``info['time']``, in any unit, or frames whose length the velocities tell.

        Args:
            path: the file.
            budget: bytes of motion above which windows of frames are read.

        Raises:
            DataError: ASE is not installed, the file is damaged, or the box is tilted.
        """
        where = str(path)
        with name_file_in_errors(where):
            io = import_extra("ase.io", "ase")
            kind = _format(path)
            first = io.read(path, index=0, format=kind)
            spans: list[tuple[int, int | None]] = [(0, None)]
            notes: list[str] = []
            if path.stat().st_size > budget:
                length = sum(1 for _ in io.iread(path, index=":", format=kind))
                chosen, note = choose_windows([length], 8 * 9 * len(first), budget)
                spans, notes = [(w.start, w.stop) for w in chosen], [note] if note else []
            recorded = [
                [_frame(k, a, where) for k, a in enumerate(io.iread(path, index=slice(*span), format=kind), span[0])]
                for span in spans
            ]
        recording = recording_from_frames(recorded, where, {"length": "Å", "m": "u", "q": "e"}, notes)
        if "time" in first.info and recording[0].velocities is None:
            return recording
        return assign_frame_times(recording, "frame", _TIME_UNIT)


def _is_xyz(start: bytes) -> bool:
    lines = start.decode(errors="replace").splitlines()[:3]
    return len(lines) == 3 and lines[0].strip().isdigit() and _ATOM_LINE.match(lines[2]) is not None


def _format(path: Path) -> str:
    """Return the name that ASE gives to the format; plain xyz is read as extended."""
    formats = import_extra("ase.io.formats", "ase")
    with path.open("rb") as file:
        if _is_xyz(b"".join(islice(file, 3))):
            return "extxyz"
    return str(formats.filetype(str(path)))


def _frame(number: int, atoms: Any, where: str) -> RecordedFrame:
    forces = atoms.calc.results.get("forces") if atoms.calc is not None else None
    arrays = {"positions": atoms.positions, "m": atoms.get_masses()}
    if atoms.has("momenta"):
        arrays["velocities"] = atoms.get_velocities()
    if forces is not None:
        arrays["accelerations"] = forces / arrays["m"][:, None]
    if atoms.has("initial_charges"):
        arrays["q"] = atoms.get_initial_charges()
    further = set(atoms.arrays) - {"positions", "numbers", "masses", "momenta", "initial_charges", "id"}
    for name in further:
        array = atoms.arrays[name]
        if array.ndim == 1 and array.dtype.kind in "fiub" and name.isidentifier():
            arrays[name] = array
    ids = atoms.arrays.get("id", np.arange(len(atoms)))
    return RecordedFrame(float(atoms.info.get("time", number)), ids, arrays, _box(atoms, number, where))


def _box(atoms: Any, number: int, where: str) -> np.ndarray | None:
    if not atoms.pbc.any():
        return None
    cell = np.asarray(atoms.cell)
    if np.abs(cell - np.diag(np.diag(cell))).max() > 1e-9 * np.abs(cell).max():
        raise DataError(
            f"the cell of frame {number} is not orthogonal", where=where, remedy="Give motion in an orthogonal box"
        )
    return np.where(atoms.pbc, np.diag(cell), np.inf)
