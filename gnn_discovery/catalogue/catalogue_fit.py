"""The fit of known laws, one or two together, to the values of a law over the range of the data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, permutations, product
from operator import mul

import numpy as np
from jaxtyping import Float

from gnn_discovery.catalogue.force_samples import ForceSamples
from gnn_discovery.catalogue.forms import CatalogueForm

_GRID_POINTS = {0: 1, 1: 25, 2: 12}
_MAX_STARTS, _MAX_START_CORRELATION = 3, 0.99
_EXACT_DEVIATION = 1e-6
_MAX_ITERATIONS = 40
_POOR_MEAN_SQUARE, _EXACT_MEAN_SQUARE = 0.1**2, 1e-12**2
_SCREEN_ROWS = 250
_SUMS_REFINED = 12
_MOST_CONSTANTS = 4
_MIN_INDEPENDENCE = 1e-6
_START_POWERS = (1.0, -1.0, 0.5)
"""Of a number of the law: a length may stand there as a rate, and its square beside that of a distance."""
_MAX_LAW_STARTS = 200
_SHARP, _SOFTEST, _SOFTEST_SHAPED = 3e-4, 3.0, 0.3
"""Of the range: softened for longer, a law with other lengths or exponents is nearly any smooth one, and so is each of
which little is known."""


@dataclass(frozen=True)
class CatalogueFit:
    """One or two forms with the constants that bring them nearest to the rows.

    Attributes:
        constants: for each form.
        values: (F K), of each form.
        deviation: of their sum from the rows; infinite where a constant is not allowed.
    """

    forms: tuple[CatalogueForm, ...]
    constants: tuple[Mapping[str, float], ...]
    values: Float[np.ndarray, "F K"] = field(repr=False)
    deviation: float

    @property
    def total(self) -> Float[np.ndarray, " K"]:
        return self.values.sum(axis=0)

    @property
    def free(self) -> int:
        """The number of free constants."""
        return count_free_constants(self.forms)

    @property
    def complexity_key(self) -> tuple[int, int]:
        """The smaller, the simpler."""
        return self.free, sum(form.expression.complexity for form in self.forms)

    @property
    def share(self) -> float:
        """What the lesser form contributes, averaged over the rows."""
        size = np.abs(self.values)
        return float(np.mean(size / np.maximum(size.sum(axis=0), 1e-300), axis=1).min())


@dataclass(frozen=True)
class CatalogueFitter:
    """Fits forms to ``rows``; lengths are looked for around the range of the input ``along``.

    Attributes:
        own: numbers in the law that ``rows`` are values of, and what they may be in another way of writing: places to
            start from beside the grid.
    """

    rows: ForceSamples
    along: str
    own: tuple[float, ...] = ()
    _column_cache: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)

    def fit_single(self, form: CatalogueForm) -> CatalogueFit:
        """The best constants of one form, from the best places of a grid."""
        return self._best((form,), self._starts(form))

    def fit_sums(self, forms: Sequence[CatalogueForm], most: int) -> list[CatalogueFit]:
        """The most promising sums of two unrelated forms with at most so many free constants, best first.

        Every pair of places of the two grids is screened at once, since the best amplitudes follow from the
        products of columns.
        """
        made = [self._columns(form) for form in forms]
        if not any(len(columns) for columns, _ in made):
            return []
        starts: dict[tuple[int, int], tuple[float, np.ndarray]] = {}
        columns, shapes = np.concatenate([c for c, _ in made]), [shape for _, grid in made for shape in grid]
        owner = np.repeat(np.arange(len(forms)), [len(c) for c, _ in made])
        target = self._screen.total / self._screen.scale
        gram, load = columns @ columns.T, columns @ target
        own = np.diag(gram)
        for (a, one), (b, other) in combinations(enumerate(forms), 2):
            free = count_free_constants((one, other))
            if (
                free > min(most, _MOST_CONSTANTS)
                or one.self_and_limits & other.self_and_limits
                or not _same_softening(one, other)
            ):
                continue
            i, j = np.flatnonzero(owner == a)[:, None], np.flatnonzero(owner == b)[None, :]
            determinant = own[i] * own[j] - gram[i, j] ** 2
            with np.errstate(all="ignore"):
                x = (own[j] * load[i] - gram[i, j] * load[j]) / determinant
                y = (own[i] * load[j] - gram[i, j] * load[i]) / determinant
                left = target @ target - x * load[i] - y * load[j]
            good = (
                (determinant > _MIN_INDEPENDENCE * own[i] * own[j])
                & one.allows_amplitude(x)
                & other.allows_amplitude(y)
            )
            if np.any(good):
                place = np.unravel_index(np.argmin(np.where(good, left, np.inf)), left.shape)
                shape = np.concatenate([shapes[i[place[0], 0]], shapes[j[0, place[1]]]])
                starts[a, b] = float(left[place]), shape
        chosen = sorted(starts, key=lambda pair: starts[pair][0])[:_SUMS_REFINED]
        fits = [self._best((forms[a], forms[b]), [starts[a, b][1]]) for a, b in chosen]
        return sorted(fits, key=lambda fit: fit.deviation)

    @cached_property
    def _length_scales(self) -> tuple[float, float, float]:
        size = np.abs(self.rows.inputs[self.along])
        size = size[size > 0]
        return (float(size.min()), float(np.median(size)), float(size.max())) if len(size) else (1.0, 1.0, 1.0)

    @cached_property
    def _screen(self) -> ForceSamples:
        step = max(1, len(self.rows.total) // _SCREEN_ROWS)
        inputs = {name: values[::step] for name, values in self.rows.inputs.items()}
        return ForceSamples(inputs, self.rows.total[::step], self.rows.scale[::step], self.rows.error[::step])

    def _bounds(self, form: CatalogueForm, name: str) -> tuple[float, float]:
        """Lowest and highest value of a constant; a range of sizes where it cannot be negative."""
        low, _, high = self._length_scales
        free = form.law.constants[name]
        if free.minimum is None:
            return -3 * high, 3 * high
        if free.meaning == "softening length":
            alone = form.shape == (name,) and self.rows.relative_error < _SHARP
            return 1e-4 * low, (_SOFTEST if alone else _SOFTEST_SHAPED) * high
        if free.unit in ("length", "length/time"):
            return 0.05 * low, 30 * high
        return (0.03 / high, 20 / low) if free.unit == "1/length" else (1e-4, 1e4)

    def _grid(self, form: CatalogueForm) -> np.ndarray:
        """(G P) places to start from, one column for each constant beside the amplitude."""
        axes = []
        for name in form.shape:
            low, high = self._bounds(form, name)
            axes.append((np.linspace if low < 0 else np.geomspace)(low, high, _GRID_POINTS.get(len(form.shape), 7)))
        places = [*product(*axes), *self._law_value_starts(form)]
        return np.array(places, dtype=float).reshape(len(places), len(form.shape))

    def _law_value_starts(self, form: CatalogueForm) -> Iterator[tuple[float, ...]]:
        """The numbers of the law itself, in the place of each constant, of either sign where it may be negative."""
        bounds = [self._bounds(form, name) for name in form.shape]
        sizes = [abs(value) ** power for value in self.own for power in _START_POWERS if value]
        if not bounds or math.perm(len(sizes), len(bounds)) > _MAX_LAW_STARTS:
            return
        for some in permutations(sizes, len(bounds)):
            signs = product(*((1.0, -1.0) if low < 0 else (1.0,) for low, _ in bounds))
            for place in (tuple(map(mul, some, sign)) for sign in signs):
                if all(low <= value <= high for value, (low, high) in zip(place, bounds, strict=True)):
                    yield place

    def _columns(self, form: CatalogueForm) -> tuple[np.ndarray, np.ndarray]:
        """Values over scale, of mean square one (G K), and the constants (G P), where they are finite."""
        if form.law.name not in self._column_cache:
            grid, rows = self._grid(form), self._screen
            with np.errstate(all="ignore"):
                values = form.unit(rows.inputs, list(grid.T[..., None])) / rows.scale
                values = np.broadcast_to(values, (len(grid), len(rows.total)))
                size = np.sqrt(np.mean(values**2, axis=1))
            good = np.isfinite(size) & (size > 0)
            self._column_cache[form.law.name] = values[good] / size[good, None], grid[good]
        return self._column_cache[form.law.name]

    def _starts(self, form: CatalogueForm) -> list[np.ndarray]:
        """The best places of the grid, of those that are nearly the same function one."""
        columns, grid = self._columns(form)
        target = self._screen.total / self._screen.scale
        amplitude = columns @ target / len(target)
        left = np.where(form.allows_amplitude(amplitude), -(amplitude**2), np.inf)
        chosen: list[int] = []
        for place in np.argsort(left)[: np.count_nonzero(np.isfinite(left))]:
            if len(chosen) < _MAX_STARTS and np.all(
                np.abs(columns[chosen] @ columns[place]) < _MAX_START_CORRELATION * len(target)
            ):
                chosen.append(int(place))
        return [grid[place] for place in chosen]

    def _best(self, forms: tuple[CatalogueForm, ...], starts: Sequence[np.ndarray]) -> CatalogueFit:
        fits: list[CatalogueFit] = []
        for start in starts:
            fits.append(self._refine(forms, start))
            if fits[-1].deviation < _EXACT_DEVIATION:
                break
        nothing = CatalogueFit(forms, ({},) * len(forms), np.zeros((len(forms), len(self.rows.total))), np.inf)
        return min(fits, key=lambda fit: fit.deviation, default=nothing)

    def _refine(self, forms: tuple[CatalogueForm, ...], start: np.ndarray) -> CatalogueFit:
        """Least squares over the constants beside the amplitudes, which follow linearly (projected out)."""
        names = [(k, name) for k, form in enumerate(forms) for name in form.shape]
        kinds = [name for _, name in names]
        # a softening length is shared
        tied = [kinds.index(name) if name == "c" else k for k, name in enumerate(kinds)]
        free = sorted(set(tied))
        bounds = [self._bounds(forms[names[k][0]], names[k][1]) for k in free]
        logarithmic = np.array([low > 0 for low, _ in bounds], dtype=bool)
        projection = _VariableProjection(forms, self.rows, tuple(free.index(k) for k in tied), logarithmic)
        x = start[free].astype(float)
        if len(x):
            low, high, x = (projection.coordinates(np.array(v, dtype=float)) for v in (*zip(*bounds, strict=True), x))
            x = bounded_levenberg_marquardt(projection.residual, x, low, high)
        amplitudes, columns = projection.project(x)
        values = (columns * amplitudes).T * self.rows.scale
        allowed = np.isfinite(values).all() and all(
            form.allows_amplitude(np.asarray(a)) for form, a in zip(forms, amplitudes, strict=True)
        )
        constants = tuple(
            {form.law.amplitude: float(a), **dict(zip(form.shape, map(float, s), strict=True))}
            for form, a, s in zip(forms, amplitudes, projection.shape_constants_at(x), strict=True)
        )
        return CatalogueFit(forms, constants, values, self.rows.deviation(values.sum(axis=0)) if allowed else np.inf)


@dataclass(frozen=True)
class _VariableProjection:
    """The residual of forms as a function of the free shape constants alone.

    Attributes:
        place: for each shape constant of each form in turn, which of the free ones it is.
        logarithmic: which of the free ones are searched in logarithms.
    """

    forms: tuple[CatalogueForm, ...]
    rows: ForceSamples
    place: tuple[int, ...]
    logarithmic: np.ndarray

    @cached_property
    def target(self) -> np.ndarray:
        return self.rows.total / self.rows.scale

    def coordinates(self, values: np.ndarray) -> np.ndarray:
        """Where the search has ``values`` of the free constants."""
        x = values.copy()
        x[self.logarithmic] = np.log(x[self.logarithmic])
        return x

    def shape_constants_at(self, x: np.ndarray) -> list[np.ndarray]:
        """The shape constants of each form."""
        values = x.copy()
        values[self.logarithmic] = np.exp(x[self.logarithmic])
        ends = np.cumsum([len(form.shape) for form in self.forms])[:-1]
        return np.split(values[list(self.place)], ends)

    def project(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The best amplitudes (F), and the columns (K F) that they multiply; nan if they are not finite."""
        parts = [f.unit(self.rows.inputs, list(s)) for f, s in zip(self.forms, self.shape_constants_at(x), strict=True)]
        with np.errstate(all="ignore"):
            columns = np.stack([np.broadcast_to(p / self.rows.scale, self.target.shape) for p in parts], axis=1)
            size = np.sqrt(np.mean(columns**2, axis=0))
        if not np.isfinite(size).all():
            return np.zeros(len(self.forms)), np.full_like(columns, np.nan)
        size[size == 0] = 1.0
        return np.linalg.lstsq(columns / size, self.target, rcond=None)[0] / size, columns

    def residual(self, x: np.ndarray) -> np.ndarray:
        """(K,) what is left; large where nothing is finite."""
        amplitudes, columns = self.project(x)
        with np.errstate(all="ignore"):
            left = columns @ amplitudes - self.target
        return left if np.isfinite(left).all() else 1e3 * np.abs(self.target) + 1e3


