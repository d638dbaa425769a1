"""The lock of a run directory: a file that names its holder, so that one process works in a directory at a time."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from gnn_discovery.errors import StorageError
from gnn_discovery.runs.files import storage_errors

_held: set[Path] = set()


class DirectoryLock:
    """A lock file, made with O_EXCL, that holds host and process id.

    A lock whose process no longer runs on this host is stale and taken over; one of another host is respected.

    Args:
        path: the file.
    """

    def __init__(self, path: Path):
        self.path = path.absolute()

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            StorageError: a running process holds it, or the directory cannot be written.
        """
        for _ in range(3):
            if self._create():
                _held.add(self.path)
                return
            self._remove_if_stale()
        raise StorageError("it is being locked and unlocked by others", where=str(self.path), remedy="Try again")

    def release(self) -> None:
        """Release the lock; releasing it twice does no harm."""
        if self.path in _held:
            _held.discard(self.path)
            self.path.unlink(missing_ok=True)

    def _create(self) -> bool:
        """Make the file; return False where it exists."""
        with storage_errors(self.path):
            try:
                file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            except FileExistsError:
                return False
            with os.fdopen(file, "w") as stream:
                json.dump({"pid": os.getpid(), "host": socket.gethostname()}, stream)
        return True

    def _remove_if_stale(self) -> None:
        """Remove the lock of a process that no longer runs, and raise a StorageError for any other."""
        try:
            holder = json.loads(self.path.read_text())
            pid, host = int(holder["pid"]), str(holder["host"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            pid, host = 0, "unknown"
        if host == socket.gethostname() and not self._is_running(pid):
            aside = self.path.with_name(f"{self.path.name}.{os.getpid()}.stale")
            with storage_errors(self.path):
                try:
                    os.replace(self.path, aside)
                except FileNotFoundError:
                    return
                aside.unlink(missing_ok=True)
            return
        raise StorageError(
            f"it is in use by process {pid} on {host}",
            where=str(self.path.parent),
            remedy=f"Wait for it, or give another --out; if that process is gone, delete {self.path}",
        )

    def _is_running(self, pid: int) -> bool:
        """Tell whether a process of this host still runs and holds the lock."""
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
