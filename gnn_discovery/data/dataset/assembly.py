"""The assembly of a Dataset: runs are cut into instants, and missing derivatives are estimated from the positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset.dataset import Dataset
from gnn_discovery.data.dataset.increment_assembly import (
    assemble_increments,
    assemble_second_increments,
    mean_norm_of_normal,
)
from gnn_discovery.data.dataset.observation import WeakFormObservation
from gnn_discovery.data.dataset.path_assembly import assemble_on_paths, target_uncertainty
from gnn_discovery.data.dataset.stacking import block_labels, stack_runs
from gnn_discovery.data.differentiation import (
    MIN_FRAMES_FOR_DERIVATIVE,
    CompletedTrajectory,
    WeakFormRuns,
    complete_stretches,
    complete_trajectories,
    even_step,
    has_gaps,
    is_kicked,
    kick_share,
    resolvable_mask,
    to_weak_form,
)
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import DataError
from gnn_discovery.types import Order


def assemble_dataset(
    trajectories: Sequence[Trajectory], order: Order = 2, where: str = "", *, criteria: Criteria = DEFAULT_CRITERIA
) -> Dataset:
    """Assemble all usable frames of all runs, with their weak form where positions alone were seen.

    Frames that are too coarse for derivatives, rather than noisy, are taken in weak form along paths
    (`gnn_discovery.data.differentiation.paths`): where that tells more about the forces, see `target_uncertainty`.
    Positions that kicks without memory move are taken as increments, for order 1, and for order 2 where kicks without
    memory are seen in the second differences.

    If a run has fewer particles than another, the places of the absent ones are filled with finite numbers,
    apart from each other and from the others, with properties of one and a target of zero.

    Args:
        trajectories: validated runs.
        order: the target is the acceleration (2) or the velocity (1).
        where: the source of the runs, for the errors.
        criteria: ``noise`` decides on derivatives and on the weak form, ``selection`` on the blocks that are held out.

    Raises:
        DataError: the runs do not belong together (dimension, properties, box, edges, units), there are too few
            frames, or no derivative can be trusted in any of them.
    """
    if not trajectories:
        raise DataError("no run", where=where or None, remedy="Give at least one run of motion")
    labels = [f"{where}, run {i}" if where else f"run {i}" for i in range(len(trajectories))]
    _check_compatible(trajectories, labels)
    step, complete = even_step(trajectories), trajectories
    if gaps := has_gaps(trajectories):
        complete = [part for run in trajectories for part in complete_stretches(run, MIN_FRAMES_FOR_DERIVATIVE)]
        labels = [where] * len(complete)
    if order == 1 and step is not None and is_kicked(kick_share(trajectories, criteria=criteria), criteria=criteria):
        if not complete:
            raise DataError(
                f"no {MIN_FRAMES_FOR_DERIVATIVE} frames in a row hold all particles, and kicks move them in each",
                where=where or None,
                remedy="Leave out the particles that are missing most often",
            )
        return assemble_increments(complete, step, criteria)
    if order == 2 and step is not None:
        kicked = assemble_second_increments(complete, step, criteria)
        if kicked is not None:
            return kicked
    on_frames = _assemble_on_frames(complete, order, labels, criteria) if complete else None
    if step is not None and (gaps or on_frames is None or on_frames.noise >= criteria.noise.min_error_for_weak_form):
        weak_form = None if on_frames is None else on_frames.weak_form
        serves = weak_form is not None and weak_form.noise <= criteria.noise.max_weak_form_error
        on_paths = assemble_on_paths(trajectories, step, order, criteria, average_frames=not serves)
        if on_paths is not None and (on_frames is None or _tells_more(on_paths, on_frames, criteria)):
            return on_paths
    if on_frames is None:
        raise DataError(
            "there are too few frames, or the motion changes too much between them to read derivatives",
            where=where or None,
            remedy="Store more frames, and more often, or give velocities and accelerations",
        )
    return on_frames


def _tells_more(on_paths: Dataset, on_frames: Dataset, criteria: Criteria) -> bool:
    """Tell whether averages along paths tell more about the forces than what was read at the frames.

    Where frames have errors, averages over frames serve as long as their own error is small, and derivatives, which
    are bent and overlap, do not.
    """
    assert on_paths.weak_form is not None  # it is what it was made for
    frames = on_paths.weak_form.observation.frames
    if frames is not None and not frames.exact:
        if on_frames.weak_form is None:
            return True
        if on_frames.weak_form.noise <= criteria.noise.max_weak_form_error:
            return False
    return target_uncertainty(on_paths, criteria) < target_uncertainty(on_frames, criteria)


def _assemble_on_frames(
    trajectories: Sequence[Trajectory], order: Order, labels: Sequence[str], criteria: Criteria
) -> Dataset | None:
    """Assemble derivatives at the frames, and their weak form where they are noisy; None where too few can be used."""
    recorded, completed = [], []
    every_run = complete_trajectories(trajectories, order, labels, criteria=criteria)
    for run, completion in zip(trajectories, every_run, strict=True):
        if len(completion.frames):
            recorded.append(run)
            completed.append(completion)
    runs = [completion.trajectory for completion in completed]
    lengths = [len(run.times) for run in runs]
    if sum(lengths) < 3:
        return None
    blocks = block_labels([len(run.times) for run in recorded], criteria)
    noise = float(np.sqrt(np.average([completion.noise**2 for completion in completed], weights=lengths)))
    kept_blocks = [block[completion.frames] for block, completion in zip(blocks, completed, strict=True)]
    dataset = stack_runs(runs, kept_blocks, order, noise)
    block_length = min(int(np.unique(block, return_counts=True)[1].min()) for block in blocks)
    runs_in_weak_form = to_weak_form(recorded, completed, order, block_length, criteria=criteria)
    while runs_in_weak_form is not None:
        weak_form = _weak_form_dataset(runs_in_weak_form, blocks, completed, order, criteria)
        enough = criteria.noise.min_weak_form_fraction * np.count_nonzero(weak_form.present)
        if np.count_nonzero(weak_form.target_mask) >= enough:
            return replace(dataset, weak_form=weak_form)
        half = len(runs_in_weak_form.kernel) // 4  # with half the window, fewer frames must be resolved together
        if not half:
            break
        runs_in_weak_form = to_weak_form(recorded, completed, order, block_length, half, criteria=criteria)
    return dataset


def _weak_form_dataset(
    runs: WeakFormRuns,
    blocks: Sequence[np.ndarray],
    completed: Sequence[CompletedTrajectory],
    order: Order,
    criteria: Criteria,
) -> Dataset:
    """Return the weak form as a Dataset, with the mask of valid averages and the relative noise of its target.

    The standard error of a target vector is noise_gain * sigma in each component, so its mean norm is that times
    the mean norm of D standard normal numbers.
    """
    dataset = stack_runs(runs.runs, blocks, order, 0.0)
    n_particles = dataset.present.shape[1]
    padded = [np.pad(c.position_noise, (0, n_particles - len(c.position_noise))) for c in completed]
    sigma = np.repeat(padded, [len(block) for block in blocks], axis=0)
    valid = resolvable_mask(
        dataset.separation(),
        dataset.pair_present(),
        sigma,
        dataset.senders,
        dataset.receivers,
        len(runs.kernel),
        criteria=criteria,
    )
    dataset = replace(dataset, observation=WeakFormObservation(runs.kernel, valid))
    error = float(np.sum(sigma[dataset.target_mask])) * runs.noise_gain * mean_norm_of_normal(dataset.dim)
    size = float(np.sum(np.linalg.norm(dataset.target, axis=-1)[dataset.target_mask]))
    noise = [np.pad(part, ((0, 0), (0, 0), (0, n_particles - part.shape[2]), (0, 0))) for part in runs.noise]
    return replace(dataset, noise=error / size if size > 0 else 1.0, noise_realisation=np.concatenate(noise, axis=1))


def _check_compatible(runs: Sequence[Trajectory], labels: Sequence[str]) -> None:
    """Raise an error if the runs differ in more than their motion and their number of particles."""

    def kind(run: Trajectory) -> dict[str, object]:
        return {
            "dimensions of space": run.positions.shape[2],
            "properties": sorted(run.properties),
            "box": None if run.box is None else run.box.tolist(),
            "cut-off": run.cutoff,
            "units": dict(run.units),
            "edges given": run.edges is not None,
        }

    expected_kind = kind(runs[0])
    for run, label in zip(runs, labels, strict=True):
        for name, value in kind(run).items():
            if value != expected_kind[name]:
                raise DataError(
                    f"{name}: {value}, but in run 0: {expected_kind[name]}",
                    where=label,
                    remedy="One law is sought for all runs: give runs of one kind",
                )
    largest = max(runs, key=lambda run: run.positions.shape[1])
    for run, label in zip(runs, labels, strict=True):
        if largest.edges is None or run.edges is None:
            continue  # then no run has edges, as was checked above
        expected = largest.edges[(largest.edges < run.positions.shape[1]).all(axis=1)]
        if not np.array_equal(run.edges, expected):
            raise DataError(
                "other edges than in the largest run",
                where=label,
                remedy="Give the same pairs in all runs, or no edges",
            )
