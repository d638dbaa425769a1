"""Error bars: resampling whole runs, one Gauss-Newton step a resample."""

from __future__ import annotations

import numpy as np

from gnn_discovery.law.minimise import Problem

RESAMPLES = 200


def bootstrap(problem: Problem, theta: np.ndarray, *, seed: int = 0, free: np.ndarray | None = None) -> np.ndarray:
    """(P P) covariance of the fitted entries over resampled runs; infinite where the data say nothing.

    Near the minimum a refit on resampled runs is one Gauss-Newton step, theta - H_b^-1 g_b with
    H_b = sum_run n_run H_run: the pairs bootstrap of Efron and Tibshirani (1993, chapter 9) with whole runs
    as units, equal to cluster-robust errors to first order. With fewer than four runs, or where few resamples
    fix all entries, the spread of the residuals serves.
    """
    count = problem.model.size
    free = problem.model.smooth if free is None else free
    covariance = np.full((count, count), np.nan)
    slope = problem.jacobian(theta)[free]
    residual = problem.residual(theta)
    if not free.any():
        return covariance
    if not (np.isfinite(slope).all() and np.isfinite(residual).all()):
        covariance[np.ix_(free, free)] = np.diag(np.full(free.sum(), np.inf))
        return covariance
    size = np.linalg.norm(slope, axis=1)
    size[size == 0] = 1.0
    slope /= size[:, None]
    runs, run = np.unique(problem.scene.data.run, return_inverse=True)
    hessians, gradients = _per_run(slope, residual, run, len(runs))
    total = hessians.sum(axis=0)
    known = np.linalg.eigvalsh(total)[0] > 1e-14
    if not known:
        inverse = np.diag(np.full(len(size), np.inf))
    else:
        freedom = max(1, int(np.count_nonzero(residual)) - len(size))
        inverse = np.linalg.inv(total) * (float(np.sum(residual**2)) / freedom)
        draws = np.random.default_rng(seed).multinomial(len(runs), np.full(len(runs), 1 / len(runs)), RESAMPLES)
        steps = _steps(draws, hessians, gradients)
        if len(runs) >= 4 and len(steps) > RESAMPLES // 2:
            inverse = np.atleast_2d(np.cov(steps.T)) * len(runs) / (len(runs) - 1)
    rounding = np.diag((8 * np.finfo(float).eps * theta[free]) ** 2)
    with np.errstate(all="ignore"):  # infinite where the data say nothing
        covariance[np.ix_(free, free)] = inverse / np.outer(size, size) + rounding
    return covariance


def _per_run(slope: np.ndarray, residual: np.ndarray, run: np.ndarray, runs: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal matrices (R P P) and gradients (R P) of each run."""
    n, s, d = residual.shape
    cube = np.moveaxis(slope.reshape(-1, n, s, d), 2, 0).reshape(s, len(slope), n * d)
    flat = np.moveaxis(residual, 1, 0).reshape(s, n * d)
    hessians, gradients = np.zeros((runs, len(slope), len(slope))), np.zeros((runs, len(slope)))
    np.add.at(hessians, run, cube @ np.swapaxes(cube, 1, 2))
    np.add.at(gradients, run, np.einsum("spk,sk->sp", cube, flat))
    return hessians, gradients


def group_gradients(cube: np.ndarray, residual: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """(G P) gradients of groups of equations: ``cube`` (P N S D), ``residual`` (N S D), ``group`` (N S)."""
    pointwise = np.einsum("pnsd,nsd->pns", cube, residual).reshape(len(cube), -1)
    return np.stack([np.bincount(group.ravel(), row, groups) for row in pointwise], axis=1)


def _steps(draws: np.ndarray, hessians: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """(B P) the Gauss-Newton step of each resample; a resample without information is left out."""
    h = np.einsum("br,rpq->bpq", draws, hessians)
    g = np.einsum("br,rp->bp", draws, gradients)
    usable = np.linalg.eigvalsh(h)[:, 0] > 1e-13
    return -np.linalg.solve(h[usable], g[usable][..., None])[..., 0]
