"""The tracing of paths: between coarse frames, particles go where a force takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import minimum_filter1d

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset.dataset import Dataset
from gnn_discovery.data.dataset.library_regression import row_weights, typical_library_error
from gnn_discovery.data.dataset.observation import IncrementObservation, WeakFormObservation
from gnn_discovery.data.dataset.split import Split
from gnn_discovery.data.differentiation import path_agreement, path_under_force, smooth_under_force

MAX_COORDINATES = 32
"""Largest number of coordinates of all particles that are smoothed: the force is differentiated by each of them."""
Prediction = Callable[[Dataset], np.ndarray]
"""The target (S N D) that a law or a network predicts at the instants of a dataset."""


def trace_paths(
    dataset: Split, prediction: Prediction, *, leave_unknown: bool = False, criteria: Criteria = DEFAULT_CRITERIA
) -> Split:
    """Return the split with the paths of its weak form traced anew; the same split where it has none.

    Args:
        dataset: motion whose weak form may lie on paths between coarse frames.
        prediction: the target along any path; it moves the particles between the frames, which stay.
        leave_unknown: take the target from averages over paths that nobody knows: the new path differs from the last
            one by more than ``noise.max_path_difference`` of a distance, or the prediction misses the average by more
            than ``noise.max_path_residual`` times what is typical. Where nothing would remain all targets stay.
            Of frames with errors this is done each time, and a path is known as `_known` says.
        criteria: these criteria, and those of the library regression, which says how large the errors still are.
    """
    if not dataset.follows_paths:
        return dataset
    if isinstance(dataset.train.observation, IncrementObservation):
        extreme = None if dataset.extreme is None else _move_into_increments(dataset.extreme, prediction)
        train, valid, test = (
            _move_into_increments(part, prediction) for part in (dataset.train, dataset.valid, dataset.test)
        )
        return Split(train, valid, test, extreme)

    weak = {name: part for name, part in vars(dataset.weak_form()).items() if part is not None}
    traced = {name: _trace(part, prediction, criteria) for name, part in weak.items()}
    frames = weak["train"].observation.frames
    if leave_unknown or (frames is not None and not frames.exact):
        missed = {name: _relative_miss(part, prediction) for name, part in traced.items()}
        most = criteria.noise.max_path_residual * float(np.median(missed["train"][traced["train"].target_mask]))
        known = {
            name: _known(part, weak[name].positions, criteria) & (missed[name] <= most) for name, part in traced.items()
        }
        if all((known[name] & part.target_mask).any() for name, part in traced.items()):
            traced = {name: _restrict_targets(part, known[name]) for name, part in traced.items()}
    error = typical_library_error(traced["train"], criteria=criteria)
    parts = {
        name: None if part is None else replace(part, noise=error, weak_form=replace(traced[name], noise=error))
        for name, part in vars(dataset).items()
    }
    return Split(**parts)  # type: ignore[arg-type]  # only extreme may be None


def _move_into_increments(data: Dataset, prediction: Prediction) -> Dataset:
    assert data.weak_form is not None  # increments are their own weak form
    return replace(data, weak_form=at_middle_of_increments(replace(data, weak_form=None), prediction))


def at_middle_of_increments(data: Dataset, prediction: Prediction) -> Dataset:
    """Return increments that are compared with the force where it has moved the particles by the middle of them.

    The mean of the force over a step is that at its middle, but for the second order of the step. Of order 2, errors of
    position move along.

    Args:
        data: increments.
        prediction: the target that a law or a network predicts.
    """
    kicks, force = data.observation, np.nan_to_num(prediction(data))
    assert isinstance(kicks, IncrementObservation)
    delay, behind, noise = kicks.delay, kicks.behind, data.noise_realisation
    if data.order == 1:
        return replace(data, positions=data.positions + delay * force)
    if noise is not None:
        noise = np.stack([noise[0] + delay * noise[1], noise[1], noise[2]])
    return replace(
        data,
        positions=data.positions + delay * data.velocities + delay * (behind + delay / 2) * force,
        velocities=data.velocities + (delay + behind) * force,
        noise_realisation=noise,
    )


def _trace(weak: Dataset, prediction: Prediction, criteria: Criteria) -> Dataset:
    """Return motion on paths whose positions and velocities between the frames are those under the prediction.

    Frames with errors or gaps are smoothed first, of few particles: of many, they stay as splines have them.
    """
    steps = np.diff(weak.times)
    step = float(np.min(steps, where=steps > 0, initial=np.inf))
    stretches = _stretches(weak, step)
    if weak.observation.frames is not None and weak.positions[0].size <= MAX_COORDINATES:
        weak = _smooth(weak, prediction, stretches, step, criteria)

    def rate(positions: np.ndarray, velocities: np.ndarray) -> np.ndarray:
        return prediction(replace(weak, positions=positions, velocities=velocities))

    substeps = weak.observation.substeps
    intervals = np.concatenate([stretch[:-1:substeps] for stretch in stretches])
    x, v = path_under_force(intervals, weak.positions, weak.velocities, rate, step, weak.order)
    return replace(weak, positions=x, velocities=v)


def _smooth(
    weak: Dataset, prediction: Prediction, stretches: Sequence[np.ndarray], step: float, criteria: Criteria
) -> Dataset:
    """Return the motion with its positions smoothed under the prediction, and the noise that this leaves."""
    frames, realised = weak.observation.frames, weak.noise_realisation
    assert frames is not None and realised is not None  # frames with errors have a realisation of these

    def velocities_of(positions: np.ndarray) -> np.ndarray:
        velocities = np.zeros_like(positions)
        for stretch in stretches:
            velocities[stretch] = np.gradient(positions[stretch], step, axis=0)
        return velocities

    def rate(positions: np.ndarray) -> np.ndarray:
        moving = velocities_of(positions) if weak.order == 2 else weak.velocities
        return np.nan_to_num(prediction(replace(weak, positions=positions, velocities=moving)))

    smoothed = smooth_under_force(
        weak.positions,
        frames.positions,
        frames.realisation,
        stretches,
        rate,
        step,
        weak.order,
        std=frames.std,
        relative_force_error=criteria.noise.smoother_force_error,
    )
    noise = np.stack([smoothed.noise, velocities_of(smoothed.noise), realised[2]])
    return replace(weak, positions=smoothed.positions, noise_realisation=noise)


def _relative_miss(weak: Dataset, prediction: Prediction) -> Float[np.ndarray, "S N"]:
    """Return by how much a prediction misses each target, relative to the local and the typical size of it."""
    size = np.linalg.norm(weak.observe(prediction(weak)) - weak.target, axis=-1) * row_weights(weak)
    missed: np.ndarray = np.nan_to_num(size, nan=np.inf)
    return missed


def _known(weak: Dataset, last: Float[np.ndarray, "S N D"], criteria: Criteria) -> Bool[np.ndarray, "S N"]:
    """Mark the windows throughout which the path is known.

    Of exact frames, it places all partners of a particle like the last path. Of frames with errors, it passes them at
    the distance that these explain, and would be much the same with other errors.
    """
    limits, frames = criteria.noise, weak.observation.frames
    ends = weak.senders, weak.receivers
    acting, window = weak.pair_present(), weak.observation.window
    if frames is None or frames.exact:
        return path_agreement(weak.positions, last, *ends, acting, weak.box, limits.max_path_difference, window)
    assert weak.noise_realisation is not None  # frames with errors have one
    other = weak.positions + weak.noise_realisation[0]
    stable = path_agreement(weak.positions, other, *ends, acting, weak.box, limits.max_smoothing_error, window)
    missed = np.nan_to_num(np.abs(weak.positions - frames.positions)).max(axis=-1)
    near = (missed <= limits.max_frame_misfit * frames.std) | ~weak.present
    throughout = minimum_filter1d(near.all(axis=1).view(np.uint8), window, mode="nearest").astype(bool)
    return np.asarray(stable & throughout[:, None])


def _restrict_targets(weak: Dataset, known: Bool[np.ndarray, "S N"]) -> Dataset:
    assert isinstance(weak.observation, WeakFormObservation)
    frames = weak.observation.frames
    if frames is not None:
        valid = known & frames.complete
    else:
        valid = known if weak.observation.valid is None else known & weak.observation.valid
    return replace(weak, observation=replace(weak.observation, valid=valid))


def _stretches(weak: Dataset, step: float) -> list[Int[np.ndarray, " T"]]:
    """Return the instants of each stretch of motion without a gap, from a frame to a frame."""
    follows = (np.diff(weak.run) == 0) & (np.abs(np.diff(weak.times) - step) < 0.5 * step)
    parts = np.split(np.arange(len(weak.run)), np.flatnonzero(~follows) + 1)
    substeps = weak.observation.substeps
    return [part[: (len(part) - 1) // substeps * substeps + 1] for part in parts]
