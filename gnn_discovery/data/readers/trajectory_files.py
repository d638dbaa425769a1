"""The registry of readers, and the functions that read and write a trajectory file of any known format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from gnn_discovery.data.readers.protocol import Reader, Recording
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import DataError

READER_GROUP = "gnn_discovery.readers"
"""Readers are registered under this group of entry points."""

MOTION_BYTE_LIMIT = 2**29
"""A file is read whole up to so many bytes of motion; the limit is the same on every machine."""


@dataclass(frozen=True)
class ReaderPlugin:
    """A frozen record of a registered reader, or of the reason why it could not be loaded.

    Attributes:
        name: the name of the entry point.
        reader: the reader, None if it could not be loaded.
        error: the reason, if it could not be loaded.
    """

    name: str
    reader: Reader | None
    error: str | None = None


def reader_plugins() -> list[ReaderPlugin]:
    """List all registered readers in the order of their names; a broken one does not affect the others."""
    plugins = []
    for point in sorted(entry_points(group=READER_GROUP), key=lambda p: p.name):
        try:
            plugins.append(ReaderPlugin(point.name, point.load()()))
        except Exception as error:  # a plug-in may fail in any way
            plugins.append(ReaderPlugin(point.name, None, f"{type(error).__name__}: {error}"))
    return plugins


def read_trajectories(path: str | Path, budget: int | None = None) -> Recording:
    """Read a trajectory file with the first reader, in the order of names, that recognises its content.

    Args:
        path: the file.
        budget: bytes of motion to read at most, if the format can be read in part; of more, windows of frames are
            read. The default is ``MOTION_BYTE_LIMIT``.

    Raises:
        DataError: there is no such file, no reader knows its format, or it is no trajectory.
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
            runs = plugin.reader.read(path, MOTION_BYTE_LIMIT if budget is None else budget)
            return Recording(runs, getattr(runs, "notes", ()), plugin.name)
    broken = [f"{p.name} ({p.error})" for p in known if p.reader is None]
    raise DataError(
        "is no trajectory in a known format"
        + (f"; readers that failed to load: {', '.join(broken)}" if broken else ""),
        where=str(path),
        remedy=f"Known formats: {', '.join(p.name for p in known if p.reader is not None)}. "
        "Plainest are columns frame, particle, x, y with a header, and .npz or .h5 with positions and times",
    )


def _recognises(reader: Reader, path: Path) -> bool:
    """Tell whether a reader recognises a file."""
    try:
        return reader.sniff(path)
    except Exception:  # a plug-in may fail in any way, and then leaves the file to the others
        return False


def write_trajectories(path: str | Path, trajectories: Sequence[Trajectory]) -> None:
    """Write runs in the plain format, .npz or .h5 by the name of the file, whole or not at all.

    Args:
        path: the file to write.
        trajectories: the runs.

    Raises:
        DataError: the suffix is another one, or the runs are of unequal shape for .npz.
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
