"""Pareto refinement: the raw formulas of an engine become candidates by a float64 refit and by simplification.

Every engine of this package ends here. No known law is used: a constant that is not needed is removed, an exponent
near an integer becomes that integer, two constants that agree become one, and a shift of each variable is tried. The
order in which constraints on the constants are tried follows from the predicted increase of the loss, to second
order (the Wald statistic).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import leastsq

from gnn_discovery.criteria import DEFAULT_CRITERIA, SearchCriteria
from gnn_discovery.errors import DataError
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import Candidate, RegressionProblem

ResidualFunction = Callable[[Float[np.ndarray, " n"]], np.ndarray]
"""A function of the constants (n,): weighted residuals (K,) whose squares sum to the loss."""

_CONSTANT_PREFIX = "k_"
"""The first part of the names of constants; no variable begins with it."""


@dataclass(frozen=True)
class FittedForm:
    """A frozen skeleton with fitted constants.

    Attributes:
        skeleton: Formula with names in the place of its independent numbers.
        values: Fitted constants by name.
        loss: Loss on the rows of the fit.
    """

    skeleton: Expression
    values: dict[str, float]
    loss: float

    @property
    def total_complexity(self) -> int:
        """Return the complexity of a `Candidate`: the parts of the formula plus its free constants."""
        return self.skeleton.complexity + len(self.values)


class Refiner:
    """A fitter of forms to one problem, on a thinned set of its rows.

    Args:
        problem: The regression problem.
        criteria: Numbers that decide which forms are tried and kept.
    """

    def __init__(self, problem: RegressionProblem, criteria: SearchCriteria):
        sample = problem.thinned(criteria.refinement_row_limit)
        self.problem, self.criteria = problem, criteria
        self.inputs, self.target = list(sample.inputs.values()), sample.target
        weights = _row_weights(sample)
        self.root_weights = np.sqrt(weights / (np.sum(weights * sample.target**2) or 1.0))

    def residual(self, skeleton: Expression, names: Sequence[str]) -> ResidualFunction:
        """Return the weighted residuals of a skeleton as a function of its constants.

        Args:
            skeleton: Formula of the inputs and the constants.
            names: Names of the constants, in the order of the argument.
        """
        function = skeleton.numpy([*self.problem.names, *names])
        limit = 1e6  # stands for residuals that are not finite

        def residual(values: Float[np.ndarray, " n"]) -> np.ndarray:
            difference = self.root_weights * (function(*self.inputs, *values) - self.target)
            finite = np.nan_to_num(difference, nan=limit, posinf=limit, neginf=-limit)
            return np.asarray(np.clip(finite, -limit, limit))

        return residual

    def fit(self, skeleton: Expression, start: dict[str, float], calls: int = 300) -> FittedForm:
        """Return the skeleton with its constants fitted.

        Args:
            skeleton: Formula of the inputs and the constants.
            start: Constants at which the fit starts, by name.
            calls: Limit on the evaluations of the residuals.
        """
        names = list(start)
        values, loss = minimise_residual(self.residual(skeleton, names), np.array(list(start.values()), float), calls)
        return FittedForm(skeleton, dict(zip(names, values.tolist(), strict=True)), loss)

    def form(self, expression: Expression) -> FittedForm | None:
        """Return the expression with its constants lifted and fitted.

        None is returned where no input occurs, where an exponent depends on an input or is too large, and where the fit
        is no better than zero.
        """
        skeleton, start = expression.lift_constants(_CONSTANT_PREFIX)
        if not skeleton.names & set(self.problem.names) or has_variable_exponent(skeleton, start):
            return None
        form = self.fit(skeleton, start)
        if not np.isfinite(form.loss) or form.loss >= 1:
            return None
        return form if _largest_exponent(form) <= self.criteria.max_exponent else None

    def loss(self, expression: Expression) -> float:
        """Return the loss over all rows, nan where the expression is not finite on them."""
        value = expression.numpy(self.problem.names)(*self.problem.inputs.values())
        weights, target = _row_weights(self.problem), self.problem.target
        return float(np.sum(weights * (value - target) ** 2) / (np.sum(weights * target**2) or 1.0))


def _row_weights(problem: RegressionProblem) -> Float[np.ndarray, " K"]:
    """Return the weights (K,) of the squared residuals, ones where the problem has none."""
    return np.ones(problem.target.size) if problem.weights is None else np.asarray(problem.weights, float)


def minimise_residual(
    residual: ResidualFunction, start: Float[np.ndarray, " n"], calls: int
) -> tuple[np.ndarray, float]:
    """Return the constants of least squared residuals by Levenberg-Marquardt (MINPACK), and the sum of squares.

    Args:
        residual: Function of the constants.
        start: Constants (n,) at which the fit starts; they are returned if no better ones are found.
        calls: Limit on the evaluations of the residuals.
    """
    before = float(np.sum(residual(start) ** 2))
    if start.size == 0:
        return start, before
    values, _, info, _, _ = leastsq(residual, start, full_output=True, ftol=1e-13, xtol=1e-13, gtol=0.0, maxfev=calls)
    after = float(np.sum(info["fvec"] ** 2))
    return (values, after) if after < before else (start, before)


def has_variable_exponent(skeleton: Expression, constants: Iterable[str]) -> bool:
    """Tell whether a variable occurs in an exponent, as in ``r**(-1.2*m)``.

    Args:
        skeleton: Formula of variables and constants.
        constants: Names of the constants.
    """
    constants = set(constants)
    parts = (part for exponent in _exponents(skeleton) for part in ast.walk(exponent))
    return any(isinstance(part, ast.Name) and part.id not in constants for part in parts)


def _exponents(skeleton: Expression) -> list[ast.expr]:
    """Return the syntax trees of all exponents."""
    tree = ast.parse(skeleton.text, mode="eval")
    return [node.right for node in ast.walk(tree) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)]


def _largest_exponent(form: FittedForm) -> float:
    """Return the largest size of a numeric exponent."""
    sizes = [0.0]
    for part in _exponents(form.skeleton):
        number = part.operand if isinstance(part, ast.UnaryOp) else part
        if isinstance(number, ast.Constant):
            sizes.append(abs(float(number.value)))  # type: ignore[arg-type]
        elif isinstance(number, ast.Name) and number.id in form.values:
            sizes.append(abs(form.values[number.id]))
    return max(sizes)


def refine(
    raw: Iterable[Expression],
    problem: RegressionProblem,
    max_complexity: int,
    engine: str,
    *,
    criteria: SearchCriteria = DEFAULT_CRITERIA.search,
) -> list[Candidate]:
    """Return the Pareto front of the candidates that follow from raw formulas, simplest first.

    Args:
        raw: Formulas of the inputs, with numbers as an engine found them.
        problem: The regression problem.
        max_complexity: Largest `Expression.complexity` of a candidate.
        engine: Name of the engine, which the candidates carry.
        criteria: Numbers that decide which forms are tried and kept.
    """
    refiner = Refiner(problem, criteria)
    forms: dict[str, FittedForm] = {}

    def add(form: FittedForm | None) -> None:
        if form is not None:
            known = forms.get(form.skeleton.text)
            if known is None or form.loss < known.loss:
                forms[form.skeleton.text] = form

    for expression in raw:
        add(_try_fit(refiner, expression))
    for form in pareto_front(forms.values(), criteria=criteria)[-criteria.simplified_forms :]:
        for simpler in simplification_path(refiner, form):
            add(simpler)
    for form in pareto_front(forms.values(), criteria=criteria)[-criteria.shifted_forms :]:
        for name in problem.names:
            shifted = form.skeleton.substitute({name: Expression.parse(f"{name} + {_CONSTANT_PREFIX}shift")})
            moved = refiner.fit(shifted, {**form.values, f"{_CONSTANT_PREFIX}shift": 0.0})
            if moved.loss < criteria.pareto_max_loss_ratio * form.loss:
                tidy = _try_fit(refiner, shifted.substitute(moved.values))
                add(tidy)
                for simpler in simplification_path(refiner, tidy) if tidy else ():
                    add(simpler)
    candidates = []
    for form in pareto_front(forms.values(), criteria=criteria):
        expression = form.skeleton.substitute(form.values)
        loss = refiner.loss(expression)
        if np.isfinite(loss) and expression.complexity <= max_complexity:
            candidates.append(Candidate(expression, loss, form.total_complexity, engine))
    return candidates


def _try_fit(refiner: Refiner, expression: Expression) -> FittedForm | None:
    """Return the fitted form of an expression, or None where it has none."""
    try:
        return refiner.form(expression)
    except DataError:
        return None


def pareto_front(
    forms: Iterable[FittedForm], *, criteria: SearchCriteria = DEFAULT_CRITERIA.search
) -> list[FittedForm]:
    """Return the forms whose loss is clearly below that of every simpler form, simplest first.

    Args:
        forms: Fitted forms of one problem.
        criteria: Numbers that decide what is clearly below, and from where on a loss is rounding error.
    """
    kept: list[FittedForm] = []
    best = np.inf
    for form in sorted(forms, key=lambda form: (form.total_complexity, form.loss, form.skeleton.text)):
        if form.loss < criteria.pareto_max_loss_ratio * best and best > criteria.rounding_loss_floor:
            kept.append(form)
            best = form.loss
    return kept


@dataclass(frozen=True)
class _ConstantConstraint:
    """A constraint: the constant ``index`` equals ``number``, or ``sign`` times the constant ``other``."""

    index: int
    number: float = 0.0
    other: int | None = None
    sign: float = 1.0


def simplification_path(refiner: Refiner, form: FittedForm) -> list[FittedForm]:
    """Return the forms on the way to the simplest one that still fits, with one more constraint each.

    Args:
        refiner: Fitter of the problem.
        form: The form that is simplified.
    """
    made = []
    while form.values:
        best = _best_constrained_form(refiner, form)
        if best is None:
            break
        form = best
        made.append(form)
    return made


def _best_constrained_form(refiner: Refiner, form: FittedForm) -> FittedForm | None:
    """Return the form with one constraint more that raises the loss least, or None where each raises it too far."""
    names, values = list(form.values), np.array(list(form.values.values()))
    residual, criteria = refiner.residual(form.skeleton, names), refiner.criteria
    constraints = _candidate_constraints(form, names, values, criteria)
    if not constraints:
        return None
    covariance = _covariance(residual, values)
    rows = {constraint: _linear_constraint(constraint, values) for constraint in constraints}

    def predicted(constraint: _ConstantConstraint) -> float:
        # The Wald statistic: the increase of the loss, to second order, under the constraint a.c = b.
        direction, gap = rows[constraint]
        return gap * gap / max(float(direction @ covariance @ direction), 1e-300)

    limit = criteria.simplification_max_loss_factor * max(form.loss, criteria.rounding_loss_floor)
    for constraint in sorted(constraints, key=predicted)[: criteria.simplification_trials]:
        start, free = values.copy(), [k for k in range(len(names)) if k != constraint.index]
        if free:
            direction, gap = rows[constraint]
            step = covariance @ direction * gap / max(float(direction @ covariance @ direction), 1e-300)
            start = start - np.nan_to_num(step)

        def constrained(
            part: np.ndarray, constraint: _ConstantConstraint = constraint, free: list[int] = free
        ) -> np.ndarray:
            full = np.empty(len(names))
            full[free] = part
            other = constraint.other
            full[constraint.index] = constraint.number if other is None else constraint.sign * full[other]
            return residual(full)

        fits = [minimise_residual(constrained, origin[free], 150) for origin in (start, values)]
        part, loss = min(fits, key=lambda fit: fit[1])
        if loss > limit:
            continue
        numbers = dict(zip([names[k] for k in free], part.tolist(), strict=True))
        other = constraint.other
        value = constraint.number if other is None else constraint.sign * numbers[names[other]]
        try:
            simpler = refiner.form(form.skeleton.substitute({**numbers, names[constraint.index]: value}))
        except DataError:
            continue
        if simpler is not None and simpler.loss <= limit and simpler.total_complexity < form.total_complexity:
            return simpler
    return None


def _candidate_constraints(
    form: FittedForm, names: list[str], values: np.ndarray, criteria: SearchCriteria
) -> list[_ConstantConstraint]:
    """Return the constraints worth trying: exponents become integers, other constants zero, equal or opposite."""
    exponents = {part.id for part in _exponents(form.skeleton) if isinstance(part, ast.Name)}
    constraints = []
    for k, (name, value) in enumerate(zip(names, values, strict=True)):
        if name in exponents:
            nearest = float(np.round(value))
            integers = (nearest, nearest - np.sign(nearest - value) or nearest)
            constraints += [_ConstantConstraint(k, number=number) for number in integers]
            continue
        constraints.append(_ConstantConstraint(k))
        for other in range(k):
            if names[other] in exponents:
                continue
            for sign in (1.0, -1.0):
                if abs(value - sign * values[other]) < criteria.tie_max_rel_difference * abs(value):
                    constraints.append(_ConstantConstraint(k, other=other, sign=sign))
    return list(dict.fromkeys(constraints))


def _linear_constraint(constraint: _ConstantConstraint, values: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a constraint a.c = b on the constants c as a (n,) and the violation a.c - b at ``values`` (n,)."""
    direction = np.zeros(values.size)
    direction[constraint.index] = 1.0
    if constraint.other is None:
        return direction, float(values[constraint.index] - constraint.number)
    direction[constraint.other] = -constraint.sign
    return direction, float(direction @ values)


def _covariance(residual: ResidualFunction, values: np.ndarray) -> np.ndarray:
    """Return the inverse (n n) of J^T J at the constants ``values`` (n,), J the Jacobian of the residuals."""
    base, columns = residual(values), []
    for k in range(values.size):
        moved = values.copy()
        step = 1e-6 * max(abs(values[k]), 1e-3)
        moved[k] += step
        columns.append((residual(moved) - base) / step)
    jacobian = np.array(columns).T
    return np.linalg.pinv(jacobian.T @ jacobian, rcond=1e-14)
