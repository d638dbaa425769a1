"""The paper's own way with messages: raw components, a linear fit, and regression on one of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import sympy
from scipy.optimize import least_squares

from gnn_discovery.data.dataset import robust_scale
from gnn_discovery.errors import NoResult
from gnn_discovery.laws.evaluate import law_pair_force
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.messages.table import MessageTable
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import Candidate, EngineConfig, RegressionProblem, search_formulas

RAW_TRIMMED_FRACTION = 0.1
"""Share of the residuals that the fit and its R² leave out."""
MAX_TRIMMING_ROUNDS = 20
N_REGRESSION_PAIRS = 5000
COMBINATION_RESIDUAL = 1e-6
"""Relative residual below which a formula is a linear combination of the true force."""
MIN_COMBINATION_R2 = 0.99
"""R², of relative errors and with the worst tenth left out, that a combination of the true force has to reach in the
formula as it was found."""
MAX_SOFTENING = 0.01
"""A number added to r up to this size is a softening; the formulas of the paper that count as recovered have none."""


def linear_fit_r2(raw: np.ndarray, force: np.ndarray) -> float:
    """Mean R² of the best linear fit of the true pair force (K D) to the D messages (K M) that vary most.

    As in table 1, the worst tenth of the residuals is left out of the fit and of the R².
    """
    values = []
    for message in highest_variance_components(raw, force.shape[1]).T:
        size = np.linalg.norm(force, axis=-1)
        starts = (np.ones(len(size), bool), size <= np.quantile(size, 1 - RAW_TRIMMED_FRACTION))
        values.append(max(_trimmed_r2(force, message, start) for start in starts))
    return float(np.mean(values))


def highest_variance_components(raw: np.ndarray, count: int) -> np.ndarray:
    """The ``count`` components (K count) with the largest variance, that first."""
    return raw[:, np.argsort(-np.var(raw, axis=0))[:count]]


def _trimmed_r2(force: np.ndarray, message: np.ndarray, kept: np.ndarray) -> float:
    """Least trimmed squares from the rows ``kept``: fit, leave out the worst, fit again."""
    matrix = np.column_stack([force, np.ones(len(force))])
    for _ in range(MAX_TRIMMING_ROUNDS):
        solution = np.linalg.lstsq(matrix[kept], message[kept], rcond=None)[0]
        miss = (message - matrix @ solution) ** 2
        again = miss <= np.quantile(miss, 1 - RAW_TRIMMED_FRACTION)
        if np.array_equal(again, kept):
            break
        kept = again
    spread = float(np.sum((message[kept] - message[kept].mean()) ** 2))
    return 1 - float(miss[kept].sum()) / spread if spread > 0 else 0.0


@dataclass(frozen=True)
class RawComponentFormula:
    """What regression made of one raw component, and whether its form is that of the true force."""

    text: str
    recovered: bool
    why: str


def regress_raw_component(
    raw: np.ndarray, table: MessageTable, truth: ForceLaw, engine: str, config: EngineConfig
) -> RawComponentFormula:
    """The formula of the strongest component that the paper's rule chooses, scored on form alone.

    Raises:
        NoResult: the engine offers no formula.
    """
    pick = np.random.default_rng(config.seed).permutation(len(table))[:N_REGRESSION_PAIRS]
    table = table.select(pick)
    target = highest_variance_components(raw[pick], 1)[:, 0]
    (found,) = search_formulas(engine, [RegressionProblem(pair_inputs(table), target)], config)
    if not found.candidates:
        raise NoResult(f"no formula for the strongest message: {found.outcome}")
    chosen = choose_steepest_drop(found.candidates)
    why = form_mismatch(chosen.expression, table, truth)
    return RawComponentFormula(chosen.expression.text, not why, why)


def pair_inputs(table: MessageTable) -> dict[str, np.ndarray]:
    """m_i, m_j, ..., dx, dy, (dz), r of each pair."""
    return {**table.properties, **dict(zip(("dx", "dy", "dz"), table.position.T, strict=False)), "r": table.distance}


def choose_steepest_drop(front: Sequence[Candidate]) -> Candidate:
    """The paper's choice: the largest drop of log(error) for each unit of complexity, simplest first in ``front``."""
    errors = [0.5 * np.log(max(c.loss, 1e-30)) for c in front]
    steps = zip(itertools.pairwise(front), itertools.pairwise(errors), strict=True)
    drops = [(before - after) / (b.complexity - a.complexity) for (a, b), (before, after) in steps]
    return front[1 + int(np.argmax(drops))] if drops else front[0]


