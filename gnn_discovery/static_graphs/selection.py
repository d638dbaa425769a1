"""The choice among laws: of those that the targets themselves lead to, by blocks of space that are held out."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from gnn_discovery.errors import DataError, NoResult
from gnn_discovery.static_graphs.estimation import UNDEFINED_RESIDUAL, FittedNodeLaw, fit_node_law
from gnn_discovery.static_graphs.law_moves import extended_laws, simplified_laws
from gnn_discovery.static_graphs.node_law import NodeLaw, compose_node_law, restore_units, substitute_constants
from gnn_discovery.static_graphs.reparametrisation import reparametrise
from gnn_discovery.static_graphs.static_graph import StaticGraph

SCREENED = 500
"""Nodes that every candidate is fitted to, before a few are to all."""
FINALISTS, FOLDS = 6, 5
PRICE = 10.0
"""What a longer formula has to bring the sum of squares down by, in units of the variance of a residual."""


@dataclass(frozen=True)
class ScoredNodeLaw:
    """A law, and its mean absolute error on nodes that it was not fitted to: of all, and of each block."""

    law: NodeLaw
    error: float
    block_errors: Float[np.ndarray, " B"]


def select_node_law(
    laws: Iterable[NodeLaw], graph: StaticGraph, nodes: Int[np.ndarray, " K"], seed: int = 0
) -> tuple[NodeLaw, list[ScoredNodeLaw]]:
    """The simplest law that predicts held-out blocks of ``nodes`` as well as the best does, and all that were scored.

    Candidates are fitted to a few of the nodes, and the front of them to all. From each law on the front of these
    others are tried, with one constant more and with one less, until they lead to nothing new. The front is then fitted
    without each of a few groups of blocks in turn, and predicts that. As well as the best means within one standard
    error of the difference over blocks.

    Args:
        laws: of numbers in ``graph.units``.

    Raises:
        NoResult: no law is finite on the data.
    """
    scaled = graph.rescaled(graph.units)
    few = np.random.default_rng(seed).permutation(nodes)[:SCREENED]
    forms = {_law_key(law): law for law in reversed(list(laws))}
    screened = _pareto_front((fit_node_law(law, scaled, few) for law in forms.values()), len(few))
    if not screened:
        raise NoResult("no formula is finite on the nodes", remedy="Give other properties, or more nodes")
    last = [
        fit_node_law(restore_units(f.law, graph.units), graph, nodes).law
        for f in _explore_moves(screened, scaled, nodes)
    ]
    scored = sorted((_cross_validate(law, graph, nodes) for law in last), key=lambda s: s.error)
    chosen = min(
        (s for s in scored if _within_one_standard_error(s, scored[0])), key=lambda s: (s.law.complexity, s.error)
    )
    return fit_node_law(reparametrise(chosen.law), graph, nodes).law, scored


def _explore_moves(screened: Iterable[FittedNodeLaw], graph: StaticGraph, nodes: np.ndarray) -> list[FittedNodeLaw]:
    """The front of all laws that a few lead to, fitted to ``nodes``."""
    found = {_law_key(one.law): fit_node_law(one.law, graph, nodes) for one in screened}
    followed: set[str] = set()
    while fresh := [one for one in _pareto_front(found.values(), len(nodes)) if _law_key(one.law) not in followed]:
        for one in fresh:
            followed.add(_law_key(one.law))
            for law in [*_worthwhile_extensions(one, graph, nodes), *simplified_laws(one.law)]:
                if _law_key(law) not in found:
                    found[_law_key(law)] = fit_node_law(law, graph, nodes)
    return _pareto_front(found.values(), len(nodes))


def _worthwhile_extensions(one: FittedNodeLaw, graph: StaticGraph, nodes: np.ndarray) -> Iterable[NodeLaw]:
    """Laws with a constant more that is worth its price."""
    for wider in extended_laws(one.law):
        grown = fit_node_law(wider, graph, nodes)
        if _is_worthwhile(grown, one, len(nodes)):
            with contextlib.suppress(DataError):
                yield compose_node_law(*substitute_constants(grown.law, {}), grown.law.label)


def _law_key(law: NodeLaw) -> str:
    return f"{law.message} {law.node}"


def _pareto_front(fits: Iterable[FittedNodeLaw], nodes: int) -> list[FittedNodeLaw]:
    """Those that err clearly less than every simpler one, the best few, simplest first."""
    kept: list[FittedNodeLaw] = []
    for one in sorted(fits, key=lambda f: (f.law.complexity, f.cost)):
        if one.cost < UNDEFINED_RESIDUAL and (not kept or _is_worthwhile(one, kept[-1], nodes)):
            kept.append(one)
    return kept[-FINALISTS:]


def _is_worthwhile(longer: FittedNodeLaw, shorter: FittedNodeLaw, nodes: int) -> bool:
    return longer.cost < (1 - PRICE / nodes) * shorter.cost


def _cross_validate(law: NodeLaw, graph: StaticGraph, nodes: Int[np.ndarray, " K"]) -> ScoredNodeLaw:
    """Each fold of blocks predicted by the law fitted to the others."""
    label = np.unique(graph.block[nodes], return_inverse=True)[1]
    error = np.empty(len(nodes))
    for fold in range(FOLDS):
        out = label % FOLDS == fold
        held = nodes[out]
        error[out] = np.abs(
            fit_node_law(law, graph, nodes[~out]).law.predict(graph.to(held))[held] - graph.target[held]
        )
    error = np.nan_to_num(error, nan=UNDEFINED_RESIDUAL, posinf=UNDEFINED_RESIDUAL)
    return ScoredNodeLaw(law, float(error.mean()), np.bincount(label, error) / np.bincount(label))


def _within_one_standard_error(one: ScoredNodeLaw, best: ScoredNodeLaw) -> bool:
    gap = one.block_errors - best.block_errors
    return one.error - best.error <= float(np.std(gap, ddof=1) / math.sqrt(len(gap)))
