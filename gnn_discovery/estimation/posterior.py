"""Sampling of the posterior of the constants by NUTS: error bars with the shape of the likelihood. An extra.

Averages over windows that overlap are correlated, and so are frames of one run; their likelihood, taken as if they were
independent, would be too sharp. So its curvature is adjusted to the covariance over runs: the composite likelihood of
Ribatet, Cooley and Davison (Statistica Sinica 22, 813, 2012). For a linear law with independent Gaussian noise it is
the conjugate posterior.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.errors import UsageError
from gnn_discovery.estimation.least_squares import LeastSquaresProblem
from gnn_discovery.estimation.levenberg_marquardt import sum_of_squares


def require_numpyro() -> ModuleType:
    """Import the program that samples.

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
    problem: LeastSquaresProblem,
    best: Float[np.ndarray, " P"],
    centre: Float[np.ndarray, " P"],
    covariance: Float[np.ndarray, "P P"],
    seed: int = 0,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> tuple[Float[np.ndarray, " P"], Float[np.ndarray, "P P"]]:
    """Draw from the posterior of the parameters; thresholds stay, and so does all where the data say nothing.

    Args:
        problem: the problem.
        best: the minimum of the cost.
        centre: the same without the bias by errors in variables, as `jackknife.jackknife` gives it.
        covariance: the covariance over runs, as `jackknife.jackknife` gives it.
        seed: of the draws.
        criteria: the criteria of the discovery.

    Returns:
        Mean and covariance of the draws.

    Raises:
        UsageError: numpyro is not installed.
    """
    infer, free, limits = require_numpyro(), problem.model.differentiable, criteria.estimation
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
        cost = differentiable_cost(problem)

        def potential(z: jax.Array) -> jax.Array:
            theta = jnp.asarray(best).at[np.flatnonzero(free)].add(narrow @ z)
            value: jax.Array = (cost(theta) - least) * freedom / least + z @ z / limits.posterior_prior_std**2
            return 0.5 * value

        nuts = infer.NUTS(potential_fn=potential, adapt_mass_matrix=False)  # z is of size one already
        sampler = infer.MCMC(
            nuts, num_warmup=limits.posterior_warmup_draws, num_samples=limits.posterior_draws, progress_bar=False
        )
        sampler.run(jax.random.key(seed), init_params=jnp.zeros(int(free.sum())))
        z = np.asarray(sampler.get_samples())
    drawn = centre[free] + z @ np.linalg.cholesky(spread).T
    mean, wide = centre.copy(), covariance.copy()
    mean[free], wide[np.ix_(free, free)] = drawn.mean(axis=0), np.atleast_2d(np.cov(drawn.T))
    return mean, wide


def differentiable_cost(problem: LeastSquaresProblem) -> Callable[..., Any]:
    """Return `LeastSquaresProblem.cost` as a function that JAX can differentiate."""
    import jax
    import jax.numpy as jnp

    evaluator, model = problem.evaluator, problem.model
    observation, pairs = evaluator.data.observation, evaluator.data.receivers
    place = {parameter: k for k, parameter in enumerate(model.parameters)}
    weight, target = jnp.asarray(problem.weight[..., None]), jnp.asarray(problem.target)

    def cost(theta: jax.Array) -> jax.Array:
        total = jnp.zeros(target.shape)
        for t, term in enumerate(model.law.terms):
            names = sorted(term.expression.names)
            values = [theta[place[t, n]] if (t, n) in place else evaluator.scalar(term, n) for n in names]
            direction = evaluator.direction(term)
            scalar = jnp.broadcast_to(term.expression.jax(names)(*values), direction.shape[:-1])
            vectors = scalar[..., None] * direction
            total += jax.ops.segment_sum(vectors, pairs, evaluator.n_particles) if term.kind == "pair" else vectors
        if observation.window > 1:
            half = observation.window // 2  # beyond the ends there is no target
            series = jnp.pad(total, ((0, 0), (half, half), (0, 0)))
            total = sum(w * series[:, k : k + evaluator.n_snapshots] for k, w in enumerate(observation.weights))
        return jnp.sum(jnp.where(weight > 0, (total - target) * weight, 0.0) ** 2)

    return cost
