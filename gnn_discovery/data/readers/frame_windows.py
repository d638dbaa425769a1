"""The choice of windows of contiguous frames, if not all of a recording fits into the memory budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gnn_discovery.data.readers.plain_format import MOTION_ARRAYS, RESERVED_ARRAYS


@dataclass(frozen=True)
class FrameWindow:
    """A frozen record of the frames ``start`` to ``stop`` (not included) of the run number ``run``."""

    run: int
    start: int
    stop: int


def choose_windows(
    lengths: Sequence[int], frame_bytes: int, budget: int, *, min_frames: int = 200, max_windows: int = 20
) -> tuple[list[FrameWindow], str | None]:
    """Choose windows that are evenly spread over the runs, and describe them; whole runs and None if all fit.

    Args:
        lengths: number of frames of each run.
        frame_bytes: bytes that one frame takes.
        budget: bytes that all windows may take; at least one window is read in any case.
        min_frames: frames of a window in which noise can still be averaged; if the budget is small, there are fewer
            windows of this length.
        max_windows: number of windows that are enough to hold some out.
    """
    allowed = max(budget // max(frame_bytes, 1), 1)
    if sum(lengths) <= allowed:
        return [FrameWindow(run, 0, length) for run, length in enumerate(lengths)], None
    size = max(allowed // max_windows, min(allowed, min_frames))
    pieces = [piece for run, length in enumerate(lengths) for piece in _cut_run(run, length, size)]
    longest = max(piece.stop - piece.start for piece in pieces)
    count = min(max(allowed // longest, 1), len(pieces))
    chosen = [pieces[(2 * k + 1) * len(pieces) // (2 * count)] for k in range(count)]
    read = f"{count} windows of {longest:,} contiguous frames were" if count > 1 else f"{longest:,} in the middle were"
    return chosen, f"Of {sum(lengths):,} frames, {read} read."


class StoredArray(Protocol):
    """The protocol of an array in a file that has not been read yet."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the array."""
        ...

    def whole(self) -> np.ndarray:
        """Read all of it, if it fits into memory."""
        ...

    def frames(self, chosen: Sequence[FrameWindow]) -> np.ndarray:
        """Read K windows of W frames each from an array (R T N D) or (T N D), stacked to (K W N D)."""
        ...


def motion_extent(shapes: Mapping[str, tuple[int, ...]]) -> tuple[list[int], int]:
    """Return the number of frames of each run, and the bytes that the motion of one frame takes as float64."""
    shape = shapes.get("positions", ())
    if len(shape) not in (3, 4):
        return [], 0
    moving = sum(shapes.get(name) == shape for name in MOTION_ARRAYS)
    return [shape[-3]] * (shape[0] if len(shape) == 4 else 1), 8 * moving * shape[-2] * shape[-1]


def read_windows(stored: Mapping[str, StoredArray], chosen: Sequence[FrameWindow] | None) -> dict[str, np.ndarray]:
    """Read the arrays of the windows, which become runs of their own.

    Args:
        stored: the arrays of a file in the plain format, by name.
        chosen: the windows to read; None reads everything.
    """
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
    """Cut a run into as many windows of ``size`` frames as it holds; a shorter run stays whole."""
    size = min(size, length)
    return [FrameWindow(run, start, start + size) for start in range(0, length - size + 1, max(size, 1))]
