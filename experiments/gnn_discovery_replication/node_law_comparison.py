"""Whether a law of a static graph has the form of the true one: the criterion of `criterion`, for nodes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnn_discovery.static_graphs import NodeLaw, StaticGraph
from gnn_discovery.static_graphs.node_law import MESSAGE_SUM, compose_node_law, substitute_constants
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery_replication.form_comparison import N_SAMPLE_POINTS, FormComparison, compare_formula

MAX_SAMPLED_NEIGHBOURS = 3
"""Neighbours of one kind, at most, in a sample."""


def compare_node_laws(found: NodeLaw, truth: NodeLaw, graph: StaticGraph, seed: int = 0) -> FormComparison:
    """Compare the targets of nodes with any number of neighbours of two kinds; links and nodes are those of ``graph``.

    So what a message adds for each neighbour is told from what a node has by itself.
    """
    rng = np.random.default_rng(seed)
    points = {
        f"count_{kind}": rng.integers(0, MAX_SAMPLED_NEIGHBOURS + 1, N_SAMPLE_POINTS).astype(float)
        for kind in _NEIGHBOUR_KINDS
    }
    for kind in _NEIGHBOUR_KINDS:
        links = rng.integers(len(graph.senders), size=N_SAMPLE_POINTS)
        points |= {f"{name}_{kind}": values[links] for name, values in graph.inputs.items()}
    nodes = rng.integers(len(graph.target), size=N_SAMPLE_POINTS)
    points |= {name: values[nodes] for name, values in graph.own.items()}
    message, node = substitute_constants(truth, {})
    true = _few_neighbours(message, node, graph)
    own = compare_formula(_few_neighbours(found.message, found.node, graph), found.values, true, points)
    needs = len(compose_node_law(message, node, truth.label).constants)
    if own.exact and len(found.constants) > needs:
        return replace(own, exact=False, error=None, why=f"{len(found.constants)} constants, {needs} are enough")
    return own


_NEIGHBOUR_KINDS = (1, 2)


def _few_neighbours(message: Expression, node: Expression, graph: StaticGraph) -> Expression:
    """The node's formula with the messages of its neighbours in the place of their sum."""
    kinds = (
        f"count_{kind}*({message.substitute({n: Expression.parse(f'{n}_{kind}') for n in graph.inputs}).text})"
        for kind in _NEIGHBOUR_KINDS
    )
    return node.substitute({MESSAGE_SUM: Expression.parse(" + ".join(kinds))})
