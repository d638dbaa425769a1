"""The assembly of a Dataset: runs are cut into instants, and missing derivatives are estimated from the positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.special import gamma

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset.dataset import Dataset
from gnn_discovery.data.dataset.library_regression import typical_library_error
from gnn_discovery.data.dataset.observation import IncrementObservation, WeakFormObservation
from gnn_discovery.data.differentiation import (
    SUBSTEPS,
    CompletedTrajectory,
    WeakFormRuns,
    complete_trajectories,
    even_step,
    is_kicked,
    kick_moments,
    kick_share,
    noise_on_paths,
    path_agreement,
    resolvable_mask,
    spline_path,
    to_increments,
    to_weak_form,
    to_weak_form_on_paths,
    unwrap,
)
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import DataError
from gnn_discovery.types import Order


def assemble_dataset(
    trajectories: Sequence[Trajectory], order: Order = 2, where: str = "", *, criteria: Criteria = DEFAULT_CRITERIA
) -> Dataset:
    """Assemble all usable frames of all runs, with their weak form where positions alone were seen.

    Frames that are too coarse for derivatives, rather than noisy, are taken in weak form along paths
    (`gnn_discovery.data.differentiation.paths`): where that tells more about the forces, see `_uncertainty`. Positions
    that kicks without memory move are taken as increments, for order 1.

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
    step = even_step(trajectories)
    if order == 1 and step is not None and is_kicked(kick_share(trajectories, criteria=criteria), criteria=criteria):
        return _assemble_increments(trajectories, step, criteria)
    on_frames = _assemble_on_frames(trajectories, order, labels, criteria)
    if step is not None and (on_frames is None or on_frames.noise >= criteria.noise.min_error_for_weak_form):
        on_paths = _assemble_on_paths(trajectories, step, order, criteria)
        if on_paths is not None and _tells_more(on_paths, on_frames, criteria):
            return on_paths
    if on_frames is None:
        raise DataError(
            "there are too few frames, or the motion changes too much between them to read derivatives",
            where=where or None,
            remedy="Store more frames, and more often, or give velocities and accelerations",
        )
    return on_frames


def _assemble_increments(trajectories: Sequence[Trajectory], step: float, criteria: Criteria) -> Dataset:
    """Assemble the increments of kicked motion, each at its first frame, or before it where positions have errors."""
    moments = kick_moments(trajectories, step, criteria=criteria)
    lag = 1 if moments.position_variance else 0
    runs = [to_increments(run, step, lag) for run in trajectories]
    dataset = _stack_runs(runs, _block_labels([len(run.times) for run in runs], criteria), 1, 0.0)
    variance = moments.increment_variance / step**2
    size = float(np.mean(np.linalg.norm(dataset.target[dataset.present], axis=-1)))
    noise = min(1.0, float(np.sqrt(variance)) * mean_norm_of_normal(dataset.dim) / size)
    kicks = IncrementObservation(variance, (lag + 0.5) * step, moments.diffusion, moments.diffusion_std)
    dataset = replace(dataset, noise=noise, observation=kicks)
    return replace(dataset, weak_form=dataset)


def _tells_more(on_paths: Dataset, on_frames: Dataset | None, criteria: Criteria) -> bool:
    """Tell whether the weak form along paths tells more about the forces than what was read at the frames.

    Where averages of the greatest length are best, noise and not the spacing of the frames hides the motion: the weak
    form over frames, which may be longer, is kept where there is one.
    """
    if on_frames is None:
        return True
    assert on_paths.weak_form is not None  # it is what it was made for
    longest = on_paths.weak_form.observation.window > 2 * SUBSTEPS * criteria.noise.path_half_widths[-1]
    if longest and on_frames.weak_form is not None:
        return False
    return _uncertainty(on_paths, criteria) < _uncertainty(on_frames, criteria)


