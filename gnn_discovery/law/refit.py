"""Refit: all constants of a law together, in float64, on the observed motion, with error bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gnn_discovery.law.latent import solve_latent, structural_amplitude, with_latent_values
from gnn_discovery.law.minimise import Problem, descend, linear_start, robust_descend
from gnn_discovery.law.model import Model
from gnn_discovery.law.record import ForceLaw
from gnn_discovery.law.scene import Scene
from gnn_discovery.law.threshold import locate, scan
from gnn_discovery.law.uncertainty import jackknife, noise_drift
from gnn_discovery.law.weights import Scale, force_scale, mean_error, weights
from gnn_discovery.snapshots import Snapshots, subsample

Draw = Callable[[Problem, np.ndarray, np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""Mean (P,) and covariance (P P) of the posterior, from the problem, the minimum of its misfit, the same without the
drift by noise, its covariance, and a seed."""
SEARCH_ENTRIES = 2_000
POLISH_ENTRIES = 300_000
ROUNDS = 3
FURTHER = 1.1
"""What noise did to the constants is taken out where the misfit grows by no more: else too little is known of it."""
EXACT = 1e-7
"""A search that reaches this relative error needs no other start."""


@dataclass(frozen=True)
class Fitted:
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


def thin(data: Snapshots, entries: int, seed: int = 0) -> Snapshots:
    """At most so many snapshots that their pairs number about ``entries``, drawn at random, in order."""
    return subsample(data, max(20, entries // max(1, len(data.receivers), data.positions.shape[1])), seed)


def search(model: Model, data: Snapshots, scale: Scale, *, starts: int = 4, seed: int = 0) -> tuple[np.ndarray, float]:
    """The best end of descents from the given constants and from shaken ones, on few snapshots."""
    few = thin(data, SEARCH_ENTRIES, seed)
    problem = Problem(model, Scene(few), weights(few, scale).T)
    rng = np.random.default_rng(seed)
    run = scan if model.thresholds else _plain
    best, cost = run(problem, model.start)
    starts = min(starts, 2) if model.thresholds else starts
    exact = EXACT**2 * np.count_nonzero(problem.weight)
    for _ in range(starts - 1):
        if cost < exact or not model.slots:
            break
        shaken = model.start
        constants = slice(0, len(model.slots))
        shaken[constants] *= np.exp(rng.normal(0.0, 0.5, len(model.slots)))
        end, value = run(problem, shaken)
        if value < 0.99 * cost:
            best, cost = end, value
    return best, cost


def _plain(problem: Problem, theta: np.ndarray) -> tuple[np.ndarray, float]:
    return descend(problem, linear_start(problem, theta))


def refit(
    law: ForceLaw,
    data: Snapshots,
    *,
    latent: Sequence[str] = (),
    scale: Scale | None = None,
    starts: int = 4,
    entries: int = POLISH_ENTRIES,
    rounds: int = ROUNDS,
    errors: bool = True,
    draw: Draw | None = None,
    seed: int = 0,
) -> Fitted:
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
        fit = solve_latent(structural_amplitude(law, latent), data, latent, entries=entries, errors=errors)
        fitted = with_latent_values(fit)
        return Fitted(fitted, mean_error(fitted, data, scale), fit.model.names, fit.covariance)
    model = Model(law, data.positions.shape[1])
    if not model.slots:
        return Fitted(law, mean_error(law, data, scale), model.names, np.zeros((0, 0)))
    theta, cost = search(model, data, scale, starts=starts, seed=seed) if starts else (model.start, 0.0)
    if not np.isfinite(cost):
        return Fitted(law, np.inf, model.names, np.full((model.size, model.size), np.inf))
    data = thin(data, entries, seed)
    problem = Problem(model, Scene(data), weights(data, scale).T)
    spread: dict[int, float] = {}
    for _ in range(2 if model.thresholds else 1):
        used, theta = robust_descend(problem, theta, scale, rounds=rounds)
        theta, spread = locate(used, theta) if model.thresholds else (theta, {})
    if model.thresholds:
        theta, _ = descend(used, theta, iterations=8)
        spread = {k: width for k, width in spread.items() if not model.smooth[k]}
    covariance = np.full((model.size, model.size), np.nan)
    if errors:
        drift = noise_drift(used, theta, scale) if data.blur is not None else None
        step, covariance = jackknife(used, theta, drift)
        moved = theta + step if used.cost(theta + step) < FURTHER * used.cost(theta) else theta
        theta, covariance = draw(used, theta, moved, covariance, seed) if draw else (moved, covariance)
    std = np.sqrt(np.diag(covariance))
    std[list(spread)] = list(spread.values())
    fitted = model.fitted(theta, std)
    return Fitted(fitted, mean_error(fitted, data, scale), model.names, covariance)
