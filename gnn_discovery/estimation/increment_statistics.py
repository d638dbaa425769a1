"""Sufficient statistics of increments: the cost of any separable law from a few sums over the data.

Kicks are normal and alike, so that the weights of residuals are known, and the cost

    sum_k w_k^2 |F(theta)_k - F_k|^2 = c^T G c - 2 c^T b + sum_k w_k^2 |F_k|^2

is all that the data say of a law whose force is linear in c. The profiles of a separable law
(`gnn_discovery.laws.channels`) are interpolated by splines of degree `SPLINE_DEGREE` in their variable; c holds the
values of the profiles at the nodes of these, and G (B B) and b (B,) are summed over the data once, for each run. So
all of the data count, however often a law is evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from math import comb

import numpy as np
from jaxtyping import Float, Int

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.estimation.residual_weights import kick_weights
from gnn_discovery.laws.channels import Channel
from gnn_discovery.laws.term_evaluator import TermEvaluator, iterate_blocks

SPLINE_DEGREE = 5
"""The error of interpolation falls with the power of the distance between nodes that is one above this."""
SPLINE_INTERVALS = 48
"""Number of intervals of a spline, even in the logarithm of a distance or speed, or in another variable itself.

Over a hundredfold range of distances the error of r^-13 is 1e-4 of it, that of r^-2 is 1e-9."""
MIN_EIGENVALUE = 1e-13
"""Eigenvalues of G below this, relative to the largest, are rounding: no data lie there."""
LOGARITHMIC = {"r", "v"}
"""Variables that are positive and may span decades."""


PIECES = np.array(
    [
        [
            sum((-1) ** k * comb(6, k) * comb(5, power) * (5 - j - k) ** (5 - power) for k in range(6 - j)) / 120
            for j in range(6)
        ]
        for power in range(6)
    ]
)
"""The six splines of an interval by the powers of the place in it, from 0 to 1: pieces of the cardinal B-spline (I. J.
Schoenberg, Quart. Appl. Math. 4, 45, 1946), the sum of (-1)^k C(6, k) (x - k)^5 / 5! over integers k below x."""


MAX_ENTRIES = 100_000_000
"""Number of entries of all G above which the channels of earlier laws are forgotten: 0.8 GB."""


@dataclass(frozen=True)
class Interpolation:
    """Splines through nodes of one variable.

    Attributes:
        variable: its name; None where a profile is a number.
        start: coordinate at which the first interval begins.
        width: of each interval; zero where the variable has one value only.
        nodes: (K,) values of the variable.
        inverse: (K K), the coefficients of the splines for values at the nodes.
    """

    variable: str | None
    start: float
    width: float
    nodes: Float[np.ndarray, " K"]
    inverse: Float[np.ndarray, "K K"]

    @staticmethod
    def over_range(variable: str | None, low: float, high: float) -> Interpolation:
        """Return the splines over a range of a variable, with nodes at the averages of knots (Greville)."""
        if variable is None or not low < high:
            return Interpolation(variable, 0.0, 0.0, np.array([low]), np.eye(1))
        start, end = _coordinate(variable, np.array([low, high]))
        steps = np.clip(np.arange(1 - SPLINE_DEGREE, SPLINE_INTERVALS + SPLINE_DEGREE), 0, SPLINE_INTERVALS)
        averages = np.lib.stride_tricks.sliding_window_view(steps, SPLINE_DEGREE).mean(axis=1)
        width = float(end - start) / SPLINE_INTERVALS
        nodes = np.clip(_variable(variable, start + width * averages), low, high)
        splines = Interpolation(variable, float(start), width, nodes, np.eye(len(nodes)))
        return replace(splines, inverse=np.linalg.inv(splines.matrix(nodes)))

    def basis(self, values: Float[np.ndarray, " V"]) -> tuple[Float[np.ndarray, "V Q"], Int[np.ndarray, " V"]]:
        """Return the splines that are not zero at values of the variable, and the number of the first of them."""
        if not self.width:
            return np.ones((len(values), 1)), np.zeros(len(values), dtype=int)
        place = np.clip((_coordinate(self.variable, values) - self.start) / self.width, 0.0, SPLINE_INTERVALS)
        first = np.minimum(place.astype(int), SPLINE_INTERVALS - 1)
        return np.vander(place - first, len(PIECES), increasing=True) @ PIECES, first

    def matrix(self, values: Float[np.ndarray, " V"]) -> Float[np.ndarray, "V K"]:
        """Return all splines at values of the variable."""
        splines, first = self.basis(values)
        full = np.zeros((len(values), len(self.nodes)))
        for column in range(splines.shape[1]):
            full[np.arange(len(values)), first + column] = splines[:, column]
        return full

    @cached_property
    def middles(self) -> Float[np.ndarray, " M"]:
        """Return the values of the variable in the middle of each interval, where splines are farthest off."""
        if not self.width:
            return self.nodes
        return _variable(self.variable, self.start + self.width * (np.arange(SPLINE_INTERVALS) + 0.5))

    @cached_property
    def to_middles(self) -> Float[np.ndarray, "M K"]:
        """Return the matrix that gives the splines in the middle of each interval for values at the nodes."""
        return np.asarray(self.matrix(self.middles) @ self.inverse)


def _coordinate(variable: str | None, values: Float[np.ndarray, " V"]) -> Float[np.ndarray, " V"]:
    """Return the coordinate in which splines of a variable are even."""
    return np.log(np.maximum(values, np.finfo(float).tiny)) if variable in LOGARITHMIC else values


def _variable(variable: str | None, coordinate: Float[np.ndarray, " V"]) -> Float[np.ndarray, " V"]:
    """Return the values of a variable at its coordinate."""
    return np.exp(coordinate) if variable in LOGARITHMIC else coordinate


@dataclass(frozen=True)
class Compression:
    """The rows to which the channels of a law compress all increments.

    Attributes:
        rows: R, (S - 1 B).
        inverse: (B S - 1), the inverse of R on its range.
        target: (S,), z, and what no profiles could reach.
    """

    rows: Float[np.ndarray, "T B"]
    inverse: Float[np.ndarray, "B T"]
    target: Float[np.ndarray, " S"]


@dataclass
class IncrementStatistics:
    """The sums over one data set of increments, in R runs; those of a channel are made when it is first asked for.

    Attributes:
        runs: (R,) labels.
        counts: (R,) number of rows with a target.
        squares: (R,) sum of the squares of the weighed target.
        interpolations: the splines of each channel.
        masses: of each channel, the weighed squares of the vectors in each interval of its splines.
        loads: b of each channel, (R K).
        matrices: G of each pair of channels, (R K K').
        compressions: the rows of each set of channels.
    """

    runs: np.ndarray
    counts: Float[np.ndarray, " R"]
    squares: Float[np.ndarray, " R"]
    interpolations: dict[Channel, Interpolation] = field(default_factory=dict)
    masses: dict[Channel, np.ndarray] = field(default_factory=dict)
    loads: dict[Channel, np.ndarray] = field(default_factory=dict)
    matrices: dict[tuple[Channel, Channel], np.ndarray] = field(default_factory=dict)
    compressions: dict[tuple[Channel, ...], Compression] = field(default_factory=dict)

    @staticmethod
    def of(data: Dataset) -> IncrementStatistics:
        """Return the statistics of a data set, which are kept with it."""
        found: IncrementStatistics | None = data.derived.get("increment statistics")
        if found is None:
            runs, run = np.unique(data.run, return_inverse=True)
            weight = kick_weights(data)
            rows = np.sum((data.force * weight[..., None]) ** 2, axis=(1, 2))
            counts = np.bincount(run, np.count_nonzero(weight, axis=1), len(runs))
            found = IncrementStatistics(runs, counts, np.bincount(run, rows, len(runs)))
            data.derived["increment statistics"] = found
        return found

    def require(self, channels: Sequence[Channel], data: Dataset) -> None:
        """Sum what is lacking for laws of these channels and of all before them, in one pass over the data."""
        fresh = [channel for channel in channels if channel not in self.loads]
        if not fresh:
            return
        nodes = SPLINE_INTERVALS + SPLINE_DEGREE
        if len(self.runs) * (nodes * (len(self.loads) + len(fresh))) ** 2 > 2 * MAX_ENTRIES:
            for kept in (self.interpolations, self.masses, self.loads, self.matrices, self.compressions):
                kept.clear()
            fresh = list(channels)
        self._interpolate(fresh, data)
        needed = [*self.loads, *fresh]
        missing = [pair for k, one in enumerate(fresh) for pair in product([one], needed[: len(self.loads) + k + 1])]
        size = {channel: len(self.interpolations[channel].nodes) for channel in needed}
        loads = {c: np.zeros((len(self.runs), size[c])) for c in fresh}
        matrices = {(a, b): np.zeros((len(self.runs), size[a], size[b])) for a, b in missing}
        self.masses |= {c: np.zeros(len(self.interpolations[c].middles)) for c in fresh}
        for number, block in self._blocks(data):
            evaluator, weight = TermEvaluator(block), kick_weights(block).T
            goal = (block.force * weight.T[..., None]).transpose(2, 1, 0).ravel()
            columns = {channel: self._columns(channel, evaluator, weight, channel in loads) for channel in needed}
            for channel in fresh:
                loads[channel][number] += goal @ columns[channel]
            for one, other in missing:
                matrices[one, other][number] += columns[one].T @ columns[other]
        inverse = {channel: self.interpolations[channel].inverse for channel in needed}
        self.loads |= {channel: load @ inverse[channel] for channel, load in loads.items()}
        for (one, other), matrix in matrices.items():
            found = inverse[one].T @ matrix @ inverse[other]
            self.matrices[one, other] = found
            self.matrices[other, one] = np.swapaxes(found, 1, 2)

    def _interpolate(self, channels: Sequence[Channel], data: Dataset) -> None:
        """Lay the splines of channels over the range of their variables."""
        low, high = (np.full(len(channels), sign * np.inf) for sign in (1, -1))
        for _, block in self._blocks(data):
            evaluator = TermEvaluator(block)
            for k, channel in enumerate(channels):
                values = np.zeros(1)
                if channel.variable is not None:
                    acting = np.any(evaluator.direction(channel.term) != 0, axis=-1)
                    values = evaluator.scalar(channel.term, channel.variable)[acting]
                low[k], high[k] = values.min(initial=low[k]), values.max(initial=high[k])
        for k, channel in enumerate(channels):
            bounds = (float(low[k]), float(high[k])) if low[k] <= high[k] else (1.0, 1.0)
            self.interpolations[channel] = Interpolation.over_range(channel.variable, *bounds)

    def _columns(
        self, channel: Channel, evaluator: TermEvaluator, weight: Float[np.ndarray, "N S"], fresh: bool
    ) -> Float[np.ndarray, "DNS K"]:
        """Return the weighed forces by each spline of a channel."""
        interpolation, term = self.interpolations[channel], channel.term
        n, s = weight.shape
        pair = channel.kind == "pair"
        row_of = (evaluator.data.receivers if pair else np.arange(n))[:, None] * s + np.arange(s)
        vectors = np.moveaxis(evaluator.vectors(term, evaluator.values(term, {})), -1, 0)
        vectors = np.where(weight.ravel()[row_of] > 0, vectors * weight.ravel()[row_of], 0.0)
        variable = np.zeros(row_of.shape)
        if channel.variable is not None:
            variable = evaluator.scalar(term, channel.variable)
        values, first = interpolation.basis(variable.ravel())
        if fresh:
            mass = self.masses[channel]
            mass += np.bincount(first, np.sum(vectors**2, axis=0).ravel(), len(mass))
        count = len(interpolation.nodes)
        place = ((row_of.ravel() * count + first)[:, None] + np.arange(values.shape[1])).ravel()
        columns = [
            np.bincount(place, (values * along.reshape(-1, 1)).ravel(), n * s * count).reshape(n * s, count)
            for along in vectors
        ]
        return np.concatenate(columns)

    def _blocks(self, data: Dataset, *, entries: int = 400_000) -> Iterator[tuple[int, Dataset]]:
        """Yield the number of a run and part of its instants, until all have come; blocks stay near the processor."""
        run = np.searchsorted(self.runs, data.run)
        parts = np.split(np.argsort(run, kind="stable"), np.cumsum(np.bincount(run, minlength=len(self.runs)))[:-1])
        for number, part in enumerate(parts):
            yield from ((number, block) for block in iterate_blocks(data.select(part), entries=entries))

    def compression(self, channels: tuple[Channel, ...]) -> Compression:
        """Return the rows for channels whose sums are there."""
        if channels not in self.compressions:
            total = [[self.matrices[one, other].sum(axis=0) for other in channels] for one in channels]
            matrix, load = np.block(total) if total else np.zeros((0, 0)), self.load(channels).sum(axis=0)
            size = np.sqrt(np.diag(matrix))
            size = np.where(size > 0, size, 1.0)
            values, vectors = np.linalg.eigh(matrix / np.outer(size, size))
            kept = values > MIN_EIGENVALUE * values.max(initial=0.0)
            root = np.sqrt(values[kept])
            inverse = vectors[:, kept] / root / size[:, None]
            reached = load @ inverse
            rest = np.sqrt(max(0.0, float(self.squares.sum() - reached @ reached)))
            rows = (vectors[:, kept] * root).T * size
            self.compressions[channels] = Compression(rows, inverse, np.append(reached, rest))
        return self.compressions[channels]

    def load(self, channels: Iterable[Channel]) -> Float[np.ndarray, "R B"]:
        """Return b of each run."""
        return np.concatenate([np.zeros((len(self.runs), 0)), *(self.loads[channel] for channel in channels)], axis=1)

    def products(
        self, channels: Sequence[Channel], left: Float[np.ndarray, "P B"], right: Float[np.ndarray, "Q B"]
    ) -> Float[np.ndarray, "R P Q"]:
        """Return left G right^T of each run."""
        total = np.zeros((len(self.runs), len(left), len(right)))
        for (one, here), (other, there) in product(self.columns(channels).items(), repeat=2):
            total += left[:, here] @ (self.matrices[one, other] @ right[:, there].T)
        return total

    def columns(self, channels: Sequence[Channel]) -> dict[Channel, slice]:
        """Return where the nodes of each channel are among those of all."""
        ends = np.cumsum([0, *(len(self.interpolations[channel].nodes) for channel in channels)])
        return {channel: slice(a, b) for channel, a, b in zip(channels, ends[:-1], ends[1:], strict=True)}