def _uncertainty(dataset: Dataset, criteria: Criteria) -> float:
    """Return the error of a mean over all targets: what the library regression leaves, over the root of their number.

    Small errors are those of the library itself, and tell nothing about the data.
    """
    data = dataset.weak_form or dataset
    on_paths = data.observation.substeps > 1  # there the noise is the error of the library already
    error = data.noise if on_paths else typical_library_error(data, criteria=criteria)
    return max(error, criteria.noise.min_library_error) / float(np.sqrt(np.count_nonzero(data.target_mask)))


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
    blocks = _block_labels([len(run.times) for run in recorded], criteria)
    noise = float(np.sqrt(np.average([completion.noise**2 for completion in completed], weights=lengths)))
    kept_blocks = [block[completion.frames] for block, completion in zip(blocks, completed, strict=True)]
    dataset = _stack_runs(runs, kept_blocks, order, noise)
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


def _assemble_on_paths(
    trajectories: Sequence[Trajectory], step: float, order: Order, criteria: Criteria
) -> Dataset | None:
    """Assemble frames with their weak form along splines; None where noise hides the motion in any average.

    The average is the shortest than which the next longer one tells no more. The error of the positions cannot be told
    from coarse frames alone: it is at most what the library regression leaves of the target.
    """
    frames = _block_labels([len(run.times) for run in trajectories], criteria)
    cubic = [
        spline_path(step * np.arange(len(run.times)), unwrap(run.positions, run.box), 3)[0] for run in trajectories
    ]
    longest = min(int(np.unique(block, return_counts=True)[1].min()) for block in frames) // 4
    best = None
    for half in criteria.noise.path_half_widths:
        if half > max(longest, 1):
            break
        paths = _path_form(trajectories, step, order, half, frames, cubic, criteria)
        if paths is None or (best is not None and _uncertainty(best, criteria) <= _uncertainty(paths, criteria)):
            break
        best = paths
    if best is None or best.noise > criteria.noise.max_path_form_error:
        return None
    smooth = [_with_spline_derivatives(run, step, order) for run in trajectories]
    return replace(_stack_runs(smooth, frames, order, best.noise), weak_form=best)


def _path_form(
    trajectories: Sequence[Trajectory],
    step: float,
    order: Order,
    half: int,
    frames: Sequence[np.ndarray],
    cubic: Sequence[np.ndarray],
    criteria: Criteria,
) -> Dataset | None:
    """Return the weak form along quintic splines where they agree with cubic ones; None where it has few targets."""
    limits = criteria.noise
    blocks = [np.append(np.repeat(block[:-1], SUBSTEPS), block[-1]) for block in frames]
    counts = [run.positions.shape[1] for run in trajectories]
    exact = to_weak_form_on_paths(trajectories, step, order, half)
    paths = _stack_runs(exact.runs, blocks, order, 0.0)
    other = np.concatenate([_pad_particles(path, max(counts), separate=True) for path in cubic])
    acting, ends = paths.pair_present(), (paths.senders, paths.receivers)
    limit, window = limits.max_path_difference, len(exact.kernel)
    alike = path_agreement(paths.positions, other, *ends, acting, paths.box, limit, window)
    seen = np.concatenate([np.arange(len(block)) % SUBSTEPS == 0 for block in blocks])
    paths = replace(paths, observation=WeakFormObservation(exact.kernel, alike & seen[:, None], SUBSTEPS))
    mask = paths.target_mask
    if np.count_nonzero(mask) < limits.min_weak_form_fraction * np.count_nonzero(paths.present[seen]):
        return None
    error = typical_library_error(paths, criteria=criteria)
    size = float(np.mean(np.linalg.norm(paths.target, axis=-1)[mask]))
    sigma = error * size / (exact.noise_gain * mean_norm_of_normal(paths.dim))
    realised = noise_on_paths(trajectories, step, order, half, sigma)
    noise = [np.pad(part, ((0, 0), (0, 0), (0, max(counts) - part.shape[2]), (0, 0))) for part in realised]
    return replace(paths, noise=error, noise_realisation=np.concatenate(noise, axis=1))


