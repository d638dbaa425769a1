"""Increments of motion that is kicked: what the kicks of a bath make of displacements, and of their differences.

The typical (median) square displacement over k steps of h is written

    |x(t + k h) - x(t)|^2 = c_0 + c_1 k + c_2 k^2,    k = 1, ..., 4,

where c_0 comes from errors of position, c_1 from kicks without memory (Brownian motion) and c_2 from velocities that
last. Where kicks make up most of a displacement there is no velocity to be read: the mean of the increment over the
next step, given the positions now, is the force, and its scatter is 2 D h (in the sense of Ito; differences to both
sides have no mean: the motion looks the same in reverse).

Of motion with inertia in a bath (Langevin), kicks move the velocities: the mean of the second difference over the next
two steps, given what was seen up to now, is the acceleration. Differences over H that are H apart share a step of it,
and kicks dv = sqrt(2 D) dW give them the covariances (2/3, 1/6, 0) 2 D / H, errors of position s those of
(6, -4, 1) s^2 / H^4, at 0, 1 and 2 H apart.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.differentiation.completion import unwrap
from gnn_discovery.data.differentiation.savitzky_golay import time_grid
from gnn_discovery.data.trajectory import Trajectory

MIN_STRETCHES = 5
"""Number of stretches of a run that are compared with each other for standard errors."""


@dataclass(frozen=True)
class KickMoments:
    """A frozen record of what makes the increments of a motion scatter.

    Attributes:
        diffusion: D; kicks alone move each coordinate by sqrt(2 D h) in a step h, of order 2 each momentum.
        diffusion_std: its standard error, over runs.
        position_variance: square of the standard error of each coordinate, zero where none is seen.
        increment_variance: variance that both give a coordinate of an increment over one step; of order 2, of the
            force (mass x second difference).
    """

    diffusion: float
    diffusion_std: float
    position_variance: float
    increment_variance: float


@dataclass(frozen=True)
class AccelerationMoments:
    """A frozen record of what makes second differences scatter about the force.

    Attributes:
        diffusion, diffusion_std: D of the kicks, and its standard error over runs.
        position_variance, position_variance_std: square of the error of a coordinate, and its standard error.
        variance: that both give a coordinate of a second difference.
        share, share_std: the part of all covariance without memory that kicks make, and its standard error.
        misfit: largest part of the variance by which the covariances differ from those of kicks, errors of position
            and a remainder that lasts.
    """

    diffusion: float
    diffusion_std: float
    position_variance: float
    position_variance_std: float
    variance: float
    share: float
    share_std: float
    misfit: float


def kick_moments(runs: Sequence[Trajectory], step: float, *, criteria: Criteria = DEFAULT_CRITERIA) -> KickMoments:
    """Estimate diffusion and errors of position from the covariance of increments.

    With c_k the covariance of a coordinate of two increments that are k steps apart, and a force that changes little in
    three steps, c_0 = 2 D h + 2 s^2 + f, c_1 = f - s^2 and c_2 = f. Here f is the mean square of what the force moves a
    coordinate in a step. The estimator is that of Vestergaard, Blainey, Flyvbjerg, Phys. Rev. E 89, 022726 (2014), who
    take f as zero. An s^2 that is not above its standard error by ``order.n_sigma`` is taken as zero.

    Args:
        runs: positions at evenly spaced frames.
        step: time h between two frames.
        criteria: the criteria of the discovery.
    """
    stretches = [part for run in runs for part in np.array_split(unwrap(run.positions, run.box), MIN_STRETCHES)]
    steps = [np.diff(part, axis=0) for part in stretches if len(part) > 4]
    if not steps:
        return KickMoments(0.0, 0.0, 0.0, 0.0)
    c0, c1, c2 = (np.array([np.mean(d[k:] * d[: len(d) - k]) for d in steps]) for k in range(3))
    errors, count = c2 - c1, len(steps)
    noise = float(errors.mean())
    each = (c0 + 2 * c1 - 3 * c2) / (2 * step)
    if noise <= criteria.order.n_sigma * float(errors.std()) / np.sqrt(count):
        each, noise = (c0 - c2) / (2 * step), 0.0
    diffusion = max(float(each.mean()), 0.0)
    return KickMoments(diffusion, float(each.std() / np.sqrt(count)), noise, 2 * diffusion * step + 2 * noise)


def covariances_in_time(
    parts: Sequence[Float[np.ndarray, "_ N D"]], apart: int, count: int = 5
) -> Float[np.ndarray, "R {count}"]:
    """Return the covariances of a coordinate with itself 0, 1, ... times ``apart`` frames later, of each part.

    Args:
        parts: values of mean zero at consecutive frames; nan where there is none. Those with too few are left out.
        apart: number of frames.
        count: number of covariances.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of no value is nan
        found = np.array(
            [
                [np.nanmean(part[k * apart :] * part[: max(0, len(part) - k * apart)]) for k in range(count)]
                for part in parts
            ]
        )
    found = found.reshape(len(parts), count)
    kept: np.ndarray = found[np.isfinite(found).all(axis=1)]
    return kept


