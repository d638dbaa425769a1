"""From what a network of a static graph says to candidate laws: formulas of the message, and of the node."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from gnn_discovery.distillation.additive_fit import spline_basis
from gnn_discovery.errors import DataError
from gnn_discovery.static_graphs.node_law import MESSAGE_SUM, NodeLaw, compose_node_law
from gnn_discovery.static_graphs.node_network import NodeNetworkOutputs
from gnn_discovery.static_graphs.static_graph import StaticGraph
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import (
    Candidate,
    EngineConfig,
    RegressionProblem,
    SearchProgressCallback,
    search_formulas,
)

ROWS = 4000
FACTOR_ROWS = 400
SEPARATE = 0.15
"""Relative error of a product of functions of one variable each below which a message is read as one."""
ALTERNATING_SWEEPS = 12
KEPT, FACTORS_KEPT, NODES_KEPT = 3, 5, 2
"""Formulas kept of a message, of each factor of it, and of the node."""
NOISE = 0.05
"""Relative error of what a network says of scattered targets below which two formulas fit it alike."""


def distill_node_laws(
    trained: NodeNetworkOutputs,
    graph: StaticGraph,
    nodes: np.ndarray,
    engines: Sequence[str],
    config: EngineConfig,
    report: SearchProgressCallback | None = None,
) -> tuple[list[NodeLaw], str]:
    """Candidate laws of numbers in ``graph.units``, and how the engines ended, in words.

    A message is regressed as a whole, and, where it is a product of functions of one variable each, factor by factor.
    Of a network's message the sign is free: it is turned so that most are positive.
    """
    graph = graph.rescaled(graph.units)
    rng = np.random.default_rng(config.seed)
    rows = rng.permutation(np.flatnonzero(np.isin(graph.receivers, nodes)))[:ROWS]
    sign = float(np.sign(np.sum(trained.messages[rows]))) or 1.0
    unit = sign * (float(np.median(np.abs(trained.messages[rows]))) or 1.0)
    message = trained.messages[rows] / unit
    inputs = {name: values[rows] for name, values in graph.inputs.items() if np.ptp(values) > 0}
    whole = RegressionProblem(inputs, message, _relative_weights(message))
    factors = _factor_problems(inputs, message)
    some = rng.permutation(nodes)[:ROWS]
    own = {MESSAGE_SUM: trained.message_sums[some] / unit, **{name: values[some] for name, values in graph.own.items()}}
    node = RegressionProblem(own, trained.predicted[some] / graph.units.get(graph.label, 1.0))
    fronts: list[list[Candidate]] = [[] for _ in (whole, node, *factors)]
    outcomes: dict[str, None] = {}
    for engine in engines:
        for front, result in zip(fronts, search_formulas(engine, [whole, node, *factors], config, report), strict=True):
            front += result.candidates
            outcomes[result.outcome] = None
    products = [
        _multiply_factors(some) for some in itertools.product(*(_best_formulas(f, FACTORS_KEPT) for f in fronts[2:]))
    ]
    messages = [*_best_formulas(fronts[0]), *(products if factors else [])]
    laws = []
    for inner, outer in itertools.product(messages, _best_formulas(fronts[1], NODES_KEPT)):
        try:
            laws.append(compose_node_law(inner, outer, graph.label))
        except DataError:
            continue
    return laws, "; ".join(sorted(outcomes))


def _best_formulas(front: Sequence[Candidate], count: int = KEPT) -> list[Expression]:
    """The formulas of a front that are worth most for their length."""
    priced = sorted(front, key=lambda c: np.log(max(np.sqrt(c.loss), NOISE)) + 0.05 * c.complexity)
    return [candidate.expression for candidate in priced[:count]]


def _multiply_factors(factors: Sequence[Expression]) -> Expression:
    return Expression.parse("*".join(f"({factor.text})" for factor in factors))


def _relative_weights(values: np.ndarray) -> np.ndarray:
    """Weights by which the relative error counts, where it can be seen."""
    return 1.0 / (np.abs(values) + float(np.median(np.abs(values)))) ** 2


def _factor_problems(inputs: dict[str, np.ndarray], message: np.ndarray) -> list[RegressionProblem]:
    """A problem for each factor of the message, none where it has one variable or is no product.

    Alternating least squares on splines of one variable each.
    """
    bases = {name: spline_basis(values) for name, values in inputs.items()}
    values = {name: np.ones(len(message)) for name in inputs}
    root = np.sqrt(_relative_weights(message))
    for _, name in itertools.product(range(ALTERNATING_SWEEPS), inputs):
        rest = root * np.prod([v for other, v in values.items() if other != name], axis=0)
        values[name] = bases[name] @ np.linalg.lstsq(bases[name] * rest[:, None], message * root, rcond=1e-10)[0]
    left = (message - np.prod(list(values.values()), axis=0)) * root
    if len(inputs) < 2 or np.sum(left**2) > SEPARATE**2 * np.sum((message * root) ** 2):
        return []
    problems = []
    for name, x in inputs.items():
        order = np.argsort(x)[np.linspace(0, len(x) - 1, FACTOR_ROWS).astype(int)]
        factor = values[name][order] * float(np.sign(np.median(values[name]))) / np.median(np.abs(values[name]))
        problems.append(RegressionProblem({name: x[order]}, factor, _relative_weights(factor)))
    return problems