def _with_spline_derivatives(run: Trajectory, step: float, order: Order) -> Trajectory:
    """Return the run with the derivatives of the spline through its frames."""
    times, frames = step * np.arange(len(run.times)), unwrap(run.positions, run.box)
    first, second = (path[::SUBSTEPS] for path in spline_path(times, frames, derivatives=(1, 2)))
    return replace(run, velocities=first, accelerations=second if order == 2 else None)


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
    dataset = _stack_runs(runs.runs, blocks, order, 0.0)
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


def mean_norm_of_normal(dim: int) -> float:
    """Return the mean norm of ``dim`` standard normal numbers."""
    return float(np.sqrt(2) * gamma((dim + 1) / 2) / gamma(dim / 2))


def _stack_runs(runs: Sequence[Trajectory], blocks: Sequence[np.ndarray], order: Order, noise: float) -> Dataset:
    """Stack all frames of all runs, padded to the particles of the largest; ``blocks`` label the frames.

    For order 1 all velocities are zero: a law that states the velocity cannot depend on it.
    """
    first, n_particles = runs[0], max(run.positions.shape[1] for run in runs)
    lengths = [len(run.times) for run in runs]
    senders, receivers = _pairs(runs)

    def property_of_instants(name: str) -> np.ndarray:
        rows = [np.append(run.properties[name], np.ones(n_particles - run.positions.shape[1])) for run in runs]
        return np.repeat(np.array(rows), lengths, axis=0)

    targets = [run.accelerations if order == 2 else run.velocities for run in runs]
    velocities = [run.velocities if order == 2 else np.zeros_like(run.positions) for run in runs]
    return Dataset(
        positions=np.concatenate([_pad_particles(run.positions, n_particles, separate=True) for run in runs]),
        velocities=np.concatenate([_pad_particles(velocity, n_particles) for velocity in velocities]),
        target=np.concatenate([_pad_particles(target, n_particles) for target in targets]),
        properties={name: property_of_instants(name) for name in first.properties},
        present=np.repeat([np.arange(n_particles) < run.positions.shape[1] for run in runs], lengths, axis=0),
        run=np.concatenate(blocks),
        times=np.concatenate([run.times for run in runs]),
        senders=senders,
        receivers=receivers,
        box=first.box,
        cutoff=first.cutoff,
        order=order,
        noise=noise,
        names=first.names if all(run.names == first.names for run in runs) else None,
        units=dict(first.units) or None,
    )


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


def _pairs(runs: Sequence[Trajectory]) -> tuple[np.ndarray, np.ndarray]:
    """Return senders and receivers, in both directions: all pairs of the largest run, or its edges."""
    largest = max(runs, key=lambda run: run.positions.shape[1])
    if largest.edges is None:
        receivers, senders = np.nonzero(~np.eye(largest.positions.shape[1], dtype=bool))
        return senders, receivers
    return largest.edges[:, 0].copy(), largest.edges[:, 1].copy()


def _pad_particles(
    vectors: Float[np.ndarray, "T N D"] | None, n_particles: int, separate: bool = False
) -> Float[np.ndarray, "T M D"]:
    """Pad vectors to ``n_particles``, with zeros or, if ``separate``, with places apart along the first axis."""
    assert vectors is not None  # the run was completed
    frames, count, dim = vectors.shape
    full = np.zeros((frames, n_particles, dim))
    full[:, :count] = vectors
    if separate and n_particles > count:
        step = vectors.std() or 1.0
        full[:, count:, 0] = vectors[..., 0].max() + step * np.arange(1, n_particles - count + 1)
    return full


def _block_labels(lengths: Sequence[int], criteria: Criteria) -> list[np.ndarray]:
    """Label the frames of each run: by the run or, if there are few runs, by the contiguous block of frames."""
    if len(lengths) >= criteria.selection.min_runs_for_run_split:
        return [np.full(length, k) for k, length in enumerate(lengths)]
    blocks_per_run = -(-criteria.selection.n_time_blocks // len(lengths))
    labels: list[np.ndarray] = []
    start = 0
    for length in lengths:
        blocks = min(blocks_per_run, length)
        labels.append(start + np.arange(length) * blocks // length)
        start += blocks
    return labels
