"""The derivative of noisy tracks, each in the window of least estimated error, and that error.

Each is the derivative of a polynomial fitted to the frames around (Savitzky and Golay, Anal. Chem. 36, 1627,
1964). The narrowest window of degree 8 is the eighth-order central difference, right for clean data; wider
windows and lower degrees trade truncation for noise.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import maximum_filter1d

from gnn_discovery.data.differentiation.savitzky_golay import SavitzkyGolayFilters, apply_filter, time_grid
from gnn_discovery.types import Times

_DEGREES = (8, 6, 4, 2)
_CLEAN = 1e-6  # relative error at which no better window is looked for
_BAD = 0.1  # relative truncation error at which a frame is dropped
_CHANCE = 2.5  # of n values, the spread is off by about so many parts of the root of n
_OUTLIER = 6.0  # standard errors of noise that a truncation error must exceed to be seen
_DROPPED = 0.25  # what a dropped frame costs in the choice of the window, in units of the target squared
_ROUNDS = 5  # at most, of reading the size of the target and choosing the window


def estimate_position_noise(times: Times, series: Float[np.ndarray, "T M D"]) -> Float[np.ndarray, " M"]:
    """Standard error of white noise on each of M tracks; never below the rounding of float64.

    Normalised divided differences of degree d kill polynomials below d and leave white noise as it is; the
    smallest of the robust spreads over d = 2..10 is free of signal wherever the motion is resolved at all, and
    those that chance alone sets apart from it are averaged with it: the smallest by itself is some 6% too small.
    On uniform times these are the difference stencils, weighted 1 / sqrt(binomial(2d, d)).
    """
    grid, uniform = time_grid(times)
    scale = np.abs(series).max(axis=(0, 2))
    spreads = []
    for degree in range(2, min(10, len(grid) - 2) + 1):
        nodes = sliding_window_view(grid, degree + 1)[: 1 if uniform else None]
        gaps = (nodes[:, :, None] - nodes[:, None, :]) / (nodes[:, -1:, None] - nodes[:, :1, None])
        weights = 1.0 / np.prod(gaps + np.eye(degree + 1), axis=2)
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)
        rest = np.abs(apply_filter(weights, series))
        spread = np.median(rest, axis=(0, 2)) / 0.67448975
        spreads.append(np.where(spread > 0, spread, np.sqrt(np.mean(rest**2, axis=(0, 2)))))
    chance = _CHANCE / np.sqrt(len(grid) * series.shape[2])
    alike = np.array(spreads) <= (1 + chance) * np.min(spreads, axis=0)
    level = np.sum(spreads, axis=0, where=alike) / np.sum(alike, axis=0)
    return np.maximum(level, np.finfo(float).eps / 2 * np.where(scale > 0, scale, 1.0))


@dataclass(frozen=True)
class DerivativeEstimate:
    """A derivative of M tracks by one filter, or by the best one for each.

    Attributes:
        values: (T M D), zero where there is none.
        good: (T M), where it can be used.
        bias, noise: (M,) mean square relative error by truncation (dropped frames counted) and by noise.
        error: (M,) root mean square relative error of the good frames.
        variance: (M,) of the values, by noise.
        degree, half: (M,) of the polynomial and of its window.
    """

    values: Float[np.ndarray, "T M D"]
    good: Bool[np.ndarray, "T M"]
    bias: Float[np.ndarray, " M"]
    noise: Float[np.ndarray, " M"]
    error: Float[np.ndarray, " M"]
    variance: Float[np.ndarray, " M"]
    degree: Int[np.ndarray, " M"]
    half: Int[np.ndarray, " M"]

    @property
    def risk(self) -> Float[np.ndarray, " M"]:
        return np.where(self.good.any(axis=0), self.bias + self.noise, np.inf)

    @property
    def clean(self) -> bool:
        return bool((self.risk <= _CLEAN**2).all())

    def with_lower_risk(self, other: DerivativeEstimate) -> DerivativeEstimate:
        """Track by track, the one with the smaller risk; this one where it is clean."""
        mine = self.risk <= np.maximum(other.risk, _CLEAN**2)
        rest = [f.name for f in fields(self) if f.name != "values"]
        return DerivativeEstimate(
            np.where(mine[:, None], self.values, other.values),
            **{name: np.where(mine, getattr(self, name), getattr(other, name)) for name in rest},
        )

    def weight(self) -> Float[np.ndarray, "T M"]:
        """What turns squared errors into relative ones: 1 / (median² + |f|² + noise²)."""
        square = np.sum(self.values**2, axis=2)
        median = np.nanmedian(np.where(self.good | ~self.good.any(axis=0), square, np.nan), axis=0)
        return 1.0 / (median + square + self.variance)


def differentiate(times: Times, series: np.ndarray, sigma: np.ndarray, derivative: int) -> DerivativeEstimate:
    """The derivative of each track, in the window of least estimated error.

    Errors are relative, and the size of the target is not known beforehand: it is read from the narrowest
    window, then from the one that was chosen by it, and so on.
    """
    filters = SavitzkyGolayFilters(times, derivative)
    degree = next(d for d in _DEGREES if d // 2 <= filters.widest)
    flat = np.ones(series.shape[:2])
    best = _estimate_with_filter(filters, series, sigma, degree, degree // 2, flat)
    for _ in range(_ROUNDS):
        known, best = best, _select_filter(filters, series, sigma, best.weight())
        same = np.array_equal(known.half, best.half) and np.array_equal(known.degree, best.degree)
        if best.clean or same:
            break
    return best


def select_smoothing_window(
    times: Times, series: np.ndarray, sigma: np.ndarray, derivative: int
) -> Int[np.ndarray, "M 2"]:
    """Half width and degree of least estimated error for each track (derivative 0) or its velocity (1)."""
    if derivative:
        best = differentiate(times, series, sigma, derivative)
    else:
        size = np.sum(np.var(series, axis=0), axis=-1)
        best = _select_filter(
            SavitzkyGolayFilters(times, 0), series, sigma, np.ones(series.shape[:2]) / np.where(size > 0, size, 1.0)
        )
    return np.stack([best.half, best.degree], axis=1)


def _select_filter(
    filters: SavitzkyGolayFilters, series: np.ndarray, sigma: np.ndarray, weight: np.ndarray
) -> DerivativeEstimate:
    """The best of all degrees and windows; the first that is clean ends it.

    Truncation that stands out of the noise is not believed to fall in wider windows: over many periods of the
    motion all degrees agree on nothing.
    """
    best = None
    for degree in _DEGREES:
        bias = np.zeros(series.shape[1])
        over = np.zeros(series.shape[1], dtype=bool)
        for half in filters.halves(degree):
            one = _estimate_with_filter(filters, series, sigma, degree, half, weight)
            bias = np.maximum(bias, np.where(one.bias > 3 * one.noise, one.bias, 0.0))
            one = replace(one, bias=np.where(over, np.inf, np.maximum(one.bias, bias)))
            best = one if best is None else best.with_lower_risk(one)
            if best.clean:
                return best
            over |= one.risk > 10 * best.risk
            if over.all():
                break
    assert best is not None
    return best


def _estimate_with_filter(
    filters: SavitzkyGolayFilters, series: np.ndarray, sigma: np.ndarray, degree: int, half: int, weight: np.ndarray
) -> DerivativeEstimate:
    """The estimate by one filter, and its error.

    Noise is sigma² |w|². Truncation is the mean square difference to the next even degree on the same window,
    as far as it exceeds what noise explains. Frames where it exceeds a tenth of the target are not good.
    """
    frames, tracks, dim = series.shape
    wide = max(half, degree // 2 + 1)
    weights, reference = filters.weights(degree, half), filters.weights(degree + 2, wide)
    values = apply_filter(weights, series)
    margin = wide - half
    inner = slice(margin, len(values) - margin)
    own = weights[inner] if len(weights) > 1 else weights
    change = np.pad(own, ((0, 0), (margin, margin))) - reference
    spread = dim * sigma**2 * np.sum(change**2, axis=1)[:, None]
    variance = dim * sigma**2 * np.sum(own**2, axis=1)[:, None]
    omega = weight[wide : frames - wide]
    square = omega * np.sum((values[inner] - apply_filter(reference, series)) ** 2, axis=2)
    bad = square > _BAD**2 + _OUTLIER**2 * omega * spread
    bad = maximum_filter1d(bad, 2 * (half // 2) + 1, axis=0)  # what a window cannot follow blurs its neighbours
    excess = square - omega * spread
    noise = np.mean(omega * variance, axis=0)
    kept = np.sum(np.where(bad, 0.0, excess), axis=0) / np.maximum(np.sum(~bad, axis=0), 1)
    full = np.zeros(series.shape)
    full[half : frames - half] = values
    good = np.zeros((frames, tracks), dtype=bool)
    good[half : frames - half] = np.pad(~bad, ((margin, margin), (0, 0)), mode="edge")
    return DerivativeEstimate(
        full,
        good,
        bias=np.maximum(np.mean(np.where(bad, _DROPPED, excess), axis=0), 0.0),
        noise=noise,
        error=np.sqrt(np.maximum(kept, 0.0) + noise),
        variance=np.mean(variance * np.ones((1, tracks)), axis=0),
        degree=np.full(tracks, degree),
        half=np.full(tracks, half),
    )
