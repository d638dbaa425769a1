"""Agreement profiles: pair forces of a network and of a law side by side, along a variable, in and past its range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.distillation.profiles import even_bins


@dataclass(frozen=True)
class AgreementProfile:
    """Network and law in B bins of one variable, ascending.

    Attributes:
        variable: name of the variable.
        low: (B,) lower end of each bin.
        high: (B,) upper end of each bin.
        share: (B,) part of the pairs of the data; 0 past their range.
        network: (B,) median size of the pair force of the network.
        law: (B,) median size of the pair force of the law.
        deviation: (B,) median of |network - law| over the local size of the force.
    """

    variable: str
    low: Float[np.ndarray, " B"]
    high: Float[np.ndarray, " B"]
    share: Float[np.ndarray, " B"]
    network: Float[np.ndarray, " B"]
    law: Float[np.ndarray, " B"]
    deviation: Float[np.ndarray, " B"]

    def disagrees(self, tolerance: float) -> Bool[np.ndarray, " B"]:
        """Mark the bins that deviate by more than ``tolerance``; one alone between two that do not is chance."""
        mask = ~(self.deviation <= tolerance)
        for k in range(1, len(mask) - 1):
            mask[k] &= bool(mask[k - 1] or mask[k + 1])
        return mask

    def interval(self, bins: slice) -> Interval:
        """Return some neighbouring bins as one interval."""
        weight = np.maximum(self.share[bins], 1e-12)
        return Interval(
            self.variable,
            float(self.low[bins][0]),
            float(self.high[bins][-1]),
            float(self.share[bins].sum()),
            _weighted_median(self.deviation[bins], weight),
            (float(self.network[bins][0]), float(self.network[bins][-1])),
            (float(self.law[bins][0]), float(self.law[bins][-1])),
        )


@dataclass(frozen=True)
class Interval:
    """A range of one variable.

    Attributes:
        variable: name of the variable.
        low: lower end.
        high: upper end.
        share: part of the pairs of the data; 0 outside their range.
        deviation: median of |network - law| over the local size of the force.
        network: size of the pair force of the network at the lower and the upper end.
        law: the same for the law.
        network_error: part of held-out motion that the network misses, of particles with a neighbour here; None where
            no such motion was seen.
        law_error: the same for the law.
    """

    variable: str
    low: float
    high: float
    share: float
    deviation: float
    network: tuple[float, float]
    law: tuple[float, float]
    network_error: float | None = None
    law_error: float | None = None


def measure_agreement(
    variable: str,
    values: Float[np.ndarray, " K"],
    network: Float[np.ndarray, "K D"],
    law: Float[np.ndarray, "K D"],
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> AgreementProfile:
    """Return the profile of pair forces along a variable.

    The deviation of a pair is |network - law| over ``(|network| + median |network| of the bins around) / 2 + floor``.

    Args:
        variable: name of the variable.
        values: of the variable, at pairs of the data.
        network: pair forces of the network.
        law: pair forces of the law.
        criteria: the bins, and the floor in units of the median force.
    """
    numbers = criteria.verdict
    force, size = np.linalg.norm(network, axis=-1), np.linalg.norm(law, axis=-1)
    difference = np.linalg.norm(network - law, axis=-1)
    bins, floor = _bin_variable(values, criteria), numbers.agreement_force_floor * float(np.median(force))
    reach = numbers.agreement_scale_bins
    rows = []
    for k, index in enumerate(bins):
        around = np.concatenate(bins[max(0, k - reach) : k + reach + 1])
        scale = 0.5 * (force[index] + np.median(force[around])) + floor
        ends = values[index[0]], values[index[-1]]
        medians = np.median(force[index]), np.median(size[index]), np.median(difference[index] / scale)
        rows.append([*ends, len(index) / len(values), *medians])
    low, high, share, network_size, law_size, deviation = np.array(rows).T
    if not np.array_equal(low, high):
        middle = 0.5 * (high[:-1] + low[1:])
        low, high = np.append(low[0], middle), np.append(middle, high[-1])
    return AgreementProfile(variable, low, high, share, network_size, law_size, deviation)


def extended_bins(
    profile: AgreementProfile, least: float, most: float, *, criteria: Criteria = DEFAULT_CRITERIA
) -> tuple[np.ndarray, np.ndarray]:
    """Return the bins of a profile over positive values, with further ones on either side.

    Args:
        profile: over B bins.
        least: where the first bin begins; there is none below the data where they begin lower.
        most: where the last bin ends.
        criteria: the number of bins on either side.

    Returns:
        Lower and upper ends of the bins.
    """
    count = criteria.verdict.agreement_extrapolation_bins + 1
    below = np.geomspace(least, profile.low[0], count) if least < profile.low[0] else profile.low[:1]
    above = np.geomspace(profile.high[-1], most, count) if most > profile.high[-1] else profile.high[-1:]
    low = np.concatenate([below[:-1], profile.low, above[:-1]])
    return low, np.concatenate([below[1:], profile.high, above[1:]])


def extrapolated_profile(
    profile: AgreementProfile,
    low: Float[np.ndarray, " B"],
    high: Float[np.ndarray, " B"],
    network: Float[np.ndarray, "B Q D"],
    law: Float[np.ndarray, "B Q D"],
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> AgreementProfile:
    """Return the profile over the bins of `extended_bins`.

    Args:
        profile: over the range of the data.
        low: lower ends of the bins.
        high: upper ends of the bins.
        network: forces of the network on the same Q pairs, moved to the middle of each bin.
        law: the same of the law.
        criteria: the floor of the force scale, in units of the median force.
    """
    force = np.linalg.norm(network, axis=-1)
    size = np.median(force, axis=-1)
    floor = criteria.verdict.agreement_force_floor * float(np.median(profile.network))
    scale = 0.5 * (force + size[:, None]) + floor
    deviation = np.median(np.linalg.norm(network - law, axis=-1) / scale, axis=-1)
    data = (profile.low[0] <= low) & (high <= profile.high[-1])
    deviation[data] = profile.deviation
    share = np.zeros(len(low))
    share[data] = profile.share
    law_size = np.median(np.linalg.norm(law, axis=-1), axis=-1)
    return AgreementProfile(profile.variable, low, high, share, size, law_size, deviation)


def longest_agreement_interval(profile: AgreementProfile, tolerance: float) -> Interval | None:
    """Return the interval of agreement that holds most pairs of the data; None where there is none.

    Args:
        profile: of network and law.
        tolerance: largest deviation.
    """
    intervals = [profile.interval(bins) for bins in _true_slices(~profile.disagrees(tolerance))]
    return max((i for i in intervals if i.share), key=lambda i: i.share, default=None)


def disagreement_intervals(profile: AgreementProfile, tolerance: float) -> tuple[Interval, ...]:
    """Return the intervals of disagreement, those of the data before those past their range.

    Args:
        profile: of network and law.
        tolerance: largest deviation that still counts as agreement.
    """
    mask, inside = profile.disagrees(tolerance), profile.share > 0
    return tuple(profile.interval(bins) for bins in [*_true_slices(mask & inside), *_true_slices(mask & ~inside)])


def _bin_variable(values: Float[np.ndarray, " K"], criteria: Criteria) -> list[Int[np.ndarray, " _"]]:
    """Return the indices of each bin, in the order of the values.

    Where there are few distinct values each is a bin of its own, else the bins are those of `even_bins`.
    """
    numbers = criteria.verdict
    order = np.argsort(values)
    x = values[order]
    distinct = np.unique(x)
    if len(distinct) <= numbers.agreement_max_discrete_values:
        return [order[x == value] for value in distinct]
    return _merge_small_bins(even_bins(values, numbers.agreement_bins), numbers.agreement_min_pairs)


def _merge_small_bins(parts: list[np.ndarray], least: int) -> list[np.ndarray]:
    """Merge neighbouring bins until each has at least ``least`` members."""
    merged: list[np.ndarray] = []
    for part in parts:
        if merged and min(len(part), len(merged[-1])) < least:
            merged[-1] = np.concatenate([merged[-1], part])
        else:
            merged.append(part)
    return merged


def _true_slices(mask: Bool[np.ndarray, " B"]) -> list[slice]:
    """Return the runs of neighbours that are True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return [slice(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _weighted_median(values: Float[np.ndarray, " B"], weight: Float[np.ndarray, " B"]) -> float:
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])
