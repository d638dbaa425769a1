"""Enumerated forms: every short formula of one variable is fitted, since a random search may miss one by chance.

The factors are powers, powers of the shifted and of the softened variable, exponentials and Gaussians; the forms are
every single factor, every product of two and every sum of two. A variable of both signs is a coordinate, along which
a force may be periodic: its forms are a wave, alone and with a constant or a linear term.

The constants are fitted by variable projection (Golub and Pereyra 1973): the linear coefficients are eliminated by
linear least squares, and the one to four nonlinear constants are searched from a coarse grid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, product

import numpy as np
from jaxtyping import Float
from scipy.optimize import leastsq

from gnn_discovery.criteria import DEFAULT_CRITERIA, SearchCriteria
from gnn_discovery.errors import DataError
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import RegressionProblem

_FACTOR_GRIDS: dict[str, tuple[tuple[float, ...], ...]] = {
    "x**{0}": ((-12.0, -6.0, -3.0, -2.0, -1.0, 1.0, 2.0),),
    "(x + {1})**{0}": ((-3.0, -2.0, -1.0), (0.01, 0.1)),
    "(x**2 + {1})**{0}": ((-2.0, -1.5, -1.0), (0.003, 0.1)),
    "exp({0}*x)": ((-12.0, -3.0, -1.0, -0.3),),
    "exp({0}*x**2)": ((-12.0, -3.0, -1.0, -0.3),),
}
"""Factors of the forms, and the grid of each of their constants, for a variable of order one."""
_STANDALONE_GRIDS = {"(x**{0} + {1})**-1": ((1.5, 3.0, 6.0), (0.03, 0.3, 3.0))}
"""Factors that stand alone only: one over a power plus a constant, as in the Hill function and cluster profiles."""
_WAVE_GRIDS = {"sin({0}*x + {1})": (tuple(0.2 * k for k in range(1, 60)), (0.0, 0.5 * np.pi))}
_LINE_GRIDS: dict[str, tuple[tuple[float, ...], ...]] = {"1": (), "x": ()}
_ALL_GRIDS = {**_FACTOR_GRIDS, **_STANDALONE_GRIDS, **_WAVE_GRIDS, **_LINE_GRIDS}


@dataclass(frozen=True)
class _FormTemplate:
    """A form to be fitted: a linear combination of columns.

    Attributes:
        columns: Formulas of x and of the nonlinear constants.
        names: Names of the nonlinear constants: p0, p1, ...
        grid: Values of the nonlinear constants from which the fit may start.
        phase: Name of the constant that is a phase, and is reported modulo a turn.
    """

    columns: tuple[Expression, ...]
    names: tuple[str, ...]
    grid: tuple[tuple[float, ...], ...]
    phase: str | None = None


def enumerated_forms(
    problem: RegressionProblem, operators: Sequence[str], *, criteria: SearchCriteria = DEFAULT_CRITERIA.search
) -> list[Expression]:
    """Return the best short forms of a problem of one variable, fitted.

    Args:
        problem: The regression problem.
        operators: Operators that are allowed.
        criteria: Numbers that decide how many forms are returned.

    Returns:
        The forms of least loss, and those of few constants; none for several variables or where the operators do not
        allow the forms.
    """
    if len(problem.names) != 1:
        return []
    (name,) = problem.names
    problem = problem.thinned(criteria.enumeration_row_limit)
    x, y = problem.inputs[name], problem.target
    root = np.ones(x.size) if problem.weights is None else np.sqrt(problem.weights)
    positive = bool((x > 0).all())
    if not {"+", "*", "pow" if positive else "sin"} <= set(operators):
        return []
    found = []
    with np.errstate(all="ignore"):
        templates = _radial_templates("exp" in operators) if positive else _wave_templates()
        fits = [_VariableProjectionFit(template, x, y, root).search() for template in templates]
        ranked = sorted(fits, key=lambda fit: fit.loss)
        best, others = ranked[: criteria.enumerated_forms_kept], ranked[criteria.enumerated_forms_kept :]
        simple = [fit for fit in others if len(fit.template.names) <= criteria.always_kept_max_constants]
        for fit in best + simple:
            try:
                found.append(fit.expression().substitute({"x": Expression.parse(name)}))
            except DataError:
                continue
    return found


def _radial_templates(exponentials: bool) -> Iterator[_FormTemplate]:
    """Yield the forms of a positive variable: single factors, sums of two and products of two."""
    factors = {text: grid for text, grid in _FACTOR_GRIDS.items() if exponentials or "exp" not in text}
    for text in (*factors, *_STANDALONE_GRIDS):
        yield _form_template([text], ["{0}"])
    for pair in combinations_with_replacement(factors, 2):
        yield _form_template(pair, ["{0}", "{1}"])
        if pair[0] != pair[1]:
            yield _form_template(pair, ["({0})*({1})"])


def _wave_templates() -> Iterator[_FormTemplate]:
    """Yield the forms of a coordinate: a wave, alone and with a constant or a linear term."""
    (wave,) = _WAVE_GRIDS
    alone = _form_template([wave], ["{0}"])
    for template in (alone, *(_form_template([wave, line], ["{0}", "{1}"]) for line in _LINE_GRIDS)):
        yield replace(template, phase=alone.names[-1])


def _form_template(factors: Sequence[str], columns: Sequence[str]) -> _FormTemplate:
    """Return the form with these factors, whose columns name the factors ``{0}`` and ``{1}``."""
    texts: list[str] = []
    names: list[str] = []
    grids: list[tuple[float, ...]] = []
    for factor in factors:
        constants = [f"p{len(names) + k}" for k in range(len(_ALL_GRIDS[factor]))]
        texts.append(factor.format(*constants))
        names += constants
        grids += _ALL_GRIDS[factor]
    grid = tuple(p for p in product(*grids) if len(factors) == 1 or factors[0] != factors[1] or p[0] < p[-1])
    return _FormTemplate(tuple(Expression.parse(column.format(*texts)) for column in columns), tuple(names), grid)


class _VariableProjectionFit:
    """A fit of one form to one problem, with the best constants so far and the sum of squares there.

    Args:
        template: The form.
        x: Values (K,) of the variable.
        y: Values (K,) of the target.
        root: Square root (K,) of the weights.
    """

    def __init__(
        self,
        template: _FormTemplate,
        x: Float[np.ndarray, " K"],
        y: Float[np.ndarray, " K"],
        root: Float[np.ndarray, " K"],
    ):
        self.template, self.x, self.weighted_target, self.root = template, x, root * y, root
        self.columns = Expression.joint_numpy(template.columns, ["x", *template.names])
        self.values, self.loss = np.array(template.grid[0]), np.inf

    def solve(self, values: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the linear coefficients and the residuals (K,) at given nonlinear constants."""
        matrix = np.stack([self.root * column for column in self.columns(self.x, *values)], axis=1)
        size = np.sqrt(np.sum(matrix**2, axis=0))
        if not (np.isfinite(size).all() and (size > 0).all()):
            return np.zeros(len(size)), 1e3 * self.weighted_target
        unit = matrix / size
        normal = unit.T @ unit + 1e-13 * np.eye(len(size))
        coefficients = np.linalg.solve(normal, unit.T @ self.weighted_target)
        return coefficients / size, unit @ coefficients - self.weighted_target

    def search(self, starts: int = 2, calls: int = 50) -> _VariableProjectionFit:
        """Fit by Levenberg-Marquardt from the best points of the grid, and return the fit.

        Args:
            starts: Number of points of the grid from which the fit starts.
            calls: Limit on the evaluations of the residuals in each start.
        """
        losses = [float(np.sum(self.solve(values)[1] ** 2)) for values in self.template.grid]
        for index in np.argsort(losses, kind="stable")[:starts]:
            # full_output keeps SciPy from warning when the calls run out, which is no fault here
            start = self.template.grid[index]
            values = leastsq(lambda v: self.solve(v)[1], start, maxfev=calls, full_output=True)[0]
            loss = float(np.sum(self.solve(values)[1] ** 2))
            if loss < self.loss:
                self.values, self.loss = values, loss
        return self

    def expression(self) -> Expression:
        """Return the form with its fitted numbers."""
        constants = {n: float(v) for n, v in zip(self.template.names, self.values, strict=True)}
        if self.template.phase is not None:
            constants[self.template.phase] = math.remainder(constants[self.template.phase], math.tau)
        columns = [column.substitute(constants).text for column in self.template.columns]
        coefficients, _ = self.solve(self.values)
        return Expression.parse(
            " + ".join(f"{float(c)!r}*({column})" for c, column in zip(coefficients, columns, strict=True))
        )
