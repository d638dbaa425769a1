"""Velocities and accelerations out of positions, and how far they can be trusted.

Each derivative is that of a polynomial fitted to the frames around (Savitzky and Golay, Anal. Chem. 36, 1627, 1964).
The narrowest window of degree 8 is the eighth-order central difference, right for clean data; wider windows and
lower degrees trade truncation for noise. The choice is made for each particle by the sum of both, as estimated from
the motion itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.lib.stride_tricks import sliding_window_view
from numpy.polynomial import legendre
from scipy.ndimage import correlate1d, maximum_filter1d

from gnn_discovery.errors import DataError
from gnn_discovery.trajectory import Trajectory
from gnn_discovery.types import Order, Times

FEWEST_FRAMES = 5
"""Frames that are needed where a derivative has to be taken."""

_DEGREES = (8, 6, 4, 2)
_WIDEST = 500, 40  # half of the widest window, in frames, for uniform and for other times
_CLEAN = 1e-6  # relative error at which no better window is looked for
_BAD = 0.1  # relative truncation error at which a frame is dropped
_OUTLIER = 6.0  # standard errors of noise that a truncation error must exceed to be seen
_DROPPED = 0.25  # what a dropped frame costs in the choice of the window, in units of the target squared
_ROUNDS = 5  # at most, of reading the size of the target and choosing the window
_TRACKS = 4096  # particles differentiated at once


@dataclass(frozen=True)
class Motion:
    """A run whose velocities, and accelerations for order 2, are known in every frame.

    Attributes:
        trajectory: the usable frames, completed.
        frames: (T',) which frames of the given run these are.
        noise: relative error of the target (root mean square, against the local and the median size of it); 0 where
            the target was observed, near 1 where nothing but noise is seen.
        position_noise: (N,) standard error of the positions, as measured from high differences; rounding included.
        method: how the target was got, in words.
    """

    trajectory: Trajectory
    frames: Int[np.ndarray, " T"]
    noise: float
    position_noise: Float[np.ndarray, " N"]
    method: str


def complete(trajectory: Trajectory, order: Order = 2, where: str = "trajectory") -> Motion:
    """The run with its missing velocities and accelerations filled in. See :func:`complete_all`."""
    return complete_all([trajectory], order, [where])[0]


def complete_all(
    trajectories: Sequence[Trajectory], order: Order = 2, where: Sequence[str] | None = None
) -> list[Motion]:
    """Each run with velocities (and accelerations, for order 2), cut to the frames where they are good.

    What was observed is kept. Accelerations come from the positions or, where velocities were observed, from those if
    that is better. Frames too near to the ends of the run are dropped, and those whose truncation error is above a
    tenth of the target. Runs with the same times are worked on together.

    Raises:
        DataError: fewer than 5 frames, or none in which a derivative can be trusted.
    """
    labels = list(where) if where is not None else [f"run {i}" for i in range(len(trajectories))]
    groups: dict[tuple, list[int]] = {}
    for index, run in enumerate(trajectories):
        key = (run.positions.shape, run.times.tobytes(), run.velocities is None, run.accelerations is None)
        groups.setdefault(key, []).append(index)
    motions: dict[int, Motion] = {}
    for (shape, *_), members in groups.items():
        size = max(_TRACKS // shape[1], 1)
        for start in range(0, len(members), size):
            chunk = members[start : start + size]
            group = _complete_group([trajectories[i] for i in chunk], order, [labels[i] for i in chunk])
            motions.update(zip(chunk, group, strict=True))
    return [motions[index] for index in range(len(trajectories))]


def unwrap(positions: Float[np.ndarray, "T N D"], box: Times | None) -> Float[np.ndarray, "T N D"]:
    """Positions without the jumps at the walls of a periodic box: each step is the shortest one."""
    if box is None:
        return positions
    steps = np.diff(positions, axis=0)
    return positions - np.concatenate(
        [np.zeros_like(positions[:1]), np.cumsum(box * np.round(steps / box), axis=0)]
    )


def noise_level(times: Times, series: Float[np.ndarray, "T M D"]) -> Float[np.ndarray, " M"]:
    """Standard error of white noise on each of M tracks; never below the rounding of float64.

    Normalised divided differences of degree d kill polynomials below d and leave white noise as it is; the smallest
    of the robust spreads over d = 2..10 is free of signal wherever the motion is resolved at all.
    """
    grid, uniform = _grid(times)
    scale = np.abs(series).max(axis=(0, 2))
    best = np.full(series.shape[1], np.inf)
    for degree in range(2, min(10, len(grid) - 2) + 1):
        nodes = sliding_window_view(grid, degree + 1)[: 1 if uniform else None]
        gaps = (nodes[:, :, None] - nodes[:, None, :]) / (nodes[:, -1:, None] - nodes[:, :1, None])
        weights = 1.0 / np.prod(gaps + np.eye(degree + 1), axis=2)
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)
        rest = np.abs(_apply(weights, series))
        spread = np.median(rest, axis=(0, 2)) / 0.67448975
        best = np.minimum(best, np.where(spread > 0, spread, np.sqrt(np.mean(rest**2, axis=(0, 2)))))
    return np.maximum(best, np.finfo(float).eps / 2 * np.where(scale > 0, scale, 1.0))


@dataclass(frozen=True)
class _Estimate:
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

    def or_better(self, other: _Estimate) -> _Estimate:
        """Track by track, the one with the smaller risk."""
        mine = self.risk <= other.risk
        rest = [f.name for f in fields(self) if f.name != "values"]
        return _Estimate(
            np.where(mine[:, None], self.values, other.values),
            **{name: np.where(mine, getattr(self, name), getattr(other, name)) for name in rest},
        )

    def weight(self) -> Float[np.ndarray, "T M"]:
        """What turns squared errors into relative ones: 1 / (median² + |f|² + noise²)."""
        square = np.sum(self.values**2, axis=2)
        median = np.nanmedian(np.where(self.good | ~self.good.any(axis=0), square, np.nan), axis=0)
        return 1.0 / (median + square + self.variance)


def _complete_group(runs: Sequence[Trajectory], order: Order, labels: Sequence[str]) -> list[Motion]:
    first, count = runs[0], runs[0].positions.shape[1]
    frames = len(first.times)
    wants_acceleration = order == 2 and first.accelerations is None
    derives = wants_acceleration or first.velocities is None
    if derives and frames < FEWEST_FRAMES:
        missing = "accelerations" if wants_acceleration else "velocities"
        raise DataError(
            f"too few frames: {frames}, and no {missing} are given",
            where=labels[0],
            remedy=f"Give at least {FEWEST_FRAMES} frames (20 or more are better), or the {missing} themselves",
        )
    positions = np.concatenate([unwrap(run.positions, run.box) for run in runs], axis=1)
    sigma = noise_level(first.times, positions) if frames >= FEWEST_FRAMES else np.zeros(positions.shape[1])
    velocity = _differentiate(first.times, positions, sigma, 1) if first.velocities is None else None
    target = velocity if order == 1 else None
    if wants_acceleration:
        target = _differentiate(first.times, positions, sigma, 2)
        if first.velocities is not None:
            observed = np.concatenate([run.velocities for run in runs], axis=1)
            slope = _differentiate(first.times, observed, noise_level(first.times, observed), 1)
            target = target.or_better(slope)
    motions = []
    for index, (run, label) in enumerate(zip(runs, labels, strict=True)):
        part = slice(index * count, (index + 1) * count)
        good = np.ones(frames, dtype=bool)
        for estimate in (velocity, target):
            if estimate is not None:
                good &= estimate.good[:, part].all(axis=1)
        keep = np.flatnonzero(good)
        if keep.size == 0:
            raise DataError(
                f"the motion changes too much from one of the {frames} frames to the next to read derivatives",
                where=label,
                remedy="Store frames more often, or give velocities and accelerations",
            )
        filled = replace(
            run,
            positions=run.positions[keep],
            times=run.times[keep],
            velocities=run.velocities[keep] if velocity is None else velocity.values[keep, part],
            accelerations=target.values[keep, part]
            if wants_acceleration
            else (None if run.accelerations is None else run.accelerations[keep]),
        )
        error = 0.0 if target is None else float(np.sqrt(np.mean(target.error[part] ** 2)))
        motions.append(Motion(filled, keep, error, sigma[part], _method(target, part)))
    return motions


def _method(target: _Estimate | None, part: slice) -> str:
    if target is None:
        return "observed"
    windows = sorted({(int(h), int(d)) for h, d in zip(target.half[part], target.degree[part], strict=True)})
    text = ", ".join(
        f"central differences of order {d}"
        if 2 * h == d
        else f"polynomials of degree {d} over {2 * h + 1} frames"
        for h, d in windows
    )
    return f"derivatives of the motion by {text}"


def _differentiate(times: Times, series: np.ndarray, sigma: np.ndarray, derivative: int) -> _Estimate:
    """The derivative of each track, in the window of least estimated error.

    Errors are relative, and the size of the target is not known beforehand: it is read from the narrowest window,
    then from the one that was chosen by it, and so on.
    """
    filters = _Filters(times, derivative)
    degree = next(d for d in _DEGREES if d // 2 <= filters.widest)
    flat = np.ones(series.shape[:2])
    best = _judge(filters, series, sigma, degree, degree // 2, flat)
    for _ in range(_ROUNDS):
        known, best = best, _search(filters, series, sigma, best.weight())
        if best.clean or (
            np.array_equal(known.half, best.half) and np.array_equal(known.degree, best.degree)
        ):
            break
    return best


def _search(filters: _Filters, series: np.ndarray, sigma: np.ndarray, weight: np.ndarray) -> _Estimate:
    """The best of all degrees and windows; the first that is clean ends it.

    Truncation that stands out of the noise is not believed to fall in wider windows: over many periods of the motion
    all degrees agree on nothing.
    """
    best: _Estimate | None = None
    for degree in _DEGREES:
        bias = np.zeros(series.shape[1])
        for half in filters.halves(degree):
            one = _judge(filters, series, sigma, degree, half, weight)
            bias = np.maximum(bias, np.where(one.bias > 3 * one.noise, one.bias, 0.0))
            one = replace(one, bias=np.maximum(one.bias, bias))
            best = one if best is None else best.or_better(one)
            if best.clean:
                return best
            if (one.risk > 10 * best.risk).all():
                break
    return best


def _judge(
    filters: _Filters, series: np.ndarray, sigma: np.ndarray, degree: int, half: int, weight: np.ndarray
) -> _Estimate:
    """The estimate by one filter, and its error.

    Noise is sigma² |w|². Truncation is the mean square difference to the next even degree on the same window, as far
    as it exceeds what noise explains. Frames where it exceeds a tenth of the target are not good.
    """
    frames, tracks, dim = series.shape
    wide = max(half, degree // 2 + 1)
    weights, reference = filters.weights(degree, half), filters.weights(degree + 2, wide)
    values = _apply(weights, series)
    inner = slice(wide - half, values.shape[0] - (wide - half))
    own = weights[inner] if len(weights) > 1 else weights
    spread = (
        dim * sigma**2 * np.sum((np.pad(own, ((0, 0), (wide - half,) * 2)) - reference) ** 2, axis=1)[:, None]
    )
    variance = dim * sigma**2 * np.sum(own**2, axis=1)[:, None]
    omega = weight[wide : frames - wide]
    square = omega * np.sum((values[inner] - _apply(reference, series)) ** 2, axis=2)
    bad = square > _BAD**2 + _OUTLIER**2 * omega * spread
    bad = maximum_filter1d(
        bad, 2 * (half // 2) + 1, axis=0
    )  # what a window cannot follow blurs its neighbours
    excess = square - omega * spread
    noise = np.mean(omega * variance, axis=0)
    kept = np.sum(np.where(bad, 0.0, excess), axis=0) / np.maximum(np.sum(~bad, axis=0), 1)
    full = np.zeros(series.shape)
    full[half : frames - half] = values
    good = np.zeros((frames, tracks), dtype=bool)
    good[half : frames - half] = np.pad(~bad, ((wide - half,) * 2, (0, 0)), mode="edge")
    return _Estimate(
        full,
        good,
        bias=np.maximum(np.mean(np.where(bad, _DROPPED, excess), axis=0), 0.0),
        noise=noise,
        error=np.sqrt(np.maximum(kept, 0.0) + noise),
        variance=np.mean(variance * np.ones((1, tracks)), axis=0),
        degree=np.full(tracks, degree),
        half=np.full(tracks, half),
    )


class _Filters:
    """Weights of the derivative of a polynomial of least squares over 2 half + 1 frames, at the middle one."""

    def __init__(self, times: Times, derivative: int):
        self.derivative = derivative
        self.times, self.uniform = _grid(times)
        self.widest = min(max((len(times) - 1) // 4, 1), _WIDEST[0] if self.uniform else _WIDEST[1])
        self._known: dict[tuple[int, int], np.ndarray] = {}

    def halves(self, degree: int) -> list[int]:
        """Windows of a degree, from the narrowest, each about a quarter wider than the one before."""
        steps = {round(1.25**k) for k in range(40)}
        return sorted(h for h in steps | {degree // 2} if degree // 2 <= h <= self.widest)

    def weights(self, degree: int, half: int) -> Float[np.ndarray, "W n"]:
        """One row for all frames where times are uniform, else a row for each frame that has a full window."""
        if (degree, half) not in self._known:
            self._known[degree, half] = self._fit(degree, half)
        return self._known[degree, half]

    def _fit(self, degree: int, half: int) -> np.ndarray:
        nodes = sliding_window_view(self.times, 2 * half + 1)[: 1 if self.uniform else None]
        nodes = nodes - nodes[:, half : half + 1]
        scale = np.abs(nodes).max(axis=1)
        basis = legendre.legvander(nodes / scale[:, None], degree)
        slopes = legendre.legval(0.0, legendre.legder(np.eye(degree + 1), self.derivative))
        q, r = np.linalg.qr(basis)
        solved = np.linalg.solve(
            np.swapaxes(r, 1, 2), np.broadcast_to(slopes[:, None], (len(r), degree + 1, 1))
        )
        weights = (q @ solved)[..., 0] / scale[:, None] ** self.derivative
        if self.uniform:
            weights = (weights + (-1) ** self.derivative * weights[:, ::-1]) / 2
        weights[:, half] -= weights.sum(axis=1)
        return weights


def _grid(times: Times) -> tuple[np.ndarray, bool]:
    """Times from zero, and whether they are uniform (then exactly so; float32 rounding of them is forgiven)."""
    step = (times[-1] - times[0]) / (len(times) - 1)
    even = step * np.arange(len(times))
    off = np.abs(times - times[0] - even).max()
    rounded = (
        2 * np.finfo(np.float32).eps * np.abs(times).max()
        if (times.astype(np.float32) == times).all()
        else 0.0
    )
    uniform = bool(off <= max(1e-6 * step, min(rounded, 0.02 * step)))
    return (even if uniform else times - times[0]), uniform


def _apply(weights: np.ndarray, series: np.ndarray) -> np.ndarray:
    """The filter along time: (T - n + 1, M, D) for n weights."""
    count, size = len(series), weights.shape[1]
    if len(weights) == 1:
        before = size // 2
        return correlate1d(series, weights[0], axis=0, mode="nearest")[before : before + count - size + 1]
    return np.einsum("wn,wmdn->wmd", weights, sliding_window_view(series, size, axis=0))
