"""A check that a trajectory of GROMACS, CHARMM or AMBER ends with a whole frame; MDAnalysis ignores a part of one."""

from __future__ import annotations

import struct
from pathlib import Path
from types import ModuleType

from scipy.io import netcdf_file

from gnn_discovery.errors import DataError


def check_not_truncated(path: Path, kind: str, libmdaxdr: ModuleType) -> None:
    """Refuse an .xtc, .trr, .dcd or .nc that was cut within a frame.

    Args:
        path: the file.
        kind: the format as MDAnalysis names it; other formats are not checked.
        libmdaxdr: the module of MDAnalysis that knows where frames begin.

    Raises:
        DataError: the message names the frame that is not whole.
        ValueError: the size of an .nc is not that of its header.
    """
    if kind == "NCDF":
        with netcdf_file(path):  # compares the sizes
            return
    if kind not in _FRAME_ENDS:
        return
    size = path.stat().st_size
    frames, end = _FRAME_ENDS[kind](path, size, libmdaxdr)
    if end != size:
        raise DataError(
            f"ends in the middle of frame {frames}" if end < size else f"frame {frames - 1} is not whole",
            where=str(path),
            remedy="Copy it again, or cut that frame, as by gmx trjconv",
        )


def _xtc(path: Path, _: int, libmdaxdr: ModuleType) -> tuple[int, int]:
    """Return the number of frames of an .xtc, and where the last one must end."""
    frames, last, head = _last_frame(path, libmdaxdr.XTCFile, 96)
    magic, atoms = struct.unpack(">2i", head[:8])
    if atoms <= 9:  # so few are not compressed
        return frames, last + 56 + 12 * atoms
    place, kind = (96, ">q") if magic == 2023 else (92, ">i")
    (packed,) = struct.unpack(kind, head[88:place])
    return frames, last + place + packed + -packed % 4


def _trr(path: Path, _: int, libmdaxdr: ModuleType) -> tuple[int, int]:
    """Return the number of frames of a .trr, and where the last one must end."""
    frames, last, head = _last_frame(path, libmdaxdr.TRRFile, 76)
    sizes = struct.unpack(">13i", head[24:76])
    double = sizes[2] == 72 or sizes[7] == 24 * sizes[10]  # the box, the positions
    return frames, last + 76 + (16 if double else 8) + sum(sizes[:10])


def _dcd(path: Path, size: int, _: ModuleType) -> tuple[int, int]:
    """Return the number of whole frames of a .dcd, and where the last one ends."""
    with path.open("rb") as file:
        head = file.read(96)
        order = "<" if head[:4] == b"T\0\0\0" else ">"
        fixed, cell = (struct.unpack(f"{order}i", head[8 + 4 * k : 12 + 4 * k])[0] for k in (8, 10))
        (title,) = struct.unpack(f"{order}i", head[92:96])
        file.seek(92 + 8 + title + 4)
        (atoms,) = struct.unpack(f"{order}i", file.read(4))
    start, frame = 92 + 8 + title + 12, 3 * (4 * atoms + 8) + (56 if cell else 0)
    frames, excess = divmod(size - start, frame)
    return frames, size if fixed else size - excess


def _last_frame(path: Path, kind: type, length: int) -> tuple[int, int, bytes]:
    """Return the number of frames, the offset of the last one, and its first bytes."""
    with kind(str(path)) as file:
        offsets = file.offsets
    with path.open("rb") as raw:
        raw.seek(int(offsets[-1]))
        return len(offsets), int(offsets[-1]), raw.read(length)


_FRAME_ENDS = {"XTC": _xtc, "TRR": _trr, "DCD": _dcd}
