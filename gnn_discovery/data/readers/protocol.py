"""The door through which files come in: protocol, registry, and the reading of a file of any known format."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Protocol, runtime_checkable

from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import DataError

READER_GROUP = "gnn_discovery.readers"

MOTION_BYTE_LIMIT = 2**29
"""Bytes of motion that are read of one file; of more, windows of frames. The same on every machine."""


class Recording(Sequence[Trajectory]):
    """The runs of a file, and what is to be said of how they were read.

    Attributes:
        notes: sentences, one each for what was left out, split, or taken for granted.
        format: the name of the reader.
    """

    def __init__(self, runs: Sequence[Trajectory], notes: Sequence[str] = (), format: str = ""):
        self.runs, self.notes, self.format = tuple(runs), tuple(notes), format

    def __len__(self) -> int:
        return len(self.runs)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # as a tuple does
        return self.runs[index]


@runtime_checkable
class Reader(Protocol):
    """One file format. Made without arguments, and asked once for each file that a user names."""

    name: str

    def sniff(self, path: Path) -> bool:
        """Whether the content (not the name alone) looks like this format. Must not raise, nor read much."""
        ...

    def read(self, path: Path, budget: int) -> Sequence[Trajectory]:
        """The runs, validated: a list, or a `Recording` where there is something to say.

        Of motion that takes more than ``budget`` bytes, as float64, a reader may give windows of contiguous
        frames (see `gnn_discovery.data.readers.frame_windows`). A `DataError` names the file and what is wrong in it.
        """
        ...


@dataclass(frozen=True)
class ReaderPlugin:
    """A registered reader, or why it could not be loaded."""

    name: str
    reader: Reader | None
    error: str | None = None


def reader_plugins() -> list[ReaderPlugin]:
    """All registered readers in the order of their names; a broken one is listed and harms no other."""
    found = []
    for point in sorted(entry_points(group=READER_GROUP), key=lambda p: p.name):
        try:
            found.append(ReaderPlugin(point.name, point.load()()))
        except Exception as error:  # a plug-in may fail in any way
            found.append(ReaderPlugin(point.name, None, f"{type(error).__name__}: {error}"))
    return found


def read_trajectories(path: str | Path, budget: int | None = None) -> Recording:
    """The runs of a trajectory file, by the first reader, in the order of names, that knows its content.

    Args:
        path: the file.
        budget: bytes of motion to read at most, where the format can be read in part; ``MOTION_BYTE_LIMIT`` by default.

    Raises:
        DataError: no such file, a format that no reader knows, or a file that is no trajectory.
    """
    path = Path(path)
    if path.is_dir():
        raise DataError("is a directory", where=str(path), remedy="Name one trajectory file")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError:
        raise DataError("no such file", where=str(path), remedy="Check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"cannot be read ({reason})", where=str(path), remedy="Check the path") from None
    if empty:
        raise DataError("is empty", where=str(path), remedy="Write it again")
    known = reader_plugins()
    for plugin in known:
        if plugin.reader is not None and _recognises(plugin.reader, path):
            found = plugin.reader.read(path, MOTION_BYTE_LIMIT if budget is None else budget)
            return Recording(found, getattr(found, "notes", ()), plugin.name)
    broken = [f"{p.name} ({p.error})" for p in known if p.reader is None]
    raise DataError(
        "is no trajectory in a known format"
        + (f"; readers that failed to load: {', '.join(broken)}" if broken else ""),
        where=str(path),
        remedy=f"Known formats: {', '.join(p.name for p in known if p.reader is not None)}. "
        "Plainest are columns frame, particle, x, y with a header, and .npz or .h5 with positions and times",
    )


def import_extra(module: str, extra: str) -> ModuleType:
    """The package that knows a format, which an extra brings.

    Raises:
        DataError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DataError(
            f"this format is read by {module.partition('.')[0]}, which cannot be imported ({error})",
            remedy=f"pip install 'gnn-discovery[{extra}]'",
        ) from error


@contextmanager
def name_file_in_errors(where: str) -> Iterator[None]:
    """Whatever a foreign program raises over a file becomes an error that names the file."""
    try:
        yield
    except DataError as error:
        raise error if error.where else DataError(error.what, where=where, remedy=error.remedy) from error
    except Exception as error:
        raise DataError(
            f"is truncated, corrupt or incomplete ({type(error).__name__}: {error})",
            where=where,
            remedy="Copy it again, or write it again",
        ) from error


def _recognises(reader: Reader, path: Path) -> bool:
    try:
        return reader.sniff(path)
    except Exception:  # a plug-in may fail in any way, and then leaves the file to the others
        return False


def write_trajectories(path: str | Path, trajectories: Sequence[Trajectory]) -> None:
    """Write runs in the plain format, .npz or .h5 by the name of the file, whole or not at all.

    Raises:
        DataError: another suffix, or runs of unequal shape for .npz.
        StorageError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix == ".npz":
        from gnn_discovery.data.readers.npz import write_npz

        write_npz(path, trajectories)
    elif path.suffix in (".h5", ".hdf5"):
        from gnn_discovery.data.readers.hdf5 import write_hdf5

        write_hdf5(path, trajectories)
    else:
        raise DataError(f"suffix {path.suffix!r}", where=str(path), remedy="Name the file .npz or .h5")
