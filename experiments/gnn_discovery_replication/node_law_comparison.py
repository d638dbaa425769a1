"""Decide whether a law of a static graph has the form of the true one, by the criterion of `form_comparison`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnn_discovery.static_graphs import NodeLaw, StaticGraph
from gnn_discovery.static_graphs.node_law import MESSAGE_SUM, compose_node_law, substitute_constants
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery_replication.criteria import DEFAULT_RECOVERY_CRITERIA, RecoveryCriteria
from gnn_discovery_replication.form_comparison import N_SAMPLE_POINTS, FormComparison, compare_formula

_NEIGHBOUR_KINDS = (1, 2)
"""Neighbours of two kinds tell what a message adds for each of them from what a node has by itself."""


def compare_node_laws(
    law: NodeLaw,
    truth: NodeLaw,
    graph: StaticGraph,
    seed: int = 0,
    *,
    max_neighbours: int = 3,
    criteria: RecoveryCriteria = DEFAULT_RECOVERY_CRITERIA,
) -> FormComparison:
    """Compare the targets of nodes with any number of neighbours of two kinds.

    Args:
        law: the law that was found.
        truth: the true law.
        graph: links and nodes are drawn from it.
        seed: seed of the draw.
        max_neighbours: limit of the neighbours of one kind in a sample.
        criteria: the numbers that decide.
    """
    rng = np.random.default_rng(seed)
    points = {
        f"count_{kind}": rng.integers(0, max_neighbours + 1, N_SAMPLE_POINTS).astype(float) for kind in _NEIGHBOUR_KINDS
    }
    for kind in _NEIGHBOUR_KINDS:
        links = rng.integers(len(graph.senders), size=N_SAMPLE_POINTS)
        points |= {f"{name}_{kind}": values[links] for name, values in graph.message_inputs.items()}
    nodes = rng.integers(len(graph.target), size=N_SAMPLE_POINTS)
    points |= {name: values[nodes] for name, values in graph.node_inputs.items()}
    message, node = substitute_constants(truth, {})
    true = _expand_message_sum(message, node, graph)
    found = _expand_message_sum(law.message, law.node, graph)
    comparison = compare_formula(found, law.values, true, points, criteria=criteria)
    needs = len(compose_node_law(message, node, truth.label).constants)
    if comparison.exact and len(law.constants) > needs:
        reason = f"{len(law.constants)} constants, {needs} are enough"
        return replace(comparison, exact=False, constant_error=None, reason=reason)
    return comparison


def _expand_message_sum(message: Expression, node: Expression, graph: StaticGraph) -> Expression:
    """Return the formula of the node with the messages of its neighbours in the place of their sum."""
    kinds = (
        f"count_{kind}*({message.substitute({n: Expression.parse(f'{n}_{kind}') for n in graph.message_inputs}).text})"
        for kind in _NEIGHBOUR_KINDS
    )
    return node.substitute({MESSAGE_SUM: Expression.parse(" + ".join(kinds))})
