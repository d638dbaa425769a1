"""Derivatives along time as weighted sums of the frames around."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view
from numpy.polynomial import legendre
from scipy.ndimage import correlate1d

from gnn_discovery.types import Times

_MAX_HALF_WIDTH = 500, 40  # half of the widest window, in frames, for uniform and for other times


class SavitzkyGolayFilters:
    """Weights of a derivative (0: the value) of the least-squares polynomial over 2 half + 1 frames at its middle."""

    def __init__(self, times: Times, derivative: int):
        self.derivative = derivative
        self.times, self.uniform = time_grid(times)
        self.widest = min(max((len(times) - 1) // 4, 1), _MAX_HALF_WIDTH[0] if self.uniform else _MAX_HALF_WIDTH[1])
        self._known: dict[tuple[int, int], np.ndarray] = {}

    def halves(self, degree: int) -> list[int]:
        """Windows of a degree, from the narrowest, each about a quarter wider than the one before."""
        steps = {round(1.25**k) for k in range(40)}
        return sorted(h for h in steps | {degree // 2} if degree // 2 <= h <= self.widest)

    def weights(self, degree: int, half: int) -> Float[np.ndarray, "W n"]:
        """One row where times are uniform, else a row for each frame that has a full window."""
        if (degree, half) not in self._known:
            self._known[degree, half] = self._fit(degree, half)
        return self._known[degree, half]

    def _fit(self, degree: int, half: int) -> np.ndarray:
        nodes = sliding_window_view(self.times, 2 * half + 1)[: 1 if self.uniform else None]
        nodes = nodes - nodes[:, half : half + 1]
        scale = np.abs(nodes).max(axis=1)
        basis = legendre.legvander(nodes / scale[:, None], degree)
        slopes = legendre.legval(np.zeros(1), legendre.legder(np.eye(degree + 1), self.derivative))[:, 0]
        q, r = np.linalg.qr(basis)
        solved = np.linalg.solve(np.swapaxes(r, 1, 2), np.broadcast_to(slopes[:, None], (len(r), degree + 1, 1)))
        weights = (q @ solved)[..., 0] / scale[:, None] ** self.derivative
        if self.uniform:
            weights = (weights + (-1) ** self.derivative * weights[:, ::-1]) / 2
        if self.derivative:
            weights[:, half] -= weights.sum(axis=1)
        return weights


def time_grid(times: Times) -> tuple[np.ndarray, bool]:
    """Times from zero, and whether they are uniform (then exactly so; rounding to float32 is forgiven)."""
    step = (times[-1] - times[0]) / (len(times) - 1)
    even = step * np.arange(len(times))
    off = np.abs(times - times[0] - even).max()
    single = bool((times.astype(np.float32) == times).all())
    rounded = 2 * np.finfo(np.float32).eps * np.abs(times).max() if single else 0.0
    uniform = bool(off <= max(1e-6 * step, min(rounded, 0.02 * step)))
    return (even if uniform else times - times[0]), uniform


def apply_filter(weights: np.ndarray, series: np.ndarray) -> np.ndarray:
    """The filter along time: (T - n + 1, M, D) for n weights."""
    count, size = len(series), weights.shape[1]
    if len(weights) == 1:
        before = size // 2
        return correlate1d(series, weights[0], axis=0, mode="nearest")[before : before + count - size + 1]
    return np.einsum("wn,wmdn->wmd", weights, sliding_window_view(series, size, axis=0))
