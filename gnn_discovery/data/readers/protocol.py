"""The protocol of readers, the recording that they return, and their helpers."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Protocol, overload, runtime_checkable

from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import DataError


class Recording(Sequence[Trajectory]):
    """The runs of a file, with notes on how they were read.

    Attributes:
        runs: the runs, which are also the elements of this sequence.
        notes: one sentence for each thing that was left out, split or assumed.
        format: the name of the reader.
    """

    def __init__(self, runs: Sequence[Trajectory], notes: Sequence[str] = (), format: str = ""):
        """Keep the runs.

        Args:
            runs: validated runs.
            notes: one sentence for each thing that was left out, split or assumed.
            format: the name of the reader.
        """
        self.runs, self.notes, self.format = tuple(runs), tuple(notes), format

    def __len__(self) -> int:
        return len(self.runs)

    @overload
    def __getitem__(self, index: int) -> Trajectory: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Trajectory, ...]: ...

    def __getitem__(self, index: int | slice) -> Trajectory | tuple[Trajectory, ...]:
        return self.runs[index]


@runtime_checkable
class Reader(Protocol):
    """The protocol of one file format. A reader is made without arguments, and asked once for each file of a user."""

    name: str

    def sniff(self, path: Path) -> bool:
        """Tell whether the content (not the name alone) looks like this format, without raising or reading much."""
        ...

    def read(self, path: Path, budget: int) -> Sequence[Trajectory]:
        """Read the validated runs: a list, or a `Recording` with notes.

        Args:
            path: the file, which `sniff` accepted.
            budget: bytes of motion, as float64, above which a reader may return windows of contiguous frames (see
                `gnn_discovery.data.readers.frame_windows`).

        Raises:
            DataError: the message names the file and the fault in it.
        """
        ...


def import_extra(module: str, extra: str) -> ModuleType:
    """Import a package that an extra of this one installs.

    Args:
        module: dotted name of the module.
        extra: the extra that installs it.

    Raises:
        DataError: the package is not installed.
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
    """Turn every exception of a foreign program into a DataError that names the file ``where``."""
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
