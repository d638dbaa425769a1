"""How residuals are weighed: so that relative error counts, for every particle alike."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from gnn_discovery.data.dataset import Dataset, robust_scale
from gnn_discovery.laws.evaluate import force, predict_with_law
from gnn_discovery.laws.law import ForceLaw

ForceScale = Float[np.ndarray, " N"]


def numerical_force_floor(data: Dataset) -> float:
    """A force that moves nothing in the time seen: 1e-10 of extent / time^order (times the mass)."""
    if not len(data.run):
        return 1e-300
    extent = float(np.std(data.positions[data.present])) or 1.0
    duration = max(float(np.ptp(data.times[data.run == run])) for run in np.unique(data.run)[:16])
    pace = float(np.sqrt(np.mean(data.velocities[data.present] ** 2)))
    rate = max(1.0 / duration if duration > 0 else 0.0, pace / extent) or 1.0
    mass = float(np.median(data.properties["m"][data.present])) if data.has_mass else 1.0
    return 1e-10 * extent * rate**data.order * abs(mass)


def force_scale(data: Dataset) -> ForceScale:
    """(N,) the size of the force below which a particle's residuals count as absolute.

    Each particle has its own, since the bodies of one system may span decades.
    """
    size, floor = np.linalg.norm(data.force, axis=-1), numerical_force_floor(data)
    aimed = data.target_mask
    return np.array([max(robust_scale(size[aimed[:, n], n]), floor) for n in range(size.shape[1])])


def inverse_force_weights(data: Dataset, scale: ForceScale) -> Float[np.ndarray, "S N"]:
    """1 / (scale + |F|), zero where there is no target: a close encounter weighs no more than a quiet moment."""
    return data.target_mask / (scale + np.linalg.norm(data.force, axis=-1))


def relative_errors(law: ForceLaw, data: Dataset, scale: ForceScale) -> Float[np.ndarray, "S N"]:
    """|F_law - F| / (scale + |F|), at most 1, zero where there is no target; 1 where the law is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        miss = np.linalg.norm(data.apply_kernel(force(law, data)) - data.force, axis=-1) * inverse_force_weights(data, scale)
    return np.where(data.target_mask, np.minimum(np.nan_to_num(miss, nan=1.0, posinf=1.0), 1.0), 0.0)


def mean_relative_error(law: ForceLaw, data: Dataset, scale: ForceScale) -> float:
    """Mean of `relative_errors` over all that there is a target for."""
    return float(relative_errors(law, data, scale).sum() / max(1, np.count_nonzero(data.target_mask)))


def unexplained_fraction(law: ForceLaw, data: Dataset) -> float | None:
    """sum|residual| / sum|target|; None where nothing moves."""
    here = data.target_mask
    with np.errstate(over="ignore", invalid="ignore"):
        miss = np.linalg.norm((data.apply_kernel(predict_with_law(law, data)) - data.target)[here], axis=-1).sum()
    size = np.linalg.norm(data.target[here], axis=-1).sum()
    return float(miss / size) if size > 0 and np.isfinite(miss) else None
