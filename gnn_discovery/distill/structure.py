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
from scipy.interpolate import BSpline

from gnn_discovery.table import MessageTable
from gnn_discovery.types import Direction

ROWS = 800
KNOTS = 18
GAIN = 0.7
"""A further channel must lower the relative error below this part of what it was."""
FLOOR = 2e-3
"""Relative error at which no further channel is sought: about that of a well-trained network."""
OFF = 0.1
"""Relative error of a row from which it may count as far off."""
PLAIN = (0.0, 1.0)
POWERS = (0.0, 1.0, 2.0, -1.0, 0.5)
HIDDEN = 0.3
"""Above this relative error nothing is explained yet, and a further channel is tried whatever the last one gained."""
CHANNELS = 3


@dataclass(frozen=True)
class Channel:
    """``monomial`` x profile(``variable``) along ``direction``.

    Attributes:
        monomial: powers of the properties and of ``v_r``, by name; zero powers are left out.
        variable: what the profile depends on; None where it is one number.
    """

    direction: Direction
    monomial: tuple[tuple[str, float], ...]
    variable: str | None

    def factor(self, table: MessageTable) -> np.ndarray:
        """Value of the monomial (K,)."""
        out = np.ones(len(table))
        for name, power in self.monomial:
            column = radial_speed(table) if name == "v_r" else table.properties[name]
            out = out * (
                column
                if power == 1
                else np.sign(column) * np.abs(column) ** power
                if power % 2
                else np.abs(column) ** power
            )
        return out

    def values(self, table: MessageTable) -> np.ndarray | None:
        """The variable of the profile (K,)."""
        if self.variable is None:
            return None
        if self.variable in "xyz":
            return table.position[:, "xyz".index(self.variable)]
        return table.distance if self.variable == "r" else table.speed

    def vectors(self, table: MessageTable) -> np.ndarray:
        """The direction (K D): unit vectors, but for ``velocity`` and a self ``transverse``, which have length v."""
        if self.direction in ("x", "y", "z"):
            return np.eye(table.position.shape[-1])["xyz".index(self.direction)] * np.ones((len(table), 1))
        if self.direction == "velocity":
            return table.velocity
        if self.direction == "transverse" and table.kind == "self":
            return turned(table.velocity)
        radial = table.position / np.maximum(table.distance, 1e-300)[:, None]
        return radial if self.direction == "radial" else turned(radial)


@dataclass(frozen=True)
class Structure:
    """Channels that together explain a table, and the relative error that is left (root mean square)."""

    channels: tuple[Channel, ...]
    error: float


def turned(vectors: np.ndarray) -> np.ndarray:
    """z x vectors, in two dimensions."""
    return np.stack([-vectors[:, 1], vectors[:, 0]], -1)


def radial_speed(table: MessageTable) -> np.ndarray:
    return np.sum(table.position * table.velocity, -1) / np.maximum(table.distance, 1e-300)


def weights(table: MessageTable) -> np.ndarray:
    """1 / (|contribution| + a tenth of the force on the receiver) (K,): relative error counts, where it can be seen."""
    return 1.0 / (np.linalg.norm(table.contributions, axis=-1) + 0.1 * table.total)


def find_structures(table: MessageTable, seed: int = 0) -> tuple[Structure, ...]:
    """Structures of one, two, ... channels that explain most of the table; the last is the most that is warranted.

    After each new channel the earlier ones are sought again beside it: two forces that cancel hide each other.
    """
    fit = Fit(thin(table, ROWS, seed))
    found: list[Structure] = []
    channels: tuple[Channel, ...] = ()
    error = 1.0
    while len(channels) < CHANNELS and error > FLOOR:
        trial, score = _settle(fit, (*channels, None))
        if found and (
            score > GAIN * error and error < HIDDEN or len(trial) <= len(channels) and score > error
        ):
            break
        channels, error = trial, score
        found.append(Structure(channels, error))
        if 5 * FLOOR < error < HIDDEN:
            refined, better = _free_powers(fit, channels, error)
            if better < GAIN * error:
                channels, error = refined, better
                found.append(Structure(channels, error))
    explained = tuple(s for s in found if s.error < HIDDEN)
    return explained or tuple(found[-1:])


