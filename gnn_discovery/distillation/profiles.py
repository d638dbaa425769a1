"""The profile of one channel as points: what symbolic regression sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gnn_discovery.distillation.additive_component import AdditiveComponent
from gnn_discovery.distillation.additive_fit import AdditiveFit
from gnn_discovery.distillation.additive_structure import AdditiveStructure
from gnn_discovery.messages.table import MessageTable

BINS = 300
SEEN, NOTHING = 0.1, 0.01
"""Of what counts as an error of size one: a point of a profile that is seen, and one that is nothing."""
STEEP = 12
"""Points within which a force that ends goes from seen to nothing; one that decays takes longer."""


@dataclass(frozen=True)
class ComponentProfile:
    """B points of one channel's profile.

    Attributes:
        variable: (B,) ascending.
        value: (B,).
        weight: (B,) one over what counts as an error of size one.
    """

    channel: AdditiveComponent
    variable: np.ndarray
    value: np.ndarray
    weight: np.ndarray

    @property
    def constant(self) -> float:
        """The best single number."""
        return float(np.average(self.value, weights=self.weight**2))


def estimate_profiles(table: MessageTable, structure: AdditiveStructure) -> list[ComponentProfile]:
    """The profile of each channel of ``structure``: its spline, corrected bin by bin with what the spline left over."""
    fit = AdditiveFit(table)
    parts = fit.profiles(structure.channels)
    rest = table.contributions - sum(value[:, None] * vector for value, vector in parts)
    out = []
    for channel, (spline, vector) in zip(structure.channels, parts, strict=True):
        values = channel.values(table)
        length = np.sum(vector**2, -1)
        seen = 1.0 / fit.weight / np.sqrt(np.maximum(length, 1e-300))
        if values is None:
            out.append(ComponentProfile(channel, np.zeros(1), spline[:1], np.ones(1)))
            continue
        rows = []
        weight = fit.weight**2 * length
        for index in _bin_rows(values):
            w = weight[index]
            if w.sum() <= 0:
                continue
            correction = np.sum(fit.weight[index] ** 2 * np.sum(vector[index] * rest[index], -1)) / w.sum()
            middle = index[np.argsort(values[index])[len(index) // 2]]
            size = np.sqrt(len(index) / np.sum(1 / np.maximum(seen[index], 1e-300) ** 2))
            rows.append((values[middle], spline[middle] + correction, 1.0 / max(size, 1e-300)))
        x, y, w = np.array(sorted(rows)).T
        out.append(ComponentProfile(channel, x, y, w))
    return out


def _bin_rows(values: np.ndarray) -> list[np.ndarray]:
    """Rows by bins of the variable, as even in count as in range; no bin is empty."""
    order = np.argsort(values)
    x = values[order]
    scaled = np.log(x) if x[0] > 0 else x
    span = (scaled - scaled[0]) / max(scaled[-1] - scaled[0], 1e-300)
    rank = np.arange(len(x)) / len(x)
    label = np.floor((span + rank) / 2 * BINS * (1 - 1e-12))
    cuts = np.flatnonzero(np.diff(label)) + 1
    return np.split(order, cuts)


def find_jump(profile: ComponentProfile) -> int | None:
    """Index of the first point beyond a jump of the profile, where there is one.

    A jump is a change between neighbouring points, lines fitted to either side, that is more than a tenth of the
    profile's size there, stands ten times above the usual such change, and is more than what the profile changes by
    on either side. Across a gap in the data nothing is said.
    """
    span = 6
    if len(profile.value) < 8 * span:
        return None
    index = np.arange(2 * span, len(profile.value) - 2 * span)
    step, change, gap = np.array([_jump_at(profile, k, span) for k in index.tolist()]).T
    size = np.abs(step) * profile.weight[index]
    clear = (size > 0.1) & (size > 10 * np.median(size)) & (np.abs(step) > change) & (gap < 2)
    return int(index[np.argmax(size * clear)]) if clear.any() else None


def find_cutoff(profile: ComponentProfile) -> int | None:
    """Index of the first point from which on the profile is nothing, where it does not decay but ends.

    A force of finite reach, such as that of spheres in contact, has a corner there, which no smooth formula follows.
    """
    size = np.abs(profile.value) * profile.weight
    end = int(np.flatnonzero(size > NOTHING)[-1]) + 1 if (size > NOTHING).any() else 0
    steep = end > STEEP and size[end - STEEP : end].max() > SEEN
    return end if steep and len(size) - end > STEEP else None


def _jump_at(profile: ComponentProfile, k: int, span: int) -> tuple[float, float, float]:
    """The jump at point k between lines fitted to either side of a gap of four points, the larger change of the
    profile over one of the sides, and the width of the gap over that of the narrower side."""
    levels, changes, widths = [], [], []
    sides = (np.arange(k - 2 - span, k - 2), np.arange(k + 2, k + 2 + span))
    for index in sides:
        x, y = profile.variable[index], profile.value[index]
        levels.append(np.polyfit(x - profile.variable[k], y, 1)[1])
        changes.append(np.ptp(y))
        widths.append(np.ptp(x))
    gap = profile.variable[sides[1][0]] - profile.variable[sides[0][-1]]
    return float(levels[1] - levels[0]), float(max(changes)), float(gap / max(min(widths), 1e-300))
