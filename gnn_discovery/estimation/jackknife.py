"""Error bars of constants from the jackknife over runs.

Near the minimum of the cost, the fit without run r differs from the fit to all runs by one Gauss-Newton step

    d_r = -(H - H_r)^-1 (g - g_r),

where H_r = J_r^T J_r and g_r = J_r^T r_r are the normal matrix and the gradient of run r, and H and g their sums. The
covariance is (R - 1)/R sum_r (d_r - mean d)(d_r - mean d)^T: the jackknife with whole runs as units, the most reliable
of the errors that are robust to clusters (MacKinnon, Nielsen and Webb, J. Appl. Econometrics 38, 671, 2023). It is
widened by the squared ratio of Student's quantile with R - 1 degrees of freedom to the normal quantile, so that 1.96
standard errors hold 95% with few runs too.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri, stdtrit

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.estimation.least_squares import LeastSquaresProblem


def jackknife(
    problem: LeastSquaresProblem,
    theta: Float[np.ndarray, " P"],
    bias: Float[np.ndarray, "R P"] | None = None,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> tuple[Float[np.ndarray, " P"], Float[np.ndarray, "P P"]]:
    """Return the covariance of the parameters over runs, and the step that takes a bias of the gradient out of them.

    With fewer than ``estimation.min_jackknife_runs`` runs, or where one of them is needed to determine all parameters,
    the covariance is H^-1 times the mean square of the residuals.

    Args:
        problem: the problem.
        theta: the parameters at the minimum of the cost.
        bias: the bias of the gradient of each run, as `errors_in_variables_bias` gives it; none by default.
        criteria: the criteria of the discovery.

    Returns:
        The step -H^-1 (g - sum of the bias), zero without a bias; and the covariance, infinite where the data say
        nothing and nan for thresholds.
    """
    free, count = problem.model.differentiable, problem.model.size
    step, covariance = np.zeros(count), np.full((count, count), np.nan)
    slope = problem.jacobian(theta)[free]
    residual = problem.residual(theta)
    if not free.any():
        return step, covariance
    if not (np.isfinite(slope).all() and np.isfinite(residual).all()):
        covariance[np.ix_(free, free)] = np.diag(np.full(free.sum(), np.inf))
        return step, covariance
    size = np.linalg.norm(slope, axis=1)
    size[size == 0] = 1.0
    hessians, gradients = problem.normal_equations_by_run(slope / size[:, None], residual)
    if bias is not None:
        gradients -= bias[:, free] / size
    h, g = hessians.sum(axis=0), gradients.sum(axis=0)
    if np.linalg.eigvalsh(h)[0] > 1e-14:
        if bias is not None:
            step[free] = -np.linalg.solve(h, g) / size
        spread = _leave_one_run_out_covariance(h - hessians, g - gradients, criteria)
        if spread is None:
            freedom = max(1, problem.count(residual) - len(size))
            spread = np.linalg.inv(h) * (float(np.sum(residual**2)) / freedom)
    else:
        spread = np.diag(np.full(len(size), np.inf))
    with np.errstate(all="ignore"):  # infinite where the data say nothing
        rounding = np.diag((8 * np.finfo(float).eps * theta[free]) ** 2)
        covariance[np.ix_(free, free)] = spread / np.outer(size, size) + rounding
    return step, covariance


def _leave_one_run_out_covariance(
    hessians: Float[np.ndarray, "R P P"], gradients: Float[np.ndarray, "R P"], criteria: Criteria
) -> Float[np.ndarray, "P P"] | None:
    """Return the covariance from the normal equations without each run; None where they do not determine it."""
    limits, count = criteria.estimation, len(hessians)
    if count < limits.min_jackknife_runs or np.linalg.eigvalsh(hessians)[:, 0].min() < 1e-13:
        return None
    steps = -np.linalg.solve(hessians, gradients[..., None])[..., 0]
    steps -= steps.mean(axis=0)
    quantile = (1 + limits.confidence_level) / 2
    widening = stdtrit(count - 1, quantile) / ndtri(quantile)  # quantiles of Student's t and of the normal distribution
    return np.asarray(steps.T @ steps * (count - 1) / count * widening**2)
