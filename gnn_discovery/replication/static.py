"""Whether a law of a static graph has the form of the true one: the criterion of `criterion`, for nodes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnn_discovery.expression import Expression
from gnn_discovery.nodes import NodeLaw, StaticGraph
from gnn_discovery.nodes.law import TOTAL, compose, numbered
from gnn_discovery.replication.criterion import SAMPLES, Score, same_form

MOST = 3
"""Neighbours of one kind, at most, in a sample."""


def score_nodes(found: NodeLaw, truth: NodeLaw, graph: StaticGraph, seed: int = 0) -> Score:
    """Compare the targets of nodes with any number of neighbours of two kinds; links and nodes are those of ``graph``.

    So what a message adds for each neighbour is told from what a node has by itself.
    """
    rng = np.random.default_rng(seed)
    points = {f"count_{kind}": rng.integers(0, MOST + 1, SAMPLES).astype(float) for kind in _KINDS}
    for kind in _KINDS:
        links = rng.integers(len(graph.senders), size=SAMPLES)
        points |= {f"{name}_{kind}": values[links] for name, values in graph.inputs.items()}
    nodes = rng.integers(len(graph.target), size=SAMPLES)
    points |= {name: values[nodes] for name, values in graph.own.items()}
    message, node = numbered(truth, {})
    true = _few_neighbours(message, node, graph)
    own = same_form(_few_neighbours(found.message, found.node, graph), found.values, true, points)
    needs = len(compose(message, node, truth.label).constants)
    if own.exact and len(found.constants) > needs:
        return replace(own, exact=False, error=None, why=f"{len(found.constants)} constants, {needs} are enough")
    return own


_KINDS = (1, 2)


def _few_neighbours(message: Expression, node: Expression, graph: StaticGraph) -> Expression:
    """The node's formula with the messages of its neighbours in the place of their sum."""
    kinds = (
        f"count_{kind}*({message.substitute({n: Expression.parse(f'{n}_{kind}') for n in graph.inputs}).text})"
        for kind in _KINDS
    )
    return node.substitute({TOTAL: Expression.parse(" + ".join(kinds))})
