"""The errors that a user can act on, each with the exit code of the command line."""

from __future__ import annotations

import math
from collections.abc import Collection
from numbers import Integral, Real


class GnnDiscoveryError(Exception):
    """An error that a user can act on.

    Args:
        what: a statement of what is wrong, with the offending value.
        where: the file, run, frame, particle or option concerned.
        remedy: an instruction that mends it.
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


def require_choice(name: str, value: object, choices: Collection[object], where: str) -> None:
    """Refuse a setting whose value is none of the allowed ones.

    Args:
        name: the field.
        value: what it was set to.
        choices: the allowed values.
        where: the config that the field belongs to.

    Raises:
        UsageError: the value is not among the choices.
    """
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        allowed = ", ".join(str(choice) for choice in choices)
        raise UsageError(f"{name} is {value!r}", where=where, remedy=f"Choose from {allowed}")


def require_integer(name: str, value: object, minimum: int, where: str, *, optional: bool = False) -> None:
    """Refuse a setting that is no integer, or a smaller one than is possible.

    Args:
        name: the field.
        value: what it was set to.
        minimum: the smallest allowed value.
        where: the config that the field belongs to.
        optional: accept None.

    Raises:
        UsageError: the value is of another type, or too small.
    """
    if optional and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise UsageError(f"{name} is {value!r}", where=where, remedy=f"Give an integer of at least {minimum}")


def require_number(name: str, value: object, minimum: float, where: str, *, positive: bool = False) -> None:
    """Refuse a setting that is no finite number, or a smaller one than is possible.

    Args:
        name: the field.
        value: what it was set to.
        minimum: the smallest allowed value.
        where: the config that the field belongs to.
        positive: refuse ``minimum`` itself too.

    Raises:
        UsageError: the value is of another type, infinite, or too small.
    """
    real = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if not real or value < minimum or (positive and value == minimum):  # type: ignore[operator]  # a real number
        bound = f"above {minimum:g}" if positive else f"of at least {minimum:g}"
        raise UsageError(f"{name} is {value!r}", where=where, remedy=f"Give a finite number {bound}")
