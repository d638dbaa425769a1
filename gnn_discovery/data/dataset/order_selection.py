"""The choice of the order of the equation of motion: has the motion inertia, m a = sum F, or none, v = sum F?

Two questions are asked of the tracks.

1. Do displacements persist? The typical (median) square displacement over k steps of h is written

       |x(t + k h) - x(t)|^2 = c_0 + c_1 k + c_2 k^2,    k = 1, ..., 4,

   where c_0 comes from errors of position, c_1 from kicks without memory (Brownian motion) and
   c_2 from velocities that last. Motion in which kicks outweigh velocities is of first order at its resolution.
2. Where velocities last, do they follow from the positions? Velocities, and accelerations, are regressed on one
   library of sums over pairs and of fields, and the shares that it leaves unexplained in held-out runs are compared.
   Motion of first order has velocities that follow from the positions, and motion of second order accelerations.

A motion may answer neither: on circular orbits both follow from the positions, and along straight lines nothing
tells a force.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from scipy.interpolate import BSpline

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria, OrderCriteria
from gnn_discovery.data.dataset.assembly import assemble_dataset
from gnn_discovery.data.dataset.dataset import Dataset
from gnn_discovery.data.dataset.subsample import subsample_pairs
from gnn_discovery.data.differentiation import unwrap
from gnn_discovery.data.differentiation.savitzky_golay import time_grid
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import DataError
from gnn_discovery.types import Order

N_FOLDS = 5
"""Number of parts of which each in turn is held out of the regression."""
RIDGES = (1e-13, 1e-11, 1e-9, 1e-7, 1e-5, 1e-3)
"""Penalties of the regression, relative to the largest eigenvalue; the one that predicts held-out runs best counts."""


OrderStatus = Literal["determined", "assumed", "ambiguous"]


@dataclass(frozen=True)
class OrderSelection:
    """A frozen record of the order of a motion, and of how firmly the motion tells it.

    Attributes:
        order: the order to go on with.
        status: ``determined`` by the motion or stated by somebody; ``assumed`` to be 2 where nothing speaks for motion
            without inertia; ``ambiguous`` where it is 2 though velocities may follow from positions.
        reason: what that rests on, in words.
    """

    order: Order
    status: OrderStatus
    reason: str


def select_order(
    trajectories: Sequence[Trajectory], where: str = "", *, criteria: Criteria = DEFAULT_CRITERIA
) -> OrderSelection:
    """Tell from the motion whether it has inertia.

    Args:
        trajectories: validated runs.
        where: the source of the runs, for errors.
        criteria: the stage ``order`` decides; velocities and accelerations are read as for a discovery.

    Raises:
        DataError: not even velocities can be read from the motion.
    """
    limits = criteria.order
    runs = _few(trajectories, limits)
    kicks = None if runs[0].velocities is not None else kick_share(runs, criteria=criteria)
    if kicks is not None and kicks[0] - limits.n_sigma * kicks[1] >= limits.min_kick_share:
        return OrderSelection(
            1, "determined", f"kicks without memory make up {kicks[0]:.2f} of the displacement in a step"
        )
    first = assemble_dataset(runs, 1, where, criteria=criteria)
    try:
        second = assemble_dataset(runs, 2, where, criteria=criteria)
    except DataError:  # accelerations need more frames than velocities
        return OrderSelection(2, "assumed", "no accelerations can be read from the motion")
    if not np.any(first.target[first.present]):
        return OrderSelection(2, "assumed", "nothing moves")
    velocity, acceleration = (unexplained_by_positions(data, criteria=criteria) for data in (first, second))
    said = f"positions leave {velocity:.2g} of the velocities and {acceleration:.2g} of the accelerations unexplained"
    small, ratio = limits.max_unexplained, limits.max_unexplained_ratio
    of_track, of_all = unexplained_by_means(first)
    if velocity <= small and of_track <= velocity:
        chance = of_all <= velocity or _tracks(runs) < limits.min_tracks
        return OrderSelection(2, "assumed" if chance else "ambiguous", "no velocity changes along its track")
    if velocity <= small and velocity <= ratio * acceleration:
        return OrderSelection(1, "determined", said)
    if acceleration <= small and acceleration <= ratio * velocity:
        return OrderSelection(2, "determined", said)
    if velocity <= small and acceleration <= small and _is_chance_excluded(runs, second, limits):
        return OrderSelection(1, "determined", said)
    if velocity < limits.min_unexplained:
        return OrderSelection(2, "ambiguous", said)
    lasting = kicks is None or kicks[0] + limits.n_sigma * kicks[1] < limits.min_kick_share
    if not lasting:
        return OrderSelection(2, "ambiguous", f"kicks may make up half of the displacement in a step, and {said}")
    told = runs[0].velocities is not None or kicks is not None
    return OrderSelection(2, "determined" if told else "assumed", f"velocities last, and {said}" if told else said)


def kick_share(
    trajectories: Sequence[Trajectory], *, criteria: Criteria = DEFAULT_CRITERIA
) -> tuple[float, float] | None:
    """Return the share c_1 / (c_1 + c_2) of kicks in the displacement over a step, and its standard error.

    The step is the shortest power of two of frames from which on displacements grow, so that errors of position do not
    hide them. The standard error is that of a jackknife over stretches of the runs.

    Args:
        trajectories: runs; those whose frames are not evenly spaced do not count.
        criteria: the stage ``order`` decides from when on displacements grow, or are saturated.

    Returns:
        The share and its error; None where there is no such step, or before displacements saturate.
    """
    stretches = [part for run in trajectories for part in _even_stretches(run)]
    stride = 1
    while len(long := [part for part in stretches if len(part) > 4 * stride + 1]) > 1:
        squares = np.array([_square_displacements(part, stride) for part in long])
        typical, n = squares.mean(axis=0), len(squares)
        extent = 2 * float(np.mean([np.median(np.sum(np.var(part, axis=0), axis=-1)) for part in long]))
        if typical[3] > criteria.order.max_saturation * extent:
            return None
        if typical[3] >= criteria.order.min_growth * typical[0]:
            shares = np.array([_share((n * typical - one) / (n - 1)) for one in squares])
            return _share(typical), float(np.sqrt((n - 1) / n * np.sum((shares - shares.mean()) ** 2)))
        stride *= 2
    return None


def _even_stretches(run: Trajectory, *, most: int = 20) -> Iterator[Float[np.ndarray, "T N D"]]:
    """Yield up to ``most`` stretches of a run with evenly spaced frames."""
    if len(run.times) < 6 or not time_grid(run.times)[1]:
        return
    count = max(1, min(most, len(run.times) // 50))
    yield from np.array_split(unwrap(run.positions, run.box), count)


def _square_displacements(positions: Float[np.ndarray, "T N D"], stride: int) -> Float[np.ndarray, " 4"]:
    """Return the median square displacement over 1 to 4 strides: no close encounter decides it, as it does the mean."""
    lags = [k * stride for k in range(1, 5)]
    return np.array([np.median(np.sum((positions[lag:] - positions[:-lag]) ** 2, axis=-1)) for lag in lags])


def _share(squares: Float[np.ndarray, " 4"]) -> float:
    """Return c_1 / (c_1 + c_2) of the least-squares parabola through square displacements over 1 to 4 steps."""
    k = np.arange(1.0, 5.0)
    design = np.stack([np.ones(4), k, k**2], axis=1) / k[:, None]
    _, kicks, lasting = np.linalg.lstsq(design, squares / k, rcond=None)[0]
    kicks, lasting = max(kicks, 0.0), max(lasting, 0.0)
    return float(kicks / (kicks + lasting)) if kicks + lasting > 0 else 0.0


def unexplained_by_positions(data: Dataset, *, criteria: Criteria = DEFAULT_CRITERIA) -> float:
    """Return the share of the target that a library of sums over pairs and of fields leaves in held-out runs.

    The coefficients are those of ridge regression. Motion in weak form is compared in weak form.

    Args:
        data: motion of either order; for order 2 the library holds friction too.
        criteria: the stage ``order`` gives the number of pairs that are drawn.
    """
    data = subsample_pairs(data.weak_form or data, criteria.order.max_pairs, criteria=criteria)
    mask, weight = data.target_mask, _weights(data)
    columns = [data.observe(column) * weight[..., None] for column in _library(data)]
    matrix = np.stack([column[mask].ravel() for column in columns], axis=-1)
    target, group = (
        (data.target * weight[..., None])[mask].ravel(),
        np.repeat(np.broadcast_to(data.run[:, None], mask.shape)[mask], data.dim),
    )
    scale = np.linalg.norm(matrix, axis=0)
    matrix = matrix[:, scale > 0] / scale[scale > 0]
    labels = np.unique(group)
    folds = np.random.default_rng(0).permutation(len(labels)) % min(N_FOLDS, len(labels))
    fold, left = folds[np.searchsorted(labels, group)], np.zeros((len(RIDGES), len(target)))
    for k in range(folds.max() + 1):
        inside, outside = matrix[fold != k], fold == k
        values, vectors = np.linalg.eigh(inside.T @ inside)
        load = vectors.T @ (inside.T @ target[fold != k])
        for row, ridge in enumerate(RIDGES):
            solution = vectors @ (load / (np.maximum(values, 0.0) + ridge * values[-1]))
            left[row, outside] = target[outside] - matrix[outside] @ solution
    return float(min(1.0, np.min(np.sum(left**2, axis=1)) / max(np.sum(target**2), np.finfo(float).tiny)))


def unexplained_by_means(data: Dataset) -> tuple[float, float]:
    """Return the shares of the target that its mean along each track, and its mean over all, leave."""
    data = data.weak_form or data
    mask, weight = data.target_mask, _weights(data)
    target, w = data.target[mask], weight[mask][:, None] ** 2
    _, run = np.unique(data.run, return_inverse=True)
    track = (run[:, None] * data.target.shape[1] + np.arange(data.target.shape[1]))[mask]

    def left(group: np.ndarray) -> float:
        sums, total = np.zeros((group.max() + 1, data.dim)), np.zeros((group.max() + 1, 1))
        np.add.at(sums, group, w * target)
        np.add.at(total, group, w)
        return float(np.sum(w * (target - (sums / np.maximum(total, np.finfo(float).tiny))[group]) ** 2))

    return left(track) / float(np.sum(w * target**2)), left(np.zeros_like(track)) / float(np.sum(w * target**2))


def _weights(data: Dataset) -> Float[np.ndarray, "S N"]:
    """Return 1 / (|target| + median) for each row, so that no close encounter decides."""
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
    for pair in pairs:
        for factor in _pair_factors(data, own):
            total = np.zeros_like(x)
            np.add.at(total.swapaxes(0, 1), data.receivers, (pair * factor[..., None]).swapaxes(0, 1))
            yield total


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


def _is_chance_excluded(runs: Sequence[Trajectory], second: Dataset, limits: OrderCriteria) -> bool:
    """Tell whether motion of second order would have needed special starts for velocities that follow from positions.

    It would not where there are few tracks, and on circular orbits, which forces across the velocity make.
    """
    v, a = second.velocities[second.present], second.target[second.present]
    along = np.abs(np.sum(v * a, axis=-1)).sum() / max(
        float(np.sum(np.linalg.norm(v, axis=-1) * np.linalg.norm(a, axis=-1))), np.finfo(float).tiny
    )
    return _tracks(runs) >= limits.min_tracks and bool(along >= limits.min_tangential_share)


def _tracks(runs: Sequence[Trajectory]) -> int:
    return sum(run.positions.shape[1] for run in runs)


def _few(trajectories: Sequence[Trajectory], limits: OrderCriteria) -> list[Trajectory]:
    """Return a few of the runs, evenly spread, each cut to its first frames."""
    chosen = np.unique(np.linspace(0, len(trajectories) - 1, min(len(trajectories), limits.max_runs)).astype(int))
    return [_first_frames(trajectories[k], limits.max_frames) for k in chosen]


def _first_frames(run: Trajectory, count: int) -> Trajectory:
    def part(values: Any) -> Any:
        return None if values is None else values[:count]

    return replace(
        run,
        positions=run.positions[:count],
        times=run.times[:count],
        velocities=part(run.velocities),
        accelerations=part(run.accelerations),
    )
