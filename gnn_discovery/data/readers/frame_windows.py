"""Which part of motion is read where not all of it fits: whole runs, or windows of contiguous frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gnn_discovery.data.readers.plain_format import MOTION_ARRAYS, RESERVED_ARRAYS

MIN_WINDOW_FRAMES = 200
"""Frames of a window that noise can still be averaged in; where the budget allows no more, windows are fewer."""

_MAX_WINDOWS = 20  # windows, as many as a long run is cut into to hold some out


@dataclass(frozen=True)
class FrameWindow:
    """Frames ``start`` to ``stop`` (not included) of one run."""

    run: int
    start: int
    stop: int


def choose_windows(lengths: Sequence[int], frame_bytes: int, budget: int) -> tuple[list[FrameWindow], str | None]:
    """Windows of runs of these lengths, evenly spread, and what was read in words; whole runs and None if all fit.

    Args:
        lengths: frames of each run.
        frame_bytes: that one frame takes.
        budget: bytes that all may take; at least one window is read in any case.
    """
    allowed = max(budget // max(frame_bytes, 1), 1)
    if sum(lengths) <= allowed:
        return [FrameWindow(run, 0, length) for run, length in enumerate(lengths)], None
    size = max(allowed // _MAX_WINDOWS, min(allowed, MIN_WINDOW_FRAMES))
    pieces = [piece for run, length in enumerate(lengths) for piece in _cut_run(run, length, size)]
    longest = max(piece.stop - piece.start for piece in pieces)
    count = min(max(allowed // longest, 1), len(pieces))
    chosen = [pieces[(2 * k + 1) * len(pieces) // (2 * count)] for k in range(count)]
    read = f"{count} windows of {longest:,} contiguous frames were" if count > 1 else f"{longest:,} in the middle were"
    return chosen, f"Of {sum(lengths):,} frames, {read} read."


class StoredArray(Protocol):
    """An array in a file, not read yet."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def whole(self) -> np.ndarray:
        """All of it, if it fits into memory."""
        ...

    def frames(self, chosen: Sequence[FrameWindow]) -> np.ndarray:
        """Windows of equal length of an array (R T N D) or (T N D), side by side: (K W N D)."""
        ...


def motion_extent(shapes: Mapping[str, tuple[int, ...]]) -> tuple[list[int], int]:
    """Frames of each run, and the bytes that the motion of one frame takes as float64."""
    shape = shapes.get("positions", ())
    if len(shape) not in (3, 4):
        return [], 0
    moving = sum(shapes.get(name) == shape for name in MOTION_ARRAYS)
    return [shape[-3]] * (shape[0] if len(shape) == 4 else 1), 8 * moving * shape[-2] * shape[-1]


def read_windows(stored: Mapping[str, StoredArray], chosen: Sequence[FrameWindow] | None) -> dict[str, np.ndarray]:
    """The arrays of the windows alone, as those of runs of their own; whole where none are given."""
    if chosen is None:
        return {name: array.whole() for name, array in stored.items()}
    shape = stored["positions"].shape
    runs, frames, count = (1, *shape)[-4:-1]
    arrays = {}
    for name, array in stored.items():
        if name in MOTION_ARRAYS and array.shape == shape:
            arrays[name] = array.frames(chosen)
            continue
        arrays[name] = whole = array.whole()
        if name == "times" and whole.shape in ((frames,), (runs, frames)):
            arrays[name] = np.stack([np.broadcast_to(whole, (runs, frames))[w.run, w.start : w.stop] for w in chosen])
        elif name not in RESERVED_ARRAYS and whole.shape == (runs, count):
            arrays[name] = whole[[w.run for w in chosen]]
    return arrays


def _cut_run(run: int, length: int, size: int) -> list[FrameWindow]:
    """The run cut into as many windows of ``size`` as it holds; a shorter run whole."""
    size = min(size, length)
    return [FrameWindow(run, start, start + size) for start in range(0, length - size + 1, max(size, 1))]
