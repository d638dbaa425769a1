"""The choice of the order of the equation of motion: has the motion inertia, m a = sum F, or none, v = sum F?

Two questions are asked of the tracks.

1. Do velocities, or accelerations, follow from the positions? Both are regressed on one library of sums over pairs and
   of fields (`gnn_discovery.data.dataset.library_regression`), and the shares that it leaves unexplained in held-out
   runs are compared. Motion of first order has velocities that follow from the positions, and motion of second order
   accelerations.
2. Where neither does, do displacements persist (`gnn_discovery.data.differentiation.increments.kick_share`)? Motion in
   which kicks outweigh velocities is of first order at its resolution.

A motion may answer neither: on circular orbits both follow from the positions, and along straight lines nothing
tells a force.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria, OrderCriteria
from gnn_discovery.data.dataset.assembly import assemble_dataset
from gnn_discovery.data.dataset.dataset import Dataset
from gnn_discovery.data.dataset.library_regression import row_weights, unexplained_by_positions
from gnn_discovery.data.differentiation import is_kicked, kick_share
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import DataError
from gnn_discovery.types import Order

OrderStatus = Literal["determined", "assumed", "ambiguous"]


@dataclass(frozen=True)
class OrderSelection:
    """A frozen record of the order of a motion, and of how firmly the motion tells it.

    Attributes:
        order: the order to go on with.
        status: ``determined`` by the motion; ``assumed`` to be 2 where nothing speaks for motion without inertia;
            ``ambiguous`` where it is 2 though velocities may follow from positions.
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
    kicked = None
    if kicks is not None and is_kicked(kicks, criteria=criteria):
        reason = f"kicks without memory make up {kicks[0]:.2f} of the displacement in a step"
        kicked = OrderSelection(1, "determined", reason)
    first = assemble_dataset(runs, 1, where, criteria=criteria)
    try:
        second = assemble_dataset(runs, 2, where, criteria=criteria)
    except DataError:  # accelerations need more frames than velocities
        return kicked or OrderSelection(2, "assumed", "no accelerations can be read from the motion")
    if not np.any(first.target[first.present]):
        return OrderSelection(2, "assumed", "nothing moves")
    velocity = unexplained_by_positions(first, criteria=criteria)
    acceleration = unexplained_by_positions(second, beside_noise=True, criteria=criteria)
    said = f"positions leave {velocity:.2g} of the velocities and {acceleration:.2g} of the accelerations unexplained"
    small, ratio = limits.max_unexplained, limits.max_unexplained_ratio
    floor = criteria.noise.min_library_error**2  # below it the library's own error decides, as where forces are linear
    of_track, of_all = unexplained_by_means(first)
    if velocity <= small and of_track <= velocity:
        chance = of_all <= velocity or _tracks(runs) < limits.min_tracks
        return OrderSelection(2, "assumed" if chance else "ambiguous", "no velocity changes along its track")
    if velocity <= small and max(velocity, floor) <= ratio * acceleration:
        return OrderSelection(1, "determined", said)
    if acceleration <= small and max(acceleration, floor) <= ratio * velocity:
        return OrderSelection(2, "determined", said)
    if velocity <= small and acceleration <= small and _is_chance_excluded(runs, second, limits):
        return OrderSelection(1, "determined", said)
    if kicked is not None:
        return kicked
    if velocity < limits.min_unexplained:
        return OrderSelection(2, "ambiguous", said)
    if kicks is not None:  # errors of position and bends add to the share: all runs may say that it is small, not large
        kicks = kick_share(trajectories, criteria=criteria) or kicks
    lasting = kicks is None or kicks[0] + limits.n_sigma * kicks[1] < limits.min_kick_share
    if not lasting:
        return OrderSelection(2, "ambiguous", f"kicks may make up half of the displacement in a step, and {said}")
    told = runs[0].velocities is not None or kicks is not None
    return OrderSelection(2, "determined" if told else "assumed", f"velocities last, and {said}" if told else said)


def unexplained_by_means(data: Dataset) -> tuple[float, float]:
    """Return the shares of the target that its mean along each track, and its mean over all, leave."""
    data = data.weak_form or data
    mask, weight = data.target_mask, row_weights(data)
    target, w = data.target[mask], weight[mask][:, None] ** 2
    _, run = np.unique(data.run, return_inverse=True)
    track = (run[:, None] * data.target.shape[1] + np.arange(data.target.shape[1]))[mask]

    def left(group: np.ndarray) -> float:
        sums, total = np.zeros((group.max() + 1, data.dim)), np.zeros((group.max() + 1, 1))
        np.add.at(sums, group, w * target)
        np.add.at(total, group, w)
        return float(np.sum(w * (target - (sums / np.maximum(total, np.finfo(float).tiny))[group]) ** 2))

    return left(track) / float(np.sum(w * target**2)), left(np.zeros_like(track)) / float(np.sum(w * target**2))


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
