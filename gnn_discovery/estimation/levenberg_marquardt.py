"""The Levenberg-Marquardt method for nonlinear least squares, and the linear solve of variable projection."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Residual = Callable[[np.ndarray], np.ndarray]


def sum_of_squares(residual: np.ndarray) -> float:
    """Return the sum of squares of an array, infinite where it is not finite."""
    flat = residual.ravel()
    with np.errstate(all="ignore"):
        total = float(flat @ flat)
    return total if np.isfinite(total) else np.inf


def solve_linear(
    columns: Float[np.ndarray, "K P"], target: Float[np.ndarray, " K"], *, rcond: float | None = None
) -> Float[np.ndarray, " P"]:
    """Return the coefficients c that minimise |columns @ c - target|², with columns scaled to length one first.

    Args:
        columns: the functions that the coefficients multiply, one in each column.
        target: the values to be reached.
        rcond: ratio of singular values below which a direction counts as not determined.
    """
    with np.errstate(over="ignore"):
        size = np.linalg.norm(columns, axis=0)
        size[size == 0] = 1.0
        coefficients: np.ndarray = np.linalg.lstsq(columns / size, target, rcond=rcond)[0] / size
    return coefficients


def levenberg_marquardt(
    residual: Residual,
    jacobian: Residual,
    x: Float[np.ndarray, " P"],
    *,
    project: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    bounds: tuple[np.ndarray, np.ndarray] | None = None,
    iterations: int = 30,
    attempts: int = 10,
    damping: tuple[float, float, float] = (1e-4, 0.05, 10.0),
    min_cost: float = 0.0,
    min_gain: Callable[[float], float] = lambda cost: 1e-9,
) -> tuple[Float[np.ndarray, " P"], float]:
    r"""Minimise the cost |r(x)|² (Levenberg 1944; Marquardt, J. SIAM 11, 431, 1963).

    With the Jacobian J, its columns scaled to length one, the step d solves (J^T J + lambda 1) d = -J^T r; lambda falls
    after a step that lowers the cost and grows after one that does not. Where the full step fails, ``project`` solves
    for the linear unknowns at its end before shorter ones are tried: variable projection (Golub and Pereyra, SIAM J.
    Numer. Anal. 10, 413, 1973). So progress does not depend on the units of the unknowns, where one unknown has to
    follow a power of another.

    Args:
        residual: function of the unknowns (P,) that returns the residuals, of any shape.
        jacobian: function of the unknowns that returns (P, K) derivatives of the K residuals.
        x: the start.
        project: function of the unknowns and their residuals that returns them with the linear ones solved for.
        bounds: (P,) lower and (P,) upper bounds; steps are cut off there.
        iterations: largest number of steps.
        attempts: largest number of values of lambda that are tried for a step.
        damping: lambda at the start, and the factors by which it changes after a step that succeeds and one that fails.
        min_cost: cost below which the search ends.
        min_gain: function of the cost that returns the decrease, relative to it, below which the search ends.

    Returns:
        The unknowns at the end of the search, and the cost there, infinite where it is not finite.
    """
    factor, decrease, increase = damping
    r = residual(x)
    cost = sum_of_squares(r)
    if not np.isfinite(cost) or not len(x):
        return x, cost
    for _ in range(iterations):
        slope = jacobian(x)
        if not np.isfinite(slope).all() or cost <= min_cost:
            break
        with np.errstate(over="ignore"):
            size = np.linalg.norm(slope, axis=1)
        size[size == 0] = 1.0
        slope /= size[:, None]
        normal, gradient = slope @ slope.T, slope @ r.ravel()
        gain = -1.0
        for attempt in range(attempts):
            step = -np.linalg.solve(normal + factor * np.eye(len(normal)), gradient)
            trial = x + step / size
            if bounds is not None:
                trial = np.clip(trial, *bounds)
            trial_residual = residual(trial)
            trial_cost = sum_of_squares(trial_residual)
            if trial_cost >= cost and not attempt and project is not None:
                trial = project(trial, trial_residual)
                trial_residual = residual(trial)
                trial_cost = sum_of_squares(trial_residual)
            if trial_cost < cost:
                gain = cost - trial_cost
                x, r, cost, factor = trial, trial_residual, trial_cost, max(factor * decrease, 1e-15)
                break
            if np.abs(gradient @ step) < 1e-13 * cost:
                break
            factor = max(factor * increase, 1e-10)
        if gain < min_gain(cost) * cost:
            break
    return x, cost
