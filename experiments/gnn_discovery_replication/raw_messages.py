"""Treat messages as the paper does: raw components, a linear fit, and symbolic regression on one of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import sympy
from jaxtyping import Bool, Float
from scipy.optimize import least_squares

from gnn_discovery.data.dataset import robust_scale
from gnn_discovery.errors import NoResult
from gnn_discovery.laws.evaluate import law_pair_force
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.messages.table import MessageTable
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import Candidate, EngineConfig, RegressionProblem, search_formulas
from gnn_discovery_replication.criteria import DEFAULT_RECOVERY_CRITERIA, RecoveryCriteria

PAPER_REGRESSION_PAIRS = 5000
"""The paper regresses on this many samples."""


def linear_fit_r2(
    raw: Float[np.ndarray, "K M"],
    force: Float[np.ndarray, "K D"],
    *,
    criteria: RecoveryCriteria = DEFAULT_RECOVERY_CRITERIA,
) -> float:
    """Return the mean R² of linear fits of the true pair force to the D messages that vary most.

    As in table 1 of the paper, the worst tenth of the residuals is left out of the fit and of the R².

    Args:
        raw: (K M) raw messages.
        force: (K D) true pair forces.
        criteria: the fraction that is left out.
    """
    values = []
    kept_fraction = 1 - criteria.trimmed_fraction
    for message in highest_variance_components(raw, force.shape[1]).T:
        size = np.linalg.norm(force, axis=-1)
        starts = (np.ones(len(size), bool), size <= np.quantile(size, kept_fraction))
        values.append(max(_trimmed_r2(force, message, start, kept_fraction) for start in starts))
    return float(np.mean(values))


def highest_variance_components(raw: Float[np.ndarray, "K M"], count: int) -> Float[np.ndarray, "K C"]:
    """Return the ``count`` components with the largest variance, the largest first."""
    return raw[:, np.argsort(-np.var(raw, axis=0))[:count]]


def _trimmed_r2(
    force: Float[np.ndarray, "K D"],
    message: Float[np.ndarray, " K"],
    kept: Bool[np.ndarray, " K"],
    kept_fraction: float,
    max_rounds: int = 20,
) -> float:
    """Return the R² of least trimmed squares (Rousseeuw 1984): fit the rows kept, leave out the worst, fit again."""
    matrix = np.column_stack([force, np.ones(len(force))])
    for _ in range(max_rounds):
        solution = np.linalg.lstsq(matrix[kept], message[kept], rcond=None)[0]
        squares = (message - matrix @ solution) ** 2
        again = squares <= np.quantile(squares, kept_fraction)
        if np.array_equal(again, kept):
            break
        kept = again
    total = float(np.sum((message[kept] - message[kept].mean()) ** 2))
    return 1 - float(squares[kept].sum()) / total if total > 0 else 0.0


@dataclass(frozen=True)
class RawComponentFormula:
    """The formula that regression finds for one raw component.

    Attributes:
        text: the formula.
        recovered: True where its form is that of the true force.
        reason: the reason where it is not, else empty.
    """

    text: str
    recovered: bool
    reason: str


def regress_raw_component(
    raw: Float[np.ndarray, "K M"], table: MessageTable, truth: ForceLaw, engine: str, config: EngineConfig
) -> RawComponentFormula:
    """Find the formula of the strongest component by the rule of the paper, and score it on its form alone.

    Args:
        raw: (K M) raw messages.
        table: the pairs that they belong to.
        truth: the true law.
        engine: name of a symbolic engine.
        config: budget and seed of the regression.

    Raises:
        NoResult: the engine offers no formula.
    """
    pick = np.random.default_rng(config.seed).permutation(len(table))[:PAPER_REGRESSION_PAIRS]
    table = table.select(pick)
    target = highest_variance_components(raw[pick], 1)[:, 0]
    (result,) = search_formulas(engine, [RegressionProblem(pair_inputs(table), target)], config)
    if not result.candidates:
        raise NoResult(f"no formula for the strongest message: {result.outcome}")
    chosen = choose_steepest_drop(result.candidates)
    reason = form_mismatch(chosen.expression, table, truth)
    return RawComponentFormula(chosen.expression.text, not reason, reason)


def pair_inputs(table: MessageTable) -> dict[str, Float[np.ndarray, " K"]]:
    """Return m_i, m_j, ..., dx, dy, (dz), r of each pair."""
    return {**table.properties, **dict(zip(("dx", "dy", "dz"), table.position.T, strict=False)), "r": table.distance}


def choose_steepest_drop(front: Sequence[Candidate]) -> Candidate:
    """Return the choice of the paper: the largest -Δlog(error)/Δcomplexity along a front, simplest first."""
    errors = [0.5 * np.log(max(c.loss, 1e-30)) for c in front]
    steps = zip(itertools.pairwise(front), itertools.pairwise(errors), strict=True)
    drops = [(before - after) / (b.complexity - a.complexity) for (a, b), (before, after) in steps]
    return front[1 + int(np.argmax(drops))] if drops else front[0]


def form_mismatch(
    formula: Expression,
    table: MessageTable,
    truth: ForceLaw,
    *,
    criteria: RecoveryCriteria = DEFAULT_RECOVERY_CRITERIA,
) -> str:
    """Say why a formula is no linear combination of the components of the true pair force; return "" where it is one.

    The gauge leaves the combination free, and it may depend on the receiver: its properties may be missing, and so may
    the softening. All constants of the formula but exponents are fitted.

    Args:
        formula: the formula of a raw message.
        table: pairs on which it is compared.
        truth: the true law.
        criteria: the numbers that decide.
    """
    inputs = pair_inputs(table)
    skeleton, values = formula.lift_constants("k_")
    exponents = {s.name for power in skeleton.sympy.atoms(sympy.Pow) for s in power.exp.free_symbols}
    fixed = {name: value for name, value in values.items() if name in exponents}
    skeleton, free = skeleton.substitute(fixed), [name for name in values if name not in exponents]
    compiled = skeleton.numpy([*inputs, *free])
    start = np.array([values[name] for name in free])
    kept_fraction = 1 - criteria.trimmed_fraction
    best_residual, best_r2 = np.inf, -np.inf
    for force in _forces_up_to_gauge(table, truth, criteria):
        size = np.linalg.norm(force, axis=-1)
        weight = 1.0 / (size + robust_scale(size))
        basis = np.linalg.qr(np.column_stack([np.ones(len(force)), force]) * weight[:, None])[0]

        def residual(
            theta: Float[np.ndarray, " P"], basis: np.ndarray = basis, weight: np.ndarray = weight
        ) -> Float[np.ndarray, " K"]:
            """Return the part of the formula off the span of the force and a constant, over its part off a constant."""
            value = np.broadcast_to(compiled(*inputs.values(), *theta), weight.shape) * weight
            value = np.nan_to_num(value, nan=1e6, posinf=1e6, neginf=-1e6)
            value = value - basis[:, 0] * (basis[:, 0] @ value)
            return np.asarray((value - basis @ (basis.T @ value)) / max(float(np.sqrt(np.mean(value**2))), 1e-300))

        squares = residual(start) ** 2
        trimmed = squares[squares <= np.quantile(squares, kept_fraction)]
        best_r2 = max(best_r2, 1 - float(np.mean(trimmed)))
        theta = least_squares(residual, start, x_scale=np.abs(start) + 1e-3).x if len(free) else start
        best_residual = min(best_residual, float(np.sqrt(np.mean(residual(theta) ** 2))))
    allowed = table.position.shape[1] + 1 + sum(len(t.expression.lift_constants()[1]) or 1 for t in truth.terms)
    if best_residual >= criteria.combination_residual:
        return f"no constants make it a combination of the true force ({best_residual:.1e} is left)"
    if len(values) > allowed:
        return f"{len(values)} constants, {allowed} are enough"
    return "" if best_r2 >= criteria.min_combination_r2 else f"with its own constants it is none (R² {best_r2:.3f})"


def _forces_up_to_gauge(
    table: MessageTable, truth: ForceLaw, criteria: RecoveryCriteria
) -> list[Float[np.ndarray, "K D"]]:
    """Return the true pair force, with and without softening, over each product of properties of the receiver."""
    receiver_properties = [column for name, column in table.properties.items() if name.endswith("_i")]
    forces = []
    for law in (truth, _unsoftened(truth, criteria.max_softening)):
        force = law_pair_force(law, table)
        for choice in itertools.product((0, 1), repeat=len(receiver_properties)):
            chosen = [column for column, is_chosen in zip(receiver_properties, choice, strict=True) if is_chosen]
            forces.append(force / np.reshape(np.prod(chosen, axis=0), (-1, 1)))
    return forces


def _unsoftened(law: ForceLaw, max_softening: float) -> ForceLaw:
    """Return the law with zero in the place of every number up to ``max_softening``."""
    terms = []
    for term in law.terms:
        skeleton, values = term.expression.lift_constants("k_")
        numbers = {name: 0.0 if abs(value) <= max_softening else value for name, value in values.items()}
        terms.append(replace(term, expression=skeleton.substitute(numbers)))
    return replace(law, terms=tuple(terms))
