"""Refit: all constants of a law together, in float64, on the observed motion, with error bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gnn_discovery.data.dataset import Dataset, subsample_dataset
from gnn_discovery.estimation.jackknife import errors_in_variables_bias, jackknife
from gnn_discovery.estimation.latent_properties import (
    absorb_degenerate_amplitude,
    fit_latent_properties,
    law_of_latent_fit,
)
from gnn_discovery.estimation.levenberg_marquardt import (
    LeastSquaresProblem,
    iteratively_reweighted_fit,
    levenberg_marquardt,
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

PosteriorSampler = Callable[
    [LeastSquaresProblem, np.ndarray, np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]
]
"""Mean (P,) and covariance (P P) of the posterior, from the problem, the minimum of its misfit, the same without the
drift by noise, its covariance, and a seed."""
MULTISTART_MAX_PAIRS = 2_000
REFIT_MAX_PAIRS = 300_000
REWEIGHTING_ROUNDS = 3
MAX_COST_INCREASE = 1.1
"""What noise did to the constants is taken out where the misfit grows by no more: else too little is known of it."""
EXACT_FIT_ERROR = 1e-7
"""A search that reaches this relative error needs no other start."""


@dataclass(frozen=True)
class FittedLaw:
    """A law with fitted constants.

    Attributes:
        law: with value and standard error of each constant.
        error: mean of |F_law - F| / (scale + |F|) on the data of the fit; inf where nothing finite was found.
        names: ``term.constant``, then ``property[particle]``, of each row of ``covariance``.
        covariance: (P P), nan for thresholds, whose errors are not normal.
    """

    law: ForceLaw
    error: float
    names: tuple[str, ...]
    covariance: Float[np.ndarray, "P P"]


def subsample_pairs(data: Dataset, entries: int, seed: int = 0) -> Dataset:
    """At most so many snapshots that their pairs number about ``entries``, drawn at random, in order."""
    return subsample_dataset(data, max(20, entries // max(1, len(data.receivers), data.positions.shape[1])), seed)


def multistart_search(
    model: ParametricLaw, data: Dataset, scale: ForceScale, *, starts: int = 4, seed: int = 0
) -> tuple[np.ndarray, float]:
    """The best end of descents from the given constants and from shaken ones, on few snapshots."""
    few = subsample_pairs(data, MULTISTART_MAX_PAIRS, seed)
    problem = LeastSquaresProblem(model, TermEvaluator(few), inverse_force_weights(few, scale).T)
    rng = np.random.default_rng(seed)
    run = scan_thresholds if model.thresholds else _fit_from_linear_start
    best, cost = run(problem, model.start)
    starts = min(starts, 2) if model.thresholds else starts
    exact = EXACT_FIT_ERROR**2 * np.count_nonzero(problem.weight)
    for _ in range(starts - 1):
        if cost < exact or not model.parameters:
            break
        shaken = model.start
        constants = slice(0, len(model.parameters))
        shaken[constants] *= np.exp(rng.normal(0.0, 0.5, len(model.parameters)))
        end, value = run(problem, shaken)
        if value < 0.99 * cost:
            best, cost = end, value
    return best, cost


def _fit_from_linear_start(problem: LeastSquaresProblem, theta: np.ndarray) -> tuple[np.ndarray, float]:
    return levenberg_marquardt(problem, solve_linear_parameters(problem, theta))


def refit(
    law: ForceLaw,
    data: Dataset,
    *,
    latent: Sequence[str] = (),
    scale: ForceScale | None = None,
    starts: int = 4,
    entries: int = REFIT_MAX_PAIRS,
    rounds: int = REWEIGHTING_ROUNDS,
    errors: bool = True,
    draw: PosteriorSampler | None = None,
    seed: int = 0,
) -> FittedLaw:
    """Fit all constants of ``law`` jointly to ``data.force``, from the values they have.

    Residuals are weighted by 1 / (scale + |F|), outliers by Huber's weights; a search over a few starts on
    few snapshots comes first, Levenberg-Marquardt on all (at most ``entries`` pairs) after it.

    Args:
        latent: names of properties whose values are inferred with the constants (one system of N bodies).
        starts: descents of the search; 0 where the constants are near already and no search is needed.
        scale: (N,) as of `force_scale`, by default that of ``data``.
        rounds: in which residuals are weighed anew.
        errors: whether error bars are measured, and what noise did to the constants is taken out of them.
        draw: gives them in the place of runs left out in turn; inferred properties keep their own.
    """
    scale = force_scale(data) if scale is None else scale
    if latent:
        fit = fit_latent_properties(
            absorb_degenerate_amplitude(law, latent), data, latent, entries=entries, errors=errors
        )
        fitted = law_of_latent_fit(fit)
        return FittedLaw(fitted, mean_relative_error(fitted, data, scale), fit.model.names, fit.covariance)
    model = ParametricLaw(law, data.positions.shape[1])
    if not model.parameters:
        return FittedLaw(law, mean_relative_error(law, data, scale), model.names, np.zeros((0, 0)))
    theta, cost = multistart_search(model, data, scale, starts=starts, seed=seed) if starts else (model.start, 0.0)
    if not np.isfinite(cost):
        return FittedLaw(law, np.inf, model.names, np.full((model.size, model.size), np.inf))
    data = subsample_pairs(data, entries, seed)
    problem = LeastSquaresProblem(model, TermEvaluator(data), inverse_force_weights(data, scale).T)
    spread: dict[int, float] = {}
    for _ in range(2 if model.thresholds else 1):
        used, theta = iteratively_reweighted_fit(problem, theta, scale, rounds=rounds)
        theta, spread = locate_thresholds(used, theta) if model.thresholds else (theta, {})
    if model.thresholds:
        theta, _ = levenberg_marquardt(used, theta, iterations=8)
        spread = {k: width for k, width in spread.items() if not model.differentiable[k]}
    covariance = np.full((model.size, model.size), np.nan)
    if errors:
        drift = errors_in_variables_bias(used, theta, scale) if data.noise_realisation is not None else None
        step, covariance = jackknife(used, theta, drift)
        moved = theta + step if used.cost(theta + step) < MAX_COST_INCREASE * used.cost(theta) else theta
        theta, covariance = draw(used, theta, moved, covariance, seed) if draw else (moved, covariance)
    std = np.sqrt(np.diag(covariance))
    std[list(spread)] = list(spread.values())
    fitted = model.fitted(theta, std)
    return FittedLaw(fitted, mean_relative_error(fitted, data, scale), model.names, covariance)
