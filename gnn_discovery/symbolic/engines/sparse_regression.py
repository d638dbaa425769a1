"""Sparse regression: a sum or a product of few library terms, found without any random choice.

Sums grow term by term in a beam search by orthogonal least squares (Chen, Billings and Luo 1989). The width of the
beam follows from the budget. The search ends when a further term no longer lowers the extended Bayesian information
criterion (Chen and Chen 2008),

    K log(residual sum of squares / sum of squares) + n (log K + 2 log M),

for K rows and n of M terms. Where the target keeps one sign, the same search is made for its logarithm, in which the
factors of a product add up. `refine` then fits the numbers of the library too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gnn_discovery.criteria import SearchCriteria
from gnn_discovery.errors import DataError
from gnn_discovery.symbolic.engines.pareto_refinement import refine
from gnn_discovery.symbolic.engines.term_library import (
    GRID,
    LibraryTerm,
    logarithmic_terms,
    term_libraries,
)
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import BudgetCallback, Candidate, EngineConfig, RegressionProblem


class SparseRegression:
    """The engine of sparse regression; see `SymbolicEngine`."""

    name = "sparse"

    def available(self) -> None:
        """Return at once, since the engine is a part of this package."""

    def fit(self, problem: RegressionProblem, config: EngineConfig, spent: BudgetCallback) -> list[Candidate]:
        """Return the Pareto front of sums and products of few terms, simplest first; see `SymbolicEngine.fit`."""
        criteria = config.criteria
        searches = list(_beam_searches(problem.thinned(criteria.sparse_row_limit), config.operators, criteria))
        share = config.evaluations // len(searches)
        raw: list[Expression] = []
        for number, search in enumerate(searches):
            raw += search.run(share)
            spent((number + 1) * share)
        return refine(raw, problem, config.max_complexity, self.name, criteria=criteria)


@dataclass(frozen=True)
class _BeamSearch:
    """A search for sums of terms; with a sign, for products of powers, whose first factor is always present.

    Attributes:
        library: Terms of which few are chosen.
        target: Values (K,) of the target, or of its logarithm.
        root: Square root (K,) of the weights.
        criteria: Numbers that decide which sums are kept.
        sign: Sign of the product; None for sums.
    """

    library: Sequence[LibraryTerm]
    target: Float[np.ndarray, " K"]
    root: Float[np.ndarray, " K"]
    criteria: SearchCriteria
    sign: int | None = None

    def run(self, budget: int) -> list[Expression]:
        """Return the best sums, or products, of each length within a budget of evaluations."""
        trials = budget // self.criteria.sparse_max_terms
        columns, target = np.stack([self.root * term.values for term in self.library], axis=1), self.root * self.target
        sizes = np.linalg.norm(columns, axis=0)
        usable = np.flatnonzero(np.isfinite(sizes) & (sizes > 0))[: max(1, trials)]
        columns, sizes, library = columns[:, usable] / sizes[usable], sizes[usable], [self.library[k] for k in usable]
        found = []
        for subsets in _grow_subsets(columns, target, trials, () if self.sign is None else (0,), self.criteria):
            forms: dict[tuple[str, ...], tuple[int, ...]] = {}
            for subset in subsets:
                forms.setdefault(tuple(sorted(library[k].form for k in subset)), subset)
            for chosen in map(list, list(forms.values())[: self.criteria.sparse_sums_kept_per_length]):
                values = np.linalg.lstsq(columns[:, chosen], target, rcond=None)[0] / sizes[chosen]
                text = self.formula([library[k].text for k in chosen], values.tolist())
                for same in dict.fromkeys((text.format(0.0), text.format(GRID.free_exponent_offset))):
                    with contextlib.suppress(DataError):  # a number that no formula may hold
                        found.append(Expression.parse(same))
        return found

    def formula(self, texts: Sequence[str], values: Sequence[float]) -> str:
        """Return the text of the sum, or product, of terms.

        Args:
            texts: Texts of the terms.
            values: Coefficients of a sum, or exponents of a product.
        """
        parts = list(zip(texts, values, strict=True))
        if self.sign is None:
            return " + ".join(f"{value!r}*{text}" for text, value in parts)
        return "*".join([str(self.sign), *(f"{text}**({value!r})" for text, value in parts)])


def _beam_searches(
    problem: RegressionProblem, operators: Sequence[str], criteria: SearchCriteria
) -> Iterator[_BeamSearch]:
    """Yield the searches for sums of each library, and for products where the target keeps one sign."""
    root = np.ones(problem.target.size) if problem.weights is None else np.sqrt(problem.weights)
    with np.errstate(all="ignore"):
        for library in term_libraries(problem, operators):
            yield _BeamSearch(library, problem.target, root, criteria)
        size, signs = np.abs(problem.target), np.unique(np.sign(problem.target))
        if signs.size == 1 and signs[0] != 0 and "pow" in operators:
            # the error of a logarithm is a relative one
            terms = logarithmic_terms(problem, operators)
            yield _BeamSearch(terms, np.log(size), root * size, criteria, int(signs[0]))


def _grow_subsets(
    columns: Float[np.ndarray, "K M"],
    target: Float[np.ndarray, " K"],
    trials: int,
    always: tuple[int, ...],
    criteria: SearchCriteria,
) -> Iterator[list[tuple[int, ...]]]:
    """Yield, for each number of columns, the subsets that contain ``always``, those with the least residual first.

    About ``trials`` columns are tried for each number.
    """
    rows, count = columns.shape
    width = max(1, trials // count)
    whole, lowest = float(target @ target) or 1.0, np.inf
    beam = [always]
    for size in range(len(always) + 1, min(len(always) + criteria.sparse_max_terms, count) + 1):
        residuals: dict[tuple[int, ...], float] = {}
        for subset in beam[:width]:
            losses = _losses_with_each_column(columns, target, subset) / whole
            for k in np.argsort(losses, kind="stable")[: width + size].tolist():
                if k not in subset:
                    residuals[tuple(sorted((*subset, k)))] = float(losses[k])
        beam = sorted(residuals, key=lambda subset: (residuals[subset], subset))
        least = max(residuals[beam[0]], criteria.sparse_rounding_error_floor)
        criterion = rows * np.log(least) + size * (np.log(rows) + 2 * np.log(count))
        if not criterion < lowest:
            return
        lowest = criterion
        yield beam


def _losses_with_each_column(
    columns: Float[np.ndarray, "K M"],
    target: Float[np.ndarray, " K"],
    subset: tuple[int, ...],
    collinear: float = 1e-10,
) -> Float[np.ndarray, " M"]:
    """Return the residual sum of squares of the target on ``subset`` and each further column.

    A column whose squared length outside the span of ``subset`` is below ``collinear`` adds nothing.
    """
    basis = np.linalg.qr(columns[:, subset])[0]
    residual = target - basis @ (basis.T @ target)
    orthogonal = columns - basis @ (basis.T @ columns)
    length = np.sum(orthogonal**2, axis=0)
    part = np.where(length > collinear, (residual @ orthogonal) / np.maximum(length, collinear), 0.0)
    return np.asarray(np.sum((residual[:, None] - part * orthogonal) ** 2, axis=0))
