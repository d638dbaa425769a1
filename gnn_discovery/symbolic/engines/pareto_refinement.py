"""From an engine's raw formulas to candidates: float64 refit, simplification, Pareto front.

Every engine ends here. What is done knows no law: a constant that is not needed goes, an exponent near an
integer becomes it, two constants that agree become one, and each variable is tried with its zero moved.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import leastsq

from gnn_discovery.errors import DataError
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import Candidate, RegressionProblem

REFINEMENT_ROW_LIMIT = 400
N_SIMPLIFIED_FORMS = 14
N_SHIFTED_FORMS = 5
PARETO_MAX_LOSS_RATIO = 0.95
"""A more complex candidate must bring the loss below this fraction of every simpler one's."""
SIMPLIFICATION_MAX_LOSS_FACTOR = 8.0
"""A simplification may raise the loss by this factor; the front keeps both."""
ROUNDING_LOSS_FLOOR = 1e-24
MAX_EXPONENT_SIZE = 40.0
"""The largest exponent: a steeper power is there to be an exponential, or a corner, and no fit holds on to it."""

ResidualFunction = Callable[[Float[np.ndarray, " n"]], np.ndarray]
"""Constants (n,) to residuals (K,) whose squares sum to the loss."""

_CONSTANT_PREFIX = "k_"
_MAX_RESIDUAL = 1e6


@dataclass(frozen=True)
class FittedForm:
    """A skeleton with fitted constants, and the loss on the rows of the fit."""

    skeleton: Expression
    values: dict[str, float]
    loss: float

    @property
    def price(self) -> int:
        """The complexity of a Candidate: parts plus free constants."""
        return self.skeleton.complexity + len(self.values)


class Refiner:
    """Fits forms to one problem; at most FIT_ROWS rows, evenly out of those ordered by the target."""

    def __init__(self, problem: RegressionProblem):
        few = problem.thinned(REFINEMENT_ROW_LIMIT)
        self.problem = problem
        self.inputs, self.target = list(few.inputs.values()), few.target
        weights = _row_weights(few)
        self.root_weights = np.sqrt(weights / (np.sum(weights * few.target**2) or 1.0))

    def residual(self, skeleton: Expression, names: Sequence[str]) -> ResidualFunction:
        """The function of the constants (n,) whose squares sum to the loss."""
        function = skeleton.numpy([*self.problem.names, *names])

        def residual(values: Float[np.ndarray, " n"]) -> np.ndarray:
            difference = self.root_weights * (function(*self.inputs, *values) - self.target)
            return np.clip(
                np.nan_to_num(difference, nan=_MAX_RESIDUAL, posinf=_MAX_RESIDUAL, neginf=-_MAX_RESIDUAL),
                -_MAX_RESIDUAL,
                _MAX_RESIDUAL,
            )

        return residual

    def fit(self, skeleton: Expression, start: dict[str, float], calls: int = 300) -> FittedForm:
        """The skeleton with its constants fitted from ``start``."""
        names = list(start)
        values, loss = minimise_residual(self.residual(skeleton, names), np.array(list(start.values()), float), calls)
        return FittedForm(skeleton, dict(zip(names, values.tolist(), strict=True)), loss)

    def form(self, expression: Expression) -> FittedForm | None:
        """The expression with its constants lifted and fitted; None of no formula of the inputs, or too steep a one."""
        skeleton, start = expression.lift_constants(_CONSTANT_PREFIX)
        if not skeleton.names & set(self.problem.names) or has_variable_exponent(skeleton, start):
            return None
        form = self.fit(skeleton, start)
        return (
            form if np.isfinite(form.loss) and form.loss < 1 and _largest_exponent(form) <= MAX_EXPONENT_SIZE else None
        )

    def loss(self, expression: Expression) -> float:
        """The loss over all rows; nan where the expression is not finite on them."""
        value = expression.numpy(self.problem.names)(*self.problem.inputs.values())
        weights, target = _row_weights(self.problem), self.problem.target
        return float(np.sum(weights * (value - target) ** 2) / (np.sum(weights * target**2) or 1.0))


