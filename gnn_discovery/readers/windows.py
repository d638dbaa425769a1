"""Which part of motion is read where not all of it fits: whole runs, or windows of contiguous frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FEWEST = 200
"""Frames of a window that noise can still be averaged in; where the budget allows no more, windows are fewer."""

_MOST = 20  # windows, as many as a long run is cut into to hold some out


@dataclass(frozen=True)
class Window:
    """Frames ``start`` to ``stop`` (not included) of one run."""

    run: int
    start: int
    stop: int


def windows(lengths: Sequence[int], frame_bytes: int, budget: int) -> tuple[list[Window], str | None]:
    """Windows of runs of these lengths, evenly spread, and what was read in words; whole runs and None if all fit.

    Args:
        lengths: frames of each run.
        frame_bytes: that one frame takes.
        budget: bytes that all may take; at least one window is read in any case.
    """
    allowed = max(budget // max(frame_bytes, 1), 1)
    if sum(lengths) <= allowed:
        return [Window(run, 0, length) for run, length in enumerate(lengths)], None
    size = max(allowed // _MOST, min(allowed, FEWEST))
    pieces = [piece for run, length in enumerate(lengths) for piece in _pieces(run, length, size)]
    longest = max(piece.stop - piece.start for piece in pieces)
    count = min(max(allowed // longest, 1), len(pieces))
    chosen = [pieces[(2 * k + 1) * len(pieces) // (2 * count)] for k in range(count)]
    read = f"{count} windows of {longest:,} contiguous frames were" if count > 1 else f"{longest:,} in the middle were"
    return chosen, f"Of {sum(lengths):,} frames, {read} read."


def _pieces(run: int, length: int, size: int) -> list[Window]:
    """The run cut into as many windows of ``size`` as it holds; a shorter run whole."""
    size = min(size, length)
    return [Window(run, start, start + size) for start in range(0, length - size + 1, max(size, 1))]