def form_mismatch(found: Expression, table: MessageTable, truth: ForceLaw) -> str:
    """What keeps a formula from being a linear combination of the true pair force, up to its constants; nothing where
    it is one. The combination may depend on the receiver: its properties may be missing (the gauge), and so may the
    softening."""
    given = pair_inputs(table)
    skeleton, values = found.lift_constants("k_")
    exponents = {s.name for power in skeleton.sympy.atoms(sympy.Pow) for s in power.exp.free_symbols}
    fixed = {name: value for name, value in values.items() if name in exponents}
    skeleton, free = skeleton.substitute(fixed), [name for name in values if name not in exponents]
    names = [*given, *free]
    compiled = skeleton.numpy(names)
    start = np.array([values[name] for name in free])
    best, near = np.inf, -np.inf
    for force in _up_to_gauge(table, truth):
        size = np.linalg.norm(force, axis=-1)
        weight = 1.0 / (size + robust_scale(size))
        basis = np.linalg.qr(np.column_stack([np.ones(len(force)), force]) * weight[:, None])[0]

        def left(theta: np.ndarray, basis: np.ndarray = basis, weight: np.ndarray = weight) -> np.ndarray:
            said = np.broadcast_to(compiled(*given.values(), *theta), weight.shape) * weight
            said = np.nan_to_num(said, nan=1e6, posinf=1e6, neginf=-1e6)
            said = said - basis[:, 0] * (basis[:, 0] @ said)
            return (said - basis @ (basis.T @ said)) / max(float(np.sqrt(np.mean(said**2))), 1e-300)

        miss = left(start) ** 2
        near = max(near, 1 - float(np.mean(miss[miss <= np.quantile(miss, 1 - RAW_TRIMMED_FRACTION)])))
        theta = least_squares(left, start, x_scale=np.abs(start) + 1e-3).x if len(free) else start
        best = min(best, float(np.sqrt(np.mean(left(theta) ** 2))))
    allowed = table.position.shape[1] + 1 + sum(len(t.expression.lift_constants()[1]) or 1 for t in truth.terms)
    if best >= COMBINATION_RESIDUAL:
        return f"no constants make it a combination of the true force ({best:.1e} is left)"
    if len(values) > allowed:
        return f"{len(values)} constants, {allowed} are enough"
    return "" if near >= MIN_COMBINATION_R2 else f"with its own constants it is none (R² {near:.3f})"


def _up_to_gauge(table: MessageTable, truth: ForceLaw) -> list[np.ndarray]:
    """The true pair force (K D), as it is and without softening, over each choice of the receiver's properties."""
    mine = [column for name, column in table.properties.items() if name.endswith("_i")]
    forces = []
    for law in (truth, _unsoftened(truth)):
        force = law_pair_force(law, table)
        for some in itertools.product((0, 1), repeat=len(mine)):
            factor = np.prod([column for column, on in zip(mine, some, strict=True) if on], axis=0)
            forces.append(force / np.reshape(factor, (-1, 1)))
    return forces


def _unsoftened(law: ForceLaw) -> ForceLaw:
    """The law with every number of `MAX_SOFTENING` or less taken as nothing."""
    terms = []
    for term in law.terms:
        skeleton, values = term.expression.lift_constants("k_")
        numbers = {name: 0.0 if abs(value) <= MAX_SOFTENING else value for name, value in values.items()}
        terms.append(replace(term, expression=skeleton.substitute(numbers)))
    return replace(law, terms=tuple(terms))
