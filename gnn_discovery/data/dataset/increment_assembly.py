"""The assembly of kicked motion: what a bath does to displacements, or to velocities, shows in increments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import gamma

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset.dataset import Dataset
from gnn_discovery.data.dataset.library_regression import residual_covariances
from gnn_discovery.data.dataset.observation import IncrementObservation
from gnn_discovery.data.dataset.stacking import block_labels, stack_runs
from gnn_discovery.data.differentiation import (
    AccelerationMoments,
    acceleration_moments,
    kick_moments,
    roughness,
    to_increments,
    to_second_increments,
)
from gnn_discovery.data.trajectory import Trajectory


def assemble_increments(trajectories: Sequence[Trajectory], step: float, criteria: Criteria) -> Dataset:
    """Assemble the increments of motion of order 1, each at its first frame, or before it where positions have errors.

    Args:
        trajectories: positions at evenly spaced frames.
        step: time between two frames.
        criteria: the criteria of the discovery.
    """
    moments = kick_moments(trajectories, step, criteria=criteria)
    lag = 1 if moments.position_variance else 0
    runs = [to_increments(run, step, lag) for run in trajectories]
    dataset = stack_runs(runs, block_labels([len(run.times) for run in runs], criteria), 1, 0.0)
    variance = moments.increment_variance / step**2
    kicks = IncrementObservation(variance, (lag + 0.5) * step, moments.diffusion, moments.diffusion_std)
    return _with_weak_form(replace(dataset, observation=kicks))


def assemble_second_increments(
    trajectories: Sequence[Trajectory], step: float, criteria: Criteria = DEFAULT_CRITERIA
) -> Dataset | None:
    """Assemble the second differences of motion of order 2 whose velocities are kicked; None where no kicks are seen.

    Kicks are seen where what a library of forces leaves of second differences covaries as kicks make it
    (`gnn_discovery.data.differentiation.increments`), is distributed normally, and gives the same diffusion over two
    strides. Unresolved encounters, bends between coarse frames and errors of position fail one of these.

    Args:
        trajectories: positions at evenly spaced frames.
        step: time between two frames.
        criteria: the stage ``noise`` decides what counts as kicks.
    """
    found = _resolve_kicks(trajectories, step, criteria)
    if found is None:
        return None
    stride, moments = found
    span, errors = stride * step, moments.position_variance
    seen = errors > criteria.order.n_sigma * moments.position_variance_std
    lag = 1 if seen else 0
    long = [run for run in trajectories if len(run.times) > 3 * stride + lag]
    runs = [to_second_increments(run, step, stride, lag) for run in long]
    blocks = block_labels([len(run.times) for run in runs], criteria)
    dataset = stack_runs(runs, blocks, 2, 0.0)
    kicks = IncrementObservation(
        moments.variance,
        lag * step + span,
        moments.diffusion,
        moments.diffusion_std,
        behind=span / 2,
        overlap=1.5 * stride,  # the inverse of 2/3, the part of the kicks in two steps that a second difference has
    )
    if seen:
        mass = np.mean(dataset.properties["m"][dataset.present] ** 2) if dataset.has_mass else 1.0
        rng, std = np.random.default_rng(0), np.sqrt(errors / mass)
        noise = [replace(run, positions=std * rng.normal(size=run.positions.shape), box=None) for run in long]
        stacked = stack_runs([to_second_increments(run, step, stride, lag) for run in noise], blocks, 2, 0.0)
        realisation = np.stack([stacked.positions, stacked.velocities, stacked.target]) * dataset.present[..., None]
        dataset = replace(dataset, noise_realisation=realisation)
    return _with_weak_form(replace(dataset, observation=kicks))


def _resolve_kicks(
    trajectories: Sequence[Trajectory], step: float, criteria: Criteria
) -> tuple[int, AccelerationMoments] | None:
    """Return the shortest stride at which kicks are seen, and their moments, if the next stride agrees."""
    limits, found = criteria.noise, None
    stride = 1
    if roughness(trajectories) < limits.min_roughness:
        return None
    # a difference takes three strides with the velocity before it, and its covariances five
    while long := [run for run in trajectories if len(run.times) > 1 + 8 * stride]:
        runs = [to_second_increments(run, step, stride, 1) for run in long]
        data = stack_runs(runs, block_labels([len(run.times) for run in runs], criteria), 2, 0.0)
        if len(np.unique(data.run)) < 2:
            return None
        covariances, tails = residual_covariances(data, stride, criteria=criteria)
        if len(covariances) < 2:
            return None
        moments = acceleration_moments(covariances, stride * step)
        if moments.misfit > limits.max_kick_misfit or tails > limits.max_kick_tails:
            return None
        if found is not None:
            ratio = moments.diffusion / found[1].diffusion
            near = abs(moments.diffusion - found[1].diffusion) <= criteria.order.n_sigma * moments.diffusion_std
            return found if near or 1 / limits.max_diffusion_ratio <= ratio <= limits.max_diffusion_ratio else None
        if moments.share - criteria.order.n_sigma * moments.share_std >= limits.min_thermal_share:
            found = stride, moments
        stride *= 2
    return None


def _with_weak_form(increments: Dataset) -> Dataset:
    """Return increments with the error of their target, and with themselves as what constants are fitted to."""
    target = increments.target[increments.present]
    size = float(np.mean(np.linalg.norm(target, axis=-1)))
    spread = float(np.sqrt(np.mean(increments.target_variance[increments.present])))
    noise = min(1.0, spread * mean_norm_of_normal(increments.dim) / size)
    increments = replace(increments, noise=noise)
    return replace(increments, weak_form=increments)


def mean_norm_of_normal(dim: int) -> float:
    """Return the mean norm of ``dim`` standard normal numbers."""
    return float(np.sqrt(2) * gamma((dim + 1) / 2) / gamma(dim / 2))
