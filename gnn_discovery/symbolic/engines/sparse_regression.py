"""Sparse regression: the few terms of a library that make up the target. A second opinion, without any chance.

Sums grow term by term, each from as many of the best smaller ones as the budget pays for (orthogonal least squares,
Chen, Billings and Luo 1989, with a beam), until a further term no longer lowers the extended information criterion of
Chen and Chen 2008. Where the target keeps one sign the same is done with its logarithm, in which the factors of a
product add up. `refine` then fits the numbers of the library too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gnn_discovery.errors import DataError
from gnn_discovery.symbolic.engines.pareto_refinement import refine
from gnn_discovery.symbolic.engines.term_library import (
    FREE_EXPONENT_OFFSET,
    LibraryTerm,
    logarithmic_terms,
    term_libraries,
)
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import BudgetCallback, Candidate, EngineConfig, RegressionProblem

SPARSE_ROW_LIMIT = 300
SPARSE_MAX_TERMS = 4
SPARSE_SUMS_KEPT_PER_LENGTH = 3
"""Sums of each length that are handed on, no two of one form."""
SPARSE_ROUNDING_ERROR_FLOOR = 1e-20
"""Part of the target below which nothing is left to explain."""
_COLLINEARITY_LIMIT = 1e-10


class SparseRegression:
    """The engine; see `SymbolicEngine`."""

    name = "sparse"

    def available(self) -> None:
        """Always: it is a part of this package."""

    def fit(self, problem: RegressionProblem, config: EngineConfig, spent: BudgetCallback) -> list[Candidate]:
        """The Pareto front of sums and products of few terms, simplest first."""
        searches = list(_beam_searches(problem.thinned(SPARSE_ROW_LIMIT), config.operators))
        share = config.evaluations // len(searches)
        raw: list[Expression] = []
        for number, search in enumerate(searches):
            raw += search.run(share)
            spent((number + 1) * share)
        return refine(raw, problem, config.max_complexity, self.name)


@dataclass(frozen=True)
class _BeamSearch:
    """Sums of terms for a target; with a sign, products whose logarithm these are, the first factor always there."""

    library: Sequence[LibraryTerm]
    target: Float[np.ndarray, " K"]
    root: Float[np.ndarray, " K"]
    sign: int | None = None

    def run(self, budget: int) -> list[Expression]:
        """The best sums, or products, of each length."""
        trials = budget // SPARSE_MAX_TERMS
        columns, target = np.stack([self.root * term.values for term in self.library], axis=1), self.root * self.target
        sizes = np.linalg.norm(columns, axis=0)
        usable = np.flatnonzero(np.isfinite(sizes) & (sizes > 0))[: max(1, trials)]
        columns, sizes, library = columns[:, usable] / sizes[usable], sizes[usable], [self.library[k] for k in usable]
        found = []
        for subsets in _grow_subsets(columns, target, trials, () if self.sign is None else (0,)):
            forms: dict[tuple[str, ...], tuple[int, ...]] = {}
            for subset in subsets:
                forms.setdefault(tuple(sorted(library[k].form for k in subset)), subset)
            for chosen in map(list, list(forms.values())[:SPARSE_SUMS_KEPT_PER_LENGTH]):
                values = np.linalg.lstsq(columns[:, chosen], target, rcond=None)[0] / sizes[chosen]
                text = self.written([library[k].text for k in chosen], values.tolist())
                for same in dict.fromkeys((text.format(0.0), text.format(FREE_EXPONENT_OFFSET))):
                    with contextlib.suppress(DataError):  # a number that no formula may hold
                        found.append(Expression.parse(same))
        return found

    def written(self, texts: Sequence[str], values: Sequence[float]) -> str:
        """The formula of these terms with these coefficients."""
        parts = list(zip(texts, values, strict=True))
        if self.sign is None:
            return " + ".join(f"{value!r}*{text}" for text, value in parts)
        return "*".join([str(self.sign), *(f"{text}**({value!r})" for text, value in parts)])


def _beam_searches(problem: RegressionProblem, operators: Sequence[str]) -> Iterator[_BeamSearch]:
    """Sums of terms of each library, and products where the target keeps one sign."""
    root = np.ones(problem.target.size) if problem.weights is None else np.sqrt(problem.weights)
    with np.errstate(all="ignore"):
        for library in term_libraries(problem, operators):
            yield _BeamSearch(library, problem.target, root)
        size, signs = np.abs(problem.target), np.unique(np.sign(problem.target))
        if signs.size == 1 and signs[0] != 0 and "pow" in operators:
            # the error of a logarithm is a relative one
            yield _BeamSearch(logarithmic_terms(problem, operators), np.log(size), root * size, int(signs[0]))


def _grow_subsets(
    columns: Float[np.ndarray, "K M"], target: Float[np.ndarray, " K"], trials: int, always: tuple[int, ...]
) -> Iterator[list[tuple[int, ...]]]:
    """Subsets of one column beside those of ``always``, of two, ..., those that leave least of the target first.

    So many columns are tried for each size.
    """
    rows, count = columns.shape
    width = max(1, trials // count)
    whole, lowest = float(target @ target) or 1.0, np.inf
    beam = [always]
    for size in range(len(always) + 1, min(len(always) + SPARSE_MAX_TERMS, count) + 1):
        left: dict[tuple[int, ...], float] = {}
        for subset in beam[:width]:
            losses = _losses_with_each_column(columns, target, subset) / whole
            for k in np.argsort(losses, kind="stable")[: width + size].tolist():
                if k not in subset:
                    left[tuple(sorted((*subset, k)))] = float(losses[k])
        beam = sorted(left, key=lambda subset: (left[subset], subset))
        criterion = rows * np.log(max(left[beam[0]], SPARSE_ROUNDING_ERROR_FLOOR)) + size * (
            np.log(rows) + 2 * np.log(count)
        )
        if not criterion < lowest:
            return
        lowest = criterion
        yield beam


def _losses_with_each_column(
    columns: Float[np.ndarray, "K M"], target: Float[np.ndarray, " K"], subset: tuple[int, ...]
) -> Float[np.ndarray, " M"]:
    """What each column beside those of ``subset`` would leave of the target, a sum of squares."""
    basis = np.linalg.qr(columns[:, subset])[0]
    rest = target - basis @ (basis.T @ target)
    fresh = columns - basis @ (basis.T @ columns)
    length = np.sum(fresh**2, axis=0)
    part = np.where(length > _COLLINEARITY_LIMIT, (rest @ fresh) / np.maximum(length, _COLLINEARITY_LIMIT), 0.0)
    return np.sum((rest[:, None] - part * fresh) ** 2, axis=0)
