"""Where a network and a law part ways: their pair forces side by side, along each variable, and past its range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

BINS, FEWEST = 40, 8
"""Bins of a variable, and pairs in each of them at least."""
NEIGHBOURS = 2
"""Bins on either side that say what size of force is usual in one."""
FAINT = 0.01
"""Of the typical force: the network says nothing of what is smaller."""
ALIKE = 12
"""Values of a variable of which each is a bin of its own."""
PAST = 12
"""Bins past either end of the data."""


@dataclass(frozen=True)
class AgreementProfile:
    """Network and law in B bins of one variable, ascending.

    Attributes:
        low, high: (B,) ends of each bin.
        share: (B,) part of the pairs of the data; 0 past their range.
        network, law: (B,) median size of the pair force.
        deviation: (B,) median of |network - law| over the size of the force.
    """

    variable: str
    low: Float[np.ndarray, " B"]
    high: Float[np.ndarray, " B"]
    share: Float[np.ndarray, " B"]
    network: Float[np.ndarray, " B"]
    law: Float[np.ndarray, " B"]
    deviation: Float[np.ndarray, " B"]

    def apart(self, tolerance: float) -> Bool[np.ndarray, " B"]:
        """Which bins deviate by more; one alone between two that do not is chance."""
        apart = ~(self.deviation <= tolerance)
        for k in range(1, len(apart) - 1):
            apart[k] &= bool(apart[k - 1] or apart[k + 1])
        return apart

    def interval(self, bins: slice) -> Interval:
        """Some neighbouring bins as one."""
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
        share: part of the pairs of the data; 0 outside their range.
        deviation: median of |network - law| over the size of the force.
        network, law: size of the pair force at its lower and its upper end.
        network_error, law_error: part of held-out motion that each misses, of particles with a neighbour here; None
            where no such motion was seen.
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
    variable: str, values: Float[np.ndarray, " K"], network: Float[np.ndarray, "K D"], law: Float[np.ndarray, "K D"]
) -> AgreementProfile:
    """Pair forces (K D) along ``values`` (K,), all at pairs of the data."""
    force, size = np.linalg.norm(network, axis=-1), np.linalg.norm(law, axis=-1)
    away = np.linalg.norm(network - law, axis=-1)
    bins, faint = _even_bins(values), FAINT * float(np.median(force))
    rows = []
    for k, index in enumerate(bins):
        near = np.concatenate(bins[max(0, k - NEIGHBOURS) : k + NEIGHBOURS + 1])
        scale = 0.5 * (force[index] + np.median(force[near])) + faint
        ends = values[index[0]], values[index[-1]]
        middle = np.median(force[index]), np.median(size[index]), np.median(away[index] / scale)
        rows.append([*ends, len(index) / len(values), *middle])
    low, high, share, said, written, deviation = np.array(rows).T
    if not np.array_equal(low, high):
        middle = 0.5 * (high[:-1] + low[1:])
        low, high = np.append(low[0], middle), np.append(middle, high[-1])
    return AgreementProfile(variable, low, high, share, said, written, deviation)


def extended_bins(one: AgreementProfile, least: float, most: float) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the bins of a profile over positive values, and of as wide a row of bins on either side, from ``least``
    and to ``most``."""
    below = np.geomspace(least, one.low[0], PAST + 1) if least < one.low[0] else one.low[:1]
    above = np.geomspace(one.high[-1], most, PAST + 1) if most > one.high[-1] else one.high[-1:]
    return np.concatenate([below[:-1], one.low, above[:-1]]), np.concatenate([below[1:], one.high, above[1:]])


def extrapolated_profile(
    one: AgreementProfile,
    low: Float[np.ndarray, " B"],
    high: Float[np.ndarray, " B"],
    network: Float[np.ndarray, "B Q D"],
    law: Float[np.ndarray, "B Q D"],
) -> AgreementProfile:
    """The profile over the bins of `extended_bins`, with the forces of the same Q pairs in the middle of each: their sizes
    tell how the force goes, and past the data how far network and law are apart."""
    each = np.linalg.norm(network, axis=-1)
    size = np.median(each, axis=-1)
    scale = 0.5 * (each + size[:, None]) + FAINT * float(np.median(one.network))
    deviation = np.median(np.linalg.norm(network - law, axis=-1) / scale, axis=-1)
    data = (one.low[0] <= low) & (high <= one.high[-1])
    deviation[data] = one.deviation
    share = np.zeros(len(low))
    share[data] = one.share
    return AgreementProfile(
        one.variable, low, high, share, size, np.median(np.linalg.norm(law, axis=-1), axis=-1), deviation
    )


def longest_agreement_interval(one: AgreementProfile, tolerance: float) -> Interval | None:
    """The stretch within ``tolerance`` that holds most pairs of the data; None where there is none."""
    runs = [one.interval(s) for s in _true_slices(~one.apart(tolerance))]
    return max((s for s in runs if s.share), key=lambda s: s.share, default=None)


def disagreement_intervals(one: AgreementProfile, tolerance: float) -> tuple[Interval, ...]:
    """The stretches beyond ``tolerance``, those of the data apart from those past their range."""
    apart, inside = one.apart(tolerance), one.share > 0
    return tuple(one.interval(s) for s in [*_true_slices(apart & inside), *_true_slices(apart & ~inside)])


def _even_bins(values: np.ndarray) -> list[np.ndarray]:
    """Rows in the order of the values, by bins that are as even in count as in range."""
    order = np.argsort(values)
    x = values[order]
    distinct = np.unique(x)
    if len(distinct) <= ALIKE:
        return [order[x == value] for value in distinct]
    scaled = np.log(x) if x[0] > 0 else x
    label = np.floor(((scaled - scaled[0]) / np.ptp(scaled) + np.arange(len(x)) / len(x)) / 2 * BINS * (1 - 1e-12))
    return _merge_small_bins(np.split(order, np.flatnonzero(np.diff(label)) + 1))


def _merge_small_bins(parts: list[np.ndarray]) -> list[np.ndarray]:
    """Neighbouring parts joined until each has enough rows."""
    out: list[np.ndarray] = []
    for part in parts:
        if out and min(len(part), len(out[-1])) < FEWEST:
            out[-1] = np.concatenate([out[-1], part])
        else:
            out.append(part)
    return out


def _true_slices(mask: np.ndarray) -> list[slice]:
    """The stretches of neighbours that are True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return [slice(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _weighted_median(values: np.ndarray, weight: np.ndarray) -> float:
    """The weighted median."""
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])
