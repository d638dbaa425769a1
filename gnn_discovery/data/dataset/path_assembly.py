"""The assembly of motion along paths: coarse or noisy frames become averages along splines through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import minimum_filter1d

from gnn_discovery.criteria import Criteria
from gnn_discovery.data.dataset.dataset import Dataset
from gnn_discovery.data.dataset.library_regression import position_error, typical_library_error
from gnn_discovery.data.dataset.observation import ObservedFrames, WeakFormObservation
from gnn_discovery.data.dataset.stacking import block_labels, pad_particles, stack_runs
from gnn_discovery.data.differentiation import (
    SUBSTEPS,
    BridgedRun,
    bridge_gaps,
    noise_on_paths,
    path_agreement,
    spline_path,
    to_weak_form_on_paths,
)
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.types import Order

STD_OF_EXACT_FRAMES = 1e-6
"""Standard error that keeps a path near exact frames where it has gaps, over the spread of the positions."""
MIN_FRAMES = 5
"""Number of frames of a run below which no frames are averaged."""


def assemble_on_paths(
    trajectories: Sequence[Trajectory], step: float, order: Order, criteria: Criteria, *, average_frames: bool = True
) -> Dataset | None:
    """Assemble frames with their weak form along splines; None where noise hides the motion in any average.

    Where the longest average tells most, noise asks for longer ones: frames are averaged by twos, and again.

    Args:
        trajectories: positions at evenly spaced frames.
        step: time between two frames.
        order: order of the equation of motion.
        criteria: ``noise`` decides.
        average_frames: False takes every frame as it is.
    """
    limits, best = criteria.noise, None
    bridged = [run for run in map(bridge_gaps, trajectories) if len(run.run.times) >= 3]
    shortest = min((len(run.run.times) for run in bridged), default=0)
    counts = [count for count in limits.frames_in_mean if average_frames and shortest >= MIN_FRAMES * count]
    for frames_in_mean in counts or (1,):
        runs = [_average_frames(run, frames_in_mean) for run in bridged]
        form = _best_path_form(runs, frames_in_mean * step, order, criteria) if runs else None
        if form is None:
            continue
        if best is not None and target_uncertainty(best, criteria) <= target_uncertainty(form, criteria):
            break
        best = form
        assert best.weak_form is not None  # it is what it was made for
        if best.weak_form.observation.window <= 2 * SUBSTEPS * limits.path_half_widths[-2] + 1:
            break
    return best


def _best_path_form(bridged: Sequence[BridgedRun], step: float, order: Order, criteria: Criteria) -> Dataset | None:
    """Assemble frames with the shortest average than which the next longer one tells no more; None where none is seen.

    The error of the positions is read from what the library regression leaves of the shortest averages.
    """
    limits, runs = criteria.noise, [one.run for one in bridged]
    frames = block_labels([len(run.times) for run in runs], criteria)
    fewest = min(int(np.unique(block, return_counts=True)[1].min()) for block in frames)
    cubic = [spline_path(step * np.arange(len(one.rough)), one.rough, 3)[0] for one in bridged]
    halves = [half for half in limits.path_half_widths if half <= max((fewest - 1) // 2, 1)]

    def rough(half: int) -> tuple[Dataset, np.ndarray] | None:
        return _path_form(bridged, step, order, half, frames, cubic, 0.0, limits.max_rough_path_difference, criteria)

    shortest, longest = rough(halves[0]), next(filter(None, map(rough, reversed(halves))), None)
    if longest is None or min(form[0].noise for form in (shortest, longest) if form) > limits.max_path_form_error:
        return None
    std = 0.0 if shortest is None else position_error(shortest[0], shortest[1], criteria=criteria)
    best = None
    for half in halves:
        form = _path_form(bridged, step, order, half, frames, cubic, std, limits.max_path_difference, criteria)
        if form is None:
            break
        if form[0].noise > limits.max_path_form_error:
            continue
        if best is not None and target_uncertainty(best, criteria) <= target_uncertainty(form[0], criteria):
            break
        best = form[0]
    if best is None:
        return None
    smooth = [_with_spline_derivatives(run, step, order) for run in runs]
    return replace(stack_runs(smooth, frames, order, best.noise), weak_form=best)


def _average_frames(bridged: BridgedRun, count: int) -> BridgedRun:
    """Return the run with the means of every ``count`` frames in their place; the rest at the end is left out.

    A particle counts as seen in a mean if it was seen in most of its frames.
    """
    if count == 1:
        return bridged
    run, length = bridged.run, len(bridged.run.times) // count

    def means(values: np.ndarray) -> np.ndarray:
        return np.asarray(values[: length * count].reshape(length, count, *values.shape[1:]).mean(axis=1))

    averaged = replace(run, positions=means(run.positions), times=means(run.times))
    return BridgedRun(averaged, means(bridged.rough), means(bridged.seen) > 0.5)


def _path_form(
    bridged: Sequence[BridgedRun],
    step: float,
    order: Order,
    half: int,
    frames: Sequence[np.ndarray],
    cubic: Sequence[np.ndarray],
    std: float,
    limit: float,
    criteria: Criteria,
) -> tuple[Dataset, Float[np.ndarray, " W"]] | None:
    """Return the weak form along quintic splines where they agree with cubic ones; None where it has few targets.

    Splines through frames with errors ``std`` may differ by ``noise.path_noise_n_sigma`` of them. Beside the weak form,
    the weights of the frames in a target are returned.
    """
    limits, trajectories = criteria.noise, [one.run for one in bridged]
    blocks = [np.append(np.repeat(block[:-1], SUBSTEPS), block[-1]) for block in frames]
    counts = [run.positions.shape[1] for run in trajectories]
    form = to_weak_form_on_paths(trajectories, step, order, half)
    paths = stack_runs(form.runs, blocks, order, 0.0)
    other = np.concatenate([pad_particles(path, max(counts), separate=True) for path in cubic])
    acting, ends = paths.pair_present(), (paths.senders, paths.receivers)
    allowance = limits.path_noise_n_sigma * std
    alike = path_agreement(paths.positions, other, *ends, acting, paths.box, limit, len(form.kernel), allowance)
    gaps = not all(one.seen.all() for one in bridged)
    place = float(np.std(paths.positions[paths.present])) * STD_OF_EXACT_FRAMES
    realised = noise_on_paths(trajectories, step, order, half, std or place * gaps)
    noise = np.concatenate(
        [np.pad(part, ((0, 0), (0, 0), (0, max(counts) - part.shape[2]), (0, 0))) for part in realised], axis=1
    )
    seen = np.concatenate([_at_instants(one.seen, max(counts)) for one in bridged])
    whole = np.concatenate(
        [
            _at_instants(minimum_filter1d(one.seen.view(np.uint8), 2 * half + 1, axis=0).astype(bool), max(counts))
            for one in bridged
        ]
    )
    positions = np.where(seen[..., None], paths.positions, np.nan)
    observed = ObservedFrames(positions, noise[0], whole, std or place, exact=not std) if std or gaps else None
    observation = WeakFormObservation(form.kernel, alike & whole, SUBSTEPS, observed)
    paths = replace(paths, observation=observation)
    if np.count_nonzero(paths.target_mask) < limits.min_weak_form_fraction * np.count_nonzero(paths.present & seen):
        return None
    error = typical_library_error(paths, criteria=criteria)
    return replace(paths, noise=error, noise_realisation=noise), form.weights


def _at_instants(marked: Bool[np.ndarray, "T N"], n_particles: int) -> Bool[np.ndarray, "P M"]:
    """Return marks of frames at all instants, False between two frames, and True for particles that are not there."""
    instants = np.zeros((SUBSTEPS * (len(marked) - 1) + 1, n_particles), dtype=bool)
    instants[::SUBSTEPS] = True
    instants[::SUBSTEPS, : marked.shape[1]] = marked
    return instants


def _with_spline_derivatives(run: Trajectory, step: float, order: Order) -> Trajectory:
    """Return the run with the derivatives of the spline through its frames."""
    times, frames = step * np.arange(len(run.times)), run.positions
    first, second = (path[::SUBSTEPS] for path in spline_path(times, frames, derivatives=(1, 2)))
    return replace(run, velocities=first, accelerations=second if order == 2 else None)


def target_uncertainty(dataset: Dataset, criteria: Criteria) -> float:
    """Return the error of a mean over all targets: what the library regression leaves, over the root of their number.

    Averages that overlap count as one. Small errors are those of the library itself, and tell nothing about the data.
    """
    data = dataset.weak_form or dataset
    on_paths = data.observation.substeps > 1  # there the noise is the error of the library already
    error = data.noise if on_paths else typical_library_error(data, criteria=criteria)
    overlap = max(1.0, (data.observation.window - 1) / data.observation.substeps)
    return max(error, criteria.noise.min_library_error) * float(np.sqrt(overlap / np.count_nonzero(data.target_mask)))
