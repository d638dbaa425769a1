"""A reader and writer of the plain format as NumPy's .npz: a zip of arrays, each with a checksum."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from gnn_discovery.data.readers.frame_windows import (
    FrameWindow,
    StoredArray,
    choose_windows,
    motion_extent,
    read_windows,
)
from gnn_discovery.data.readers.plain_format import (
    TEXT_ARRAYS,
    arrays_from_trajectories,
    check_fits_memory,
    trajectories_from_arrays,
    write_file_atomically,
)
from gnn_discovery.data.readers.protocol import Recording
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import DataError

_CORRUPT_ZIP_ERRORS = (
    zipfile.BadZipFile,
    struct.error,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)
_HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class NpzReader:
    """Reads .npz; nothing is unpickled, and sizes are checked before data is read."""

    name = "npz"

    def sniff(self, path: Path) -> bool:
        """Tell whether the file is a zip with an array in it, or a broken zip that is named .npz."""
        with path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":
                return False
        try:
            with zipfile.ZipFile(path) as archive:
                return any(name.endswith(".npy") for name in archive.namelist())
        except _CORRUPT_ZIP_ERRORS:
            return path.suffix == ".npz"

    def read(self, path: Path, budget: int) -> Recording:
        """Read the runs.

        Args:
            path: the file.
            budget: bytes of motion above which windows of frames are read.

        Raises:
            DataError: the file is truncated or corrupt, has arrays of objects or absurd sizes, or is no trajectory.
        """
        where = str(path)
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
                names = [m.filename.removesuffix(".npy") for m in members]
                if _listed_member_count(path) != len(members) or any(
                    f"{n}.npy" != m.filename for n, m in zip(names, members, strict=True)
                ):
                    raise _corrupt_error(f"it lists {', '.join(m.filename for m in members)}", where)
                stored: dict[str, StoredArray] = {
                    n: _NpzArray(archive, m, n, where) for n, m in zip(names, members, strict=True)
                }
                chosen, note = choose_windows(
                    *motion_extent({name: member.shape for name, member in stored.items()}), budget
                )
                arrays = read_windows(stored, chosen if note else None)
        except DataError:
            raise
        except _CORRUPT_ZIP_ERRORS as error:
            raise _corrupt_error(str(error), where) from None
        return Recording(trajectories_from_arrays(arrays, where), [note] if note else [])


def write_npz(path: Path, trajectories: Sequence[Trajectory]) -> None:
    """Write runs of equal shape.

    Args:
        path: the file to write.
        trajectories: the runs.

    Raises:
        DataError: the runs differ in length, particle number or kind.
        StorageError: the file cannot be written.
    """
    arrays = arrays_from_trajectories(trajectories)
    if arrays is None:
        raise DataError("runs of unequal shape or kind", where=str(path), remedy="Write them to an .h5 file")
    write_file_atomically(path, lambda temporary: _store(temporary, arrays))


def _store(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            # a ZipInfo without a date makes the same file of the same data
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as stream:
                npy.write_array(stream, array, allow_pickle=False)


class _NpzArray:
    """A StoredArray of the zip, which is always read to its end, because its checksum is compared there."""

    def __init__(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, where: str):
        self.archive, self.member, self.name, self.where = archive, member, name, where
        with archive.open(member) as stream:
            self.shape, self.fortran, self.dtype = self._header(stream)

    def whole(self) -> np.ndarray:
        size = int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize
        check_fits_memory(size, self.name, self.where)
        with self.archive.open(self.member) as stream:
            self._header(stream)
            data = self._bytes(stream, size)
            self._end(stream)
        return np.frombuffer(data, self.dtype).reshape(self.shape, order="F" if self.fortran else "C")

    def frames(self, chosen: Sequence[FrameWindow]) -> np.ndarray:
        if self.fortran:
            runs = self.whole().reshape(-1, *self.shape[-3:])
            return np.stack([runs[w.run, w.start : w.stop] for w in chosen])
        frame = int(np.prod(self.shape[-2:])) * self.dtype.itemsize
        length, total = self.shape[-3], int(np.prod(self.shape[:-2]))
        parts, at = [], 0
        with self.archive.open(self.member) as stream:
            self._header(stream)
            for window in chosen:
                start = window.run * length + window.start
                self._skip(stream, (start - at) * frame)
                parts.append(self._bytes(stream, (window.stop - window.start) * frame))
                at = start + window.stop - window.start
            self._skip(stream, (total - at) * frame)
            self._end(stream)
        return np.stack([np.frombuffer(part, self.dtype).reshape(-1, *self.shape[-2:]) for part in parts])

    def _header(self, stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
        version = npy.read_magic(stream)
        if version not in _HEADER_READERS:
            raise DataError(
                f"array {self.name!r} is of an unknown version {version}",
                where=self.where,
                remedy="Write it by NumPy",
            )
        shape, fortran, dtype = _HEADER_READERS[version](stream)
        if dtype.kind not in ("fiubU" if self.name in TEXT_ARRAYS else "fiub"):
            raise DataError(
                f"array {self.name!r} holds {dtype}, which is not read",
                where=self.where,
                remedy="Store texts as str arrays"
                if self.name in TEXT_ARRAYS
                else "Store real numbers (objects are never unpickled)",
            )
        return shape, fortran, dtype

    def _bytes(self, stream: IO[bytes], size: int) -> bytes:
        data = stream.read(size)
        if len(data) != size:
            raise self._wrong_size()
        return data

    def _skip(self, stream: IO[bytes], size: int) -> None:
        chunk = 2**24  # bytes that are read at once
        while size > 0:
            size -= len(self._bytes(stream, min(size, chunk)))

    def _end(self, stream: IO[bytes]) -> None:
        if stream.read(1):
            raise self._wrong_size()

    def _wrong_size(self) -> DataError:
        return _corrupt_error(f"array {self.name!r} has not the size of its shape {self.shape}", self.where)


def _listed_member_count(path: Path) -> int:
    """Return the number of members in the end record of the zip, which ``zipfile`` does not compare."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 0xFFFF - 22, 0))
        tail = file.read()
    (count,) = struct.unpack_from("<H", tail, tail.rindex(b"PK\x05\x06") + 10)
    return int(count)


def _corrupt_error(reason: str, where: str) -> DataError:
    return DataError(f"is truncated or corrupt ({reason})", where=where, remedy="Copy it again, or write it again")
