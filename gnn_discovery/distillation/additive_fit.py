"""This module fits additive components whose profiles are splines to a table of contributions.

A row k of the table is modelled as F_k = sum_c m_c(k) f_c(x_ck) u_c(k), with the monomial m_c, the direction u_c and
the profile f_c(x) = sum_b a_cb B_b(x) in cubic B-splines. The model is an additive model (Hastie and Tibshirani 1990,
Generalized Additive Models) and is linear in the coefficients a_cb, which minimise sum_k rho(w_k |F_k - model_k|) with
w_k = 1 / (|F_k| + weight_floor |F_total,k|) and Huber's rho (Huber 1964, Ann. Math. Statist. 35, 73), of which one step
of iteratively reweighted least squares is taken.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import BSpline

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.distillation.additive_component import TINY, AdditiveComponent
from gnn_discovery.estimation.residual_weights import huber_weight
from gnn_discovery.messages.table import MessageTable


def contribution_weights(table: MessageTable, *, criteria: Criteria = DEFAULT_CRITERIA) -> np.ndarray:
    """Return the weight of each row (K,), which makes the relative error count where it can be seen.

    The weight is 1 / (|contribution| + weight_floor * |total force on the receiver|).

    Args:
        table: K contributions.
        criteria: ``structure.weight_floor`` is used.
    """
    size = np.linalg.norm(table.contributions, axis=-1)
    weights: np.ndarray = 1.0 / (size + criteria.structure.weight_floor * table.total)
    return weights


class AdditiveFit:
    """A weighted least-squares fit of additive components to the rows of a table, or to sums of its rows.

    Fits of the same components are computed once.

    Attributes:
        table: K rows, each a contribution.
        sum_index: (K,) index of the sum that each row belongs to, or None where the rows themselves are fitted.
        weight: (K,) or (Q,) weight of each fitted vector.
        target: weighted vectors that are fitted, flattened.
        criteria: numbers of the stage ``structure``.
    """

    def __init__(
        self,
        table: MessageTable,
        target_sums: np.ndarray | None = None,
        sum_index: np.ndarray | None = None,
        *,
        criteria: Criteria = DEFAULT_CRITERIA,
    ):
        """Prepare the weighted target.

        Args:
            table: K rows, each a contribution.
            target_sums: (Q D) forces that the rows add up to; None fits the contributions of the table.
            sum_index: (K,) index of the sum that each row belongs to; needed with ``target_sums``.
            criteria: the stage ``structure`` is used.
        """
        self.table, self.sum_index, self.criteria = table, sum_index, criteria
        target = table.contributions if target_sums is None else target_sums
        if target_sums is None:
            self.weight = contribution_weights(table, criteria=criteria)
        else:
            self.weight = 1.0 / (np.linalg.norm(target_sums, axis=-1) + _median_magnitude(target_sums))
        self.target = (target * self.weight[:, None]).ravel()
        self._bases: dict[str | None, np.ndarray] = {}
        self._errors: dict[tuple[AdditiveComponent, ...], float] = {}

    def error(self, components: tuple[AdditiveComponent, ...]) -> float:
        """Return the relative error that a fit of ``components`` leaves.

        It is the root of the Huber-weighted mean square of the weighted residuals over that of the weighted target, and
        at least ``structure.rounding_error_floor``.
        """
        key = tuple(sorted(components, key=repr))
        if key not in self._errors:
            _, residual, robust = self._solve(components)
            size = max(float(np.mean(self.target**2)), TINY)
            error = float(np.sqrt(np.mean(robust * residual**2) / size))
            self._errors[key] = max(error, self.criteria.structure.rounding_error_floor)
        return self._errors[key]

    def profiles(self, components: tuple[AdditiveComponent, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return for each component its spline at the rows (K,), and its monomial times its direction (K D)."""
        solution = self._solve(components)[0]
        parts, start = [], 0
        for component in components:
            basis = self._basis(component)
            stop = start + basis.shape[1]
            parts.append((basis @ solution[start:stop], self._vectors(component)))
            start = stop
        return parts

    def _solve(self, components: tuple[AdditiveComponent, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return coefficients, residuals (K D flattened), and the robust weight of each entry after one Huber step."""
        limits = self.criteria.structure
        matrix = np.concatenate([self._design_block(c) for c in components], -1)
        residual = self.target - matrix @ _least_squares(matrix, self.target)
        size = np.linalg.norm(residual.reshape(len(self.weight), -1), axis=-1)
        onset = max(limits.huber_threshold * float(np.median(size)), limits.min_outlier_error)
        robust = np.repeat(huber_weight(size, onset), residual.size // size.size)
        root = np.sqrt(robust)
        solution = _least_squares(matrix * root[:, None], self.target * root)
        return solution, self.target - matrix @ solution, robust

    def _vectors(self, component: AdditiveComponent) -> np.ndarray:
        """Return monomial x direction (K D)."""
        vectors: np.ndarray = component.direction_vectors(self.table) * component.monomial_values(self.table)[:, None]
        return vectors

    def _design_block(self, component: AdditiveComponent) -> np.ndarray:
        """Return the weighted columns of the design matrix that belong to one component."""
        block = self._vectors(component)[:, :, None] * self._basis(component)[:, None, :]
        if self.sum_index is not None:
            summed = np.zeros((len(self.weight), *block.shape[1:]))
            np.add.at(summed, self.sum_index, block)
            block = summed
        weighted: np.ndarray = (block * self.weight[:, None, None]).reshape(self.target.size, -1)
        return weighted

    def _basis(self, component: AdditiveComponent) -> np.ndarray:
        """Return the spline basis (K B) of the variable of a component; a constant one where it has none."""
        if component.variable not in self._bases:
            values = component.variable_values(self.table)
            self._bases[component.variable] = (
                np.ones((len(self.table), 1)) if values is None else spline_basis(values, criteria=self.criteria)
            )
        return self._bases[component.variable]


def _median_magnitude(force: np.ndarray) -> float:
    """Return the median magnitude of a force (Q D), or one where it is zero."""
    return float(np.median(np.linalg.norm(force, axis=-1))) or 1.0


def _least_squares(matrix: np.ndarray, target: np.ndarray, ridge: float = 1e-10) -> np.ndarray:
    """Return the ridge-stabilised least-squares solution; columns are scaled to unit length first."""
    size = np.sqrt(np.sum(matrix**2, 0)) + TINY
    scaled = matrix / size
    gram = scaled.T @ scaled + ridge * np.eye(matrix.shape[1])
    solution: np.ndarray = np.linalg.solve(gram, scaled.T @ target) / size
    return solution


def spline_basis(values: np.ndarray, *, criteria: Criteria = DEFAULT_CRITERIA, distinct: float = 1e-9) -> np.ndarray:
    """Return cubic B-splines (K B) in log(values) where all values are positive, else in the values themselves.

    Half of the inner knots lie at quantiles and half at equal distances.

    Args:
        values: (K,) argument of the splines.
        criteria: ``structure.spline_knots`` is used.
        distinct: relative difference below which two values, or two knots, count as one.

    Returns:
        The basis (K B); a column of ones where all values are one.
    """
    n_knots = criteria.structure.spline_knots
    logarithmic = bool(np.all(values > 0))
    x = np.log(values) if logarithmic else values
    if np.ptp(x) <= distinct * (1.0 if logarithmic else np.max(np.abs(x))):
        return np.ones((len(x), 1))
    inner = np.concatenate([
        np.quantile(x, np.linspace(0, 1, n_knots // 2 + 1)[1:-1]),
        np.linspace(x.min(), x.max(), n_knots // 2 + 2)[1:-1],
    ])  # fmt: skip
    inner = np.sort(inner)
    inner = inner[np.diff(inner, prepend=-np.inf) > distinct * np.ptp(x)]
    knots = np.concatenate([[x.min()] * 4, inner, [x.max()] * 4])
    return np.asarray(BSpline.design_matrix(x, knots, 3).todense())
