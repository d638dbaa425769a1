"""Short formulas of one variable, tried one and all: what a random search may miss by chance.

The factors are powers, powers of the moved and of the softened variable, exponentials and Gaussians; the forms are
every single factor, every product of two and every sum of two. A variable of both signs is a place, along which a
force may repeat: its forms are a wave, alone and beside a number or a line. Linear coefficients are solved for, the
one to four other constants searched from a coarse grid (variable projection, Golub and Pereyra 1973).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, product

import numpy as np
from jaxtyping import Float
from scipy.optimize import leastsq

from gnn_discovery.errors import DataError
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import RegressionProblem

ENUMERATION_ROW_LIMIT = 200
GRID_STARTS = 2
MAX_FIT_CALLS = 50
N_ENUMERATED_FORMS_KEPT = 8
"""This many of the forms, the best, are handed on,"""
ALWAYS_KEPT_MAX_CONSTANTS = 2
"""and all that have no more constants than this beside their amplitudes."""

_START_EXPONENTS = (-12.0, -6.0, -3.0, -2.0, -1.0, 1.0, 2.0)
_FACTOR_GRIDS: dict[str, tuple[tuple[float, ...], ...]] = {
    "x**{0}": (_START_EXPONENTS,),
    "(x + {1})**{0}": ((-3.0, -2.0, -1.0), (0.01, 0.1)),
    "(x**2 + {1})**{0}": ((-2.0, -1.5, -1.0), (0.003, 0.1)),
    "exp({0}*x)": ((-12.0, -3.0, -1.0, -0.3),),
    "exp({0}*x**2)": ((-12.0, -3.0, -1.0, -0.3),),
}
_STANDALONE_GRIDS = {"(x**{0} + {1})**-1": ((1.5, 3.0, 6.0), (0.03, 0.3, 3.0))}
"""A factor that stands by itself only: one over a power and a core, the profile of Hill and of many clusters."""
_WAVE_GRIDS = {"sin({0}*x + {1})": (tuple(0.2 * k for k in range(1, 60)), (0.0, 0.5 * np.pi))}
_LINE_GRIDS: dict[str, tuple[tuple[float, ...], ...]] = {"1": (), "x": ()}
_ALL_GRIDS = {**_FACTOR_GRIDS, **_STANDALONE_GRIDS, **_WAVE_GRIDS, **_LINE_GRIDS}


@dataclass(frozen=True)
class _FormTemplate:
    """The columns of a form, in x and its constants p0, p1, ..., and the grid of these; ``phase`` is one of them."""

    columns: tuple[Expression, ...]
    names: tuple[str, ...]
    grid: tuple[tuple[float, ...], ...]
    phase: str | None = None


def enumerated_forms(problem: RegressionProblem, operators: Sequence[str]) -> list[Expression]:
    """The best short forms of a problem of one variable, fitted; none where the operators do not allow them."""
    if len(problem.names) != 1:
        return []
    (name,) = problem.names
    problem = problem.thinned(ENUMERATION_ROW_LIMIT)
    x, y = problem.inputs[name], problem.target
    root = np.ones(x.size) if problem.weights is None else np.sqrt(problem.weights)
    positive = bool((x > 0).all())
    if not {"+", "*", "pow" if positive else "sin"} <= set(operators):
        return []
    found = []
    with np.errstate(all="ignore"):
        shapes = _radial_templates("exp" in operators) if positive else _wave_templates()
        fits = [_VariableProjectionFit(shape, x, y, root).search() for shape in shapes]
        best = sorted(fits, key=lambda fit: fit.loss)
        few = [fit for fit in best[N_ENUMERATED_FORMS_KEPT:] if len(fit.shape.names) <= ALWAYS_KEPT_MAX_CONSTANTS]
        for fit in best[:N_ENUMERATED_FORMS_KEPT] + few:
            try:
                found.append(fit.expression().substitute({"x": Expression.parse(name)}))
            except DataError:
                continue
    return found


def _radial_templates(exponentials: bool) -> Iterator[_FormTemplate]:
    factors = {text: grid for text, grid in _FACTOR_GRIDS.items() if exponentials or "exp" not in text}
    for text in (*factors, *_STANDALONE_GRIDS):
        yield _form_template([text], ["{0}"])
    for pair in combinations_with_replacement(factors, 2):
        yield _form_template(pair, ["{0}", "{1}"])
        if pair[0] != pair[1]:
            yield _form_template(pair, ["({0})*({1})"])


def _wave_templates() -> Iterator[_FormTemplate]:
    (wave,) = _WAVE_GRIDS
    alone = _form_template([wave], ["{0}"])
    for shape in (alone, *(_form_template([wave, line], ["{0}", "{1}"]) for line in _LINE_GRIDS)):
        yield replace(shape, phase=alone.names[-1])


def _form_template(factors: Sequence[str], columns: Sequence[str]) -> _FormTemplate:
    written: list[str] = []
    names: list[str] = []
    grids: list[tuple[float, ...]] = []
    for factor in factors:
        own = [f"p{len(names) + k}" for k in range(len(_ALL_GRIDS[factor]))]
        written.append(factor.format(*own))
        names += own
        grids += _ALL_GRIDS[factor]
    grid = tuple(p for p in product(*grids) if len(factors) == 1 or factors[0] != factors[1] or p[0] < p[-1])
    return _FormTemplate(tuple(Expression.parse(column.format(*written)) for column in columns), tuple(names), grid)


class _VariableProjectionFit:
    """One shape on one problem: the best constants so far and the sum of squares there."""

    def __init__(
        self,
        shape: _FormTemplate,
        x: Float[np.ndarray, " K"],
        y: Float[np.ndarray, " K"],
        root: Float[np.ndarray, " K"],
    ):
        self.shape, self.x, self.wanted, self.root = shape, x, root * y, root
        self.functions = [column.numpy(["x", *shape.names]) for column in shape.columns]
        self.values, self.loss = np.array(shape.grid[0]), np.inf

    def solve(self, values: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The linear coefficients and the residuals at these constants."""
        matrix = np.stack([self.root * function(self.x, *values) for function in self.functions], axis=1)
        size = np.sqrt(np.sum(matrix**2, axis=0))
        if not (np.isfinite(size).all() and (size > 0).all()):
            return np.zeros(len(self.functions)), 1e3 * self.wanted
        unit = matrix / size
        normal = unit.T @ unit + 1e-13 * np.eye(len(self.functions))
        coefficients = np.linalg.solve(normal, unit.T @ self.wanted)
        return coefficients / size, unit @ coefficients - self.wanted

    def search(self) -> _VariableProjectionFit:
        """Levenberg-Marquardt from the best points of the grid."""
        losses = [float(np.sum(self.solve(values)[1] ** 2)) for values in self.shape.grid]
        for index in np.argsort(losses, kind="stable")[:GRID_STARTS]:
            # full_output keeps SciPy from warning when the calls run out, which is no fault here
            values = leastsq(
                lambda v: self.solve(v)[1], self.shape.grid[index], maxfev=MAX_FIT_CALLS, full_output=True
            )[0]
            loss = float(np.sum(self.solve(values)[1] ** 2))
            if loss < self.loss:
                self.values, self.loss = values, loss
        return self

    def expression(self) -> Expression:
        """The form with its numbers."""
        constants = {n: float(v) for n, v in zip(self.shape.names, self.values, strict=True)}
        if self.shape.phase is not None:
            constants[self.shape.phase] = math.remainder(constants[self.shape.phase], math.tau)
        columns = [column.substitute(constants).text for column in self.shape.columns]
        coefficients, _ = self.solve(self.values)
        return Expression.parse(
            " + ".join(f"{float(c)!r}*({column})" for c, column in zip(coefficients, columns, strict=True))
        )
