"""Increments of motion that is kicked: what the kicks of a bath make of displacements, and of their differences.

The typical (median) square displacement over k steps of h is written

    |x(t + k h) - x(t)|^2 = c_0 + c_1 k + c_2 k^2,    k = 1, ..., 4,

where c_0 comes from errors of position, c_1 from kicks without memory (Brownian motion) and c_2 from velocities that
last. Where kicks make up most of a displacement there is no velocity to be read: the mean of the increment over the
next step, given the positions now, is the force, and its scatter is 2 D h (in the sense of Ito; differences to both
sides have no mean: the motion looks the same in reverse).
"""

from __future__ import annotations

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
        diffusion: D; kicks alone move each coordinate by sqrt(2 D h) in a step h.
        diffusion_std: its standard error, over runs.
        position_variance: square of the standard error of each coordinate, zero where none is seen.
        increment_variance: variance that both give a coordinate of an increment over one step.
    """

    diffusion: float
    diffusion_std: float
    position_variance: float
    increment_variance: float


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
