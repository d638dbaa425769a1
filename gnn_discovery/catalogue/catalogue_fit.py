"""The fit of known laws, one or a sum of two, to force samples of a law over the range of the data.

The amplitudes ``a`` of a sum of forms ``sum_f a_f g_f(x; p)`` follow linearly, so that the residual
``(sum_f a_f g_f(x; p) - F) / s`` is a function of the shape constants ``p`` alone (variable projection: Golub and
Pereyra 1973). It is minimised from the best places of a grid.
"""

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
from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.estimation.levenberg_marquardt import levenberg_marquardt, solve_linear


@dataclass(frozen=True)
class CatalogueFit:
    """One or two catalogue forms with the constants that bring them nearest to the force samples.

    Attributes:
        forms: one form, or two whose values are added.
        constants: value by name, for each form.
        values: (F K) of each form at each sample.
        deviation: root mean square of the difference between their sum and the samples, over the local force scale;
            infinite where a constant is not allowed.
    """

    forms: tuple[CatalogueForm, ...]
    constants: tuple[Mapping[str, float], ...]
    values: Float[np.ndarray, "F K"] = field(repr=False)
    deviation: float

    @property
    def total(self) -> Float[np.ndarray, " K"]:
        """Return the sum of the forms."""
        return np.asarray(self.values.sum(axis=0))

    @property
    def n_free(self) -> int:
        """Return the number of free constants."""
        return count_free_constants(self.forms)

    @property
    def complexity_key(self) -> tuple[int, int]:
        """Return (free constants, size of the expressions), by which fits are ordered from the simplest on."""
        return self.n_free, sum(form.expression.complexity for form in self.forms)

    @property
    def smallest_share(self) -> float:
        """Return the smallest share of a form in the sum of magnitudes, averaged over the samples."""
        size = np.abs(self.values)
        return float(np.mean(size / np.maximum(size.sum(axis=0), 1e-300), axis=1).min())


