"""Constants of a law fitted to the targets, with errors of whole blocks of space."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int
from scipy.optimize import least_squares

from gnn_discovery.laws.law import Constant
from gnn_discovery.static_graphs.node_law import NodeLaw, prediction_function
from gnn_discovery.static_graphs.static_graph import StaticGraph

HUBER = 1.5
"""Residuals beyond this many robust standard deviations weigh less."""
MAX_EVALUATIONS = 30
CONVERGENCE_TOLERANCE = 1e-6
"""Relative change of the sum of squares, or of the constants, at which a fit has ended."""
UNDEFINED_RESIDUAL = 1e9
"""What a residual counts where the formula has no value."""


@dataclass(frozen=True)
class FittedNodeLaw:
    """A law with fitted constants; ``cost`` is the sum of squares, the far off counted down."""

    law: NodeLaw
    cost: float


def fit_node_law(law: NodeLaw, graph: StaticGraph, nodes: Int[np.ndarray, " K"]) -> FittedNodeLaw:
    """All constants together, by robust least squares on ``nodes``; their errors are those of whole blocks as units."""
    part, target = graph.to(nodes), graph.target[nodes]
    predict, values = prediction_function(law, part), np.array(list(law.values.values()))

    def residual(values: np.ndarray) -> np.ndarray:
        rest = predict(values)[nodes] - target
        return np.nan_to_num(rest, nan=UNDEFINED_RESIDUAL, posinf=UNDEFINED_RESIDUAL, neginf=-UNDEFINED_RESIDUAL).clip(
            -UNDEFINED_RESIDUAL, UNDEFINED_RESIDUAL
        )

    spread, slope = float(np.std(target)) or 1.0, np.zeros((len(nodes), 0))
    for _ in range(2 if values.size else 1):
        if values.size:
            end = least_squares(
                residual,
                values,
                x_scale="jac",
                loss="huber",
                f_scale=HUBER * spread,
                max_nfev=MAX_EVALUATIONS,
                ftol=CONVERGENCE_TOLERANCE,
                xtol=CONVERGENCE_TOLERANCE,
            )
            values, slope = end.x, end.jac
        rest = residual(values)
        spread = max(1.48 * float(np.median(np.abs(rest))), 1e-12)
    size = np.maximum(np.abs(rest) / (HUBER * spread), 1.0)
    std = _clustered_standard_errors(slope, rest / size, graph.block[nodes])
    constants = {n: Constant(v, s) for n, v, s in zip(law.constants, values.tolist(), std, strict=True)}
    return FittedNodeLaw(replace(law, constants=constants), float(np.sum((rest / size) ** 2 * (2 * size - 1))))


def _clustered_standard_errors(slope: np.ndarray, rest: np.ndarray, block: np.ndarray) -> list[float]:
    """Standard errors (P) by the sandwich of whole blocks: neighbours may err alike (Liang and Zeger 1986)."""
    length = np.linalg.norm(slope, axis=0)
    slope = slope / np.where(length > 0, length, 1.0)
    bread = np.linalg.pinv(slope.T @ slope, hermitian=True)
    label = np.unique(block, return_inverse=True)[1]
    gradients = np.array([np.bincount(label, column * rest) for column in slope.T]).reshape(len(length), -1)
    variance = np.diag(bread @ gradients @ gradients.T @ bread)
    return (np.sqrt(variance) / np.where(length > 0, length, 1e-300)).tolist()