def _row_weights(problem: RegressionProblem) -> Float[np.ndarray, " K"]:
    return np.ones(problem.target.size) if problem.weights is None else np.asarray(problem.weights, float)


def minimise_residual(
    residual: ResidualFunction, start: Float[np.ndarray, " n"], calls: int
) -> tuple[np.ndarray, float]:
    """Levenberg-Marquardt (MINPACK): the best values and the sum of squares there."""
    before = float(np.sum(residual(start) ** 2))
    if start.size == 0:
        return start, before
    values, _, info, _, _ = leastsq(residual, start, full_output=True, ftol=1e-13, xtol=1e-13, gtol=0.0, maxfev=calls)
    after = float(np.sum(info["fvec"] ** 2))
    return (values, after) if after < before else (start, before)


def has_variable_exponent(skeleton: Expression, constants: Iterable[str]) -> bool:
    """Whether a variable stands in an exponent, as in ``r**(-1.2*m)``."""
    constants = set(constants)
    parts = (part for exponent in _exponents(skeleton) for part in ast.walk(exponent))
    return any(isinstance(part, ast.Name) and part.id not in constants for part in parts)


def _exponents(skeleton: Expression) -> list[ast.expr]:
    """What stands in exponents."""
    tree = ast.parse(skeleton.text, mode="eval")
    return [node.right for node in ast.walk(tree) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)]


def _largest_exponent(form: FittedForm) -> float:
    """The largest exponent that is a number, without its sign."""
    sizes = [0.0]
    for part in _exponents(form.skeleton):
        number = part.operand if isinstance(part, ast.UnaryOp) else part
        if isinstance(number, ast.Constant):
            sizes.append(abs(float(number.value)))  # type: ignore[arg-type]
        elif isinstance(number, ast.Name) and number.id in form.values:
            sizes.append(abs(form.values[number.id]))
    return max(sizes)


def refine(raw: Iterable[Expression], problem: RegressionProblem, max_complexity: int, engine: str) -> list[Candidate]:
    """The Pareto front of candidates that come of ``raw``, simplest first."""
    refiner = Refiner(problem)
    forms: dict[str, FittedForm] = {}

    def add(form: FittedForm | None) -> None:
        if form is not None:
            known = forms.get(form.skeleton.text)
            if known is None or form.loss < known.loss:
                forms[form.skeleton.text] = form

    for expression in raw:
        add(_try_fit(refiner, expression))
    for form in pareto_front(forms.values())[-N_SIMPLIFIED_FORMS:]:
        for simpler in simplification_path(refiner, form):
            add(simpler)
    for form in pareto_front(forms.values())[-N_SHIFTED_FORMS:]:
        for name in problem.names:
            shifted = form.skeleton.substitute({name: Expression.parse(f"{name} + {_CONSTANT_PREFIX}shift")})
            moved = refiner.fit(shifted, {**form.values, f"{_CONSTANT_PREFIX}shift": 0.0})
            if moved.loss < PARETO_MAX_LOSS_RATIO * form.loss:
                tidy = _try_fit(refiner, shifted.substitute(moved.values))
                add(tidy)
                for simpler in simplification_path(refiner, tidy) if tidy else ():
                    add(simpler)
    candidates = []
    for form in pareto_front(forms.values()):
        expression = form.skeleton.substitute(form.values)
        loss = refiner.loss(expression)
        if np.isfinite(loss) and expression.complexity <= max_complexity:
            candidates.append(Candidate(expression, loss, form.price, engine))
    return candidates


def _try_fit(refiner: Refiner, expression: Expression) -> FittedForm | None:
    try:
        return refiner.form(expression)
    except DataError:
        return None


def pareto_front(forms: Iterable[FittedForm]) -> list[FittedForm]:
    """Those that no simpler or equally simple one (nearly) equals, simplest first."""
    kept: list[FittedForm] = []
    best = np.inf
    for form in sorted(forms, key=lambda form: (form.price, form.loss, form.skeleton.text)):
        if form.loss < PARETO_MAX_LOSS_RATIO * best and best > ROUNDING_LOSS_FLOOR:
            kept.append(form)
            best = form.loss
    return kept