def _settle(fit: Fit, channels: tuple[Channel | None, ...]) -> tuple[tuple[Channel, ...], float]:
    """Channels found by turns, each beside the others, until none moves; None is one to be found."""
    known = [c for c in channels if c is not None]
    new, error = _best_channel(fit, tuple(known))
    current = [*known, new]
    moved = len(current) > 1
    while moved:
        moved = False
        for k in range(len(current)):
            others = (*current[:k], *current[k + 1 :])
            best, value = _best_channel(fit, others)
            if value < error * (1 - 1e-2):
                current[k], error, moved = best, value, True
    for channel in list(current):
        others = tuple(c for c in current if c != channel)
        if others and error < HIDDEN and fit.error(others) * GAIN < error:
            current, error = list(others), fit.error(others)
    return tuple(current), error


def thin(table: MessageTable, rows: int, seed: int) -> MessageTable:
    """At most so many rows, at random."""
    if len(table) <= rows:
        return table
    return table.select(np.random.default_rng(seed).choice(len(table), rows, replace=False))


def _best_channel(fit: Fit, base: tuple[Channel, ...]) -> tuple[Channel, float]:
    """The channel with the lowest error beside ``base``: over directions with plain powers, then over all powers."""
    tried = [_climb(fit, base, start, PLAIN) for start in _plain_channels(fit.table)]
    best, lowest = tried[0]
    for channel, error in tried[1:]:
        if error < lowest * (1 - 1e-2):
            best, lowest = channel, error
    return _climb(fit, base, best, POWERS) if lowest > 5 * FLOOR else (best, lowest)


def _climb(
    fit: Fit, base: tuple[Channel, ...], channel: Channel, powers: tuple[float, ...]
) -> tuple[Channel, float]:
    """Change the powers of one property after the other, as long as that helps."""
    error = fit.error((*base, channel))
    improved = True
    while improved:
        improved = False
        for other in _neighbours(fit.table, channel, powers):
            value = fit.error((*base, other))
            if value < error * (1 - 1e-3):
                channel, error, improved = other, value, True
    return channel, error


def _plain_channels(table: MessageTable) -> list[Channel]:
    dim = table.position.shape[-1]
    if table.kind == "pair":
        axes: list[tuple[Direction, str | None]] = [("radial", "r"), ("velocity", "r")]
        if dim == 2:
            axes.append(("transverse", "r"))
        plain = [Channel(d, (), v) for d, v in axes]
        return [*plain, Channel("radial", (("v_r", 1.0),), "r")]
    own: list[tuple[Direction, str | None]] = [("velocity", "v"), ("radial", "r")]
    if dim == 2:
        own.append(("transverse", "v"))
    for axis in "xyz"[:dim]:
        own += [(axis, None), (axis, axis)]  # type: ignore[list-item]
    return [Channel(d, (), v) for d, v in own]


def _neighbours(table: MessageTable, channel: Channel, allowed: tuple[float, ...]) -> list[Channel]:
    """The channel with the powers of one property (at both ends) changed."""
    powers = dict(channel.monomial)
    bases = sorted({name[:-2] for name in table.properties})
    out = []
    for base in bases:
        ends = [f"{base}_{end}" for end in "ij" if f"{base}_{end}" in table.properties]
        for choice in itertools.product(*(_powers(table.properties[e], allowed) for e in ends)):
            new = {**powers, **dict(zip(ends, choice, strict=True))}
            monomial = tuple(sorted((k, p) for k, p in new.items() if p))
            if monomial != channel.monomial:
                out.append(replace(channel, monomial=monomial))
    return out


def _powers(column: np.ndarray, allowed: tuple[float, ...]) -> tuple[float, ...]:
    """Of the allowed powers those worth trying: of a sign only its presence counts, of one value nothing."""
    if np.ptp(column) <= 1e-9 * np.max(np.abs(column)):
        return (0.0,)
    if np.ptp(np.abs(column)) <= 1e-9 * np.max(np.abs(column)):
        return (0.0, 1.0)
    return allowed if np.all(column > 0) else tuple(p for p in allowed if p in (0.0, 1.0, 2.0))


