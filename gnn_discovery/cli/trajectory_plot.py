"""Draw tracks in the terminal, in braille."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from gnn_discovery.data.differentiation import bridge_gaps
from gnn_discovery.data.trajectory import Trajectory

PLOT_COLUMNS, PLOT_ROWS = 60, 14
"""The plot has so many columns and rows of characters, of 2 by 4 dots each."""

_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])


def plot_trajectory(run: Trajectory, max_frames: int = 2000) -> str:
    """Return the tracks of a run in the two directions in which it is widest; along a line, over time.

    Args:
        run: the run.
        max_frames: limit of the frames that are drawn.

    Returns:
        At most 15 lines of text.
    """
    names, across, up = _widest_projection(run, max_frames)
    low = np.array([across.min(), up.min()])
    size = np.array([np.ptp(across), np.ptp(up)])
    dots = np.array([2 * PLOT_COLUMNS - 1, 4 * PLOT_ROWS - 1])
    scale = np.where(size > 0, size, 1.0) / dots
    if "time" not in names:
        scale[:] = (size / dots).max() or 1.0  # both directions have one scale, so that circles stay round
    place = (np.stack([across, up], axis=-1) - low) / scale
    x, y = np.rint(_interpolated(place)).astype(int).T
    grid = np.zeros((4 * (y.max() // 4 + 1), 2 * PLOT_COLUMNS), dtype=int)
    grid[len(grid) - 1 - y, x] = 1
    cells = (grid.reshape(len(grid) // 4, 4, PLOT_COLUMNS, 2) * _BITS[None, :, None, :]).sum(axis=(1, 3))
    ends = [f"{name} {least:.4g} to {least + length:.4g}" for name, least, length in zip(names, low, size, strict=True)]
    lines = ["".join(chr(0x2800 + cell) for cell in row).rstrip("\u2800") for row in cells.tolist()]
    return "\n".join([*lines, f"Run 0: {ends[0]} to the right, {ends[1]} upwards."])


def _widest_projection(
    run: Trajectory, max_frames: int
) -> tuple[tuple[str, str], Float[np.ndarray, "T N"], Float[np.ndarray, "T N"]]:
    """Return names and values of the coordinates that are drawn to the right and upwards."""
    step = -(-len(run.times) // max_frames)
    bridged = bridge_gaps(run).run
    x = bridged.positions[::step]
    if x.shape[2] == 1:
        return ("time", "x"), np.broadcast_to(bridged.times[::step, None], x.shape[:2]), x[..., 0]
    a, b = sorted(np.argsort(-np.ptp(x, axis=(0, 1)), kind="stable")[:2])
    return ("xyz"[a], "xyz"[b]), x[..., a], x[..., b]


def _interpolated(place: Float[np.ndarray, "T N 2"]) -> Float[np.ndarray, "K 2"]:
    """Return points so close that the frames are joined by lines."""
    steps = np.diff(place, axis=0)
    count = int(np.ceil(np.abs(steps).max(initial=0.0))) + 1
    parts = [place[:-1] + steps * k / count for k in range(count)]
    return np.concatenate([part.reshape(-1, 2) for part in [*parts, place[-1:]]])
