"""The run directory, in which one discovery keeps its config, environment, metrics, checkpoints and results."""

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

StepResult = TypeVar("StepResult")
"""The result of a step of a run."""


class RunDirectory:
    """A directory that one process works in at a time; as a context manager it holds the lock.

    ``config.json`` holds what was asked, ``environment.json`` versions and machine, ``metrics.jsonl`` one record in
    each line, ``checkpoints/`` the arrays of each step, and ``steps/`` a marker for each step that is done.

    Args:
        path: the directory.
    """

    def __init__(self, path: Path):
        self.path = path
        self._lock = DirectoryLock(path / "lock")

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any]) -> RunDirectory:
        """Return a new run, locked, in a directory that is new or empty; nothing is ever overwritten.

        Args:
            path: the directory.
            config: the content of ``config.json``.

        Raises:
            StorageError: the directory holds something, or cannot be written.
        """
        with storage_errors(path):
            path.mkdir(parents=True, exist_ok=True)
            occupied = any(path.iterdir())
        if occupied:
            raise StorageError(
                "it exists and is not empty",
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
        """Return an existing run, locked, to continue it.

        Raises:
            DataError: the path is no run directory.
            StorageError: another process works in it, or it cannot be written.
        """
        if not (path / "config.json").is_file():
            raise DataError(
                "it is no run directory, since it has no config.json",
                where=str(path),
                remedy="Give the directory that an earlier `gnn-discovery discover` named",
            )
        run = cls(path)
        run._lock.acquire()
        return run

    @classmethod
    def create_or_open(cls, path: Path, config: Mapping[str, Any]) -> RunDirectory:
        """Return a run, locked: a new one, or the existing one if it began with the same settings.

        Args:
            path: the directory.
            config: the content of ``config.json``; its entry "config" holds the settings that are compared.

        Raises:
            StorageError: another process works in it, it began with other settings, or it cannot be written.
        """
        if not (path / "config.json").is_file():
            return cls.create(path, config)
        run = cls.open(path)
        if run.config.get("config") == json.loads(to_json_text(config["config"])):
            return run
        run.close()
        raise StorageError(
            "it holds a run that began with other settings", where=str(path), remedy="Name another directory"
        )

    @property
    def config(self) -> dict[str, Any]:
        """Return the settings of the run, as they were resolved when it began."""
        return dict(self.read_json("config.json"))

    def close(self) -> None:
        """Release the lock."""
        self._lock.release()

    def discard(self) -> None:
        """Remove a run that never began, if it holds only what `create` wrote."""
        if (self.path / "checkpoints").exists():
            return
        for name in ("config.json", "environment.json"):
            (self.path / name).unlink(missing_ok=True)
        self.close()
        with contextlib.suppress(OSError):  # the folder of all runs is removed too, if this was its first
            self.path.rmdir()
            self.path.parent.rmdir()

    def __enter__(self) -> RunDirectory:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.close()

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file of the run, atomically.

        Args:
            name: name of the file.
            value: its content.
        """
        write_json(self.path / name, value)

    def read_json(self, name: str) -> Any:
        """Return the content of a JSON file of the run."""
        return read_json(self.path / name)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file of the run, atomically.

        Args:
            name: name of the file.
            text: its content.
        """
        write_bytes(self.path / name, text.encode())

    def log(self, **metrics: Any) -> None:
        """Append one record to ``metrics.jsonl``."""
        path = self.path / "metrics.jsonl"
        with storage_errors(path), path.open("a", encoding="utf-8") as file:
            file.write(to_json_text(metrics, indent=None) + "\n")

    def save_arrays(self, name: str, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any] | None = None) -> None:
        """Write a checkpoint.

        Args:
            name: name of the checkpoint.
            arrays: arrays by name.
            meta: values that JSON can hold.
        """
        save_arrays(self._checkpoint(name), arrays, meta)

    def load_arrays(self, name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the arrays and the plain values of checkpoint ``name``."""
        return load_arrays(self._checkpoint(name))

    def step(
        self,
        name: str,
        compute: Callable[[], StepResult],
        save: Callable[[StepResult], None],
        load: Callable[[], StepResult],
    ) -> StepResult:
        """Return the result of a step: loaded where an earlier process finished it, else computed and saved.

        A step whose files are damaged is computed again.

        Args:
            name: name of the step.
            compute: computes the result.
            save: saves it.
            load: loads it.
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
        """Tell whether step ``name`` is finished."""
        return (self.path / "steps" / name).exists()

    def _checkpoint(self, name: str) -> Path:
        """Return the file of a checkpoint."""
        return self.path / "checkpoints" / f"{name}.safetensors"


def next_directory(source: str, root: Path = Path("runs")) -> Path:
    """Return ``runs/SOURCE-N`` with the first free N.

    Args:
        source: the source of the motion; the name of a file is taken without its path.
        root: the folder of all runs.
    """
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(source).name.removesuffix(".npz").removesuffix(".h5")).strip("-.")
    stem = stem or "run"
    number = 1
    while (root / f"{stem}-{number}").exists():
        number += 1
    return root / f"{stem}-{number}"
