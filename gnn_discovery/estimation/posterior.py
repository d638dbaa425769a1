"""A posterior of the constants, drawn by NUTS: error bars with the shape of the likelihood. An extra.

Averages over windows that overlap are correlated, and so are frames of one run; their likelihood, taken as if they were
not, would be too sharp. So its curvature is adjusted to the covariance over runs: the composite likelihood of Ribatet,
Cooley and Davison, Statistica Sinica 22, 813 (2012). For a linear law with independent Gaussian noise it is the
conjugate posterior.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from gnn_discovery.errors import UsageError
from gnn_discovery.estimation.levenberg_marquardt import LeastSquaresProblem, sum_of_squares

POSTERIOR_WARMUP_DRAWS, POSTERIOR_DRAWS = 100, 1000
POSTERIOR_PRIOR_WIDTH = 10.0
"""Standard errors of the prior, which is centred on the fit: nothing is known beforehand."""


def require_numpyro() -> ModuleType:
    """The program that draws.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return importlib.import_module("numpyro.infer")
    except ImportError as error:
        raise UsageError(
            f"a posterior is drawn by numpyro, which cannot be imported ({error})",
            where="errors",
            remedy="pip install 'gnn-discovery[posterior]'",
        ) from error


def sample_posterior(
    problem: LeastSquaresProblem, best: np.ndarray, centre: np.ndarray, covariance: np.ndarray, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """(P,) mean and (P P) covariance of draws; thresholds stay, and so does all where the data say nothing.

    Args:
        best: the minimum of the misfit.
        centre: the same without the drift by noise, of `uncertainty.jackknife`, with its ``covariance``.
    """
    infer, free = require_numpyro(), problem.model.differentiable
    spread = covariance[np.ix_(free, free)]
    if not free.any() or not np.isfinite(spread).all():
        return centre, covariance
    import jax
    import jax.numpy as jnp

    slope, residual = problem.jacobian(best)[free], problem.residual(best)
    least, freedom = sum_of_squares(residual), max(1, int(np.count_nonzero(residual)) - int(free.sum()))
    size = np.linalg.norm(slope, axis=1)
    inverse = np.linalg.inv((slope / size[:, None]) @ (slope / size[:, None]).T) / np.outer(size, size)
    narrow = np.linalg.cholesky(inverse * least / freedom)
    with jax.enable_x64(True):
        misfit = _differentiable_cost(problem)

        def potential(z: jax.Array) -> jax.Array:
            theta = jnp.asarray(best).at[np.flatnonzero(free)].add(narrow @ z)
            return 0.5 * ((misfit(theta) - least) * freedom / least + z @ z / POSTERIOR_PRIOR_WIDTH**2)

        nuts = infer.NUTS(potential_fn=potential, adapt_mass_matrix=False)  # z is of size one already
        sampler = infer.MCMC(nuts, num_warmup=POSTERIOR_WARMUP_DRAWS, num_samples=POSTERIOR_DRAWS, progress_bar=False)
        sampler.run(jax.random.key(seed), init_params=jnp.zeros(int(free.sum())))
        z = np.asarray(sampler.get_samples())
    drawn = centre[free] + z @ np.linalg.cholesky(spread).T
    mean, wide = centre.copy(), covariance.copy()
    mean[free], wide[np.ix_(free, free)] = drawn.mean(axis=0), np.atleast_2d(np.cov(drawn.T))
    return mean, wide


def _differentiable_cost(problem: LeastSquaresProblem) -> Callable[..., Any]:
    """`Problem.cost` as a function that jax can differentiate."""
    import jax
    import jax.numpy as jnp

    scene, model = problem.scene, problem.model
    kernel, pairs = scene.data.kernel, scene.data.receivers
    where = {slot: k for k, slot in enumerate(model.parameters)}
    weight, target = jnp.asarray(problem.weight[..., None]), jnp.asarray(problem.target)

    def misfit(theta: jax.Array) -> jax.Array:
        total = jnp.zeros(target.shape)
        for t, term in enumerate(model.law.terms):
            names = sorted(term.expression.names)
            values = [theta[where[t, n]] if (t, n) in where else scene.scalar(term, n) for n in names]
            direction = scene.direction(term)
            scalar = jnp.broadcast_to(term.expression.jax(names)(*values), direction.shape[:-1])
            vectors = scalar[..., None] * direction
            total += jax.ops.segment_sum(vectors, pairs, scene.n_particles) if term.kind == "pair" else vectors
        if kernel is not None:
            half = len(kernel) // 2  # beyond the ends there is no target
            series = jnp.pad(total, ((0, 0), (half, half), (0, 0)))
            total = sum(w * series[:, k : k + scene.n_snapshots] for k, w in enumerate(kernel))
        return jnp.sum(jnp.where(weight > 0, (total - target) * weight, 0.0) ** 2)

    return misfit
