"""Error bars: each run left out in its turn; and what the noise of the positions does to the constants."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm, t

from gnn_discovery.estimation.levenberg_marquardt import LeastSquaresProblem, huber_weights, predicted_force_weights
from gnn_discovery.estimation.residual_weights import ForceScale
from gnn_discovery.laws.term_evaluator import TermEvaluator

MIN_JACKKNIFE_RUNS = 4


def jackknife(
    problem: LeastSquaresProblem, theta: np.ndarray, drift: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(P,) the step that takes ``drift`` out of the fitted entries, and their (P P) covariance over runs, infinite
    where the data say nothing, nan for thresholds.

    Near the minimum a refit without run r is one Gauss-Newton step, -(H - H_r)^-1 (g - g_r), of the normal matrices
    and gradients of all runs: the jackknife with whole runs as units, the most reliable of the errors that are
    robust to clusters (MacKinnon, Nielsen and Webb, J. Appl. Econometrics 38, 671, 2023). It is widened by the ratio of
    Student's and the normal quantile, so that 1.96 standard errors hold 95% with few runs too. With fewer than four
    runs, or where one of them is needed to fix all entries, the spread of the residuals serves.

    Args:
        drift: (R P), of `errors_in_variables_bias`; none by default.
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
    runs, run = np.unique(problem.scene.data.run, return_inverse=True)
    hessians, gradients = _normal_equations_by_run(slope / size[:, None], residual, run, len(runs))
    if drift is not None:
        gradients -= drift[:, free] / size
    h, g = hessians.sum(axis=0), gradients.sum(axis=0)
    if np.linalg.eigvalsh(h)[0] > 1e-14:
        if drift is not None:
            step[free] = -np.linalg.solve(h, g) / size
        spread = _leave_one_run_out_covariance(h - hessians, g - gradients)
        if spread is None:
            freedom = max(1, int(np.count_nonzero(residual)) - len(size))
            spread = np.linalg.inv(h) * (float(np.sum(residual**2)) / freedom)
    else:
        spread = np.diag(np.full(len(size), np.inf))
    with np.errstate(all="ignore"):  # infinite where the data say nothing
        rounding = np.diag((8 * np.finfo(float).eps * theta[free]) ** 2)
        covariance[np.ix_(free, free)] = spread / np.outer(size, size) + rounding
    return step, covariance


def _leave_one_run_out_covariance(hessians: np.ndarray, gradients: np.ndarray) -> np.ndarray | None:
    """(P P) covariance from the normal equations without each run; None where they do not tell."""
    count = len(hessians)
    if count < MIN_JACKKNIFE_RUNS or np.linalg.eigvalsh(hessians)[:, 0].min() < 1e-13:
        return None
    steps = -np.linalg.solve(hessians, gradients[..., None])[..., 0]
    steps -= steps.mean(axis=0)
    wider = t.ppf(0.975, count - 1) / norm.ppf(0.975)
    return steps.T @ steps * (count - 1) / count * wider**2


def errors_in_variables_bias(problem: LeastSquaresProblem, theta: np.ndarray, scale: ForceScale) -> np.ndarray:
    """(R P) what the noise of the positions adds to the gradient of each run, to second order.

    The same noise once more, added and subtracted, changes the gradient by as much as the noise itself has on
    average: extrapolation from simulated noise (Cook and Stefanski, J. Am. Stat. Assoc. 89, 1314, 1994), of the
    score (Novick and Stefanski, J. Am. Stat. Assoc. 97, 472, 2002). With both signs nothing of first order is left,
    so one draw is enough.
    """
    data = problem.scene.data
    runs, run = np.unique(data.run, return_inverse=True)

    def gradients(seen: LeastSquaresProblem) -> np.ndarray:
        base = predicted_force_weights(seen, theta, scale)
        residual = LeastSquaresProblem(seen.model, seen.scene, base).residual(theta)
        weighed = LeastSquaresProblem(seen.model, seen.scene, base * huber_weights(residual, base))
        return _normal_equations_by_run(weighed.jacobian(theta), weighed.residual(theta), run, len(runs))[1]

    more, less = (
        gradients(LeastSquaresProblem(problem.model, TermEvaluator(data.with_added_noise(s)), problem.weight))
        for s in (1.0, -1.0)
    )
    return (more + less) / 2 - gradients(problem)


def _normal_equations_by_run(
    slope: np.ndarray, residual: np.ndarray, run: np.ndarray, runs: int
) -> tuple[np.ndarray, np.ndarray]:
    """Normal matrices (R P P) and gradients (R P) of each run."""
    n, s, d = residual.shape
    cube = np.moveaxis(slope.reshape(-1, n, s, d), 2, 0).reshape(s, len(slope), n * d)
    flat = np.moveaxis(residual, 1, 0).reshape(s, n * d)
    hessians, gradients = np.zeros((runs, len(slope), len(slope))), np.zeros((runs, len(slope)))
    np.add.at(hessians, run, cube @ np.swapaxes(cube, 1, 2))
    np.add.at(gradients, run, np.einsum("spk,sk->sp", cube, flat))
    return hessians, gradients


def gradients_by_group(cube: np.ndarray, residual: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """(G P) gradients of groups of equations: ``cube`` (P N S D), ``residual`` (N S D), ``group`` (N S)."""
    pointwise = np.einsum("pnsd,nsd->pns", cube, residual).reshape(len(cube), -1)
    return np.stack([np.bincount(group.ravel(), row, groups) for row in pointwise], axis=1)
