"""The weights of residuals, and the relative error of a law.

A residual vector F_law - F of a particle is divided by s + |F|, where s is the robust scale of the force on that
particle (`force_scale`): errors count relative to the force where it is large, and absolutely where it is small, so
that a close encounter weighs no more than a quiet moment. Outliers are weighed down by Huber's weights
(`huber_weights`).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset, IncrementObservation, robust_scale
from gnn_discovery.laws.evaluate import force, predict_with_law
from gnn_discovery.laws.law import ForceLaw

ForceScale = Float[np.ndarray, " N"]


def numerical_force_floor(data: Dataset, *, criteria: Criteria = DEFAULT_CRITERIA) -> float:
    """Return the force below which nothing moves in the time seen.

    It is ``noise.numerical_force_floor`` x extent / time**order, times the mass where the data give one.

    Args:
        data: the motion.
        criteria: the criteria of the discovery.
    """
    if not len(data.run):
        return 1e-300
    extent = float(np.std(data.positions[data.present])) or 1.0
    duration = max(float(np.ptp(data.times[data.run == run])) for run in np.unique(data.run)[:16])
    velocities = data.velocities if data.order == 2 else data.target
    speed = float(np.sqrt(np.mean(velocities[data.present] ** 2)))
    rate = max(1.0 / duration if duration > 0 else 0.0, speed / extent) or 1.0
    mass = float(np.median(data.properties["m"][data.present])) if data.has_mass else 1.0
    return criteria.noise.numerical_force_floor * extent * rate**data.order * abs(mass)


def force_scale(data: Dataset, *, criteria: Criteria = DEFAULT_CRITERIA) -> ForceScale:
    """Return (N,) the size of the force below which the residuals of each particle count as absolute.

    Each particle has its own scale, since the forces on the bodies of one system may span decades.

    Args:
        data: the motion, with forces on N particles.
        criteria: the criteria of the discovery.
    """
    size, floor = np.linalg.norm(data.force, axis=-1), numerical_force_floor(data, criteria=criteria)
    mask = data.target_mask
    return np.array(
        [max(robust_scale(size[mask[:, n], n], criteria=criteria), floor) for n in range(size.shape[1])],
    )


def inverse_force_weights(data: Dataset, scale: ForceScale) -> Float[np.ndarray, "S N"]:
    """Return the weights w = 1 / (s + |F|) with the observed force F, zero where there is no target.

    Of increments they are those of `kick_weights`: a kick that makes the observed force small would else count more
    than one that does not.

    Args:
        data: S instants of N particles.
        scale: (N,) the scale s of each particle, as `force_scale` gives it.
    """
    if isinstance(data.observation, IncrementObservation):
        return kick_weights(data)
    weights: np.ndarray = data.target_mask / (scale + np.linalg.norm(data.force, axis=-1))
    return weights


def kick_weights(data: Dataset) -> Float[np.ndarray, "S N"]:
    """Return 1 over the standard deviation that kicks give a coordinate of the force, zero where there is no target.

    Args:
        data: increments.
    """
    mass = data.properties["m"] if data.has_mass else 1.0
    weights: np.ndarray = data.target_mask / (mass * np.sqrt(data.target_variance))
    return weights


def huber_weights(
    residual: Float[np.ndarray, "N S D"], weight: Float[np.ndarray, "N S"], *, criteria: Criteria = DEFAULT_CRITERIA
) -> Float[np.ndarray, "N S"]:
    r"""Return the square roots of Huber's weights of residual vectors, each particle by its own spread.

    With u = |residual|, Huber's weight is min(1, k sigma / u), where k is ``estimation.huber_threshold`` and sigma is
    ``estimation.robust_std_per_median`` x median(u) (P. J. Huber, Ann. Math. Stat. 35, 73, 1964). A weighted sum of
    squares wants its square root as a factor of the residual.

    Args:
        residual: residuals that are weighed already, zero where there is no target.
        weight: their weights; only entries with a positive weight take part in the median.
        criteria: the criteria of the discovery.
    """
    limits = criteria.estimation
    size = np.linalg.norm(residual, axis=-1)
    factor: np.ndarray = np.ones_like(size)
    for n in range(len(size)):
        seen = weight[n] > 0
        if seen.any():
            spread = limits.robust_std_per_median * np.median(size[n, seen])
            factor[n] = np.sqrt(huber_weight(size[n], limits.huber_threshold * spread)) if spread > 0 else 1.0
    return factor


def huber_weight(size: Float[np.ndarray, "..."], threshold: float) -> Float[np.ndarray, "..."]:
    """Return Huber's weights min(1, threshold / size) (P. J. Huber, Ann. Math. Stat. 35, 73, 1964).

    Args:
        size: absolute values or norms of residuals.
        threshold: the size beyond which a residual counts linearly, not quadratically.
    """
    weight: np.ndarray = np.minimum(1.0, threshold / np.maximum(size, 1e-300))
    return weight


def relative_errors(law: ForceLaw, data: Dataset, scale: ForceScale) -> Float[np.ndarray, "S N"]:
    """Return |F_law - F| / (s + |F|), at most 1; of increments, the square of the residual over what kicks make of it.

    It is zero where there is no target, and 1 (of increments: infinite) where the law is not finite.

    Args:
        law: the law.
        data: S instants of N particles.
        scale: (N,) the scale s of each particle, as `force_scale` gives it.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        residual = data.observe(force(law, data)) - data.force
        if isinstance(data.observation, IncrementObservation):
            mass = data.properties["m"][..., None] if data.has_mass else 1.0
            square = np.mean((residual / mass) ** 2, axis=-1) / data.target_variance
            return np.where(data.target_mask, np.nan_to_num(square, nan=np.inf), 0.0)
        error = np.linalg.norm(residual, axis=-1) * inverse_force_weights(data, scale)
    return np.where(data.target_mask, np.minimum(np.nan_to_num(error, nan=1.0, posinf=1.0), 1.0), 0.0)


def mean_relative_error(law: ForceLaw, data: Dataset, scale: ForceScale) -> float:
    """Return the mean of `relative_errors` over all entries that have a target.

    Args:
        law: the law.
        data: S instants of N particles.
        scale: (N,) the scale of each particle, as `force_scale` gives it.
    """
    return float(relative_errors(law, data, scale).sum() / max(1, np.count_nonzero(data.target_mask)))


def unexplained_fraction(law: ForceLaw, data: Dataset) -> float | None:
    """Return sum |residual| / sum |target|, over entries that have a target; None where nothing moves.

    Args:
        law: the law.
        data: S instants of N particles.
    """
    mask = data.target_mask
    with np.errstate(over="ignore", invalid="ignore"):
        residual = np.linalg.norm((data.observe(predict_with_law(law, data)) - data.target)[mask], axis=-1).sum()
    size = np.linalg.norm(data.target[mask], axis=-1).sum()
    return float(residual / size) if size > 0 and np.isfinite(residual) else None
