"""RunDirectory: where one discovery keeps its config, environment, metrics, checkpoints and results."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from gnn_discovery.errors import DataError, StorageError
from gnn_discovery.runs.checkpoints import load_arrays, save_arrays
from gnn_discovery.runs.environment import describe_environment
from gnn_discovery.runs.files import read_json, storage_errors, to_json_text, write_bytes, write_json
from gnn_discovery.runs.lock import DirectoryLock

StepResult = TypeVar("Result")


class RunDirectory:
    """A directory that one process works in at a time; a context manager that holds its lock.

    ``config.json`` is what was asked, ``environment.json`` with what, ``metrics.jsonl`` one record
    a line, ``checkpoints/`` the arrays of each step, ``steps/`` a marker for each step that is done.
    """

    def __init__(self, path: Path):
        self.path = path
        self._lock = DirectoryLock(path / "lock")

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any]) -> RunDirectory:
        """A new run in a directory that is new or empty, locked. Never overwrites.

        Raises:
            StorageError: the directory holds something, or cannot be written.
        """
        with storage_errors(path):
            path.mkdir(parents=True, exist_ok=True)
            occupied = any(path.iterdir())
        if occupied:
            raise StorageError(
                "exists and is not empty",
                where=str(path),
                remedy=f"Give another --out, or go on with it: gnn-discovery resume {path}",
            )
        run = cls(path)
        run._lock.acquire()
        try:
            run.write_json("config.json", config)
            run.write_json("environment.json", describe_environment())
        except BaseException:
            run.close()
            raise
        return run

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """An existing run, locked, to go on with.

        Raises:
            DataError: no run directory.
            StorageError: another process works in it, or it cannot be written.
        """
        if not (path / "config.json").is_file():
            raise DataError(
                "is no run directory (it has no config.json)",
                where=str(path),
                remedy="Give the directory that an earlier `gnn-discovery discover` named",
            )
        run = cls(path)
        run._lock.acquire()
        return run

    @classmethod
    def create_or_open(cls, path: Path, config: Mapping[str, Any]) -> RunDirectory:
        """A run in ``path``, locked: a new one, or the one that is there, if it was asked the same (``config``'s
        entry "config").

        Raises:
            StorageError: another process works in it, it was asked something else, or it cannot be written.
        """
        if not (path / "config.json").is_file():
            return cls.create(path, config)
        run = cls.open(path)
        if run.config.get("config") == json.loads(to_json_text(config["config"])):
            return run
        run.close()
        raise StorageError(
            "holds a run that was begun with other settings", where=str(path), remedy="Name another directory"
        )

    @property
    def config(self) -> dict[str, Any]:
        """What was asked, as it was resolved when the run began."""
        return dict(self.read_json("config.json"))

    def close(self) -> None:
        """Release the lock."""
        self._lock.release()

    def discard(self) -> None:
        """Take back a run that never began: the directory goes if it holds only what `create` wrote."""
        if (self.path / "checkpoints").exists():
            return
        for name in ("config.json", "environment.json"):
            (self.path / name).unlink(missing_ok=True)
        self.close()
        with contextlib.suppress(OSError):  # the folder of all runs goes too, where this was its first
            self.path.rmdir()
            self.path.parent.rmdir()

    def __enter__(self) -> RunDirectory:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.close()

    def write_json(self, name: str, value: Any) -> None:
        write_json(self.path / name, value)

    def read_json(self, name: str) -> Any:
        return read_json(self.path / name)

    def write_text(self, name: str, text: str) -> None:
        write_bytes(self.path / name, text.encode())

    def log(self, **figures: Any) -> None:
        """Append one line to ``metrics.jsonl``."""
        path = self.path / "metrics.jsonl"
        with storage_errors(path), path.open("a", encoding="utf-8") as file:
            file.write(to_json_text(figures, indent=None) + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of ``metrics.jsonl``; a last line cut short by a crash is left out."""
        path = self.path / "metrics.jsonl"
        rows: list[dict[str, Any]] = []
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    rows.append(json.loads(line))
                except ValueError:
                    break
        return rows

    def save_arrays(self, name: str, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any] | None = None) -> None:
        """Checkpoint ``name``: arrays by name and what JSON knows of them."""
        save_arrays(self._checkpoint(name), arrays, meta)

    def load_arrays(self, name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The arrays and the description of checkpoint ``name``."""
        return load_arrays(self._checkpoint(name))

    def step(
        self,
        name: str,
        compute: Callable[[], StepResult],
        save: Callable[[StepResult], None],
        load: Callable[[], StepResult],
    ) -> StepResult:
        """The result of step ``name``: loaded where an earlier process finished it, else computed and saved.

        A step whose files are damaged is computed again.
        """
        marker = self.path / "steps" / name
        if marker.exists():
            try:
                return load()
            except DataError:
                marker.unlink(missing_ok=True)
        result = compute()
        save(result)
        write_bytes(marker, b"")
        return result

    def done(self, name: str) -> bool:
        """Whether step ``name`` is finished."""
        return (self.path / "steps" / name).exists()

    def _checkpoint(self, name: str) -> Path:
        return self.path / "checkpoints" / f"{name}.safetensors"


def next_directory(source: str, root: Path = Path("runs")) -> Path:
    """``runs/SOURCE-N`` with the first free N; a file's or module's name stands without its path."""
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(source).name.removesuffix(".npz").removesuffix(".h5")).strip("-.")
    stem = stem or "run"
    number = 1
    while (root / f"{stem}-{number}").exists():
        number += 1
    return root / f"{stem}-{number}"
