"""Constants of a law fitted to the targets, and the choice among laws, on blocks of space that are held out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import least_squares

from gnn_discovery.errors import DataError, NoResult
from gnn_discovery.law import Constant
from gnn_discovery.nodes.graph import StaticGraph
from gnn_discovery.nodes.law import NodeLaw, compose, exponents, function, multiplied, numbered

HUBER = 1.5
"""Residuals beyond this many robust standard deviations weigh less."""
SCREENED = 500
"""Nodes that every candidate is fitted to, before a few are to all."""
EVALUATIONS = 30
FINALISTS, FOLDS = 6, 5
PRICE = 10.0
"""What a longer formula has to bring the sum of squares down by, in units of the variance of a residual."""
UNSURE = 4.0
"""Standard errors within which a constant may be another number."""
_FAR = 1e9


@dataclass(frozen=True)
class Fitted:
    """A law with fitted constants; ``cost`` is the sum of squares, the far off counted down."""

    law: NodeLaw
    cost: float


@dataclass(frozen=True)
class Scored:
    """A law, and its mean absolute error on nodes that it was not fitted to: of all, and of each block."""

    law: NodeLaw
    error: float
    blocks: Float[np.ndarray, " B"]


def fit(law: NodeLaw, graph: StaticGraph, nodes: Int[np.ndarray, " K"]) -> Fitted:
    """All constants together, by robust least squares on ``nodes``; their errors are those of whole blocks as units."""
    part, target = graph.to(nodes), graph.target[nodes]
    predict, values = function(law, part), np.array(list(law.values.values()))

    def residual(values: np.ndarray) -> np.ndarray:
        rest = predict(values)[nodes] - target
        return np.nan_to_num(rest, nan=_FAR, posinf=_FAR, neginf=-_FAR).clip(-_FAR, _FAR)

    spread, slope = float(np.std(target)) or 1.0, np.zeros((len(nodes), 0))
    for _ in range(2 if values.size else 1):
        if values.size:
            end = least_squares(
                residual, values, x_scale="jac", loss="huber", f_scale=HUBER * spread, max_nfev=EVALUATIONS
            )
            values, slope = end.x, end.jac
        rest = residual(values)
        spread = max(1.48 * float(np.median(np.abs(rest))), 1e-12)
    size = np.maximum(np.abs(rest) / (HUBER * spread), 1.0)
    std = _errors(slope, rest / size, graph.block[nodes])
    constants = {n: Constant(v, s) for n, v, s in zip(law.constants, values.tolist(), std, strict=True)}
    return Fitted(replace(law, constants=constants), float(np.sum((rest / size) ** 2 * (2 * size - 1))))


def _errors(slope: np.ndarray, rest: np.ndarray, block: np.ndarray) -> list[float]:
    """Standard errors (P) by the sandwich of whole blocks: neighbours may err alike (Liang and Zeger 1986)."""
    length = np.linalg.norm(slope, axis=0)
    slope = slope / np.where(length > 0, length, 1.0)
    bread = np.linalg.pinv(slope.T @ slope, hermitian=True)
    label = np.unique(block, return_inverse=True)[1]
    gradients = np.array([np.bincount(label, column * rest) for column in slope.T]).reshape(len(length), -1)
    variance = np.diag(bread @ gradients @ gradients.T @ bread)
    return (np.sqrt(variance) / np.where(length > 0, length, 1e-300)).tolist()


def choose(
    laws: Iterable[NodeLaw], graph: StaticGraph, nodes: Int[np.ndarray, " K"], seed: int = 0
) -> tuple[NodeLaw, list[Scored]]:
    """The simplest law that predicts held-out blocks of ``nodes`` as well as the best does, and all that were scored.

    Candidates are fitted to a few of the nodes, the front of them to all, and with it what it leads to: exponents
    freed, and constants taken away that the data do not want. The front of these is then fitted without each of a few
    groups of blocks in turn, and predicts that. As well as the best means within one standard error of the difference
    over blocks.

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
    found: dict[str, Fitted] = {}

    def tried(law: NodeLaw) -> None:
        if _form(law) not in found:
            found[_form(law)] = fit(law, scaled, nodes)

    for one in screened:
        tried(one.law)
        for free in _freed(one.law):
            tried(free)
    before = 0
    while len(found) > before:
        before = len(found)
        for one in _front(found.values(), len(nodes)):
            for simpler in _simpler(one.law):
                tried(simpler)
    last = [fit(multiplied(f.law, graph.units), graph, nodes).law for f in _front(found.values(), len(nodes))]
    scored = sorted((_score(law, graph, nodes) for law in last), key=lambda s: s.error)
    chosen = min((s for s in scored if _as_good(s, scored[0])), key=lambda s: (s.law.complexity, s.error))
    return chosen.law, scored


def _form(law: NodeLaw) -> str:
    return f"{law.message} {law.node}"


def _front(fits: Iterable[Fitted], nodes: int) -> list[Fitted]:
    """Those that err clearly less than every simpler one, the best few, simplest first."""
    kept: list[Fitted] = []
    for one in sorted(fits, key=lambda f: (f.law.complexity, f.cost)):
        if one.cost < _FAR and (not kept or one.cost < (1 - PRICE / nodes) * kept[-1].cost):
            kept.append(one)
    return kept[-FINALISTS:]


def _freed(law: NodeLaw) -> Iterator[NodeLaw]:
    """The law with every exponent a constant, where one was a whole number."""
    try:
        free = compose(*numbered(law, {}), law.label, whole_exponents=False)
    except DataError:
        return
    if len(free.constants) > len(law.constants):
        yield free


def _simpler(law: NodeLaw) -> Iterator[NodeLaw]:
    """Laws with fewer constants: nothing in the place of one, or of an exponent the whole numbers next to it."""
    powers = exponents(law)
    for name, constant in law.constants.items():
        numbers = {math.floor(constant.value), math.ceil(constant.value)} if name in powers else {0}
        for number in sorted(numbers):
            if abs(constant.value - number) > UNSURE * max(constant.std or 0.0, 1e-300):
                continue
            try:
                simpler = compose(*numbered(law, {name: number}), law.label)
            except DataError:
                continue
            if len(simpler.constants) < len(law.constants):
                yield simpler


def _score(law: NodeLaw, graph: StaticGraph, nodes: Int[np.ndarray, " K"]) -> Scored:
    """Each fold of blocks predicted by the law fitted to the others."""
    label = np.unique(graph.block[nodes], return_inverse=True)[1]
    error = np.empty(len(nodes))
    for fold in range(FOLDS):
        out = label % FOLDS == fold
        held = nodes[out]
        error[out] = np.abs(fit(law, graph, nodes[~out]).law.predict(graph.to(held))[held] - graph.target[held])
    error = np.nan_to_num(error, nan=_FAR, posinf=_FAR)
    return Scored(law, float(error.mean()), np.bincount(label, error) / np.bincount(label))


def _as_good(one: Scored, best: Scored) -> bool:
    gap = one.blocks - best.blocks
    return one.error - best.error <= float(np.std(gap, ddof=1) / math.sqrt(len(gap)))
