"""One process a run directory: a lock file that names its holder and outlives no crash."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from gnn_discovery.errors import StorageError
from gnn_discovery.runs.files import storage_errors

_held: set[Path] = set()


class DirectoryLock:
    """A file made with O_EXCL that holds host and process id.

    A lock whose process is gone from this host is stale and taken over; one of another host is not judged.
    """

    def __init__(self, path: Path):
        self.path = path.absolute()

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            StorageError: held by a living process, or the directory cannot be written.
        """
        for _ in range(3):
            if self._create():
                _held.add(self.path)
                return
            self._remove_if_stale()
        raise StorageError("is being locked and unlocked by others", where=str(self.path), remedy="Try again")

    def release(self) -> None:
        """Give the lock back; twice does no harm."""
        if self.path in _held:
            _held.discard(self.path)
            self.path.unlink(missing_ok=True)

    def _create(self) -> bool:
        with storage_errors(self.path):
            try:
                file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            except FileExistsError:
                return False
            with os.fdopen(file, "w") as stream:
                json.dump({"pid": os.getpid(), "host": socket.gethostname()}, stream)
        return True

    def _remove_if_stale(self) -> None:
        try:
            holder = json.loads(self.path.read_text())
            pid, host = int(holder["pid"]), str(holder["host"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            pid, host = 0, "unknown"
        if host == socket.gethostname() and not self._alive(pid):
            aside = self.path.with_name(f"{self.path.name}.{os.getpid()}.stale")
            with storage_errors(self.path):
                try:
                    os.replace(self.path, aside)
                except FileNotFoundError:
                    return
                aside.unlink(missing_ok=True)
            return
        raise StorageError(
            f"in use by process {pid} on {host}",
            where=str(self.path.parent),
            remedy=f"Wait for it, or give another --out; if that process is gone, delete {self.path}",
        )

    def _alive(self, pid: int) -> bool:
        if pid == os.getpid():
            return self.path in _held
        if os.name == "nt":
            return True  # signal 0 would end the process there
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
