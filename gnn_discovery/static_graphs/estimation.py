"""This module fits the constants of a node law to the targets, with standard errors that allow for correlated nodes.

The constants theta minimise sum_i rho(r_i / (k s)) over nodes i, with residuals r_i = prediction_i(theta) - target_i,
Huber's rho (Huber 1964, Ann. Math. Statist. 35, 73), k = ``estimation.node_huber_threshold`` and s the normalised
median absolute residual. Their covariance is the cluster-robust sandwich (Liang and Zeger 1986, Biometrika 73, 13)

    B (sum_b g_b g_b^T) B,   B = (J^T J)^-1,   g_b = sum_{i in b} J_i w_i r_i,

over spatial blocks b, with the Jacobian J of the residuals and Huber's weights w_i = min(1, k s / |r_i|). SciPy
minimises Huber's rho itself, with the exact derivatives of the formulas; there are no iterations over weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int
from scipy.optimize import least_squares

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.estimation.residual_weights import huber_weight
from gnn_discovery.laws.law import Constant
from gnn_discovery.static_graphs.node_law import NodeLaw, NodeLawPrediction
from gnn_discovery.static_graphs.static_graph import StaticGraph

UNDEFINED_RESIDUAL = 1e9
"""This residual stands where a formula has no value."""


@dataclass(frozen=True)
class FittedNodeLaw:
    """A frozen record of a law with fitted constants.

    Attributes:
        law: the law; its constants have standard errors.
        cost: sum over nodes of 2 rho(r) = (w r)² (2 / w - 1), with the residuals r and Huber's weights w.
    """

    law: NodeLaw
    cost: float


def fit_node_law(
    law: NodeLaw,
    graph: StaticGraph,
    nodes: Int[np.ndarray, " K"],
    *,
    max_evaluations: int = 30,
    tolerance: float = 1e-6,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> FittedNodeLaw:
    """Fit all constants of a law together, by robust least squares.

    Args:
        law: formulas; the values of its constants are the start.
        graph: edges, properties and targets.
        nodes: (K,) nodes whose targets count.
        max_evaluations: largest number of evaluations of each of two rounds; the second has the spread of the first.
        tolerance: relative change of the cost, or of the constants, at which a round ends.
        criteria: ``estimation.node_huber_threshold`` is used.

    Returns:
        The law with fitted constants and their standard errors, and its cost.
    """
    threshold = criteria.estimation.node_huber_threshold
    target = graph.target[nodes]
    predict = NodeLawPrediction(law, graph.edges_to(nodes))
    values = np.array(list(law.values.values()))

    def residuals_of(values: np.ndarray) -> np.ndarray:
        residual = np.nan_to_num(
            predict(values)[nodes] - target,
            nan=UNDEFINED_RESIDUAL,
            posinf=UNDEFINED_RESIDUAL,
            neginf=-UNDEFINED_RESIDUAL,
        )
        return np.asarray(residual.clip(-UNDEFINED_RESIDUAL, UNDEFINED_RESIDUAL))

    def slopes_of(values: np.ndarray) -> np.ndarray:
        slopes: np.ndarray = np.nan_to_num(predict.slopes(values)[nodes], nan=0.0, posinf=0.0, neginf=0.0)
        return slopes

    spread, jacobian = float(np.std(target)) or 1.0, np.zeros((len(nodes), 0))
    for _ in range(2 if values.size else 1):
        if values.size:
            solution = least_squares(
                residuals_of,
                values,
                slopes_of,
                x_scale="jac",
                loss="huber",
                f_scale=threshold * spread,
                max_nfev=max_evaluations,
                ftol=tolerance,
                xtol=tolerance,
            )
            values, jacobian = solution.x, solution.jac
        residual = residuals_of(values)
        spread = max(1.48 * float(np.median(np.abs(residual))), 1e-12)  # the standard deviation of normal errors
    weight = huber_weight(np.abs(residual), threshold * spread)
    errors = _clustered_standard_errors(jacobian, residual * weight, graph.block[nodes])
    constants = {n: Constant(v, s) for n, v, s in zip(law.constants, values.tolist(), errors, strict=True)}
    cost = float(np.sum((residual * weight) ** 2 * (2 / weight - 1)))
    return FittedNodeLaw(replace(law, constants=constants), cost)


def _clustered_standard_errors(jacobian: np.ndarray, weighted: np.ndarray, block: np.ndarray) -> list[float]:
    """Return standard errors of the P constants by the cluster-robust sandwich, see the module.

    Args:
        jacobian: (K P) derivatives of the residuals by the constants.
        weighted: (K,) residuals times Huber's weights.
        block: (K,) label of the block of each node.
    """
    length = np.linalg.norm(jacobian, axis=0)
    jacobian = jacobian / np.where(length > 0, length, 1.0)
    bread = np.linalg.pinv(jacobian.T @ jacobian, hermitian=True)
    label = np.unique(block, return_inverse=True)[1]
    gradients = np.array([np.bincount(label, column * weighted) for column in jacobian.T]).reshape(len(length), -1)
    variance = np.diag(bread @ gradients @ gradients.T @ bread)
    errors: list[float] = (np.sqrt(variance) / np.where(length > 0, length, 1e-300)).tolist()
    return errors
