"""The fit of all constants of a law, jointly and in double precision, to the observed motion, with error bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset, subsample_pairs
from gnn_discovery.estimation.compressed_problem import CompressedProblem, compress
from gnn_discovery.estimation.errors_in_variables import errors_in_variables_bias
from gnn_discovery.estimation.jackknife import jackknife
from gnn_discovery.estimation.latent_properties import (
    absorb_degenerate_amplitude,
    fit_latent_properties,
    law_of_latent_fit,
)
from gnn_discovery.estimation.least_squares import (
    LeastSquaresProblem,
    iteratively_reweighted_fit,
    minimise,
    solve_linear_parameters,
)
from gnn_discovery.estimation.parametric_law import ParametricLaw
from gnn_discovery.estimation.residual_weights import (
    ForceScale,
    force_scale,
    inverse_force_weights,
    mean_relative_error,
)
from gnn_discovery.estimation.thresholds import locate_thresholds, scan_thresholds
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.term_evaluator import TermEvaluator


@runtime_checkable
class PosteriorSampler(Protocol):
    """A function that draws from the posterior, such as `posterior.sample_posterior`."""

    def __call__(
        self,
        problem: LeastSquaresProblem,
        best: np.ndarray,
        centre: np.ndarray,
        covariance: np.ndarray,
        seed: int = 0,
        *,
        criteria: Criteria = DEFAULT_CRITERIA,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return mean (P,) and covariance (P P) of the posterior.

        Args:
            problem: the problem.
            best: (P,) the minimum of the cost.
            centre: (P,) the same without the bias by errors in variables.
            covariance: (P P) the covariance over runs.
            seed: of the draws.
            criteria: the criteria of the discovery.
        """


@dataclass(frozen=True)
class FittedLaw:
    """A law with fitted constants.

    Attributes:
        law: the law, with value and standard error of each constant.
        error: mean of |F_law - F| / (scale + |F|) on the data of the fit; infinite where no fit is finite.
        names: ``term.constant``, then ``property[particle]``, of each row of ``covariance``.
        covariance: (P P), nan for thresholds, whose errors are not normal.
    """

    law: ForceLaw
    error: float
    names: tuple[str, ...]
    covariance: Float[np.ndarray, "P P"]


