"""The derivative of noisy tracks by the Savitzky-Golay filter of least estimated error, and that error.

For each track, the risk of a filter with weights w (degree n, half width h) is the mean square error relative to the
size of the target,

    risk = bias + noise,    noise = D sigma^2 |w|^2,    bias = |D_n x - D_{n+2} x|^2 - D sigma^2 |w - w'|^2

where sigma is the standard error of a coordinate and D_{n+2}, with weights w', is the filter of the next even degree
on the same window: their difference measures the truncation error, as far as it exceeds what noise explains. The
narrowest window of degree 8 is the eighth-order central difference, which is right for clean data; wider windows and
lower degrees trade truncation for noise.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import maximum_filter1d

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.differentiation.savitzky_golay import SavitzkyGolayFilters, apply_filter, time_grid
from gnn_discovery.types import Times

_DEGREES = (8, 6, 4, 2)
"""The degrees of the polynomials are tried in this order; the first is the most accurate for clean data."""


def estimate_position_noise(
    times: Times, series: Float[np.ndarray, "T M D"], *, criteria: Criteria = DEFAULT_CRITERIA
) -> Float[np.ndarray, " M"]:
    """Estimate the standard error of white noise on each track, which is never below the rounding of float64.

    Divided differences of degree d with weights of unit norm annihilate polynomials below d and keep the standard
    deviation of white noise. The smallest of the robust spreads over d = 2..10 is free of signal wherever the motion
    is resolved at all; those that differ from it by chance alone are averaged with it, because the smallest by itself
    is some 6% too small. On uniform times these are the difference stencils, weighted 1 / sqrt(binomial(2d, d)).

    Args:
        times: (T,), increasing.
        series: positions, or any other series, of M tracks.
        criteria: ``noise.max_difference_order`` and ``noise.noise_spread_tolerance``.
    """
    grid, uniform = time_grid(times)
    scale = np.abs(series).max(axis=(0, 2))
    median_of_normal = 0.67448975  # the median of the absolute value of a standard normal number
    spreads = []
    for degree in range(2, min(criteria.noise.max_difference_order, len(grid) - 2) + 1):
        nodes = sliding_window_view(grid, degree + 1)[: 1 if uniform else None]
        gaps = (nodes[:, :, None] - nodes[:, None, :]) / (nodes[:, -1:, None] - nodes[:, :1, None])
        weights = 1.0 / np.prod(gaps + np.eye(degree + 1), axis=2)
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)
        differences = np.abs(apply_filter(weights, series))
        spread = np.median(differences, axis=(0, 2)) / median_of_normal
        spreads.append(np.where(spread > 0, spread, np.sqrt(np.mean(differences**2, axis=(0, 2)))))
    chance = criteria.noise.noise_spread_tolerance / np.sqrt(len(grid) * series.shape[2])
    alike = np.array(spreads) <= (1 + chance) * np.min(spreads, axis=0)
    level = np.sum(spreads, axis=0, where=alike) / np.sum(alike, axis=0)
    rounding: np.ndarray = np.finfo(float).eps / 2 * np.where(scale > 0, scale, 1.0)
    bounded: np.ndarray = np.maximum(level, rounding)
    return bounded


@dataclass(frozen=True)
class DerivativeEstimate:
    """A frozen record of a derivative of M tracks by one filter, or by the best filter for each track.

    Attributes:
        values: (T M D), zero where there is no full window.
        good: (T M), True where the value can be used.
        bias, noise: (M,) mean square relative error by truncation (dropped frames counted) and by noise.
        error: (M,) root mean square relative error of the good frames.
        variance: (M,) variance of the values by noise, summed over the D components.
        degree, half: (M,) degree of the polynomial and half width of its window.
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
        """Return the mean square relative error of each track, infinite where no frame is good."""
        return np.where(self.good.any(axis=0), self.bias + self.noise, np.inf)

    def is_negligible(self, *, criteria: Criteria = DEFAULT_CRITERIA) -> bool:
        """Tell whether the error of all tracks is so small that no better filter need be searched for."""
        return bool((self.risk <= criteria.noise.negligible_derivative_error**2).all())

    def with_lower_risk(
        self, other: DerivativeEstimate, *, criteria: Criteria = DEFAULT_CRITERIA
    ) -> DerivativeEstimate:
        """Take, track by track, the estimate with the lower risk, and this one if its error is negligible.

        Args:
            other: an estimate of the same derivative of the same tracks.
            criteria: ``noise.negligible_derivative_error``.
        """
        mine = self.risk <= np.maximum(other.risk, criteria.noise.negligible_derivative_error**2)
        names = [f.name for f in fields(self) if f.name != "values"]
        return DerivativeEstimate(
            np.where(mine[:, None], self.values, other.values),
            **{name: np.where(mine, getattr(self, name), getattr(other, name)) for name in names},
        )

    def weight(self) -> Float[np.ndarray, "T M"]:
        """Return the weights 1 / (median² + |f|² + noise²) that turn squared errors into relative ones."""
        square = np.sum(self.values**2, axis=2)
        median = np.nanmedian(np.where(self.good | ~self.good.any(axis=0), square, np.nan), axis=0)
        weights: np.ndarray = 1.0 / (median + square + self.variance)
        return weights


