"""This module selects the simplest node law that predicts held-out blocks of space as well as the best one does.

A longer law has to lower the sum of squares by ``selection.node_complexity_penalty`` residual variances,

    cost(longer) < (1 - penalty / K) cost(shorter),   K nodes,

to stand on the Pareto front. The front is scored by cross-validation over spatial blocks, and the simplest law within
one standard error of the best is selected: the one-standard-error rule (Breiman, Friedman, Olshen and Stone 1984,
Classification and Regression Trees), with the standard error of the paired difference over blocks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.errors import DataError, NoResult
from gnn_discovery.selection.paired_comparison import standard_error_of_mean, successive_improvements
from gnn_discovery.static_graphs.estimation import UNDEFINED_RESIDUAL, FittedNodeLaw, fit_node_law
from gnn_discovery.static_graphs.law_moves import extended_laws, simplified_laws
from gnn_discovery.static_graphs.node_law import NodeLaw, compose_node_law, restore_units, substitute_constants
from gnn_discovery.static_graphs.reparametrisation import reparametrise
from gnn_discovery.static_graphs.static_graph import StaticGraph


@dataclass(frozen=True)
class ScoredNodeLaw:
    """A frozen record of a law and its error on nodes that it was not fitted to.

    Attributes:
        law: the law.
        error: mean absolute error over all nodes.
        block_errors: (B,) mean absolute error of each block.
    """

    law: NodeLaw
    error: float
    block_errors: Float[np.ndarray, " B"]


def select_node_law(
    laws: Iterable[NodeLaw],
    graph: StaticGraph,
    nodes: Int[np.ndarray, " K"],
    seed: int = 0,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> tuple[NodeLaw, list[ScoredNodeLaw]]:
    """Select the simplest law that predicts held-out blocks of ``nodes`` as well as the best does.

    All candidates are fitted to a few of the nodes, and the Pareto front of them to all. From each law on the front
    others are tried, with one constant more and with one less, until no new law is reached. The front is then
    cross-validated over blocks.

    Args:
        laws: candidates in ``graph.natural_units``.
        graph: edges, properties, targets and blocks.
        nodes: nodes to fit and to validate on.
        seed: seed of the choice of the few nodes.
        criteria: the stages ``selection`` and ``estimation`` are used.

    Returns:
        The selected law, and all that were cross-validated, the best first.

    Raises:
        NoResult: no law is finite on the data.
    """
    scaled = graph.rescaled(graph.natural_units)
    few = np.random.default_rng(seed).permutation(nodes)[: criteria.selection.node_screening_rows]
    forms = {_law_key(law): law for law in reversed(list(laws))}
    fits = (fit_node_law(law, scaled, few, criteria=criteria) for law in forms.values())
    screened = _pareto_front(fits, len(few), criteria)
    if not screened:
        raise NoResult("no formula is finite on the nodes", remedy="Give other properties, or more nodes")
    explored = _explore_moves(screened, scaled, nodes, criteria)
    restored = (restore_units(fitted.law, graph.natural_units) for fitted in explored)
    finalists = [fit_node_law(law, graph, nodes, criteria=criteria).law for law in restored]
    scored = sorted((_cross_validate(law, graph, nodes, criteria) for law in finalists), key=lambda s: s.error)
    equivalent = (s for s in scored if _within_one_standard_error(s, scored[0]))
    selected = min(equivalent, key=lambda s: (s.law.complexity, s.error))
    return fit_node_law(reparametrise(selected.law), graph, nodes, criteria=criteria).law, scored


def _explore_moves(
    screened: Iterable[FittedNodeLaw], graph: StaticGraph, nodes: np.ndarray, criteria: Criteria
) -> list[FittedNodeLaw]:
    """Return the Pareto front of all laws that moves from ``screened`` reach, fitted to ``nodes``."""
    found = {_law_key(one.law): fit_node_law(one.law, graph, nodes, criteria=criteria) for one in screened}
    expanded: set[str] = set()
    while fresh := [
        one for one in _pareto_front(found.values(), len(nodes), criteria) if _law_key(one.law) not in expanded
    ]:
        for one in fresh:
            expanded.add(_law_key(one.law))
            extensions = _worthwhile_extensions(one, graph, nodes, criteria)
            for law in [*extensions, *simplified_laws(one.law, criteria=criteria)]:
                if _law_key(law) not in found:
                    found[_law_key(law)] = fit_node_law(law, graph, nodes, criteria=criteria)
    return _pareto_front(found.values(), len(nodes), criteria)


def _worthwhile_extensions(
    one: FittedNodeLaw, graph: StaticGraph, nodes: np.ndarray, criteria: Criteria
) -> Iterable[NodeLaw]:
    """Yield laws with one constant more that lowers the cost by its penalty."""
    for wider in extended_laws(one.law):
        extended = fit_node_law(wider, graph, nodes, criteria=criteria)
        if _is_worthwhile(extended, one, len(nodes), criteria):
            with contextlib.suppress(DataError):
                yield compose_node_law(*substitute_constants(extended.law, {}), extended.law.label)


def _law_key(law: NodeLaw) -> str:
    return f"{law.message} {law.node}"


def _pareto_front(fits: Iterable[FittedNodeLaw], n_nodes: int, criteria: Criteria) -> list[FittedNodeLaw]:
    """Return the few best of the laws that no simpler law equals, simplest first."""
    finite = (one for one in fits if one.cost < UNDEFINED_RESIDUAL)
    front = successive_improvements(
        sorted(finite, key=lambda f: (f.law.complexity, f.cost)),
        lambda longer, shorter: _is_worthwhile(longer, shorter, n_nodes, criteria),
    )
    return front[-criteria.selection.node_finalists :]


def _is_worthwhile(longer: FittedNodeLaw, shorter: FittedNodeLaw, n_nodes: int, criteria: Criteria) -> bool:
    return longer.cost < (1 - criteria.selection.node_complexity_penalty / n_nodes) * shorter.cost


def _cross_validate(
    law: NodeLaw, graph: StaticGraph, nodes: Int[np.ndarray, " K"], criteria: Criteria
) -> ScoredNodeLaw:
    """Return the errors of a law in each fold of blocks when it is fitted to the other folds."""
    n_folds = criteria.selection.node_folds
    label = np.unique(graph.block[nodes], return_inverse=True)[1]
    error = np.empty(len(nodes))
    for fold in range(n_folds):
        inside = label % n_folds == fold
        held_out = nodes[inside]
        fitted = fit_node_law(law, graph, nodes[~inside], criteria=criteria).law
        predicted = fitted.predict(graph.edges_to(held_out))[held_out]
        error[inside] = np.abs(predicted - graph.target[held_out])
    error = np.nan_to_num(error, nan=UNDEFINED_RESIDUAL, posinf=UNDEFINED_RESIDUAL)
    return ScoredNodeLaw(law, float(error.mean()), np.bincount(label, error) / np.bincount(label))


def _within_one_standard_error(one: ScoredNodeLaw, best: ScoredNodeLaw) -> bool:
    return one.error - best.error <= standard_error_of_mean(one.block_errors - best.block_errors)
