"""What can go wrong, in words, with the exit code of the command line."""

from __future__ import annotations


class GnnDiscoveryError(Exception):
    """An error that a user can act on.

    Args:
        what: what is wrong, with the offending value.
        where: the file, run, frame, particle or option concerned.
        remedy: what to do about it.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None):
        self.what, self.where, self.remedy = what, where, remedy
        super().__init__(what, where, remedy)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}. {self.remedy}" if self.remedy else text


class UsageError(GnnDiscoveryError):
    """An unknown system, engine, option, or a value out of range."""

    exit_code = 2


class DataError(GnnDiscoveryError, ValueError):
    """A file or an array that is missing, unreadable or wrong."""

    exit_code = 3


class EngineUnavailable(GnnDiscoveryError):
    """A known symbolic engine that cannot run on this machine."""

    exit_code = 4


class NoResult(GnnDiscoveryError):
    """Training diverged, or no law could be fitted."""

    exit_code = 5


class StorageError(GnnDiscoveryError):
    """A run directory that cannot be written, is locked, or is full."""

    exit_code = 6
