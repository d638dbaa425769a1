"""Inference of a property that the data lack, such as the masses of the bodies, with the constants of a law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset, thin_snapshots
from gnn_discovery.errors import DataError
from gnn_discovery.estimation.least_squares import (
    LeastSquaresProblem,
    minimise,
    predicted_force_weights,
    solve_linear_parameters,
)
from gnn_discovery.estimation.parametric_law import ParametricLaw
from gnn_discovery.estimation.residual_weights import force_scale, huber_weights, inverse_force_weights
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.term import LatentProperty
from gnn_discovery.laws.term_evaluator import TermEvaluator, cached_derivative
from gnn_discovery.symbolic.expression import Expression


@dataclass(frozen=True)
class LatentFit:
    """The result of a fit of constants and latent values.

    Attributes:
        model: the law as a function of its P parameters.
        theta: (P,) the fitted parameters.
        covariance: (P P) their covariance.
        data: the instants of the motion that took part.
    """

    model: ParametricLaw
    theta: Float[np.ndarray, " P"]
    covariance: Float[np.ndarray, "P P"]
    data: Dataset


def inferable_properties(data: Dataset) -> tuple[str, ...]:
    """Return the names of the properties that are inferred: the source strength ``m``, or none.

    It is inferred where the data give no property, and show the same bodies all along: they have names, or there is
    one run only, whose times never turn back.
    """
    same_bodies = data.names is not None or bool(np.all(np.diff(data.times) > 0))
    enough = data.present.all() and data.present.shape[1] > 2
    return ("m",) if same_bodies and not data.properties and enough else ()


def latent_properties_used(law: ForceLaw, latent: Sequence[str]) -> tuple[str, ...]:
    """Return those of the latent properties that the law depends on.

    Args:
        law: the law.
        latent: names of properties, without suffix.
    """
    names = {name for term in law.terms for name in term.expression.names}
    return tuple(n for n in latent if {f"{n}_i", f"{n}_j"} & names)


def absorb_degenerate_amplitude(law: ForceLaw, latent: Sequence[str]) -> ForceLaw:
    """Return the law with +1 or -1 for a constant that only scales a latent property.

    The product of such a constant and the property is all that the motion determines, so that the values of the
    property take the amplitude. The first term that is proportional both to a constant and to a latent property loses
    that constant.

    Args:
        law: the law.
        latent: names of the properties that are inferred.
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
            others = {k: c for k, c in term.constants.items() if k != name}
            changed = replace(term, expression=expression, constants=others)
            law = replace(law, terms=(*law.terms[:t], changed, *law.terms[t + 1 :]))
            break
        fixed.add(held)
    return law


def _is_proportional(expression: Expression, name: str) -> bool:
    slope = cached_derivative(expression, (name,))
    return name not in slope.names and not expression.substitute({name: 0.0}).names


