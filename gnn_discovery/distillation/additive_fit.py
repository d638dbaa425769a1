"""Fit: the coefficients of channels whose profiles are splines."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import BSpline

from gnn_discovery.distillation.additive_component import AdditiveComponent
from gnn_discovery.messages.table import MessageTable

KNOTS = 18
OFF = 0.1
"""Relative error of a row from which it may count as far off."""
EXACT = 1e-6
"""Relative error below which nothing is left: what is smaller is rounding, and chooses nothing."""


def contribution_weights(table: MessageTable) -> np.ndarray:
    """1 / (|contribution| + a tenth of the force on the receiver) (K,): relative error counts, where it can be seen."""
    return 1.0 / (np.linalg.norm(table.contributions, axis=-1) + 0.1 * table.total)


class AdditiveFit:
    """Weighted least squares on channels with spline profiles: of each row of a table, or of sums of its rows.

    Args:
        table: rows, one a contribution.
        sums: (Q D) force that the rows add up to, with ``owner`` (K,) the sum that each row belongs to; None fits the
            contributions themselves.
    """

    def __init__(self, table: MessageTable, sums: np.ndarray | None = None, owner: np.ndarray | None = None):
        self.table, self.owner = table, owner
        target = table.contributions if sums is None else sums
        self.weight = (
            contribution_weights(table)
            if sums is None
            else 1.0 / (np.linalg.norm(sums, axis=-1) + _median_magnitude(sums))
        )
        self.target = (target * self.weight[:, None]).ravel()
        self._bases: dict[str | None, np.ndarray] = {}
        self._errors: dict[tuple[AdditiveComponent, ...], float] = {}

    def error(self, channels: tuple[AdditiveComponent, ...]) -> float:
        """Relative error left: root mean square over the rows, those far off counted down (Huber); at least `EXACT`."""
        key = tuple(sorted(channels, key=repr))
        if key not in self._errors:
            _, rest, trust = self._solve(channels)
            size = max(float(np.mean(self.target**2)), 1e-300)
            self._errors[key] = max(float(np.sqrt(np.mean(trust * rest**2) / size)), EXACT)
        return self._errors[key]

    def profiles(self, channels: tuple[AdditiveComponent, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each channel its spline at the rows (K,), and the block factor x direction (K D)."""
        solution = self._solve(channels)[0]
        out, start = [], 0
        for channel in channels:
            basis = self._basis(channel)
            stop = start + basis.shape[1]
            out.append(
                (
                    basis @ solution[start:stop],
                    channel.vectors(self.table) * channel.monomial_values(self.table)[:, None],
                )
            )
            start = stop
        return out

    def _solve(self, channels: tuple[AdditiveComponent, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coefficients, what they leave (K D flattened), and the trust in each entry after one Huber step."""
        matrix = np.concatenate([self._block(c) for c in channels], -1)
        rest = self.target - matrix @ _least_squares(matrix, self.target)
        size = np.linalg.norm(rest.reshape(len(self.weight), -1), axis=-1)
        trust = np.repeat(
            np.minimum(1.0, max(3 * float(np.median(size)), OFF) / np.maximum(size, 1e-300)),
            rest.size // size.size,
        )
        root = np.sqrt(trust)
        solution = _least_squares(matrix * root[:, None], self.target * root)
        return solution, self.target - matrix @ solution, trust

    def _block(self, channel: AdditiveComponent) -> np.ndarray:
        rows = channel.vectors(self.table) * channel.monomial_values(self.table)[:, None]
        block = rows[:, :, None] * self._basis(channel)[:, None, :]
        if self.owner is not None:
            summed = np.zeros((len(self.weight), *block.shape[1:]))
            np.add.at(summed, self.owner, block)
            block = summed
        return (block * self.weight[:, None, None]).reshape(self.target.size, -1)

    def _basis(self, channel: AdditiveComponent) -> np.ndarray:
        if channel.variable not in self._bases:
            values = channel.values(self.table)
            self._bases[channel.variable] = np.ones((len(self.table), 1)) if values is None else spline_basis(values)
        return self._bases[channel.variable]


def _median_magnitude(force: np.ndarray) -> float:
    """The median size of a force (Q D), or one where all are nothing."""
    return float(np.median(np.linalg.norm(force, axis=-1))) or 1.0


def _least_squares(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Ridge-stabilised least squares; columns are scaled to one length first."""
    size = np.sqrt(np.sum(matrix**2, 0)) + 1e-300
    scaled = matrix / size
    gram = scaled.T @ scaled + 1e-10 * np.eye(matrix.shape[1])
    return np.linalg.solve(gram, scaled.T @ target) / size


def spline_basis(values: np.ndarray) -> np.ndarray:
    """Cubic B-splines (K B) in log(values) where all are positive, else in values; knots by count and by range."""
    logarithmic = bool(np.all(values > 0))
    x = np.log(values) if logarithmic else values
    if np.ptp(x) <= 1e-9 * (1.0 if logarithmic else np.max(np.abs(x))):
        return np.ones((len(x), 1))
    inner = np.concatenate([
        np.quantile(x, np.linspace(0, 1, KNOTS // 2 + 1)[1:-1]),
        np.linspace(x.min(), x.max(), KNOTS // 2 + 2)[1:-1],
    ])  # fmt: skip
    inner = np.sort(inner)
    inner = inner[np.diff(inner, prepend=-np.inf) > 1e-9 * np.ptp(x)]
    knots = np.concatenate([[x.min()] * 4, inner, [x.max()] * 4])
    return np.asarray(BSpline.design_matrix(x, knots, 3).todense())