def _free_powers(fit: Fit, channels: tuple[Channel, ...], error: float) -> tuple[tuple[Channel, ...], float]:
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


class Fit:
    """Weighted least squares of a table on channels with spline profiles."""

    def __init__(self, table: MessageTable):
        self.table = table
        self.weight = weights(table)
        self.target = (table.contributions * self.weight[:, None]).ravel()
        self._bases: dict[str | None, np.ndarray] = {}
        self._errors: dict[tuple[Channel, ...], float] = {}

    def error(self, channels: tuple[Channel, ...]) -> float:
        """Relative error left: root mean square over the rows, those far off counted down (Huber)."""
        key = tuple(sorted(channels, key=repr))
        if key not in self._errors:
            _, rest, trust = self._solve(channels)
            size = max(float(np.mean(self.target**2)), 1e-300)
            self._errors[key] = float(np.sqrt(np.mean(trust * rest**2) / size))
        return self._errors[key]

    def profiles(self, channels: tuple[Channel, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each channel its spline at the rows (K,), and the block factor x direction (K D)."""
        solution = self._solve(channels)[0]
        out, start = [], 0
        for channel in channels:
            basis = self._basis(channel)
            stop = start + basis.shape[1]
            out.append(
                (
                    basis @ solution[start:stop],
                    channel.vectors(self.table) * channel.factor(self.table)[:, None],
                )
            )
            start = stop
        return out

    def _solve(self, channels: tuple[Channel, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coefficients, what they leave (K D flattened), and the trust in each entry after one Huber step."""
        matrix = np.concatenate([self._block(c) for c in channels], -1)
        rest = self.target - matrix @ _least_squares(matrix, self.target)
        size = np.linalg.norm(rest.reshape(len(self.table), -1), axis=-1)
        trust = np.repeat(
            np.minimum(1.0, max(3 * float(np.median(size)), OFF) / np.maximum(size, 1e-300)), rest.size // size.size
        )
        root = np.sqrt(trust)
        solution = _least_squares(matrix * root[:, None], self.target * root)
        return solution, self.target - matrix @ solution, trust

    def _block(self, channel: Channel) -> np.ndarray:
        rows = channel.vectors(self.table) * (channel.factor(self.table) * self.weight)[:, None]
        return (rows[:, :, None] * self._basis(channel)[:, None, :]).reshape(rows.size, -1)

    def _basis(self, channel: Channel) -> np.ndarray:
        if channel.variable not in self._bases:
            values = channel.values(self.table)
            self._bases[channel.variable] = (
                np.ones((len(self.table), 1)) if values is None else spline_basis(values)
            )
        return self._bases[channel.variable]


def _least_squares(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Ridge-stabilised least squares; columns are scaled to one length first."""
    size = np.sqrt(np.sum(matrix**2, 0)) + 1e-300
    scaled = matrix / size
    gram = scaled.T @ scaled + 1e-10 * np.eye(matrix.shape[1])
    return np.linalg.solve(gram, scaled.T @ target) / size


def spline_basis(values: np.ndarray) -> np.ndarray:
    """Cubic B-splines in log(values) where all are positive, else in values; knots half by count, half by range (K B)."""
    x = np.log(values) if np.all(values > 0) else values
    if np.ptp(x) < 1e-9 * max(1.0, float(np.max(np.abs(x)))):
        return np.ones((len(x), 1))
    inner = np.concatenate([
        np.quantile(x, np.linspace(0, 1, KNOTS // 2 + 1)[1:-1]),
        np.linspace(x.min(), x.max(), KNOTS // 2 + 2)[1:-1],
    ])  # fmt: skip
    inner = np.unique(np.round(inner, 9))
    knots = np.concatenate([[x.min()] * 4, inner, [x.max()] * 4])
    return np.asarray(BSpline.design_matrix(x, knots, 3).todense())
