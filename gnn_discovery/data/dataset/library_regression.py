"""The library regression: how much of the motion do sums over pairs, and fields, explain, whatever their form?

A library of sums over pairs (splines of the distance, along and across the line of centres, times what properties may
do) and of fields (powers, splines of the distance from the centre, friction) is fitted to the target by ridge
regression, and each part of the runs is predicted from the others. What is left is an upper limit on the errors of the
target, found without any network or law; the comparison of two orders tells whether the motion has inertia
(`gnn_discovery.data.dataset.order_selection`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.interpolate import BSpline
from scipy.sparse import csr_array

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset.dataset import Dataset
from gnn_discovery.data.dataset.observation import IncrementObservation
from gnn_discovery.data.dataset.subsample import subsample_pairs
from gnn_discovery.data.differentiation import covariances_in_time

N_FOLDS = 5
"""Number of parts of which each in turn is held out of the regression."""
RIDGES = (1e-13, 1e-11, 1e-9, 1e-7, 1e-5, 1e-3)
"""Penalties of the regression, relative to the largest eigenvalue; the one that predicts held-out runs best counts."""


def unexplained_by_positions(
    data: Dataset, *, beside_noise: bool = False, criteria: Criteria = DEFAULT_CRITERIA
) -> float:
    """Return the share of the target that a library of sums over pairs and of fields leaves in held-out runs.

    Args:
        data: motion of either order; for order 2 the library holds friction too.
        beside_noise: what the errors of the positions make of averages is no part of either, but for the error with
            which it is known.
        criteria: the stage ``order`` gives the number of pairs that are drawn.
    """
    data = subsample_pairs(data.weak_form or data, criteria.order.max_pairs, criteria=criteria)
    target, left, _ = _residuals(data)
    total, unexplained = float(np.sum(target**2)), float(np.sum(left**2))
    if beside_noise and data.noise_realisation is not None:
        mask, weight = data.target_mask, row_weights(data)
        noise = float(np.sum((data.noise_realisation[2] * weight[..., None])[mask] ** 2))
        total, unexplained = total - noise, max(unexplained - noise, criteria.order.noise_uncertainty * noise)
    return float(np.clip(unexplained / total, 0.0, 1.0)) if total > 0 else 1.0


def typical_library_error(data: Dataset, *, criteria: Criteria = DEFAULT_CRITERIA) -> float:
    """Return the median relative error of the library in held-out runs, an upper limit on that of the target.

    Args:
        data: motion of either order.
        criteria: the stage ``order`` gives the number of pairs that are drawn.
    """
    target, left = (np.linalg.norm(part, axis=-1) for part in _weighed_residuals(data, criteria)[:2])
    return float(min(1.0, np.median(left) / max(float(np.median(target)), np.finfo(float).tiny)))


def explained_square(data: Dataset, *, criteria: Criteria = DEFAULT_CRITERIA) -> tuple[float, float]:
    """Return by how much the library lowers the mean square of the target in held-out runs, and its standard error.

    Of increments this is the mean square of a coordinate of the force: kicks depend on nothing, and the library takes
    nothing from them.

    Args:
        data: increments, or what a law leaves of them.
        criteria: the stage ``estimation`` gives the number of pairs that are drawn.
    """
    target, left, run = _weighed_residuals(data, criteria)
    return _mean_with_error(np.mean(target**2 - left**2, axis=-1), run)


def relative_square_left(
    data: Dataset,
    predicted: Float[np.ndarray, "S N D"],
    runs: Int[np.ndarray, " R"],
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> tuple[float, float]:
    """Return the mean square that the library sees in what a prediction leaves, over that of the prediction.

    Errors of the target depend on nothing, so that nothing is seen where the prediction is right. Rows are weighed by
    the size of the prediction, which has no errors, and ``noise.residual_clip`` times the median is the most that is
    left: where the path through an encounter is wrong, it says nothing.

    Args:
        data: motion whose target has errors.
        predicted: what would be observed were the prediction the truth.
        runs: labels of the runs that count; each run is held out of the library that it is compared with.
        criteria: ``order.max_pairs`` times ``estimation.increments_per_pair`` pairs are drawn, as of increments.

    Returns:
        The share, and its standard error over runs; infinite where none of the runs is drawn.
    """
    data = replace(data, weak_form=None)
    parts = (replace(data, target=data.target - predicted), replace(data, target=predicted))
    count = criteria.order.max_pairs * criteria.estimation.increments_per_pair
    rest, told = (subsample_pairs(part, count, criteria=criteria) for part in parts)
    weight = row_weights(told)
    size = np.linalg.norm(rest.target, axis=-1) * weight
    bound = criteria.noise.residual_clip * float(np.median(size[rest.target_mask]))
    rest = replace(rest, target=rest.target * np.minimum(1.0, bound / np.maximum(size, bound))[..., None])
    target, left, _ = _residuals(rest, weight)
    run = np.broadcast_to(rest.run[:, None], rest.target_mask.shape)[rest.target_mask]
    size = np.mean((told.target * weight[..., None])[rest.target_mask] ** 2, axis=-1)
    chosen = np.isin(run, runs)
    if len(np.unique(run[chosen])) < 2:
        return np.inf, np.inf
    gain, error = _mean_with_error(np.mean(target**2 - left**2, axis=-1)[chosen], run[chosen])
    scale = max(float(size[chosen].mean()), np.finfo(float).tiny)
    return gain / scale, error / scale


def _mean_with_error(values: Float[np.ndarray, " K"], run: Int[np.ndarray, " K"]) -> tuple[float, float]:
    """Return the mean of values, and its standard error over runs."""
    _, number = np.unique(run, return_inverse=True)
    means = np.bincount(number, values) / np.bincount(number)
    return float(values.mean()), float(means.std(ddof=1) / np.sqrt(len(means)))


def position_error(data: Dataset, weights: Float[np.ndarray, " W"], *, criteria: Criteria = DEFAULT_CRITERIA) -> float:
    """Return the standard error of the positions by the autocovariance of library residuals; 0 if none is seen.

    Averages that share frames share the errors of these: errors of variance s^2 give two averages, k frames apart, the
    covariance s^2 n_k, where n_k is that of the weights with themselves, and n_k is negative at one frame (order 2) or
    at two (order 1). What the library cannot follow changes slowly, and has a positive one, E rho_k. From c_0 = s^2 n_0
    + E and c_k = s^2 n_k + E rho_k follows s. The half of the targets where the library's force is smaller counts:
    there its own errors are small.

    Args:
        data: weak form along paths.
        weights: of the frames in a target.
        criteria: the stage ``noise`` holds rho_k and the smallest share of c_0 that counts as seen.
    """
    limits, apart = criteria.noise, data.observation.substeps
    few = _whole_runs(data, criteria)
    left = _clip(_quiet_residuals(few), criteria)
    noise = np.correlate(weights, weights, mode="full")[len(weights) - 1 :]
    lag = int(np.argmin(noise))
    same = (few.run[lag * apart :] == few.run[: -lag * apart])[:, None, None]
    pairs = np.where(same, left[lag * apart :] * left[: -lag * apart], np.nan)
    if not np.isfinite(pairs).any():
        return 0.0
    total, shared = float(np.nanmean(left**2)), float(np.nanmean(pairs))
    memory = limits.library_error_memory**lag
    variance = (memory * total - shared) / (memory * noise[0] - noise[lag])
    return float(np.sqrt(variance)) if variance * noise[0] >= limits.min_position_noise_share * total else 0.0


def residual_covariances(
    data: Dataset, apart: int, *, criteria: Criteria = DEFAULT_CRITERIA
) -> tuple[Float[np.ndarray, "R K"], float]:
    """Return how residuals of the library covary in time, and how heavy the tails of their distribution are.

    The half of the targets where the library's force is smaller counts: there its own errors are small.

    Args:
        data: motion at evenly spaced frames without gaps in a run.
        apart: number of frames between residuals.
        criteria: the stage ``order`` gives the number of pairs that are drawn, ``noise`` where residuals are clipped.

    Returns:
        Covariances of a coordinate of the residual force of each run, 0, 1, ... times ``apart`` frames later, and the
        mean square of residuals over the square of their robust standard deviation, which is 1 for normal ones.
    """
    few = _whole_runs(data, criteria)
    left = _quiet_residuals(few)
    if few.has_mass:
        left *= few.properties["m"][..., None]
    std = np.nanmedian(np.abs(left)) / NormalDist().inv_cdf(0.75)
    tails = float(np.nanmean(left**2) / max(std**2, np.finfo(float).tiny))
    left = _clip(left, criteria)
    runs = [left[few.run == label] for label in np.unique(few.run)]
    return covariances_in_time(runs, apart), tails


def _quiet_residuals(data: Dataset) -> Float[np.ndarray, "S N D"]:
    """Return what the library leaves of the target, nan but in the half of the targets where its force is smaller."""
    mask, left = data.target_mask, np.full(data.target.shape, np.nan)
    left[mask] = _residuals(data)[1] / row_weights(data)[mask][:, None]
    explained = np.linalg.norm(data.target - left, axis=-1)
    left[~(explained <= np.nanmedian(explained))] = np.nan
    return left


def _clip(left: Float[np.ndarray, "S N D"], criteria: Criteria) -> Float[np.ndarray, "S N D"]:
    bound = criteria.noise.residual_clip * np.nanmedian(np.abs(left))
    clipped: np.ndarray = np.clip(left, -bound, bound)
    return clipped


def _whole_runs(data: Dataset, criteria: Criteria) -> Dataset:
    """Draw runs with about ``order.max_pairs`` pairs of particles."""
    labels, lengths = np.unique(data.run, return_counts=True)
    pairs = max(1, len(data.receivers)) * lengths / data.observation.substeps
    order = np.random.default_rng(0).permutation(len(labels))
    count = max(N_FOLDS, int(np.searchsorted(np.cumsum(pairs[order]), criteria.order.max_pairs)))
    return data.select(np.isin(data.run, labels[order[:count]]))


def _weighed_residuals(data: Dataset, criteria: Criteria) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the residuals of a sample of the data. Motion in weak form is compared in weak form."""
    return _residuals(subsample_pairs(data.weak_form or data, criteria.order.max_pairs, criteria=criteria))


