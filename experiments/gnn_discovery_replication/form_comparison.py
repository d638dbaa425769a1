"""Decide whether a law has the exact form of the true one, and measure the errors of its constants, after the fact.

A law has the exact form where, in each force component (pair, self or external, and a direction),

* it has a term where the true law has one, and none where it has none;
* there are values of its constants for which it is the true law at every distance, mass, charge and speed (to
  `RecoveryCriteria.same_form_residual`);
* it has no more constants than the true law has independent numbers, and none of them vanishes: a law with a free
  exponent, or with a further term of vanishing size, is not exact.

The error of a constant is its distance from the value that makes the law the true one. A threshold is a constant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares

from gnn_discovery.estimation.parametric_law import threshold_constants
from gnn_discovery.laws.law import ForceLaw, Term
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery_replication.criteria import DEFAULT_RECOVERY_CRITERIA, RecoveryCriteria

N_SAMPLE_POINTS = 400
"""Two formulas are compared at this many points."""

ComponentKey = tuple[str, str]
"""Kind and direction of a force component."""

_ZERO_TEST_POINTS = np.linspace(0.5, 3.0, 7)
"""A formula that vanishes where every variable has these values is taken to be zero."""


@dataclass(frozen=True)
class FormComparison:
    """The comparison of a law, or of one formula, with the true one.

    Attributes:
        exact: True where it is the true one with the right constants, and none of its constants is superfluous.
        constant_error: the largest relative error of a constant; None where the form is not exact.
        force_error: relative difference of the forces (median over samples); None where a force component is missing or
            superfluous.
        reason: the reason where the form is not exact, else empty.
        true_constants: for one formula (`compare_formula`), the values of its constants that make it the true one.
    """

    exact: bool
    constant_error: float | None
    force_error: float | None
    reason: str = ""
    true_constants: Mapping[str, float] = field(default_factory=dict)


def compare_with_true_law(
    law: ForceLaw,
    truth: Sequence[Mapping[str, Any]],
    *,
    criteria: RecoveryCriteria = DEFAULT_RECOVERY_CRITERIA,
) -> FormComparison:
    """Compare a law with the true one by force component, modulo q**2 = 1 (charges are drawn as -1 and +1).

    Args:
        law: the law that was found.
        truth: plain records of the true terms: ``kind``, ``direction``, ``expression``, ``constants`` (name to number).
        criteria: the numbers that decide.
    """
    true = _sum_by_component((t["kind"], t["direction"], _with_numbers(t)) for t in truth)
    found = _expression_by_component(law.terms)
    if set(true) != set(found):
        missing = [f"no {' '.join(key)} term" for key in sorted(set(true) - set(found))]
        superfluous = [f"a {' '.join(key)} term too many" for key in sorted(set(found) - set(true))]
        return FormComparison(False, None, None, ", ".join(missing + superfluous))
    parts = [_compare_component(found[key], true[key], seed, criteria) for seed, key in enumerate(sorted(true))]
    parts += [_compare_counts(law, truth, key) for key in sorted(true)]
    differences = [part.force_error for part in parts if part.force_error is not None]
    exact = all(part.exact for part in parts)
    errors = [part.constant_error for part in parts if part.constant_error is not None]
    reason = "; ".join(dict.fromkeys(part.reason for part in parts if part.reason))
    error = max(errors, default=0.0) if exact else None
    return FormComparison(exact, error, max(differences, default=0.0), reason)


def _compare_counts(law: ForceLaw, truth: Sequence[Mapping[str, Any]], key: ComponentKey) -> FormComparison:
    """Compare the number of constants of a component with the number of independent numbers of the true one."""
    has = sum(_n_independent_constants(t) for t in law.terms if (t.kind, t.direction) == key)
    true = [_with_numbers(t) for t in truth if (t["kind"], t["direction"]) == key]
    needs = sum(map(_n_true_constants, true))
    return FormComparison(has <= needs, None, None, "" if has <= needs else f"{has} constants, {needs} are enough")


def _n_independent_constants(term: Term) -> int:
    """Count the constants of a term, two that only scale each other as one.

    The values are shifted first: a constant of a special value, as 1, would not count.
    """
    shifted = {name: 1.0123 * c.value + 0.0077 * (k + 1) for k, (name, c) in enumerate(term.constants.items())}
    return len(term.expression.substitute(shifted).lift_constants()[1])


def _n_true_constants(truth: Expression) -> int:
    """Count the numbers of a true term, its amplitude among them even where that is one."""
    lifted, values = truth.lift_constants()
    names = sorted(lifted.names)
    numbers = {name: np.full(1, value) for name, value in values.items()}

    def vanishes_without(constant: str) -> bool:
        inputs = {**numbers, constant: np.zeros(1)}
        return not np.any(lifted.numpy(names)(*(inputs.get(name, _ZERO_TEST_POINTS) for name in names)))

    has_amplitude = any(vanishes_without(constant) for constant in values)
    return len(values) + (not has_amplitude)


def _with_numbers(record: Mapping[str, Any]) -> Expression:
    return Expression.parse(record["expression"]).substitute(dict(record.get("constants", {})))


def _sum_by_component(terms: Iterable[tuple[str, str, Expression]]) -> dict[ComponentKey, Expression]:
    sums: dict[ComponentKey, Expression] = {}
    for kind, direction, expression in terms:
        key = (kind, direction)
        text = f"{sums[key].text} + ({expression.text})" if key in sums else expression.text
        sums[key] = Expression.parse(text)
    return sums


def _expression_by_component(terms: Sequence[Term]) -> dict[ComponentKey, tuple[Expression, dict[str, float]]]:
    """Return the sum of the terms of each component, and its constants, renamed since two terms may share a name."""
    components: dict[ComponentKey, tuple[list[str], dict[str, float]]] = {}
    for number, term in enumerate(terms):
        names = {name: f"c_{number}_{name}" for name in term.constants}
        renamed = term.expression.substitute({old: Expression.parse(new) for old, new in names.items()})
        texts, values = components.setdefault((term.kind, term.direction), ([], {}))
        texts.append(f"({renamed.text})")
        values.update({names[name]: constant.value for name, constant in term.constants.items()})
    return {key: (Expression.parse(" + ".join(texts)), values) for key, (texts, values) in components.items()}


def _compare_component(
    found: tuple[Expression, dict[str, float]], truth: Expression, seed: int, criteria: RecoveryCriteria
) -> FormComparison:
    expression, start = found
    thresholds = threshold_constants(expression, frozenset(start))
    names = sorted((expression.names | truth.names) - set(start))
    points = _sample_points(names, _threshold_of(truth), [start[name] for name in thresholds], seed)
    return compare_formula(expression, start, truth, points, criteria=criteria)


def compare_formula(
    expression: Expression,
    start: Mapping[str, float],
    truth: Expression,
    points: Mapping[str, Float[np.ndarray, " K"]],
    *,
    criteria: RecoveryCriteria = DEFAULT_RECOVERY_CRITERIA,
) -> FormComparison:
    """Decide whether a formula is the true one for some values of its constants.

    Its constants, except for thresholds, are fitted to the truth by least squares of the relative residual
    (f - f_true) / (|f_true| + floor).

    Args:
        expression: the formula.
        start: its constants as they were found.
        truth: the true formula, in numbers.
        points: (K,) values of every variable.
        criteria: the numbers that decide.
    """
    thresholds = threshold_constants(expression, frozenset(start))
    true_threshold = _threshold_of(truth)
    names, inputs = list(points), list(points.values())
    target = np.broadcast_to(truth.numpy(names)(*inputs), inputs[0].shape if inputs else (1,)).astype(float)
    free = [name for name in start if name not in thresholds]
    formula = expression.numpy([*names, *free, *thresholds])
    size = np.abs(target) + criteria.form_force_floor * np.mean(np.abs(target))

    def residual(theta: Float[np.ndarray, " P"]) -> Float[np.ndarray, " K"]:
        value = np.broadcast_to(formula(*inputs, *theta, *(start[name] for name in thresholds)), target.shape)
        return np.asarray(np.nan_to_num((value - target) / size, nan=1e6, posinf=1e6, neginf=-1e6))

    first = np.array([start[name] for name in free])
    best = first
    if len(free):
        scale = np.abs(first) + 1e-3
        best = least_squares(residual, first, x_scale=scale, xtol=1e-15, ftol=1e-15, gtol=1e-15).x
    pairs = [*zip(first, best, strict=True), *((start[name], true_threshold) for name in thresholds)]
    left = float(np.max(np.abs(residual(best))))
    reason = _reason_not_exact(left, len(thresholds), true_threshold, best.tolist(), criteria)
    error = None if reason else max((abs(value - true) / abs(true) for value, true in pairs), default=0.0)
    values = {} if reason else dict(zip(free, best.tolist(), strict=True))
    return FormComparison(not reason, error, float(np.median(np.abs(residual(first)))), reason, values)


def _reason_not_exact(
    left: float,
    n_thresholds: int,
    true_threshold: float | None,
    constants: Sequence[float],
    criteria: RecoveryCriteria,
) -> str:
    """Say why the fitted form is not the true one; return an empty text where it is."""
    n_true = int(true_threshold is not None)
    if n_thresholds != n_true:
        return f"{n_thresholds} thresholds, there are {n_true}"
    if left >= criteria.same_form_residual:
        return f"no constants make it the true law (up to {left:.1e} is left)"
    if any(abs(true) < criteria.same_form_residual for true in constants):
        return "a constant too many"
    return ""


def _threshold_of(truth: Expression) -> float | None:
    """Return the number in the conditions of a true formula; None where it has no condition."""
    lifted, values = truth.lift_constants()
    thresholds = threshold_constants(lifted, frozenset(values))
    return values[next(iter(thresholds))] if thresholds else None


def _sample_points(
    names: Sequence[str], true_threshold: float | None, thresholds: Sequence[float], seed: int
) -> dict[str, Float[np.ndarray, " K"]]:
    """Draw values as the built-in systems have them; r stays off the thresholds, which are compared by themselves."""
    rng = np.random.default_rng(seed)
    points: dict[str, np.ndarray] = {}
    for name in names:
        if name in ("r", "v"):
            values = np.exp(rng.uniform(np.log(0.05), np.log(6.0), N_SAMPLE_POINTS))
            if true_threshold is not None:
                edges = [true_threshold, *thresholds]
                low, high = 0.98 * min(edges), 1.02 * max(edges)
                values = np.where((values > low) & (values < high), 1.5 * high, values)
        elif name.startswith("q_"):
            values = rng.choice([-1.0, 1.0], N_SAMPLE_POINTS)
        elif name in ("x", "y", "z", "v_r"):
            values = rng.normal(size=N_SAMPLE_POINTS)
        else:
            values = rng.lognormal(size=N_SAMPLE_POINTS)
        points[name] = values
    return points