def fit_latent_properties(
    law: ForceLaw,
    data: Dataset,
    latent: Sequence[str],
    *,
    max_pairs: int,
    rounds: int | None = None,
    with_errors: bool = True,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> LatentFit:
    """Fit constants and the values of each particle jointly.

    The equations of each particle are weighed by the inverse root mean square of its own residuals, since bodies are
    seen with very different precision; fit and weights are repeated until the weights stay.

    Args:
        law: the law, with the constants and latent values from which the fit starts.
        data: the motion of one system of N bodies.
        latent: names of the properties that are inferred.
        max_pairs: largest number of pair observations (snapshots times pairs) that are used.
        rounds: rounds in which residuals are weighed anew after the first fit; by default until the weights stay.
        with_errors: False leaves the covariance out.
        criteria: the criteria of the discovery.

    Raises:
        DataError: there are too few instants.
    """
    if len(data.run) * data.positions.shape[-1] < 4:
        raise DataError(f"{len(data.run)} instants are too few to infer a property")
    if data.observation.window == 1:  # else the instants stay together
        count = max(criteria.estimation.latent_min_snapshots, max_pairs // max(1, len(data.receivers)))
        data = thin_snapshots(data, count)
    evaluator, model = TermEvaluator(data), ParametricLaw(law, data.positions.shape[1], latent)
    scale = force_scale(data, criteria=criteria)
    base = inverse_force_weights(data, scale).T
    factor, theta = np.ones(len(base)), model.start
    problem = LeastSquaresProblem(model, evaluator, base)
    theta = solve_linear_parameters(problem, theta)
    for _ in range(20 if rounds is None else 1 + rounds):
        theta, _ = minimise(problem, theta, iterations=20)
        base = predicted_force_weights(problem, theta, scale)
        residual = LeastSquaresProblem(model, evaluator, base).residual(theta)
        if not np.isfinite(residual).all():
            break
        new = 1.0 / np.maximum(np.sqrt((residual**2).sum(axis=-1).mean(axis=1)), 1e-14)
        robust = huber_weights(residual, base, criteria=criteria)
        problem = LeastSquaresProblem(model, evaluator, base * new[:, None] * robust)
        change, factor = np.abs(np.log(new / factor)).max(), new
        if change < 1e-3:
            break
    if with_errors:
        covariance = cluster_robust_covariance(problem, theta, criteria=criteria)
    else:
        covariance = np.full((model.size, model.size), np.nan)
    return LatentFit(model, theta, covariance, data)


def cluster_robust_covariance(
    problem: LeastSquaresProblem, theta: Float[np.ndarray, " P"], *, criteria: Criteria = DEFAULT_CRITERIA
) -> Float[np.ndarray, "P P"]:
    """Return the covariance with the largest error of each parameter over several ways to form clusters.

    For clusters c it is G/(G - 1) H^-1 (sum_c g_c g_c^T) H^-1, with the normal matrix H, the gradients g_c and the
    number G of clusters: the sandwich of Liang and Zeger (Biometrika 73, 13, 1986). Clusters are contiguous blocks of
    time of several lengths (``estimation.latent_block_counts``), bodies, and runs: an error that is common to a cluster
    is systematic and does not average out. An error that repeats with the orbits themselves is not seen by this.

    Args:
        problem: the problem.
        theta: the parameters at the minimum of the cost.
        criteria: the criteria of the discovery.
    """
    slope = problem.jacobian(theta)
    residual = problem.residual(theta)
    if not (np.isfinite(slope).all() and np.isfinite(residual).all()):
        return np.diag(np.full(len(theta), np.inf))
    size = np.linalg.norm(slope, axis=1)
    undetermined = size == 0
    size[undetermined] = 1.0
    slope /= size[:, None]
    cube = slope.reshape(len(slope), *residual.shape)
    inverse = np.linalg.pinv(slope @ slope.T + np.diag(undetermined.astype(float)), rcond=1e-14, hermitian=True)
    instants = np.arange(residual.shape[1])
    counts = criteria.estimation.latent_block_counts
    groups = [(np.broadcast_to(instants * b // len(instants), residual.shape[:2])) for b in counts]
    groups.append(np.broadcast_to(np.arange(len(residual))[:, None], residual.shape[:2]))
    runs = np.unique(problem.evaluator.data.run, return_inverse=True)[1]
    groups.append(np.broadcast_to(runs, residual.shape[:2]))
    covariances = []
    for group in groups:
        count = int(group.max()) + 1
        if count > 1:
            steps = gradients_by_group(cube, residual, group, count) @ inverse
            covariances.append(steps.T @ steps * count / (count - 1))
    largest = np.sqrt(np.max([np.diag(c) for c in covariances], axis=0))
    first = covariances[0]
    correlation = first / np.sqrt(np.outer(np.diag(first), np.diag(first)) + 1e-300)
    covariance = correlation * np.outer(largest, largest) / np.outer(size, size)
    covariance[undetermined, undetermined] = np.inf
    return np.asarray(covariance)


def gradients_by_group(
    cube: Float[np.ndarray, "P N S D"],
    residual: Float[np.ndarray, "N S D"],
    group: Int[np.ndarray, "N S"],
    groups: int,
) -> Float[np.ndarray, "G P"]:
    """Return the gradient of the cost over each group of residual vectors.

    Args:
        cube: derivatives of the residuals by each parameter.
        residual: weighted residuals.
        group: the number of the group of each residual vector, from 0.
        groups: G.
    """
    pointwise = np.einsum("pnsd,nsd->pns", cube, residual).reshape(len(cube), -1)
    return np.stack([np.bincount(group.ravel(), row, groups) for row in pointwise], axis=1)


def law_of_latent_fit(fit: LatentFit, *, criteria: Criteria = DEFAULT_CRITERIA) -> ForceLaw:
    """Return the fitted law; latent values are positive for the strongest body where their sign is free.

    A value is determined where 1.96 standard errors are less than ``estimation.latent_max_relative_error`` of it.

    Args:
        fit: the fit.
        criteria: the criteria of the discovery.
    """
    std = np.sqrt(np.diag(fit.covariance))
    law = fit.model.fitted(fit.theta, std)
    for name in fit.model.latent:
        part = fit.model.latent_slice(name)
        values, spread = fit.theta[part].copy(), std[part]
        only_as_source = not any(f"{name}_i" in term.expression.names for term in law.terms)
        if only_as_source and values[np.argmax(np.abs(values))] < 0:
            values, flip = -values, {f"{name}_j": Expression.parse(f"-{name}_j")}
            law = replace(law, terms=tuple(replace(t, expression=t.expression.substitute(flip)) for t in law.terms))
        limit = criteria.estimation.latent_max_relative_error
        determined = np.isfinite(spread) & (1.96 * spread < limit * np.abs(values))
        law = replace(law, latent={**law.latent, name: LatentProperty(values, spread, determined)})
    return law