@dataclass(frozen=True)
class _ConstantConstraint:
    """Constant ``index`` becomes ``number``, or ``sign`` times the constant ``other``."""

    index: int
    number: float = 0.0
    other: int | None = None
    sign: float = 1.0


def simplification_path(refiner: Refiner, form: FittedForm) -> list[FittedForm]:
    """The forms on the way to the simplest one that still fits: constants fixed or tied one by one."""
    made = []
    while form.values:
        best = _best_constrained_form(refiner, form)
        if best is None:
            break
        form = best
        made.append(form)
    return made


def _best_constrained_form(refiner: Refiner, form: FittedForm) -> FittedForm | None:
    names, values = list(form.values), np.array(list(form.values.values()))
    residual = refiner.residual(form.skeleton, names)
    moves = _candidate_constraints(form, names, values)
    if not moves:
        return None
    covariance = _covariance(residual, values)
    rows = {move: _linear_constraint(move, values) for move in moves}

    def predicted(move: _ConstantConstraint) -> float:
        # Wald: what the loss rises by, to second order, when the constraint a.c = b is imposed.
        direction, gap = rows[move]
        return gap * gap / max(float(direction @ covariance @ direction), 1e-300)

    limit = SIMPLIFICATION_MAX_LOSS_FACTOR * max(form.loss, ROUNDING_LOSS_FLOOR)
    for move in sorted(moves, key=predicted)[:3]:
        start, free = values.copy(), [k for k in range(len(names)) if k != move.index]
        if free:
            direction, gap = rows[move]
            step = covariance @ direction * gap / max(float(direction @ covariance @ direction), 1e-300)
            start = start - np.nan_to_num(step)

        def constrained(part: np.ndarray, move: _ConstantConstraint = move, free: list[int] = free) -> np.ndarray:
            full = np.empty(len(names))
            full[free] = part
            full[move.index] = move.number if move.other is None else move.sign * full[move.other]
            return residual(full)

        fits = [minimise_residual(constrained, origin[free], 150) for origin in (start, values)]
        part, loss = min(fits, key=lambda fit: fit[1])
        if loss > limit:
            continue
        numbers = dict(zip([names[k] for k in free], part.tolist(), strict=True))
        value = move.number if move.other is None else move.sign * numbers[names[move.other]]
        try:
            simpler = refiner.form(form.skeleton.substitute({**numbers, names[move.index]: value}))
        except DataError:
            continue
        if simpler is not None and simpler.loss <= limit and simpler.price < form.price:
            return simpler
    return None


def _candidate_constraints(form: FittedForm, names: list[str], values: np.ndarray) -> list[_ConstantConstraint]:
    exponents = {part.id for part in _exponents(form.skeleton) if isinstance(part, ast.Name)}
    moves = []
    for k, (name, value) in enumerate(zip(names, values, strict=True)):
        if name in exponents:
            whole = float(np.round(value))
            moves += [
                _ConstantConstraint(k, number=number) for number in (whole, whole - np.sign(whole - value) or whole)
            ]
            continue
        moves.append(_ConstantConstraint(k))
        for other in range(k):
            if names[other] in exponents:
                continue
            for sign in (1.0, -1.0):
                if abs(value - sign * values[other]) < 0.2 * abs(value):
                    moves.append(_ConstantConstraint(k, other=other, sign=sign))
    return list(dict.fromkeys(moves))


def _linear_constraint(move: _ConstantConstraint, values: np.ndarray) -> tuple[np.ndarray, float]:
    direction = np.zeros(values.size)
    direction[move.index] = 1.0
    if move.other is None:
        return direction, float(values[move.index] - move.number)
    direction[move.other] = -move.sign
    return direction, float(direction @ values)


def _covariance(residual: ResidualFunction, values: np.ndarray) -> np.ndarray:
    base, columns = residual(values), []
    for k in range(values.size):
        moved = values.copy()
        step = 1e-6 * max(abs(values[k]), 1e-3)
        moved[k] += step
        columns.append((residual(moved) - base) / step)
    jacobian = np.array(columns).T
    return np.linalg.pinv(jacobian.T @ jacobian, rcond=1e-14)