def multistart_search(
    problem: LeastSquaresProblem,
    *,
    n_starts: int,
    seed: int = 0,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> tuple[Float[np.ndarray, " P"], float]:
    """Minimise the cost from the constants that the law holds and from random multiples of them.

    Args:
        problem: the problem, of few rows.
        n_starts: number of starting points.
        seed: of the random numbers.
        criteria: the criteria of the discovery.

    Returns:
        The best parameters, and their cost.
    """
    limits, model = criteria.estimation, problem.model
    rng = np.random.default_rng(seed)
    run = scan_thresholds if model.thresholds else _fit_from_linear_start
    best, cost = run(problem, model.start)
    n_starts = min(n_starts, limits.max_starts_with_thresholds) if model.thresholds else n_starts
    exact = limits.exact_fit_error**2 * np.count_nonzero(problem.weight)
    for _ in range(n_starts - 1):
        if cost < exact or not model.parameters:
            break
        start = model.start
        constants = slice(0, len(model.parameters))
        start[constants] *= np.exp(rng.normal(0.0, limits.start_log_std, len(model.parameters)))
        end, value = run(problem, start)
        if value < limits.min_cost_gain * cost:
            best, cost = end, value
    return best, cost


def _fit_from_linear_start(problem: LeastSquaresProblem, theta: np.ndarray) -> tuple[np.ndarray, float]:
    end, cost = minimise(problem, solve_linear_parameters(problem, theta))
    return end, cost if problem.is_resolved(end) else np.inf


def refit(
    law: ForceLaw,
    data: Dataset,
    *,
    latent: Sequence[str] = (),
    scale: ForceScale | None = None,
    n_starts: int | None = None,
    max_pairs: int | None = None,
    rounds: int | None = None,
    with_errors: bool = True,
    posterior_sampler: PosteriorSampler | None = None,
    seed: int = 0,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> FittedLaw:
    """Fit all constants of a law jointly to ``data.force``, from the values they have.

    The cost is that of `least_squares`, with weights 1 / (scale + |F|) and Huber's weights of outliers. A search over a
    few starts on few snapshots comes first, then iteratively reweighted least squares on all. Increments have the
    weights of their kicks; all of them count at once where they can be compressed (`compressed_problem`).

    Args:
        law: the law.
        data: the motion.
        latent: names of properties whose values are inferred with the constants (one system of N bodies).
        scale: (N,) the scale of each particle, by default that of ``data``.
        n_starts: starting points of the search, ``estimation.n_starts`` by default; 0 where the constants are near
            already and no search is needed.
        max_pairs: largest number of pair observations; ``estimation.max_pairs`` by default.
        rounds: rounds in which residuals are weighed anew; ``estimation.reweighting_rounds`` by default, and with
            latent properties until the weights stay.
        with_errors: False leaves out error bars and the correction for errors in variables.
        posterior_sampler: function that gives error bars in the place of the jackknife; latent properties keep theirs.
        seed: of all random numbers.
        criteria: the criteria of the discovery.

    Raises:
        DataError: a property is missing, or two interacting particles are at one place.
    """
    limits = criteria.estimation
    max_pairs = limits.max_pairs if max_pairs is None else max_pairs
    n_starts = limits.n_starts if n_starts is None else n_starts
    scale = force_scale(data, criteria=criteria) if scale is None else scale
    if latent:
        absorbed = absorb_degenerate_amplitude(law, latent)
        fit = fit_latent_properties(
            absorbed, data, latent, max_pairs=max_pairs, rounds=rounds, with_errors=with_errors, criteria=criteria
        )
        fitted = law_of_latent_fit(fit, criteria=criteria)
        return FittedLaw(fitted, mean_relative_error(fitted, fit.data, scale), fit.model.names, fit.covariance)
    rounds = limits.reweighting_rounds if rounds is None else rounds
    model = ParametricLaw(law, data.positions.shape[1])
    if not model.parameters:
        return FittedLaw(law, mean_relative_error(law, data, scale), model.names, np.zeros((0, 0)))

    def of_rows(count: int) -> LeastSquaresProblem:
        few = subsample_pairs(data, count, seed, criteria=criteria)
        return LeastSquaresProblem(model, TermEvaluator(few), inverse_force_weights(few, scale).T)

    found = None
    if posterior_sampler is None and (compressed := compress(model, data, criteria=criteria)) is not None:
        found = _fit(compressed, compressed, scale, n_starts, rounds, seed, criteria)
    if found is None or not found.problem.is_resolved(found.theta):
        found = _fit(of_rows(limits.search_max_pairs), of_rows(max_pairs), scale, n_starts, rounds, seed, criteria)
    if found is None:
        return FittedLaw(law, np.inf, model.names, np.full((model.size, model.size), np.inf))
    problem, theta = found.problem, found.theta
    covariance = np.full((model.size, model.size), np.nan)
    if with_errors:
        theta, covariance = _with_errors(problem, theta, scale, posterior_sampler, seed, criteria)
    std = np.sqrt(np.diag(covariance))
    std[list(found.spread)] = list(found.spread.values())
    fitted = model.fitted(theta, std)
    if isinstance(problem, CompressedProblem):
        error = problem.cost(theta) / problem.count(problem.target)
    else:
        error = mean_relative_error(fitted, problem.evaluator.data, scale)
    return FittedLaw(fitted, error, model.names, covariance)


@dataclass(frozen=True)
class _Fit:
    """The problem with its last weights, the parameters, and the standard errors of thresholds by their places."""

    problem: LeastSquaresProblem
    theta: Float[np.ndarray, " P"]
    spread: dict[int, float]


def _fit(
    few: LeastSquaresProblem,
    problem: LeastSquaresProblem,
    scale: ForceScale,
    n_starts: int,
    rounds: int,
    seed: int,
    criteria: Criteria,
) -> _Fit | None:
    """Fit all parameters, from where a search on few rows has led; None where the cost is not finite."""
    model, spread = problem.model, dict[int, float]()
    theta, cost = model.start, 0.0
    if n_starts:
        theta, cost = multistart_search(few, n_starts=n_starts, seed=seed, criteria=criteria)
    if not np.isfinite(cost):
        return None
    for _ in range(2 if model.thresholds else 1):
        weighed, theta = iteratively_reweighted_fit(problem, theta, scale, rounds=rounds, criteria=criteria)
        theta, spread = locate_thresholds(weighed, theta) if model.thresholds else (theta, {})
    if model.thresholds:
        theta, _ = minimise(weighed, theta, iterations=8)
        spread = {k: width for k, width in spread.items() if not model.differentiable[k]}
    return _Fit(weighed, theta, spread)


def _with_errors(
    problem: LeastSquaresProblem,
    theta: np.ndarray,
    scale: ForceScale,
    posterior_sampler: PosteriorSampler | None,
    seed: int,
    criteria: Criteria,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the parameters without the bias by errors in variables, and their covariance.

    The bias is left in where taking it out raises the cost by ``estimation.max_cost_increase`` or more: there the
    expansion to second order in the noise does not hold.
    """
    bias = None
    if problem.evaluator.data.noise_realisation is not None:
        bias = errors_in_variables_bias(problem, theta, scale, criteria=criteria)
    step, covariance = jackknife(problem, theta, bias, criteria=criteria)
    corrected = theta
    if problem.cost(theta + step) < criteria.estimation.max_cost_increase * problem.cost(theta):
        corrected = theta + step
    if posterior_sampler is None:
        return corrected, covariance
    return posterior_sampler(problem, theta, corrected, covariance, seed, criteria=criteria)