def acceleration_moments(covariances: Float[np.ndarray, "R K"], step: float) -> AccelerationMoments:
    """Estimate diffusion and errors of position from the covariances of second differences, by least squares.

    Args:
        covariances: of a coordinate of what a force leaves of second differences over ``step``, 0 to 4 of them apart,
            of each of R runs.
        step: the time H.
    """
    kicks, errors = 2 / step * np.array([2 / 3, 1 / 6, 0, 0, 0]), step**-4.0 * np.array([6, -4, 1, 0, 0])
    model = np.stack([kicks, errors, np.ones(5)], axis=1)
    inverse = np.linalg.pinv(model)
    mean, count = covariances.mean(axis=0), len(covariances)
    fitted = inverse @ mean
    std = (covariances @ inverse.T).std(axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.full(3, np.inf)
    variance = float(model[0, :2] @ np.maximum(fitted[:2], 0.0))
    return AccelerationMoments(
        diffusion=float(fitted[0]),
        diffusion_std=float(std[0]),
        position_variance=float(fitted[1]),
        position_variance_std=float(std[1]),
        variance=variance,
        share=float(kicks[0] * fitted[0] / mean[0]),
        share_std=float(kicks[0] * std[0] / mean[0]),
        misfit=float(np.abs(model @ fitted - mean).max() / mean[0]),
    )


def to_increments(run: Trajectory, step: float, lag: int = 0) -> Trajectory:
    """Return the run with an increment over one step, over the step, as the velocity at each frame.

    Args:
        run: positions at evenly spaced frames.
        step: time between two frames.
        lag: number of frames from each frame to the start of its increment. With 1, an increment shares no frame with
            the positions that it is compared with, so that their errors have nothing in common.
    """
    increments = np.diff(unwrap(run.positions, run.box), axis=0)[lag:]
    kept = slice(len(increments))
    return replace(run, positions=run.positions[kept], times=run.times[kept], velocities=increments / step)


def to_second_increments(run: Trajectory, step: float, stride: int, lag: int = 0) -> Trajectory:
    """Return the run with the next second difference as the acceleration at each frame, the last one as the velocity.

    With x_k at frame k and H = n h, these are (x_(k+l+2n) - 2 x_(k+l+n) + x_(k+l)) / H^2 and (x_k - x_(k-n)) / H.

    Args:
        run: positions at evenly spaced frames.
        step: time h between two frames.
        stride: number n of frames in H.
        lag: number l of frames from each frame to the start of its increment.
    """
    x, span = unwrap(run.positions, run.box), stride * step
    last = len(x) - lag - 2 * stride
    before, now, first = (slice(begin, begin + last - stride) for begin in (0, stride, stride + lag))
    middle, end = (slice(first.start + k * stride, first.stop + k * stride) for k in (1, 2))
    return replace(
        run,
        positions=run.positions[now],
        times=run.times[now],
        velocities=(x[now] - x[before]) / span,
        accelerations=(x[end] - 2 * x[middle] + x[first]) / span**2,
    )


def roughness(runs: Sequence[Trajectory]) -> float:
    """Return how much second differences change in a step, relative to their size; medians are compared.

    Exact motion in dense frames has a roughness near 0, kicks or errors of position have one above 1.

    Args:
        runs: positions at evenly spaced frames.
    """
    found = [np.diff(unwrap(run.positions, run.box), 2, axis=0) for run in runs if len(run.times) > 3]
    if not found:
        return 0.0
    size, change = (
        float(np.median(np.concatenate([np.linalg.norm(part, axis=-1).ravel() for part in parts])))
        for parts in (found, [np.diff(part, axis=0) for part in found])
    )
    return change / size if size > 0 else 0.0


def is_kicked(share: tuple[float, float] | None, *, criteria: Criteria = DEFAULT_CRITERIA) -> bool:
    """Tell whether kicks without memory make up most of the displacement in a step.

    Args:
        share: of kicks, with its standard error, as `kick_share` returns it.
        criteria: the stage ``order`` decides.
    """
    limits = criteria.order
    return share is not None and share[0] - limits.n_sigma * share[1] >= limits.min_kick_share


def kick_share(
    trajectories: Sequence[Trajectory], *, criteria: Criteria = DEFAULT_CRITERIA
) -> tuple[float, float] | None:
    """Return the share c_1 / (c_1 + c_2) of kicks in the displacement over a step, and its standard error.

    The step is the shortest power of two of frames from which on displacements grow, so that errors of position do not
    hide them. The standard error is that of a jackknife over stretches of the runs.

    Args:
        trajectories: runs; those whose frames are not evenly spaced do not count.
        criteria: the stage ``order`` decides from when on displacements grow, or are saturated.

    Returns:
        The share and its error; None where there is no such step, or before displacements saturate.
    """
    stretches = [part for run in trajectories for part in _even_stretches(run)]
    stride = 1
    while len(long := [part for part in stretches if len(part) > 4 * stride + 1]) > 1:
        squares = np.array([_square_displacements(part, stride) for part in long])
        typical, n = squares.mean(axis=0), len(squares)
        extent = 2 * float(np.mean([np.median(np.sum(np.nanvar(part, axis=0), axis=-1)) for part in long]))
        if typical[3] > criteria.order.max_saturation * extent:
            return None
        if typical[3] >= criteria.order.min_growth * typical[0]:
            shares = np.array([_share((n * typical - one) / (n - 1)) for one in squares])
            return _share(typical), float(np.sqrt((n - 1) / n * np.sum((shares - shares.mean()) ** 2)))
        stride *= 2
    return None


def _even_stretches(run: Trajectory, *, most: int = 20) -> Iterator[Float[np.ndarray, "T N D"]]:
    """Yield up to ``most`` stretches of a run with evenly spaced frames."""
    if len(run.times) < 6 or not time_grid(run.times)[1]:
        return
    count = max(1, min(most, len(run.times) // 50))
    yield from np.array_split(unwrap(run.positions, run.box), count)


def _square_displacements(positions: Float[np.ndarray, "T N D"], stride: int) -> Float[np.ndarray, " 4"]:
    """Return the median square displacement over 1 to 4 strides: no close encounter decides it, as it does the mean."""
    lags = [k * stride for k in range(1, 5)]
    return np.array([np.nanmedian(np.sum((positions[lag:] - positions[:-lag]) ** 2, axis=-1)) for lag in lags])


def _share(squares: Float[np.ndarray, " 4"]) -> float:
    """Return c_1 / (c_1 + c_2) of the parabola through square displacements over 1 to 4 steps; no c is negative.

    Where errors of position (c_0) make up nothing, the two shortest steps alone tell: later the motion turns.
    """
    k = np.arange(1.0, 5.0)
    design = np.stack([np.ones(4), k, k**2], axis=1) / k[:, None]
    errors, kicks, lasting = nnls(design, squares / k)[0]
    if errors == 0:
        kicks, lasting = nnls(design[:2, 1:], squares[:2] / k[:2])[0]
    return float(kicks / (kicks + lasting)) if kicks + lasting > 0 else 0.0
