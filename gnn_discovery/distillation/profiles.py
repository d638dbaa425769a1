"""This module reduces one component of a force to the points that symbolic regression works on.

The profile of a component is estimated as its spline plus the weighted mean of the residual of the fit in each bin. A
profile may have a jump (the force switches at a threshold) or a cutoff (the force has finite range); both are located
here, because no smooth formula follows them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.distillation.additive_component import TINY, AdditiveComponent
from gnn_discovery.distillation.additive_fit import AdditiveFit
from gnn_discovery.distillation.additive_structure import AdditiveStructure
from gnn_discovery.messages.table import MessageTable


@dataclass(frozen=True)
class ComponentProfile:
    """A frozen record of the B points of the profile of one component.

    Attributes:
        component: the component that the profile belongs to.
        variable: (B,) argument of the profile, ascending.
        value: (B,) value of the profile.
        weight: (B,) one over the error scale of a point: the error that counts as a relative error of one.
    """

    component: AdditiveComponent
    variable: np.ndarray
    value: np.ndarray
    weight: np.ndarray

    @property
    def weighted_mean(self) -> float:
        """Return the constant that fits the points best."""
        return float(np.average(self.value, weights=self.weight**2))


def estimate_profiles(
    table: MessageTable, structure: AdditiveStructure, *, criteria: Criteria = DEFAULT_CRITERIA
) -> list[ComponentProfile]:
    """Return the profile of each component of ``structure``, estimated on all rows of the table.

    Args:
        table: K contributions.
        structure: components that explain the table.
        criteria: the stage ``structure`` is used.
    """
    fit = AdditiveFit(table, criteria=criteria)
    parts = fit.profiles(structure.components)
    residual = table.contributions - sum(value[:, None] * vector for value, vector in parts)
    profiles = []
    for component, (spline, vector) in zip(structure.components, parts, strict=True):
        values = component.variable_values(table)
        length = np.sum(vector**2, -1)
        error_scale = 1.0 / fit.weight / np.sqrt(np.maximum(length, TINY))
        if values is None:
            profiles.append(ComponentProfile(component, np.zeros(1), spline[:1], np.ones(1)))
            continue
        points = []
        weight = fit.weight**2 * length
        for index in even_bins(values, criteria.structure.profile_bins):
            w = weight[index]
            if w.sum() <= 0:
                continue
            projection = np.sum(vector[index] * residual[index], -1)
            correction = np.sum(fit.weight[index] ** 2 * projection) / w.sum()
            middle = index[np.argsort(values[index])[len(index) // 2]]
            scale = np.sqrt(len(index) / np.sum(1 / np.maximum(error_scale[index], TINY) ** 2))
            points.append((values[middle], spline[middle] + correction, 1.0 / max(scale, TINY)))
        x, y, w = np.array(sorted(points)).T
        profiles.append(ComponentProfile(component, x, y, w))
    return profiles


def even_bins(values: np.ndarray, count: int) -> list[np.ndarray]:
    """Return the rows in each bin of a variable; the bins are a compromise of equal counts and equal widths.

    The widths are those of the logarithm where all values are positive.

    Args:
        values: (K,) values of the variable.
        count: largest number of bins; empty ones are left out.

    Returns:
        The indices of the rows of each bin, in the order of the values.
    """
    order = np.argsort(values)
    x = values[order]
    scaled = np.log(x) if x[0] > 0 else x
    position = (scaled - scaled[0]) / max(scaled[-1] - scaled[0], TINY)
    rank = np.arange(len(x)) / len(x)
    label = np.floor((position + rank) / 2 * count * (1 - 1e-12))
    cuts = np.flatnonzero(np.diff(label)) + 1
    return np.split(order, cuts)


def find_jump(profile: ComponentProfile, *, criteria: Criteria = DEFAULT_CRITERIA) -> int | None:
    """Return the index of the first point beyond a jump of the profile, or None where there is no jump.

    The jump at a point is the difference of two straight lines that are fitted to either side of it. It counts where it

    - is larger than ``jump_min_size`` error scales of the point,
    - is larger than ``jump_outlier_ratio`` times the median over all points,
    - is larger than the change of the profile over one of the sides, and
    - is not across a gap in the data, which is one of ``jump_max_gap_ratio`` times the narrower side.

    Args:
        profile: at least 8 ``jump_fit_points`` points; a jump of fewer points is never found.
        criteria: the stage ``structure`` is used.
    """
    limits = criteria.structure
    span = limits.jump_fit_points
    if len(profile.value) < 8 * span:
        return None
    index = np.arange(2 * span, len(profile.value) - 2 * span)
    jump, change, gap = np.array([_jump_at(profile, k, criteria) for k in index.tolist()]).T
    size = np.abs(jump) * profile.weight[index]
    clear = (size > limits.jump_min_size) & (size > limits.jump_outlier_ratio * np.median(size))
    clear &= (np.abs(jump) > change) & (gap < limits.jump_max_gap_ratio)
    return int(index[np.argmax(size * clear)]) if clear.any() else None


def find_cutoff(profile: ComponentProfile, *, criteria: Criteria = DEFAULT_CRITERIA) -> int | None:
    """Return the index of the first point beyond the range of the force, or None where it has no finite range.

    A force of finite range, such as that of spheres in contact, falls from ``cutoff_signal_level`` to
    ``cutoff_zero_level`` within ``cutoff_max_points`` points and stays there; a decaying force takes longer. No smooth
    formula follows the corner at its range.

    Args:
        profile: points of one component.
        criteria: the stage ``structure`` is used.
    """
    limits = criteria.structure
    size = np.abs(profile.value) * profile.weight
    nonzero = size > limits.cutoff_zero_level
    end = int(np.flatnonzero(nonzero)[-1]) + 1 if nonzero.any() else 0
    width = limits.cutoff_max_points
    steep = end > width and size[end - width : end].max() > limits.cutoff_signal_level
    return end if steep and len(size) - end > width else None


def _jump_at(profile: ComponentProfile, k: int, criteria: Criteria) -> tuple[float, float, float]:
    """Return the jump at point k, the larger change of the profile over a side, and the relative width of the gap.

    Straight lines are fitted to either side; ``jump_skipped_points`` next to k are left out on each side. The width of
    the gap between the sides is relative to that of the narrower side.
    """
    limits = criteria.structure
    span, skipped = limits.jump_fit_points, limits.jump_skipped_points
    levels, changes, widths = [], [], []
    sides = (np.arange(k - skipped - span, k - skipped), np.arange(k + skipped, k + skipped + span))
    for index in sides:
        x, y = profile.variable[index], profile.value[index]
        levels.append(_line_at(x - profile.variable[k], y))
        changes.append(np.ptp(y))
        widths.append(np.ptp(x))
    gap = profile.variable[sides[1][0]] - profile.variable[sides[0][-1]]
    return float(levels[1] - levels[0]), float(max(changes)), float(gap / max(min(widths), TINY))


def _line_at(x: np.ndarray, y: np.ndarray) -> float:
    """Return the value at 0 of the straight line through (x, y) by least squares; a level where x hardly varies."""
    offset = x - x.mean()
    varies = np.ptp(x) > 1e-9 * np.abs(x).max()
    slope = float(offset @ y / (offset @ offset)) if varies else 0.0
    return float(y.mean() - slope * x.mean())