def differentiate(
    times: Times,
    series: Float[np.ndarray, "T M D"],
    sigma: Float[np.ndarray, " M"],
    derivative: int,
    *,
    max_iterations: int = 5,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> DerivativeEstimate:
    """Estimate the derivative of each track with the filter of least risk.

    Errors are relative, and the size of the target is not known beforehand: it is read from the narrowest window,
    then from the window that was chosen by it, and so on until the choice no longer changes.

    Args:
        times: (T,), increasing.
        series: values of M tracks in D dimensions.
        sigma: standard error of the values of each track.
        derivative: order of the derivative, 1 or 2.
        max_iterations: number of times that the size of the target is read anew, at most.
        criteria: ``noise`` decides which filter is chosen and which frames are good.
    """
    filters = SavitzkyGolayFilters(times, derivative)
    degree = next(d for d in _DEGREES if d // 2 <= filters.widest)
    uniform_weight = np.ones(series.shape[:2])
    best = _estimate_with_filter(filters, series, sigma, degree, degree // 2, uniform_weight, criteria)
    for _ in range(max_iterations):
        previous, best = best, _select_filter(filters, series, sigma, best.weight(), criteria)
        same = np.array_equal(previous.half, best.half) and np.array_equal(previous.degree, best.degree)
        if best.is_negligible(criteria=criteria) or same:
            break
    return best


def select_smoothing_window(
    times: Times,
    series: Float[np.ndarray, "T M D"],
    sigma: Float[np.ndarray, " M"],
    derivative: int,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> Int[np.ndarray, "M 2"]:
    """Return the half width and the degree of least risk for each track or its velocity.

    Args:
        times: (T,), increasing.
        series: positions of M tracks in D dimensions.
        sigma: standard error of the positions of each track.
        derivative: 0 to smooth the track itself, 1 for its velocity.
        criteria: ``noise`` decides which filter is chosen.
    """
    if derivative:
        best = differentiate(times, series, sigma, derivative, criteria=criteria)
    else:
        size = np.sum(np.var(series, axis=0), axis=-1)
        weight = np.ones(series.shape[:2]) / np.where(size > 0, size, 1.0)
        best = _select_filter(SavitzkyGolayFilters(times, 0), series, sigma, weight, criteria)
    return np.stack([best.half, best.degree], axis=1)


def _select_filter(
    filters: SavitzkyGolayFilters,
    series: Float[np.ndarray, "T M D"],
    sigma: Float[np.ndarray, " M"],
    weight: Float[np.ndarray, "T M"],
    criteria: Criteria,
) -> DerivativeEstimate:
    """Select the filter of least risk among all degrees and windows; the first of negligible error ends the search.

    A truncation error that stands out of the noise is not taken to fall in wider windows: over many periods of the
    motion, all degrees agree on zero.
    """
    best = None
    for degree in _DEGREES:
        bias = np.zeros(series.shape[1])
        rejected = np.zeros(series.shape[1], dtype=bool)
        for half in filters.halves(degree):
            one = _estimate_with_filter(filters, series, sigma, degree, half, weight, criteria)
            visible = one.bias > criteria.noise.min_truncation_to_noise * one.noise
            bias = np.maximum(bias, np.where(visible, one.bias, 0.0))
            one = replace(one, bias=np.where(rejected, np.inf, np.maximum(one.bias, bias)))
            best = one if best is None else best.with_lower_risk(one, criteria=criteria)
            if best.is_negligible(criteria=criteria):
                return best
            rejected |= one.risk > criteria.noise.max_risk_ratio * best.risk
            if rejected.all():
                break
    assert best is not None
    return best


def _estimate_with_filter(
    filters: SavitzkyGolayFilters,
    series: Float[np.ndarray, "T M D"],
    sigma: Float[np.ndarray, " M"],
    degree: int,
    half: int,
    weight: Float[np.ndarray, "T M"],
    criteria: Criteria,
) -> DerivativeEstimate:
    """Estimate the derivative with one filter, and its error as defined at the top of this module.

    Frames where the truncation error exceeds a tenth of the target, beyond what noise explains, are not good.
    """
    frames, tracks, dim = series.shape
    limits = criteria.noise
    reference_half = max(half, degree // 2 + 1)
    weights, reference = filters.weights(degree, half), filters.weights(degree + 2, reference_half)
    values = apply_filter(weights, series)
    margin = reference_half - half
    inner = slice(margin, len(values) - margin)
    inner_weights = weights[inner] if len(weights) > 1 else weights
    change = np.pad(inner_weights, ((0, 0), (margin, margin))) - reference
    change_variance = dim * sigma**2 * np.sum(change**2, axis=1)[:, None]
    variance = dim * sigma**2 * np.sum(inner_weights**2, axis=1)[:, None]
    relative = weight[reference_half : frames - reference_half]
    square = relative * np.sum((values[inner] - apply_filter(reference, series)) ** 2, axis=2)
    bad = square > limits.max_truncation_error**2 + limits.truncation_n_sigma**2 * relative * change_variance
    bad = maximum_filter1d(bad, 2 * (half // 2) + 1, axis=0)  # a window that fails blurs its neighbours too
    excess = square - relative * change_variance
    noise = np.mean(relative * variance, axis=0)
    kept = np.sum(np.where(bad, 0.0, excess), axis=0) / np.maximum(np.sum(~bad, axis=0), 1)
    full = np.zeros(series.shape)
    full[half : frames - half] = values
    good = np.zeros((frames, tracks), dtype=bool)
    good[half : frames - half] = np.pad(~bad, ((margin, margin), (0, 0)), mode="edge")
    return DerivativeEstimate(
        full,
        good,
        bias=np.maximum(np.mean(np.where(bad, limits.dropped_frame_cost, excess), axis=0), 0.0),
        noise=noise,
        error=np.sqrt(np.maximum(kept, 0.0) + noise),
        variance=np.mean(variance * np.ones((1, tracks)), axis=0),
        degree=np.full(tracks, degree),
        half=np.full(tracks, half),
    )