def count_free_constants(forms: Sequence[CatalogueForm]) -> int:
    """The number of free constants of a sum; a softening length that its forms share counts once."""
    softened = sum("c" in form.law.constants for form in forms)
    return sum(len(form.law.constants) for form in forms) - max(0, softened - 1)


def bounded_levenberg_marquardt(
    residual: Callable[[np.ndarray], np.ndarray], x: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Levenberg-Marquardt from ``x`` within bounds, for one to three unknowns, where library calls cost more.

    It goes on to the last digit where the residual becomes small, and gives up early where it does not.
    """
    x = np.clip(x, low, high)
    here, span = residual(x), high - low
    cost, damping = float(here @ here), 1e-3
    for _ in range(_MAX_ITERATIONS):
        step = 1e-7 * np.maximum(span / 6, np.abs(x)) * np.where(x < high - 1e-6 * span, 1.0, -1.0)
        slope = np.stack([(residual(x + h * e) - here) / h for h, e in zip(step, np.eye(len(x)), strict=True)], 1)
        normal, gradient = slope.T @ slope, slope.T @ here
        lower = False
        for _ in range(6):
            damped = normal + damping * np.diag(np.diag(normal) + 1e-300)
            trial = np.clip(x - np.linalg.lstsq(damped, gradient, rcond=None)[0], low, high)
            there = residual(trial)
            value = float(there @ there)
            if value < cost:
                lower = True
                break
            damping *= 8.0
        if not lower:
            return x
        gain, x, here, cost, damping = 1 - value / cost, trial, there, value, damping / 8.0
        hopeless = cost > _POOR_MEAN_SQUARE * len(here)
        if gain < (1e-2 if hopeless else 1e-6) or cost < _EXACT_MEAN_SQUARE * len(here):
            return x
    return x


def _same_softening(one: CatalogueForm, other: CatalogueForm) -> bool:
    """Two softened laws of one sum are softened alike."""
    return not (one.law.softened and other.law.softened) or one.law.softened == other.law.softened
