"""Whether a law has the exact form of the true one, and how far its constants are off: after the fact.

A law has the exact form where, in each channel (pair, self or external, and a direction),

* it has a term where the true law has one, and none where it has none;
* there are values of its constants for which it is the true law at every distance, mass, charge and speed (to 1e-9);
* it has no more constants than the true law has independent numbers, and none of them is nothing: a law with an
  exponent left free, or with a further term of next to no size, is not exact.

The error of a constant is its distance from the value that makes the law the true one. A threshold is a constant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from gnn_discovery.estimation.parametric_law import threshold_constants
from gnn_discovery.laws.law import ForceLaw, Term
from gnn_discovery.symbolic.expression import Expression

N_SAMPLE_POINTS = 400
SAME_FORM_RESIDUAL = 1e-9
"""Relative residual below which a form, its constants fitted to the truth, is the true one."""

ZERO_TEST_POINTS = np.linspace(0.5, 3.0, 7)
"""Values of every variable at which a true term is seen to be nothing, or not."""

ComponentKey = tuple[str, str]


@dataclass(frozen=True)
class FormComparison:
    """How near a law comes to the true one.

    Attributes:
        exact: with the right constants it is the true one, and none of its constants is superfluous.
        error: the largest relative error of a constant, None where the form is not exact.
        force_error: relative difference of the forces (median over samples), None where a channel is missing
            or superfluous.
        why: what keeps the form from being exact, in words.
        true: of one formula (`compare_formula`), the values of its constants that make it the true one.
    """

    exact: bool
    error: float | None
    force_error: float | None
    why: str = ""
    true: Mapping[str, float] = field(default_factory=dict)


def compare_with_true_law(found: ForceLaw, truth: Sequence[Mapping[str, Any]]) -> FormComparison:
    """Compare channel by channel (kind and direction), modulo q**2 = 1 (charges are sampled as -1 and +1)."""
    true = _sum_by_component((t["kind"], t["direction"], _with_numbers(t)) for t in truth)
    own = _expression_by_component(found.terms)
    if set(true) != set(own):
        missing = [f"no {' '.join(c)} term" for c in sorted(set(true) - set(own))]
        further = [f"a {' '.join(c)} term too many" for c in sorted(set(own) - set(true))]
        return FormComparison(False, None, None, ", ".join(missing + further))
    parts = [_compare_component(own[channel], true[channel], seed) for seed, channel in enumerate(sorted(true))]
    parts += [_count_constants(found, truth, channel) for channel in sorted(true)]
    differences = [p.force_error for p in parts if p.force_error is not None]
    exact = all(p.exact for p in parts)
    errors = [p.error for p in parts if p.error is not None]
    why = "; ".join(dict.fromkeys(p.why for p in parts if p.why))
    return FormComparison(exact, max(errors, default=0.0) if exact else None, max(differences, default=0.0), why)


def _count_constants(found: ForceLaw, truth: Sequence[Mapping[str, Any]], channel: ComponentKey) -> FormComparison:
    """Whether the law has no more independent numbers in a channel than the true one."""
    has = sum(_n_independent_constants(t) for t in found.terms if (t.kind, t.direction) == channel)
    true = [_with_numbers(t) for t in truth if (t["kind"], t["direction"]) == channel]
    needs = sum(map(_n_true_constants, true))
    return FormComparison(has <= needs, None, None, "" if has <= needs else f"{has} constants, {needs} are enough")


def _n_independent_constants(term: Term) -> int:
    """The constants of a term, two that only scale each other as one: whatever their values, so at odd ones."""
    odd = {name: 1.0123 * c.value + 0.0077 * (k + 1) for k, (name, c) in enumerate(term.constants.items())}
    return len(term.expression.substitute(odd).lift_constants()[1])


def _n_true_constants(truth: Expression) -> int:
    """The numbers of a term, its amplitude among them even where it is one."""
    lifted, values = truth.lift_constants()
    names = sorted(lifted.names)
    given = {name: np.full(1, value) for name, value in values.items()}
    amplitude = any(
        not np.any(lifted.numpy(names)(*({**given, own: np.zeros(1)}.get(n, ZERO_TEST_POINTS) for n in names)))
        for own in values
    )
    return len(values) + (not amplitude)


def _with_numbers(record: Mapping[str, Any]) -> Expression:
    return Expression.parse(record["expression"]).substitute(dict(record.get("constants", {})))


def _sum_by_component(terms: Any) -> dict[ComponentKey, Expression]:
    sums: dict[ComponentKey, Expression] = {}
    for kind, direction, expression in terms:
        key = (kind, direction)
        text = f"{sums[key].text} + ({expression.text})" if key in sums else expression.text
        sums[key] = Expression.parse(text)
    return sums


def _expression_by_component(terms: Sequence[Term]) -> dict[ComponentKey, tuple[Expression, dict[str, float]]]:
    """The sum of the terms of each channel, and its constants, named anew as two terms may share a name."""
    own: dict[ComponentKey, tuple[list[str], dict[str, float]]] = {}
    for number, term in enumerate(terms):
        names = {name: f"c_{number}_{name}" for name in term.constants}
        renamed = term.expression.substitute({old: Expression.parse(new) for old, new in names.items()})
        texts, values = own.setdefault((term.kind, term.direction), ([], {}))
        texts.append(f"({renamed.text})")
        values.update({names[name]: constant.value for name, constant in term.constants.items()})
    return {key: (Expression.parse(" + ".join(texts)), values) for key, (texts, values) in own.items()}


def _compare_component(found: tuple[Expression, dict[str, float]], truth: Expression, seed: int) -> FormComparison:
    expression, start = found
    jumps = threshold_constants(expression, frozenset(start))
    names = sorted((expression.names | truth.names) - set(start))
    points = _sample(names, _only_number_in_conditions(truth), [start[name] for name in jumps], seed)
    return compare_formula(expression, start, truth, points)


def compare_formula(
    expression: Expression, start: Mapping[str, float], truth: Expression, points: Mapping[str, np.ndarray]
) -> FormComparison:
    """Whether a formula is the true one for some values of its constants, at ``points`` (K,) of every variable."""
    jumps = threshold_constants(expression, frozenset(start))
    threshold = _only_number_in_conditions(truth)
    names, given = list(points), list(points.values())
    target = np.broadcast_to(truth.numpy(names)(*given), given[0].shape if given else (1,)).astype(float)
    free = [name for name in start if name not in jumps]
    order = [*names, *free, *jumps]
    compiled = expression.numpy(order)
    size = np.abs(target) + 1e-3 * np.mean(np.abs(target))

    def residual(theta: np.ndarray) -> np.ndarray:
        said = np.broadcast_to(compiled(*given, *theta, *(start[name] for name in jumps)), target.shape)
        return np.nan_to_num((said - target) / size, nan=1e6, posinf=1e6, neginf=-1e6)

    first = np.array([start[name] for name in free])
    best = first
    if len(free):
        fit = least_squares(residual, first, x_scale=np.abs(first) + 1e-3, xtol=1e-15, ftol=1e-15, gtol=1e-15)
        best = fit.x
    pairs = [*zip(first, best, strict=True), *((start[name], threshold) for name in jumps)]
    left = float(np.max(np.abs(residual(best))))
    why = _why_not(left, len(jumps), threshold, best.tolist())
    error = None if why else max((abs(own - true) / abs(true) for own, true in pairs), default=0.0)
    values = {} if why else dict(zip(free, best.tolist(), strict=True))
    return FormComparison(not why, error, float(np.median(np.abs(residual(first)))), why, values)


def _why_not(left: float, jumps: int, threshold: float | None, constants: Sequence[float]) -> str:
    """What keeps the fitted form from being the true one; nothing where it is."""
    if jumps != (threshold is not None):
        return f"{jumps} thresholds, there are {int(threshold is not None)}"
    if left >= SAME_FORM_RESIDUAL:
        return f"no constants make it the true law (up to {left:.1e} is left)"
    if any(abs(true) < SAME_FORM_RESIDUAL for true in constants):
        return "a constant too many"
    return ""


def _only_number_in_conditions(truth: Expression) -> float | None:
    lifted, values = truth.lift_constants()
    jumps = threshold_constants(lifted, frozenset(values))
    return values[next(iter(jumps))] if jumps else None


def _sample(names: Sequence[str], threshold: float | None, own: Sequence[float], seed: int) -> dict[str, np.ndarray]:
    """Values as the built-in systems have them; r stays off the thresholds, which are compared by themselves."""
    rng = np.random.default_rng(seed)
    points = {}
    for name in names:
        if name in ("r", "v"):
            values = np.exp(rng.uniform(np.log(0.05), np.log(6.0), N_SAMPLE_POINTS))
            if threshold is not None:
                edges = [threshold, *own]
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
