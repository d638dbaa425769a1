"""Constants of a law fitted to the targets, with errors of whole blocks of space."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int
from scipy.optimize import least_squares

from gnn_discovery.law import Constant
from gnn_discovery.nodes.graph import StaticGraph
from gnn_discovery.nodes.law import NodeLaw, function

HUBER = 1.5
"""Residuals beyond this many robust standard deviations weigh less."""
EVALUATIONS = 30
SETTLED = 1e-6
"""Relative change of the sum of squares, or of the constants, at which a fit has ended."""
FAR = 1e9
"""What a residual counts where the formula has no value."""


@dataclass(frozen=True)
class Fitted:
    """A law with fitted constants; ``cost`` is the sum of squares, the far off counted down."""

    law: NodeLaw
    cost: float


def fit(law: NodeLaw, graph: StaticGraph, nodes: Int[np.ndarray, " K"]) -> Fitted:
    """All constants together, by robust least squares on ``nodes``; their errors are those of whole blocks as units."""
    part, target = graph.to(nodes), graph.target[nodes]
    predict, values = function(law, part), np.array(list(law.values.values()))

    def residual(values: np.ndarray) -> np.ndarray:
        rest = predict(values)[nodes] - target
        return np.nan_to_num(rest, nan=FAR, posinf=FAR, neginf=-FAR).clip(-FAR, FAR)

    spread, slope = float(np.std(target)) or 1.0, np.zeros((len(nodes), 0))
    for _ in range(2 if values.size else 1):
        if values.size:
            end = least_squares(
                residual,
                values,
                x_scale="jac",
                loss="huber",
                f_scale=HUBER * spread,
                max_nfev=EVALUATIONS,
                ftol=SETTLED,
                xtol=SETTLED,
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
