"""Savitzky-Golay filters: derivatives along time as weighted sums over the frames around.

A polynomial p of degree n is fitted by least squares to the 2 h + 1 frames t_{-h}, ..., t_h around a frame. Its d-th
derivative at the middle is linear in the series x (Savitzky and Golay, Anal. Chem. 36, 1627, 1964):

    p^(d)(t_0) = sum_i w_i x_i,    w = A (A^T A)^{-1} b / s^d,    A_ik = P_k((t_i - t_0) / s),    b_k = P_k^(d)(0)

with Legendre polynomials P_k and s the half width of the window in time. The weights are computed from A = Q R as
w = Q R^{-T} b / s^d.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view
from numpy.polynomial import legendre
from scipy.ndimage import correlate1d

from gnn_discovery.types import Times


class SavitzkyGolayFilters:
    """The weights of one derivative at the middle of each window, for all window widths and degrees.

    Attributes:
        derivative: order of the derivative; 0 smooths.
        times: (T,) times from zero, exactly uniform if ``uniform``.
        uniform: True if the times are uniform, so that one row of weights serves all frames.
        widest: largest half width of a window in frames: a quarter of the run, and within the limits below.
    """

    def __init__(
        self, times: Times, derivative: int, *, max_half_width: int = 500, max_half_width_nonuniform: int = 40
    ):
        """Prepare the filters of one derivative.

        Args:
            times: (T,), increasing.
            derivative: order of the derivative; 0 smooths.
            max_half_width: largest half width in frames if the times are uniform; it bounds the cost.
            max_half_width_nonuniform: largest half width in frames otherwise, where each frame has its own weights.
        """
        self.derivative = derivative
        self.times, self.uniform = time_grid(times)
        limit = max_half_width if self.uniform else max_half_width_nonuniform
        self.widest = min(max((len(times) - 1) // 4, 1), limit)
        self._cache: dict[tuple[int, int], np.ndarray] = {}

    def halves(self, degree: int) -> list[int]:
        """Return the half widths to try for a degree, from the narrowest, each about a quarter wider than the last."""
        steps = {round(1.25**k) for k in range(40)}
        return sorted(h for h in steps | {degree // 2} if degree // 2 <= h <= self.widest)

    def weights(self, degree: int, half: int) -> Float[np.ndarray, "W n"]:
        """Return the weights of a filter: one row if times are uniform, else one for each frame with a full window.

        Args:
            degree: degree of the polynomial.
            half: half width of the window; it has n = 2 half + 1 frames.
        """
        if (degree, half) not in self._cache:
            self._cache[degree, half] = self._fit(degree, half)
        return self._cache[degree, half]

    def _fit(self, degree: int, half: int) -> Float[np.ndarray, "W n"]:
        nodes = sliding_window_view(self.times, 2 * half + 1)[: 1 if self.uniform else None]
        nodes = nodes - nodes[:, half : half + 1]
        scale = np.abs(nodes).max(axis=1)
        basis = legendre.legvander(nodes / scale[:, None], degree)
        slopes = legendre.legval(np.zeros(1), legendre.legder(np.eye(degree + 1), self.derivative))[:, 0]
        q, r = np.linalg.qr(basis)
        solved = np.linalg.solve(np.swapaxes(r, 1, 2), np.broadcast_to(slopes[:, None], (len(r), degree + 1, 1)))
        weights: np.ndarray = (q @ solved)[..., 0] / scale[:, None] ** self.derivative
        if self.uniform:
            weights = (weights + (-1) ** self.derivative * weights[:, ::-1]) / 2
        if self.derivative:
            weights[:, half] -= weights.sum(axis=1)  # the derivative of a constant is exactly zero
        return weights


def time_grid(times: Times) -> tuple[Times, bool]:
    """Return the times from zero, made exactly uniform where they are uniform up to rounding, and whether they are.

    Deviations of 1e-6 of a step are forgiven, and those of a storage in float32 up to 2% of a step.
    """
    step = (times[-1] - times[0]) / (len(times) - 1)
    even = step * np.arange(len(times))
    deviation = np.abs(times - times[0] - even).max()
    single = bool((times.astype(np.float32) == times).all())
    rounding = 2 * np.finfo(np.float32).eps * np.abs(times).max() if single else 0.0
    uniform = bool(deviation <= max(1e-6 * step, min(rounding, 0.02 * step)))
    return (even if uniform else times - times[0]), uniform


def apply_filter(weights: Float[np.ndarray, "W n"], series: Float[np.ndarray, "T M D"]) -> Float[np.ndarray, "K M D"]:
    """Apply a filter along time.

    Args:
        weights: one row for all frames, or one row for each frame with a full window.
        series: values at T frames of M tracks in D dimensions.

    Returns:
        The weighted sums at the K = T - n + 1 frames with a full window.
    """
    count, size = len(series), weights.shape[1]
    sums: np.ndarray
    if len(weights) == 1:
        before = size // 2
        sums = correlate1d(series, weights[0], axis=0, mode="nearest")
        return sums[before : before + count - size + 1]
    sums = np.einsum("wn,wmdn->wmd", weights, sliding_window_view(series, size, axis=0))
    return sums
