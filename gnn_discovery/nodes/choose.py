"""The choice among laws: of those that the targets themselves lead to, by blocks of space that are held out."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from gnn_discovery.errors import DataError, NoResult
from gnn_discovery.nodes.fit import FAR, Fitted, fit
from gnn_discovery.nodes.graph import StaticGraph
from gnn_discovery.nodes.law import NodeLaw, compose, multiplied, numbered
from gnn_discovery.nodes.neighbours import richer, simpler
from gnn_discovery.nodes.readable import readable

SCREENED = 500
"""Nodes that every candidate is fitted to, before a few are to all."""
FINALISTS, FOLDS = 6, 5
PRICE = 10.0
"""What a longer formula has to bring the sum of squares down by, in units of the variance of a residual."""


@dataclass(frozen=True)
class Scored:
    """A law, and its mean absolute error on nodes that it was not fitted to: of all, and of each block."""

    law: NodeLaw
    error: float
    blocks: Float[np.ndarray, " B"]


def choose(
    laws: Iterable[NodeLaw], graph: StaticGraph, nodes: Int[np.ndarray, " K"], seed: int = 0
) -> tuple[NodeLaw, list[Scored]]:
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
    scaled = graph.divided(graph.units)
    few = np.random.default_rng(seed).permutation(nodes)[:SCREENED]
    forms = {_form(law): law for law in reversed(list(laws))}
    screened = _front((fit(law, scaled, few) for law in forms.values()), len(few))
    if not screened:
        raise NoResult("no formula is finite on the nodes", remedy="Give other properties, or more nodes")
    last = [fit(multiplied(f.law, graph.units), graph, nodes).law for f in _led_to(screened, scaled, nodes)]
    scored = sorted((_score(law, graph, nodes) for law in last), key=lambda s: s.error)
    chosen = min((s for s in scored if _as_good(s, scored[0])), key=lambda s: (s.law.complexity, s.error))
    return fit(readable(chosen.law), graph, nodes).law, scored


def _led_to(screened: Iterable[Fitted], graph: StaticGraph, nodes: np.ndarray) -> list[Fitted]:
    """The front of all laws that a few lead to, fitted to ``nodes``."""
    found = {_form(one.law): fit(one.law, graph, nodes) for one in screened}
    followed: set[str] = set()
    while fresh := [one for one in _front(found.values(), len(nodes)) if _form(one.law) not in followed]:
        for one in fresh:
            followed.add(_form(one.law))
            for law in [*_grown(one, graph, nodes), *simpler(one.law)]:
                if _form(law) not in found:
                    found[_form(law)] = fit(law, graph, nodes)
    return _front(found.values(), len(nodes))


def _grown(one: Fitted, graph: StaticGraph, nodes: np.ndarray) -> Iterable[NodeLaw]:
    """Laws with a constant more that is worth its price."""
    for wider in richer(one.law):
        grown = fit(wider, graph, nodes)
        if _worth(grown, one, len(nodes)):
            with contextlib.suppress(DataError):
                yield compose(*numbered(grown.law, {}), grown.law.label)


def _form(law: NodeLaw) -> str:
    return f"{law.message} {law.node}"


def _front(fits: Iterable[Fitted], nodes: int) -> list[Fitted]:
    """Those that err clearly less than every simpler one, the best few, simplest first."""
    kept: list[Fitted] = []
    for one in sorted(fits, key=lambda f: (f.law.complexity, f.cost)):
        if one.cost < FAR and (not kept or _worth(one, kept[-1], nodes)):
            kept.append(one)
    return kept[-FINALISTS:]


def _worth(longer: Fitted, shorter: Fitted, nodes: int) -> bool:
    return longer.cost < (1 - PRICE / nodes) * shorter.cost


def _score(law: NodeLaw, graph: StaticGraph, nodes: Int[np.ndarray, " K"]) -> Scored:
    """Each fold of blocks predicted by the law fitted to the others."""
    label = np.unique(graph.block[nodes], return_inverse=True)[1]
    error = np.empty(len(nodes))
    for fold in range(FOLDS):
        out = label % FOLDS == fold
        held = nodes[out]
        error[out] = np.abs(fit(law, graph, nodes[~out]).law.predict(graph.to(held))[held] - graph.target[held])
    error = np.nan_to_num(error, nan=FAR, posinf=FAR)
    return Scored(law, float(error.mean()), np.bincount(label, error) / np.bincount(label))


def _as_good(one: Scored, best: Scored) -> bool:
    gap = one.blocks - best.blocks
    return one.error - best.error <= float(np.std(gap, ddof=1) / math.sqrt(len(gap)))
