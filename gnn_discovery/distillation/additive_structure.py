"""Structure before regression: which directions, which powers of the properties, and a profile of one variable each.

The contributions are written as a sum of channels, monomial(properties) x profile(variable) x direction, with each
profile a spline: linear in its coefficients. Channels are added greedily, each the one that lowers the relative error
most. This is where symmetry shows: a central force asks for one radial channel, a drag for one along the velocity.
Nothing here knows a law.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from gnn_discovery.distillation.additive_component import AdditiveComponent, pair_sum_name, property_column
from gnn_discovery.distillation.additive_fit import AdditiveFit
from gnn_discovery.messages.table import MessageTable
from gnn_discovery.types import Direction

ROWS = 800
GAIN = 0.7
"""A further channel must lower the relative error below this part of what it was."""
FLOOR = 2e-3
"""Relative error at which no further channel is sought: about that of a well-trained network."""
VISIBLE = 0.01
"""Part of the force on the receiver below which a contribution cannot be seen."""
PLAIN = (0.0, 1.0)
POWERS = (0.0, 1.0, 2.0, -1.0, 0.5)
SUMS = (1.0, 2.0, -1.0)
"""Powers of a sum over the pair; beside it the property stands at both ends or at none."""
HIDDEN = 0.3
"""Above this relative error nothing is explained yet, and a further channel is tried whatever the last one gained."""
CHANNELS = 3


@dataclass(frozen=True)
class AdditiveStructure:
    """Channels that together explain a table, and the relative error that is left (root mean square)."""

    channels: tuple[AdditiveComponent, ...]
    error: float


def find_structures(table: MessageTable, seed: int = 0) -> tuple[AdditiveStructure, ...]:
    """Structures of the contributions of a table, see `search_structures`."""
    return search_structures(AdditiveFit(stratified_subsample(table, ROWS, seed)))


def search_structures(fit: AdditiveFit) -> tuple[AdditiveStructure, ...]:
    """Structures of one, two, ... channels that explain most of the table; the last is the most that is warranted.

    After each new channel the earlier ones are sought again beside it: two forces that cancel hide each other.
    """
    found: list[AdditiveStructure] = []
    channels: tuple[AdditiveComponent, ...] = ()
    error = 1.0
    while len(channels) < CHANNELS and error > FLOOR:
        trial, score = _backfit(fit, (*channels, None))
        if found and ((score > GAIN * error and error < HIDDEN) or (len(trial) <= len(channels) and score >= error)):
            break
        channels, error = trial, score
        found.append(AdditiveStructure(channels, error))
        if 5 * FLOOR < error < HIDDEN:
            refined, better = _fit_real_exponents(fit, channels, error)
            if better < GAIN * error:
                channels, error = refined, better
                found.append(AdditiveStructure(channels, error))
    explained = tuple(s for s in found if s.error < HIDDEN)
    return explained or tuple(found[-1:])


def _backfit(
    fit: AdditiveFit, channels: tuple[AdditiveComponent | None, ...]
) -> tuple[tuple[AdditiveComponent, ...], float]:
    """Channels found by turns, each beside the others, until none moves; None is one to be found."""
    known = [c for c in channels if c is not None]
    new, error = _best_component(fit, tuple(known))
    current = [*known, new]
    moved = len(current) > 1
    while moved:
        moved = False
        for k in range(len(current)):
            others = (*current[:k], *current[k + 1 :])
            best, value = _best_component(fit, others)
            if value < error * (1 - 1e-2):
                current[k], error, moved = best, value, True
    for channel in list(current):
        others = tuple(c for c in current if c != channel)
        if others and error < HIDDEN and fit.error(others) * GAIN < error:
            current, error = list(others), fit.error(others)
    return tuple(current), error


def stratified_subsample(table: MessageTable, rows: int, seed: int) -> MessageTable:
    """At most so many rows, at random; half of them such as can be seen, where most cannot."""
    if len(table) <= rows:
        return table
    rng = np.random.default_rng(seed)
    seen = np.linalg.norm(table.contributions, axis=-1) > VISIBLE * table.total
    if np.mean(seen) >= 0.5:
        return table.select(rng.choice(len(table), rows, replace=False))
    bright = rng.permutation(np.flatnonzero(seen))[: rows // 2]
    dark = rng.permutation(np.flatnonzero(~seen))[: rows - len(bright)]
    return table.select(np.concatenate([bright, dark]))


def _best_component(fit: AdditiveFit, base: tuple[AdditiveComponent, ...]) -> tuple[AdditiveComponent, float]:
    """The channel with the lowest error beside ``base``: over directions with plain powers, then over all powers."""
    tried = [_hill_climb(fit, base, start, PLAIN) for start in _initial_components(fit.table)]
    best, lowest = tried[0]
    for channel, error in tried[1:]:
        if error < lowest * (1 - 1e-2):
            best, lowest = channel, error
    return _hill_climb(fit, base, best, POWERS) if lowest > 5 * FLOOR else (best, lowest)


def _hill_climb(
    fit: AdditiveFit, base: tuple[AdditiveComponent, ...], channel: AdditiveComponent, powers: tuple[float, ...]
) -> tuple[AdditiveComponent, float]:
    """Change the powers of one property after the other, as long as that helps."""
    error = fit.error((*base, channel))
    improved = True
    while improved:
        improved = False
        for other in _neighbouring_components(fit.table, channel, powers):
            value = fit.error((*base, other))
            if value < error * (1 - 1e-3):
                channel, error, improved = other, value, True
    return channel, error


def _initial_components(table: MessageTable) -> list[AdditiveComponent]:
    dim = table.position.shape[-1]
    if table.kind == "pair":
        axes: list[tuple[Direction, str | None]] = [("radial", "r"), ("velocity", "r")]
        if dim == 2:
            axes.append(("transverse", "r"))
        plain = [AdditiveComponent(d, (), v) for d, v in axes]
        return [*plain, AdditiveComponent("radial", (("v_r", 1.0),), "r")]
    own: list[tuple[Direction, str | None]] = [("velocity", "v"), ("radial", "r")]
    if dim == 2:
        own.append(("transverse", "v"))
    for axis in "xyz"[:dim]:
        own += [(axis, None), (axis, axis)]  # type: ignore[list-item]
    return [AdditiveComponent(d, (), v) for d, v in own]


def _neighbouring_components(
    table: MessageTable, channel: AdditiveComponent, allowed: tuple[float, ...]
) -> list[AdditiveComponent]:
    """The channel with the powers of one property (at both ends, or of its sum over the pair) changed."""
    powers = dict(channel.monomial)
    bases = sorted({name[:-2] for name in table.properties})
    out = []
    for base in bases:
        ends = [f"{base}_{end}" for end in "ij" if f"{base}_{end}" in table.properties]
        names = [*ends, pair_sum_name(base)]
        choices = [
            (*c, 0.0) for c in itertools.product(*(_candidate_exponents(table.properties[e], allowed) for e in ends))
        ]
        if len(ends) == 2 and 1.0 in _candidate_exponents(table.properties[ends[0]], allowed):
            sums = (p for p in _candidate_exponents(property_column(table, pair_sum_name(base)), allowed) if p in SUMS)
            choices += [(p, p, q) for p, q in itertools.product(PLAIN, sums)]
        for choice in choices:
            new = {**powers, **dict(zip(names, choice, strict=True))}
            monomial = tuple(sorted((k, p) for k, p in new.items() if p))
            if monomial != channel.monomial:
                out.append(replace(channel, monomial=monomial))
    return out


def _candidate_exponents(column: np.ndarray, allowed: tuple[float, ...]) -> tuple[float, ...]:
    """Of the allowed powers those worth trying: of a sign only its presence counts, of one value nothing."""
    if np.ptp(column) <= 1e-9 * np.max(np.abs(column)):
        return (0.0,)
    if np.ptp(np.abs(column)) <= 1e-9 * np.max(np.abs(column)):
        return (0.0, 1.0)
    return allowed if np.all(column > 0) else tuple(p for p in allowed if p in (0.0, 1.0, 2.0))


def _fit_real_exponents(
    fit: AdditiveFit, channels: tuple[AdditiveComponent, ...], error: float
) -> tuple[tuple[AdditiveComponent, ...], float]:
    """The last channel with powers of its positive properties that need not be simple, by coordinate descent."""
    last = channels[-1]
    names = [k for k, v in fit.table.properties.items() if np.all(v > 0) and np.ptp(v) > 0]
    powers = dict(last.monomial)
    step = 0.25
    while step > 0.004:
        moved = False
        for name in names:
            for change in (step, -step):
                new = {**powers, name: powers.get(name, 0.0) + change}
                monomial = tuple(sorted((k, round(p, 6)) for k, p in new.items() if abs(p) > 1e-9))
                trial = (*channels[:-1], replace(last, monomial=monomial))
                value = fit.error(trial)
                if value < error * (1 - 1e-4):
                    channels, error, powers, moved = trial, value, new, True
        step = step if moved else step / 2
    return channels, error
