"""A reader of trajectories of GROMACS, AMBER, CHARMM and NAMD, by MDAnalysis."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from gnn_discovery.data.readers.frame_assembly import RecordedFrame, recording_from_frames
from gnn_discovery.data.readers.frame_windows import choose_windows
from gnn_discovery.data.readers.protocol import Recording, import_extra, name_file_in_errors
from gnn_discovery.data.readers.truncation import check_not_truncated
from gnn_discovery.errors import DataError

_TOPOLOGIES = (".tpr", ".prmtop", ".parm7", ".top", ".psf", ".pdb", ".gro")
"""The file beside a trajectory that describes its atoms has one of these suffixes, the richest first."""


class MDAnalysisReader:
    """Reads .xtc, .trr, .dcd, AMBER .nc and .pdb; the topology stands beside, with the same stem."""

    name = "mdanalysis"

    def sniff(self, path: Path) -> bool:
        """Tell whether the file begins like one of these formats."""
        return _format(path) is not None

    def read(self, path: Path, budget: int) -> Recording:
        """Read the run, in Å and ps.

        Args:
            path: the trajectory; its topology stands beside it.
            budget: bytes of motion above which windows of frames are read.

        Raises:
            DataError: MDAnalysis is not installed, there is no topology, the file is damaged, or the box is tilted.
        """
        where, kind = str(path), str(_format(path))
        if kind == "GRO":
            raise DataError(
                "holds one frame",
                where=where,
                remedy=f"Name the trajectory, as {path.stem}.xtc; this file is found beside it",
            )
        topology = path if kind == "PDB" else _topology(path)
        with name_file_in_errors(where), tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mda = import_extra("MDAnalysis", "mdanalysis")
            check_not_truncated(path, kind, import_extra("MDAnalysis.lib.formats.libmdaxdr", "mdanalysis"))
            # MDAnalysis keeps an index beside the file that it reads: here it goes with the folder
            link = Path(folder) / path.name
            link.symlink_to(path.resolve())
            universe = mda.Universe(str(topology), str(link), format=kind, to_guess=())  # no masses by names
            constant = _properties(universe)
            chosen, note = choose_windows([len(universe.trajectory)], 8 * 9 * len(universe.atoms), budget)
            recorded = [[_frame(ts, constant, where) for ts in universe.trajectory[w.start : w.stop]] for w in chosen]
            universe.trajectory.close()
        notes = [note] if note else []
        if "m" not in constant:
            notes.append(f"{topology.name} states no masses; a .tpr, .prmtop or .psf in its place would.")
        return recording_from_frames(recorded, where, {"length": "Å", "time": "ps", "m": "u", "q": "e"}, notes)


def _format(path: Path) -> str | None:
    with path.open("rb") as file:
        start = file.read(4096)
    if start[:4] in (b"\0\0\x07\xcb", b"\0\0\x07\xe7"):
        return "XTC"
    if start[:4] == b"\0\0\x07\xc9" and b"GMX_trn_file" in start[:64]:
        return "TRR"
    if start[4:8] == b"CORD":
        return "DCD"
    if start[:3] == b"CDF" and b"AMBER" in start:
        return "NCDF"
    lines = start.decode(errors="replace").splitlines()
    if any(line[:6] in ("ATOM  ", "HETATM", "CRYST1", "MODEL ") for line in lines[:40]):
        return "PDB"
    gro = len(lines) > 2 and lines[1].strip().isdigit() and len(lines[2]) >= 44 and lines[2][:5].strip().isdigit()
    return "GRO" if gro else None


def _topology(path: Path) -> Path:
    beside = [path.with_suffix(suffix) for suffix in _TOPOLOGIES]
    topology = next((file for file in beside if file.is_file()), None)
    if topology is None:
        raise DataError(
            "no topology beside it says what its atoms are",
            where=str(path),
            remedy=f"Put one there: {', '.join(file.name for file in beside)}",
        )
    return topology


def _properties(universe: Any) -> dict[str, np.ndarray]:
    """Return the masses and charges that the topology states."""
    properties = {}
    for name, attribute in {"m": "masses", "q": "charges"}.items():
        values = getattr(universe.atoms, attribute, None)
        if values is not None and np.isfinite(values).all() and np.any(values):
            properties[name] = np.asarray(values, dtype=np.float64)
    return properties


def _frame(ts: Any, constant: dict[str, np.ndarray], where: str) -> RecordedFrame:
    arrays = {"positions": ts.positions.astype(np.float64), **constant}
    if ts.has_velocities:
        arrays["velocities"] = ts.velocities.astype(np.float64)
    if ts.has_forces and "m" in constant and (constant["m"] > 0).all():
        force_unit = 100.0  # kJ/(mol Å u) in Å/ps²
        arrays["accelerations"] = force_unit * ts.forces.astype(np.float64) / constant["m"][:, None]
    return RecordedFrame(float(ts.time), np.arange(ts.n_atoms), arrays, _box(ts, where))


def _box(ts: Any, where: str) -> np.ndarray | None:
    if ts.dimensions is None or not ts.dimensions[:3].any():
        return None
    if np.any(ts.dimensions[3:] != 90):
        raise DataError(
            f"the box is tilted at {ts.time:.6g} ps", where=where, remedy="Give motion in an orthogonal box"
        )
    sides: np.ndarray = ts.dimensions[:3].astype(np.float64)
    return sides
