"""Check and Verdict: what was tested, what it showed, and what may be said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ErrorPair = tuple[float | None, float | None]
"""In and out of distribution; None: not measured."""


@dataclass(frozen=True)
class Check:
    """One test. ``passed`` is None where it could not be made; ``figure`` is the measured number."""

    name: str
    passed: bool | None
    figure: float | None
    detail: str


@dataclass(frozen=True)
class MeasuredLaw:
    """A law by name, and how much of the motion it misses that it was not fitted to.

    Attributes:
        error: sum|residual| / sum|target|, as of `report.record.Fit`.
        relative: mean of |residual| / (scale + |target|), which no close encounter decides.
    """

    name: str
    error: ErrorPair
    relative: ErrorPair


@dataclass(frozen=True)
class Verdict:
    """``known``, ``candidate`` or ``inconclusive``; ``reason`` says why in a sentence."""

    status: Literal["known", "candidate", "inconclusive"]
    match: str | None
    alternatives: tuple[str, ...]
    reason: str
    checks: tuple[Check, ...]

    def __str__(self) -> str:
        return f"{self.status}: {self.reason}"