def _residuals(
    data: Dataset, weight: Float[np.ndarray, "S N"] | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return targets (K D), what ridge regression leaves of them where they are held out, and their runs (K,).

    Both are times the weight: by default, relative to the local and the typical size of the target.
    """
    mask, weight = data.target_mask, row_weights(data) if weight is None else weight
    columns = [data.observe(column) * weight[..., None] for column in _library(data)]
    matrix = np.stack([column[mask].ravel() for column in columns], axis=-1)
    target = (data.target * weight[..., None])[mask]
    run = np.broadcast_to(data.run[:, None], mask.shape)[mask]
    scale = np.linalg.norm(matrix, axis=0)
    matrix = matrix[:, scale > 0] / scale[scale > 0]
    labels, number = np.unique(run, return_inverse=True)
    fold = np.repeat((np.random.default_rng(0).permutation(len(labels)) % min(N_FOLDS, len(labels)))[number], data.dim)
    goal, left = target.ravel(), np.zeros((len(RIDGES), target.size))
    for k in range(fold.max() + 1):
        inside, outside = matrix[fold != k], fold == k
        values, vectors = np.linalg.eigh(inside.T @ inside)
        load = vectors.T @ (inside.T @ goal[fold != k])
        for row, ridge in enumerate(RIDGES):
            solution = vectors @ (load / (np.maximum(values, 0.0) + ridge * values[-1]))
            left[row, outside] = goal[outside] - matrix[outside] @ solution
    best = int(np.argmin(np.sum(np.abs(left), axis=1)))
    return target, left[best].reshape(target.shape), number


def row_weights(data: Dataset) -> Float[np.ndarray, "S N"]:
    """Return 1 / (|target| + median) for each row, so that no close encounter decides; 1 for increments."""
    if isinstance(data.observation, IncrementObservation):
        return np.ones(data.present.shape)
    size = np.linalg.norm(data.target, axis=-1)
    seen = size[data.target_mask]
    typical = max(float(np.median(seen)), 1e-12 * float(np.max(seen))) or 1.0
    return np.asarray(1.0 / (size + typical))


def _library(data: Dataset) -> Iterator[Float[np.ndarray, "S N D"]]:
    """Yield the columns of the library, each with its value at every instant and particle."""
    own = dict(_receiver_factors(data))
    x = data.positions - np.mean(data.positions[data.present], axis=0)
    distance = np.linalg.norm(x, axis=-1)
    fields = [np.eye(data.dim)[k] * x[..., k, None] ** power for k in range(data.dim) for power in range(4)]
    fields += [profile[..., None] * _unit(x) for profile in _splines(distance, data.present)]
    if data.dim == 2:
        fields += [
            _turned(x),
            *(profile[..., None] * _turned(_unit(x)) for profile in _splines(distance, data.present)),
        ]
    if data.order == 2:
        v = data.velocities
        fields += [v, np.linalg.norm(v, axis=-1, keepdims=True) * v, *([_turned(v)] if data.dim == 2 else [])]
    for field in fields:
        for factor in own.values():
            yield np.broadcast_to(field, x.shape) * factor[..., None]
    if not len(data.senders):
        return
    separation, acting = data.separation(), data.pair_present()
    r, u = np.linalg.norm(separation, axis=-1), _unit(separation)
    vectors = [u, _turned(u)] if data.dim == 2 else [u]
    pairs = [(profile * acting)[..., None] * vector for profile in _splines(r, acting) for vector in vectors]
    if data.order == 2:
        relative = data.velocities[:, data.receivers] - data.velocities[:, data.senders]
        pairs += [acting[..., None] * relative, (acting / (1 + r / np.median(r)))[..., None] * relative]
    count = len(data.receivers)
    receiver_sum = csr_array((np.ones(count), (data.receivers, np.arange(count))), shape=(x.shape[1], count))
    for pair in pairs:
        for factor in _pair_factors(data, own):
            by_pair = np.multiply(pair.swapaxes(0, 1), factor.T[..., None], order="C")
            summed = receiver_sum @ by_pair.reshape(count, -1)
            yield np.ascontiguousarray(summed.reshape(x.shape[1], len(x), data.dim).swapaxes(0, 1))


def _receiver_factors(data: Dataset) -> Iterator[tuple[str, Float[np.ndarray, "S N"]]]:
    """Yield by name what a property may do to the receiver: nothing, multiply, or, where positive, divide."""
    yield "", np.ones(data.present.shape)
    for name, values in data.properties.items():
        if np.ptp(values[data.present]) > 0:
            yield name, values
            if np.all(values > 0):
                yield f"1/{name}", 1.0 / values


def _pair_factors(data: Dataset, own: Any) -> Iterator[Float[np.ndarray, "S E"]]:
    """Yield products of what the properties of the receiver and of the sender may do."""
    for name, factor in own.items():
        yield factor[:, data.receivers]
        for other, values in data.properties.items():
            if np.ptp(values[data.present]) > 0 and not name.endswith(f"/{other}"):
                yield factor[:, data.receivers] * values[:, data.senders]
                if name.startswith("1/"):
                    yield (factor * values)[:, data.receivers] * values[:, data.senders]


def _splines(r: Float[np.ndarray, "S K"], mask: np.ndarray, *, intervals: int = 8) -> list[Float[np.ndarray, "S K"]]:
    """Return cubic B-splines of the logarithm of a distance, with knots at its quantiles."""
    logarithm = np.log(np.maximum(r, np.finfo(float).tiny))
    inner = np.unique(np.quantile(logarithm[mask], np.linspace(0.0, 1.0, intervals + 1)))
    if len(inner) < 2:
        return [np.ones_like(r)]
    knots = np.concatenate([[inner[0]] * 3, inner, [inner[-1]] * 3])
    values = BSpline.design_matrix(np.clip(logarithm.ravel(), inner[0], inner[-1]), knots, 3).toarray()
    return [column.reshape(r.shape) for column in values.T]


def _unit(vectors: Float[np.ndarray, "... D"]) -> Float[np.ndarray, "... D"]:
    size = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(size > 0, size, 1.0)


def _turned(vectors: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, "... 2"]:
    return np.stack([-vectors[..., 1], vectors[..., 0]], axis=-1)
