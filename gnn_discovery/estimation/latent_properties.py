"""Inferred source strengths: a property that the data lack, solved for with the constants of the law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.errors import DataError
from gnn_discovery.estimation.jackknife import gradients_by_group
from gnn_discovery.estimation.levenberg_marquardt import (
    LeastSquaresProblem,
    huber_weights,
    levenberg_marquardt,
    predicted_force_weights,
    solve_linear_parameters,
)
from gnn_discovery.estimation.parametric_law import ParametricLaw
from gnn_discovery.estimation.residual_weights import force_scale, inverse_force_weights
from gnn_discovery.laws.law import ForceLaw, LatentProperty
from gnn_discovery.laws.term_evaluator import TermEvaluator, cached_derivative
from gnn_discovery.symbolic.expression import Expression

MIN_LATENT_SNAPSHOTS = 200
MAX_LATENT_UNCERTAINTY = 0.30
"""A strength is determined when its 95% interval is narrower than this part of it, up and down."""

_LATENT_BLOCK_COUNTS = (2, 5, 10, 20)


@dataclass(frozen=True)
class LatentFit:
    """The end of a fit with latent values: the model, its vector, and the standard error of each entry."""

    model: ParametricLaw
    theta: np.ndarray
    covariance: np.ndarray


def missing_properties(law: ForceLaw, data: Dataset) -> tuple[str, ...]:
    """Names of the properties that the law uses and the data do not have."""
    names = {
        name[:-2]
        for term in law.terms
        for name in term.expression.names - set(term.constants)
        if name.endswith(("_i", "_j"))
    }
    return tuple(sorted(names - set(data.properties)))


def absorb_degenerate_amplitude(law: ForceLaw, latent: Sequence[str]) -> ForceLaw:
    """The law with +-1 for a constant that only scales a latent property: strengths carry the amplitude.

    The first term that is proportional both to a constant and to a latent property loses that constant.
    """
    fixed = set()
    for t, term in enumerate(law.terms):
        held = next((n for n in latent if f"{n}_j" in term.expression.names and n not in fixed), None)
        if held is None:
            continue
        for name, constant in term.constants.items():
            if not _is_proportional(term.expression, name):
                continue
            expression = term.expression.substitute({name: 1.0 if constant.value >= 0 else -1.0})
            rest = {k: c for k, c in term.constants.items() if k != name}
            terms = (
                *law.terms[:t],
                replace(term, expression=expression, constants=rest),
                *law.terms[t + 1 :],
            )
            law = replace(law, terms=terms)
            break
        fixed.add(held)
    return law


def _is_proportional(expression: Expression, name: str) -> bool:
    slope = cached_derivative(expression, (name,))
    return name not in slope.names and not expression.substitute({name: 0.0}).names


def fit_latent_properties(
    law: ForceLaw, data: Dataset, latent: Sequence[str], *, entries: int, errors: bool = True
) -> LatentFit:
    """Constants and per-particle values jointly, each body's equations weighted by its own residual.

    The weights are repeated until they stand still: bodies are seen with very different precision. The
    standard errors are the largest of those that follow when the residuals are resampled in contiguous
    blocks of several lengths (halves of the span to twentieths), and when whole bodies are: what is common
    to a block, or to all equations of one body, is a systematic error and does not average out. An error
    that repeats with the orbits themselves, as in a truncated planetary theory, is not seen by this.
    """
    if len(data.run) * data.positions.shape[-1] < 4:
        raise DataError(f"{len(data.run)} instants are too few to infer a property")
    if data.kernel is None:  # in weak form the instants stay together
        count = max(MIN_LATENT_SNAPSHOTS, entries // max(1, len(data.receivers)))
        data = data.select(np.unique(np.linspace(0, len(data.run) - 1, count).astype(int)))
    scene, model = TermEvaluator(data), ParametricLaw(law, data.positions.shape[1], latent)
    scale = force_scale(data)
    base = inverse_force_weights(data, scale).T
    factor, theta = np.ones(len(base)), model.start
    problem = LeastSquaresProblem(model, scene, base)
    theta = solve_linear_parameters(problem, theta)
    for _ in range(20):
        theta, _ = levenberg_marquardt(problem, theta, iterations=20)
        base = predicted_force_weights(problem, theta, scale)
        residual = LeastSquaresProblem(model, scene, base).residual(theta)
        if not np.isfinite(residual).all():
            break
        new = 1.0 / np.maximum(np.sqrt((residual**2).sum(axis=-1).mean(axis=1)), 1e-14)
        problem = LeastSquaresProblem(model, scene, base * new[:, None] * huber_weights(residual, base))
        moved, factor = np.abs(np.log(new / factor)).max(), new
        if moved < 1e-3:
            break
    covariance = cluster_robust_covariance(problem, theta) if errors else np.full((model.size, model.size), np.nan)
    return LatentFit(model, theta, covariance)


def cluster_robust_covariance(problem: LeastSquaresProblem, theta: np.ndarray) -> np.ndarray:
    """(P P) covariance with each entry's largest error over blocks of several lengths and bodies."""
    slope = problem.jacobian(theta)
    residual = problem.residual(theta)
    if not (np.isfinite(slope).all() and np.isfinite(residual).all()):
        return np.diag(np.full(len(theta), np.inf))
    size = np.linalg.norm(slope, axis=1)
    blind = size == 0
    size[blind] = 1.0
    slope /= size[:, None]
    cube = slope.reshape(len(slope), *residual.shape)
    inverse = np.linalg.pinv(slope @ slope.T + np.diag(blind.astype(float)), rcond=1e-14, hermitian=True)
    instants = np.arange(residual.shape[1])
    groups = [(np.broadcast_to(instants * b // len(instants), residual.shape[:2])) for b in _LATENT_BLOCK_COUNTS]
    groups.append(np.broadcast_to(np.arange(len(residual))[:, None], residual.shape[:2]))
    runs = np.unique(problem.scene.data.run, return_inverse=True)[1]
    groups.append(np.broadcast_to(runs, residual.shape[:2]))
    found = []
    for group in groups:
        count = int(group.max()) + 1
        if count > 1:
            gradients = gradients_by_group(cube, residual, group, count)
            steps = gradients @ inverse
            found.append(steps.T @ steps * count / (count - 1))
    largest = np.sqrt(np.max([np.diag(c) for c in found], axis=0))
    shape = found[0] / np.sqrt(np.outer(np.diag(found[0]), np.diag(found[0])) + 1e-300)
    covariance = shape * np.outer(largest, largest) / np.outer(size, size)
    covariance[blind, blind] = np.inf
    return covariance


def law_of_latent_fit(fit: LatentFit) -> ForceLaw:
    """The fitted law; strengths are positive for the strongest body, and say which bodies are determined."""
    std = np.sqrt(np.diag(fit.covariance))
    law = fit.model.fitted(fit.theta, std)
    for name in fit.model.latent:
        part = fit.model.latent_slice(name)
        values, spread = fit.theta[part].copy(), std[part]
        one_sided = not any(f"{name}_i" in term.expression.names for term in law.terms)
        if one_sided and values[np.argmax(np.abs(values))] < 0:
            values, flip = -values, {f"{name}_j": Expression.parse(f"-{name}_j")}
            law = replace(law, terms=tuple(replace(t, expression=t.expression.substitute(flip)) for t in law.terms))
        determined = np.isfinite(spread) & (1.96 * spread < MAX_LATENT_UNCERTAINTY * np.abs(values))
        law = replace(law, latent={**law.latent, name: LatentProperty(values, spread, determined)})
    return law


def inferable_properties(data: Dataset) -> tuple[str, ...]:
    """Return the names of the properties that are inferred: the source strength ``m``, or none.

    It is inferred where the data give no property, and show the same bodies all along: they have names, or there is
    one run only, whose times never turn back.
    """
    same_bodies = data.names is not None or bool(np.all(np.diff(data.times) > 0))
    enough = data.present.all() and data.present.shape[1] > 2
    return ("m",) if same_bodies and not data.properties and enough else ()
