"""The plain format as NumPy's .npz: a zip of arrays, each with a checksum."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from gnn_discovery.errors import DataError
from gnn_discovery.readers.plain import TEXT, check_size, to_arrays, to_trajectories, write_whole
from gnn_discovery.trajectory import Trajectory

_CORRUPT = (
    zipfile.BadZipFile,
    struct.error,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class NpzReader:
    """Reads .npz; nothing is unpickled, and sizes are checked before data is read."""

    name = "npz"

    def sniff(self, path: Path) -> bool:
        """A zip with an array in it; a broken zip that is named .npz."""
        with path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":
                return False
        try:
            with zipfile.ZipFile(path) as archive:
                return any(name.endswith(".npy") for name in archive.namelist())
        except _CORRUPT:
            return path.suffix == ".npz"

    def read(self, path: Path) -> list[Trajectory]:
        """The runs.

        Raises:
            DataError: a truncated or corrupt file, arrays of objects, absurd sizes, or no trajectory.
        """
        where = str(path)
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
                names = [m.filename.removesuffix(".npy") for m in members]
                if _listed(path) != len(members) or any(
                    f"{n}.npy" != m.filename for n, m in zip(names, members, strict=True)
                ):
                    raise _corrupt(f"it lists {', '.join(m.filename for m in members)}", where)
                check_size(sum(m.file_size for m in members), ", ".join(names), where)
                arrays = {n: _array(archive, m, n, where) for n, m in zip(names, members, strict=True)}
        except DataError:
            raise
        except _CORRUPT as error:
            raise _corrupt(str(error), where) from None
        return to_trajectories(arrays, where)


def write_npz(path: Path, trajectories: Sequence[Trajectory]) -> None:
    """Write runs of equal shape.

    Raises:
        DataError: runs of unequal length, particle number or kind.
        StorageError: the file cannot be written.
    """
    arrays = to_arrays(trajectories)
    if arrays is None:
        raise DataError("runs of unequal shape or kind", where=str(path), remedy="Write them to an .h5 file")
    write_whole(path, lambda temporary: _store(temporary, arrays))


def _store(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            # a ZipInfo without a date makes the same file of the same data
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as stream:
                npy.write_array(stream, array, allow_pickle=False)


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, where: str) -> np.ndarray:
    with archive.open(member) as stream:
        version = npy.read_magic(stream)
        if version not in _HEADERS:
            raise DataError(
                f"array {name!r} is of an unknown version {version}", where=where, remedy="Write it by NumPy"
            )
        shape, fortran, dtype = _HEADERS[version](stream)
        if dtype.kind not in ("fiubU" if name in TEXT else "fiub"):
            raise DataError(
                f"array {name!r} holds {dtype}, which is not read",
                where=where,
                remedy="Store texts as str arrays"
                if name in TEXT
                else "Store real numbers (objects are never unpickled)",
            )
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        check_size(size, name, where)
        data = stream.read(size)
        if len(data) != size or stream.read(1):
            raise _corrupt(f"array {name!r} should have {size} bytes", where)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _listed(path: Path) -> int:
    """How many members the end record of the zip counts, which ``zipfile`` does not compare."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 0xFFFF - 22, 0))
        tail = file.read()
    (count,) = struct.unpack_from("<H", tail, tail.rindex(b"PK\x05\x06") + 10)
    return count


def _corrupt(reason: str, where: str) -> DataError:
    return DataError(f"is truncated or corrupt ({reason})", where=where, remedy="Copy it again, or write it again")