@dataclass(frozen=True)
class CatalogueFitter:
    """A fitter of catalogue forms to force samples.

    Attributes:
        samples: the force of the law that forms are fitted to.
        abscissa: name of the input around whose range lengths are looked for.
        start_values: numbers in the law that the samples are values of; constants are started from them too, and from
            what they may be in another way of writing.
        criteria: bounds of the constants, and the numbers of sums and of constants that are tried.
    """

    samples: ForceSamples
    abscissa: str
    start_values: tuple[float, ...] = ()
    criteria: Criteria = field(default=DEFAULT_CRITERIA, repr=False)
    _column_cache: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)

    def fit_single(self, form: CatalogueForm) -> CatalogueFit:
        """Fit one form, from the best places of its grid."""
        return self._best_fit((form,), self._starts(form))

    def fit_sums(self, forms: Sequence[CatalogueForm], max_constants: int) -> list[CatalogueFit]:
        """Fit the most promising sums of two unrelated forms.

        Every pair of places of the two grids is screened at once, since the best amplitudes follow from the products
        of columns (the normal equations of two unknowns).

        Args:
            forms: of one force component.
            max_constants: largest number of free constants of a sum.

        Returns:
            Fits of the sums that came nearest in the screening, by deviation, the nearest first.
        """
        numbers = self.criteria.equivalence
        grids = [self._columns(form) for form in forms]
        if not any(len(columns) for columns, _ in grids):
            return []
        starts: dict[tuple[int, int], tuple[float, np.ndarray]] = {}
        columns, shapes = np.concatenate([c for c, _ in grids]), [shape for _, grid in grids for shape in grid]
        owner = np.repeat(np.arange(len(forms)), [len(c) for c, _ in grids])
        target = self._screening_samples.total / self._screening_samples.scale
        gram, load = columns @ columns.T, columns @ target
        norm = np.diag(gram)
        parallel = 1e-6  # determinant over product of norms below which two columns count as one function
        for (a, one), (b, other) in combinations(enumerate(forms), 2):
            if (
                count_free_constants((one, other)) > min(max_constants, numbers.max_constants_in_sum)
                or one.self_and_limits & other.self_and_limits
                or not _same_softening(one, other)
            ):
                continue
            i, j = np.flatnonzero(owner == a)[:, None], np.flatnonzero(owner == b)[None, :]
            determinant = norm[i] * norm[j] - gram[i, j] ** 2
            with np.errstate(all="ignore"):
                x = (norm[j] * load[i] - gram[i, j] * load[j]) / determinant
                y = (norm[i] * load[j] - gram[i, j] * load[i]) / determinant
                cost = target @ target - x * load[i] - y * load[j]
            good = (determinant > parallel * norm[i] * norm[j]) & one.allows_amplitude(x) & other.allows_amplitude(y)
            if np.any(good):
                place = np.unravel_index(np.argmin(np.where(good, cost, np.inf)), cost.shape)
                shape = np.concatenate([shapes[i[place[0], 0]], shapes[j[0, place[1]]]])
                starts[a, b] = float(cost[place]), shape
        chosen = sorted(starts, key=lambda pair: starts[pair][0])[: numbers.n_refined_sums]
        fits = [self._best_fit((forms[a], forms[b]), [starts[a, b][1]]) for a, b in chosen]
        return sorted(fits, key=lambda fit: fit.deviation)

    @cached_property
    def _length_range(self) -> tuple[float, float]:
        """Return the smallest and the largest magnitude of the abscissa."""
        size = np.abs(self.samples.inputs[self.abscissa])
        size = size[size > 0]
        return (float(size.min()), float(size.max())) if len(size) else (1.0, 1.0)

    @cached_property
    def _screening_samples(self) -> ForceSamples:
        return self.samples.every(max(1, len(self.samples.total) // self.criteria.equivalence.n_screening_samples))

    def _bounds(self, form: CatalogueForm, name: str) -> tuple[float, float]:
        """Return the lowest and the highest value of a constant; both are positive where it cannot be negative."""
        numbers = self.criteria.equivalence
        low, high = self._length_range
        free = form.law.constants[name]
        if free.minimum is None:
            return -numbers.max_signed_constant * high, numbers.max_signed_constant * high
        if free.meaning == "softening length":
            sharp = form.shape_constants == (name,) and self.samples.relative_error < numbers.sharp_rel_error
            longest = numbers.max_softening if sharp else numbers.max_softening_with_shape
            return numbers.min_softening * low, longest * high
        if free.unit in ("length", "length/time"):
            return numbers.min_length * low, numbers.max_length * high
        if free.unit == "1/length":
            return numbers.min_inverse_length / high, numbers.max_inverse_length / low
        return numbers.min_other_constant, numbers.max_other_constant

    def _grid(self, form: CatalogueForm) -> Float[np.ndarray, "G P"]:
        """Return places to start from, one column for each shape constant."""
        points = {0: 1, 1: 25, 2: 12}.get(len(form.shape_constants), 7)  # along each axis
        axes = []
        for name in form.shape_constants:
            low, high = self._bounds(form, name)
            axes.append((np.linspace if low < 0 else np.geomspace)(low, high, points))
        places = [*product(*axes), *self._law_value_starts(form)]
        return np.array(places, dtype=float).reshape(len(places), len(form.shape_constants))

    def _law_value_starts(self, form: CatalogueForm, *, most: int = 200) -> Iterator[tuple[float, ...]]:
        """Yield numbers of the law itself in the place of each constant, of either sign where it may be negative.

        A length may stand in the law as a rate, and its square beside that of a distance: hence the powers.
        """
        bounds = [self._bounds(form, name) for name in form.shape_constants]
        sizes = [abs(value) ** power for value in self.start_values for power in (1.0, -1.0, 0.5) if value]
        if not bounds or math.perm(len(sizes), len(bounds)) > most:
            return
        for some in permutations(sizes, len(bounds)):
            signs = product(*((1.0, -1.0) if low < 0 else (1.0,) for low, _ in bounds))
            for place in (tuple(map(mul, some, sign)) for sign in signs):
                if all(low <= value <= high for value, (low, high) in zip(place, bounds, strict=True)):
                    yield place

    def _columns(self, form: CatalogueForm) -> tuple[Float[np.ndarray, "G K"], Float[np.ndarray, "G P"]]:
        """Return values over scale, of mean square one, and the shape constants, at places where they are finite."""
        if form.law.name not in self._column_cache:
            grid, samples = self._grid(form), self._screening_samples
            with np.errstate(all="ignore"):
                values = form.unit_values(samples.inputs, list(grid.T[..., None])) / samples.scale
                values = np.broadcast_to(values, (len(grid), len(samples.total)))
                size = np.sqrt(np.mean(values**2, axis=1))
            good = np.isfinite(size) & (size > 0)
            self._column_cache[form.law.name] = values[good] / size[good, None], grid[good]
        return self._column_cache[form.law.name]

    def _starts(
        self, form: CatalogueForm, *, most: int = 3, max_correlation: float = 0.99
    ) -> list[Float[np.ndarray, " P"]]:
        """Return the best places of the grid; of those that are nearly the same function, one."""
        columns, grid = self._columns(form)
        target = self._screening_samples.total / self._screening_samples.scale
        amplitude = columns @ target / len(target)
        cost = np.where(form.allows_amplitude(amplitude), -(amplitude**2), np.inf)
        chosen: list[int] = []
        for place in np.argsort(cost)[: np.count_nonzero(np.isfinite(cost))]:
            correlation = np.abs(columns[chosen] @ columns[place])
            if len(chosen) < most and np.all(correlation < max_correlation * len(target)):
                chosen.append(int(place))
        return [grid[place] for place in chosen]

    def _best_fit(
        self, forms: tuple[CatalogueForm, ...], starts: Sequence[np.ndarray], *, exact: float = 1e-6
    ) -> CatalogueFit:
        """Return the fit of the smallest deviation; the search ends at the first below ``exact``."""
        fits: list[CatalogueFit] = []
        for start in starts:
            fits.append(self._refine(forms, start))
            if fits[-1].deviation < exact:
                break
        nothing = CatalogueFit(forms, ({},) * len(forms), np.zeros((len(forms), len(self.samples.total))), np.inf)
        return min(fits, key=lambda fit: fit.deviation, default=nothing)

    def _refine(self, forms: tuple[CatalogueForm, ...], start: np.ndarray) -> CatalogueFit:
        """Minimise the residual over the shape constants, from ``start`` (P,)."""
        owned = [(k, name) for k, form in enumerate(forms) for name in form.shape_constants]
        names = [name for _, name in owned]
        # the forms of a sum share a softening length
        tied = [names.index(name) if name == "c" else k for k, name in enumerate(names)]
        free = sorted(set(tied))
        bounds = [self._bounds(forms[owned[k][0]], owned[k][1]) for k in free]
        logarithmic = np.array([low > 0 for low, _ in bounds], dtype=bool)
        projection = _VariableProjection(forms, self.samples, tuple(free.index(k) for k in tied), logarithmic)
        x = start[free].astype(float)
        if len(x):
            low, high, x = (projection.coordinates(np.array(v, dtype=float)) for v in (*zip(*bounds, strict=True), x))
            x = _minimise(projection.residual, x, low, high)
        amplitudes, columns = projection.project(x)
        values = (columns * amplitudes).T * self.samples.scale
        allowed = np.isfinite(values).all() and all(
            form.allows_amplitude(np.asarray(a)) for form, a in zip(forms, amplitudes, strict=True)
        )
        constants = tuple(
            {form.law.amplitude: float(a), **dict(zip(form.shape_constants, map(float, s), strict=True))}
            for form, a, s in zip(forms, amplitudes, projection.shape_constants_at(x), strict=True)
        )
        return CatalogueFit(forms, constants, values, self.samples.deviation(values.sum(axis=0)) if allowed else np.inf)


@dataclass(frozen=True)
class _VariableProjection:
    """The residual of forms as a function of the free shape constants alone.

    Attributes:
        forms: one, or two that are added.
        samples: the force that they are fitted to.
        free_index: for each shape constant of each form in turn, the index of the free one that it is.
        logarithmic: (P,) True for the free constants that are searched in logarithms.
    """

    forms: tuple[CatalogueForm, ...]
    samples: ForceSamples
    free_index: tuple[int, ...]
    logarithmic: np.ndarray

    @cached_property
    def target(self) -> Float[np.ndarray, " K"]:
        """Return the force over its local scale."""
        return np.asarray(self.samples.total / self.samples.scale)

    def coordinates(self, values: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
        """Return the coordinates in which ``values`` of the free constants are searched."""
        x = values.copy()
        x[self.logarithmic] = np.log(x[self.logarithmic])
        return x

    def shape_constants_at(self, x: Float[np.ndarray, " P"]) -> list[np.ndarray]:
        """Return the shape constants of each form at the coordinates ``x``."""
        values = x.copy()
        values[self.logarithmic] = np.exp(x[self.logarithmic])
        ends = np.cumsum([len(form.shape_constants) for form in self.forms])[:-1]
        return np.split(values[list(self.free_index)], ends)

    def project(self, x: Float[np.ndarray, " P"]) -> tuple[Float[np.ndarray, " F"], Float[np.ndarray, "K F"]]:
        """Return the best amplitudes, and the columns that they multiply; the latter are nan if not finite."""
        parts = [
            form.unit_values(self.samples.inputs, list(shape))
            for form, shape in zip(self.forms, self.shape_constants_at(x), strict=True)
        ]
        with np.errstate(all="ignore"):
            columns = np.stack([np.broadcast_to(p / self.samples.scale, self.target.shape) for p in parts], axis=1)
            finite = np.isfinite(np.linalg.norm(columns, axis=0)).all()
        if not finite:
            return np.zeros(len(self.forms)), np.full_like(columns, np.nan)
        return solve_linear(columns, self.target), columns

    def residual(self, x: Float[np.ndarray, " P"]) -> Float[np.ndarray, " K"]:
        """Return the residual over the local force scale; it is large where nothing is finite."""
        amplitudes, columns = self.project(x)
        with np.errstate(all="ignore"):
            left = columns @ amplitudes - self.target
        return np.asarray(left if np.isfinite(left).all() else 1e3 * np.abs(self.target) + 1e3)


def count_free_constants(forms: Sequence[CatalogueForm]) -> int:
    """Return the number of free constants of a sum; a softening length that its forms share counts once."""
    softened = sum("c" in form.law.constants for form in forms)
    return sum(len(form.law.constants) for form in forms) - max(0, softened - 1)


def _minimise(
    residual: Callable[[np.ndarray], np.ndarray],
    start: Float[np.ndarray, " P"],
    low: Float[np.ndarray, " P"],
    high: Float[np.ndarray, " P"],
    *,
    poor: float = 0.1,
    exact: float = 1e-12,
) -> Float[np.ndarray, " P"]:
    """Return the unknowns that minimise the sum of squares within bounds, with derivatives by finite differences.

    Args:
        residual: function of the unknowns that returns (K,) residuals.
        start: where the search begins.
        low: lower bounds.
        high: upper bounds.
        poor: root mean square beyond which the search ends once a step gains less than a hundredth.
        exact: root mean square below which the search ends.
    """
    start, span = np.clip(start, low, high), high - low
    latest: dict[bytes, np.ndarray] = {}

    def remembered(x: np.ndarray) -> np.ndarray:
        if x.tobytes() not in latest:
            latest.clear()
            latest[x.tobytes()] = residual(x)
        return latest[x.tobytes()]

    def jacobian(x: np.ndarray) -> np.ndarray:
        r = remembered(x)
        steps = 1e-7 * np.maximum(span / 6, np.abs(x)) * np.where(x < high - 1e-6 * span, 1.0, -1.0)
        return np.stack([(residual(x + h * e) - r) / h for h, e in zip(steps, np.eye(len(x)), strict=True)])

    def min_gain(cost: float) -> float:  # a part of the cost before the step, which is larger by the gain
        part = 1e-2 if cost > poor**2 * count else 1e-6
        return part / (1 - part)

    count = len(remembered(start))
    return levenberg_marquardt(
        remembered,
        jacobian,
        start,
        bounds=(low, high),
        iterations=40,
        attempts=6,
        damping=(1e-3, 1 / 8, 8.0),
        min_cost=exact**2 * count,
        min_gain=min_gain,
    )[0]


def _same_softening(one: CatalogueForm, other: CatalogueForm) -> bool:
    """Tell whether two forms may stand in one sum: where both are softened, they must be softened alike."""
    return not (one.law.softened and other.law.softened) or one.law.softened == other.law.softened
