"""This module distills a network of a static graph into candidate laws: formulas of the message and of the node."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
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


def distill_node_laws(
    outputs: NodeNetworkOutputs,
    graph: StaticGraph,
    nodes: np.ndarray,
    engines: Sequence[str],
    config: EngineConfig,
    report: SearchProgressCallback | None = None,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> tuple[list[NodeLaw], str]:
    """Return candidate laws for what a network says of a static graph.

    A message is regressed as a whole, and, where it is a product of functions of one variable each, factor by factor.
    The sign of a network's message is arbitrary; it is chosen so that most messages are positive.

    Args:
        outputs: messages, their sums, and predictions of the network.
        graph: edges and properties.
        nodes: nodes whose messages and predictions are regressed.
        engines: names of symbolic engines.
        config: budget and operators of an engine, and the seed.
        report: is called with the number of problems that are done, and that of all.
        criteria: the stages ``search`` and ``structure`` are used.

    Returns:
        The laws in ``graph.natural_units``, and a sentence of each engine on how it ended.
    """
    limits = criteria.search
    graph = graph.rescaled(graph.natural_units)
    rng = np.random.default_rng(config.seed)
    edges = rng.permutation(np.flatnonzero(np.isin(graph.receivers, nodes)))[: limits.node_message_rows]
    sign = float(np.sign(np.sum(outputs.messages[edges]))) or 1.0
    unit = sign * (float(np.median(np.abs(outputs.messages[edges]))) or 1.0)
    message = outputs.messages[edges] / unit
    inputs = {name: values[edges] for name, values in graph.message_inputs.items() if np.ptp(values) > 0}
    whole = RegressionProblem(inputs, message, _relative_weights(message))
    factors = _factor_problems(inputs, message, criteria)
    some = rng.permutation(nodes)[: limits.node_message_rows]
    node_inputs = {name: values[some] for name, values in graph.node_inputs.items()}
    node_inputs = {MESSAGE_SUM: outputs.message_sums[some] / unit, **node_inputs}
    node = RegressionProblem(node_inputs, outputs.predicted[some] / graph.natural_units.get(graph.label, 1.0))
    problems = [whole, node, *factors]
    fronts: list[list[Candidate]] = [[] for _ in problems]
    outcomes: dict[str, None] = {}
    for engine in engines:
        for front, result in zip(fronts, search_formulas(engine, problems, config, report), strict=True):
            front += result.candidates
            outcomes[result.outcome] = None
    kept_factors = (_best_formulas(front, limits.node_factors_kept, criteria) for front in fronts[2:])
    products = [_multiply_factors(some) for some in itertools.product(*kept_factors)]
    messages = _best_formulas(fronts[0], limits.node_messages_kept, criteria) + (products if factors else [])
    laws = []
    for inner, outer in itertools.product(messages, _best_formulas(fronts[1], limits.node_outputs_kept, criteria)):
        try:
            laws.append(compose_node_law(inner, outer, graph.label))
        except DataError:
            continue
    return laws, "; ".join(sorted(outcomes))


def _best_formulas(front: Sequence[Candidate], count: int, criteria: Criteria) -> list[Expression]:
    """Return the formulas of a front with the lowest log relative error + penalty * complexity."""
    limits = criteria.search

    def score(candidate: Candidate) -> float:
        error = max(np.sqrt(candidate.loss), limits.node_error_floor)
        return float(np.log(error) + limits.node_complexity_penalty * candidate.complexity)

    return [candidate.expression for candidate in sorted(front, key=score)[:count]]


def _multiply_factors(factors: Sequence[Expression]) -> Expression:
    return Expression.parse("*".join(f"({factor.text})" for factor in factors))


def _relative_weights(values: np.ndarray) -> np.ndarray:
    """Return weights of squared residuals by which the relative error counts, where values are not small."""
    weights: np.ndarray = 1.0 / (np.abs(values) + float(np.median(np.abs(values)))) ** 2
    return weights


def _factor_problems(
    inputs: dict[str, np.ndarray], message: np.ndarray, criteria: Criteria, sweeps: int = 12
) -> list[RegressionProblem]:
    """Return a problem for each factor of a separable message, or none where it has one variable or is no product.

    The product of one-variable functions is fitted by alternating least squares on their splines, in ``sweeps`` rounds.
    """
    bases = {name: spline_basis(values, criteria=criteria) for name, values in inputs.items()}
    factors = {name: np.ones(len(message)) for name in inputs}
    root = np.sqrt(_relative_weights(message))
    for _, name in itertools.product(range(sweeps), inputs):
        others = root * np.prod([factor for other, factor in factors.items() if other != name], axis=0)
        coefficients = np.linalg.lstsq(bases[name] * others[:, None], message * root, rcond=1e-10)[0]
        factors[name] = bases[name] @ coefficients
    residual = (message - np.prod(list(factors.values()), axis=0)) * root
    limits = criteria.search
    if len(inputs) < 2 or np.sum(residual**2) > limits.max_separability_error**2 * np.sum((message * root) ** 2):
        return []
    problems = []
    for name, x in inputs.items():
        points = np.argsort(x)[np.linspace(0, len(x) - 1, limits.node_factor_rows).astype(int)]
        values = factors[name]
        factor = values[points] * float(np.sign(np.median(values))) / np.median(np.abs(values))
        problems.append(RegressionProblem({name: x[points]}, factor, _relative_weights(factor)))
    return problems
