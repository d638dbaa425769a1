"""The weak form: averages of the target over a window, which noisy positions give without the bias of a derivative.

The weights w of a Savitzky-Golay filter for the d-th derivative annihilate polynomials below degree d. By Peano's
theorem the filtered positions are therefore, whatever the motion x(t), an exact average of the derivative x^(d):

    sum_i w_i x(t_i) = integral K(s) x^(d)(s) ds,    K(s) = sum_{t_i > 0} w_i (t_i - |s|)_+^{d-1} / (d - 1)!

where t = 0 is the middle of the window. So the prediction of a law is averaged with the kernel K before it is compared
with the filtered positions: the left side has noise but no truncation error. Messenger and Bortz (Multiscale Model.
Simul. 19, 1474, 2021) use the same identity with other test functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import minimum_filter1d

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.differentiation.completion import TRACKS_PER_BATCH, CompletedTrajectory, unwrap
from gnn_discovery.data.differentiation.paths import SUBSTEPS, spline_path
from gnn_discovery.data.differentiation.savitzky_golay import SavitzkyGolayFilters, apply_filter, time_grid
from gnn_discovery.data.differentiation.window_selection import select_smoothing_window
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.types import Order


@dataclass(frozen=True)
class WeakFormRuns:
    """A frozen record of runs in weak form, with all frames of each.

    Attributes:
        runs: positions as they were observed and velocities smoothed. The target (accelerations for order 2,
            velocities for order 1) is the average centred on each frame; it is zero within half a window of the
            ends, where there is none.
        noise: for each run, one realisation (3 T N D) of the noise that its positions, velocities and target carry;
            empty where it is not known.
        kernel: (2 half + 1,) weights of the average that the prediction of a law is compared through.
        weights: (2 half + 1,) weights of the positions in the frames that make a target.
        substeps: number of instants from one frame to the next; where it is above 1 the runs have instants between
            their frames, on the path that the particles took.
    """

    runs: tuple[Trajectory, ...]
    noise: tuple[Float[np.ndarray, "3 _ _ D"], ...]
    kernel: Float[np.ndarray, " W"]
    weights: Float[np.ndarray, " F"]
    substeps: int = 1

    @property
    def noise_gain(self) -> float:
        """Return the standard error of the target over that of the positions."""
        return float(np.linalg.norm(self.weights))


def to_weak_form(
    runs: Sequence[Trajectory],
    completed: Sequence[CompletedTrajectory],
    order: Order = 2,
    block_length: int | None = None,
    max_half_width: int | None = None,
    *,
    filter_degree: int = 2,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> WeakFormRuns | None:
    """Return the runs in weak form if that is of use: positions alone were observed, with noise, at uniform times.

    Args:
        runs: the runs as they were recorded.
        completed: the same runs with derivatives; the median of their window widths serves all.
        order: the target is the average of the acceleration (2) or of the velocity (1).
        block_length: number of frames that stay together where runs are held out or resampled in blocks; None if
            whole runs are.
        max_half_width: largest half width of the window, in frames.
        filter_degree: degree of the filter: the lowest has the least noise, and no bias in weak form.
        criteria: ``noise.min_error_for_weak_form`` and the choice of the window that smooths velocities.

    Returns:
        The weak form, or None if derivatives serve as well or the weak form cannot be had.
    """
    step = even_step(runs)
    if step is None or max(c.noise for c in completed) < criteria.noise.min_error_for_weak_form:
        return None
    half = int(np.median(np.concatenate([c.filter_windows[:, 0] for c in completed])))
    half = max(min(half, (block_length or min(len(run.times) for run in runs)) // 4, max_half_width or half), 1)
    weights = SavitzkyGolayFilters(np.arange(2 * half + 1) * step, order).weights(filter_degree, half)
    averaged, noise = list(runs), [np.zeros(0)] * len(runs)
    rng = np.random.default_rng(0)
    for members in _batches_of_equal_shape(runs):
        positions = np.concatenate([unwrap(runs[k].positions, runs[k].box) for k in members], axis=1)
        sigma = np.concatenate([completed[k].position_noise for k in members])
        realisation = sigma[:, None] * rng.standard_normal(positions.shape)
        times = step * np.arange(len(positions))
        windows = select_smoothing_window(times, positions, sigma, 1, criteria=criteria)
        stacks = []
        for tracks in (positions, realisation):
            average = np.zeros_like(tracks)
            average[half : len(tracks) - half] = apply_filter(weights, tracks)
            velocity = _smoothed_velocity(tracks, windows, step) if order == 2 else np.zeros_like(tracks)
            stacks.append(np.stack([tracks, velocity, average]))
        for row, k in enumerate(members):
            count = runs[k].positions.shape[1]
            (x, v, f), run_noise = (stack[:, :, row * count : (row + 1) * count] for stack in stacks)
            derivatives = {"velocities": v, "accelerations": f} if order == 2 else {"velocities": f}
            averaged[k] = replace(runs[k], positions=x, **derivatives)
            noise[k] = run_noise
    kernel = peano_kernel(weights[0], step, order)
    return WeakFormRuns(tuple(averaged), tuple(noise), kernel, weights[0])


def even_step(runs: Sequence[Trajectory]) -> float | None:
    """Return the time between two frames where positions alone were observed, at uniform times; None otherwise."""
    grids = [time_grid(run.times) for run in runs]
    steps = np.array([grid[1] for grid, _ in grids])
    derived = all(run.velocities is None and run.accelerations is None for run in runs)
    uniform = all(uniform for _, uniform in grids) and bool(np.ptp(steps) <= 1e-6 * steps[0])
    return float(steps[0]) if derived and uniform else None


def to_weak_form_on_paths(runs: Sequence[Trajectory], step: float, order: Order, half: int) -> WeakFormRuns:
    """Return coarse runs in weak form, along splines through their frames; how much noise they carry is not known.

    Args:
        runs: the runs as they were recorded.
        step: the time between two frames.
        order: the target is the average of the acceleration (2) or of the velocity (1).
        half: half width of the average in frames; with 1 it is the second difference of three frames, or the first.
    """
    weights = _path_weights(step, order, half)
    sparse = np.zeros(2 * half * SUBSTEPS + 1)
    sparse[::SUBSTEPS] = weights[0]
    kernel = peano_kernel(sparse, step / SUBSTEPS, order)
    refined = []
    for run in runs:
        x, v, f = _along_paths(unwrap(run.positions, run.box), step, order, weights)
        instants = run.times[0] + step / SUBSTEPS * np.arange(len(x))
        derivatives = {"velocities": v, "accelerations": f} if order == 2 else {"velocities": f}
        refined.append(replace(run, positions=x, times=instants, **derivatives))
    return WeakFormRuns(tuple(refined), (), kernel, weights[0], SUBSTEPS)


def noise_on_paths(
    runs: Sequence[Trajectory], step: float, order: Order, half: int, sigma: float
) -> list[Float[np.ndarray, "3 T N D"]]:
    """Return for each run one realisation of the noise that its weak form along splines carries.

    Args:
        runs: the runs as they were recorded.
        step: the time between two frames.
        order: the target is the average of the acceleration (2) or of the velocity (1).
        half: half width of the average in frames.
        sigma: standard error of the positions.
    """
    rng, weights = np.random.default_rng(0), _path_weights(step, order, half)
    return [_along_paths(sigma * rng.standard_normal(run.positions.shape), step, order, weights) for run in runs]


def _path_weights(step: float, order: Order, half: int) -> np.ndarray:
    return SavitzkyGolayFilters(np.arange(2 * half + 1) * step, order).weights(2, half)


def _along_paths(tracks: np.ndarray, step: float, order: Order, weights: np.ndarray) -> np.ndarray:
    """Return (3 T N D) the splines through the frames, their derivative for order 2, and the averages at the frames."""
    path, slope = spline_path(step * np.arange(len(tracks)), tracks, derivatives=(0, 1))
    stack = np.stack([path, slope if order == 2 else np.zeros_like(path), np.zeros_like(path)])
    margin = weights.shape[-1] // 2 * SUBSTEPS
    stack[2, margin : len(path) - margin : SUBSTEPS] = apply_filter(weights, tracks)
    return stack


def resolvable_mask(
    separation: Float[np.ndarray, "T E D"],
    acting: Bool[np.ndarray, "T E"],
    sigma: Float[np.ndarray, "T N"],
    senders: Int[np.ndarray, " E"],
    receivers: Int[np.ndarray, " E"],
    width: int,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> Bool[np.ndarray, "T N"]:
    """Mark where all forces on a particle can be averaged over the whole window of ``width`` frames around.

    A force that varies with the distance cannot be summed over frames between which a pair moves by much of its
    distance, and noise in the distance matters more the smaller the distance is. The mask depends on the motion
    alone, never on the residuals of a law.

    Args:
        separation: x_i - x_j of each pair.
        acting: True where a pair interacts.
        sigma: standard error of the positions.
        senders, receivers: indices of the particles of each pair.
        width: number of frames of the window.
        criteria: ``noise.max_pair_step`` and ``noise.max_pair_uncertainty``.
    """
    distance = np.linalg.norm(separation, axis=-1)
    step = np.linalg.norm(np.gradient(separation, axis=0), axis=-1)
    uncertainty = np.hypot(sigma[:, receivers], sigma[:, senders])
    small_step = step <= criteria.noise.max_pair_step * distance
    resolved_pair = ~acting | (small_step & (uncertainty <= criteria.noise.max_pair_uncertainty * distance))
    resolved = np.ones(sigma.shape, dtype=bool)
    for edge, receiver in enumerate(receivers):
        resolved[:, receiver] &= resolved_pair[:, edge]
    throughout: np.ndarray = minimum_filter1d(resolved.view(np.uint8), width, axis=0, mode="nearest").astype(bool)
    return throughout


def peano_kernel(
    weights: Float[np.ndarray, " W"], step: float, derivative: int, *, n_exact_moments: int = 5
) -> Float[np.ndarray, " W"]:
    """Return the weights on the derivative of a smooth function that give what ``weights`` give on the function.

    The Peano kernel is sampled at the frames and corrected by the least change that makes its first even moments
    exact, so that the sum over frames equals the integral for polynomials.

    Args:
        weights: weights of a Savitzky-Golay filter.
        step: time between two frames.
        derivative: order of the derivative, 1 or 2.
        n_exact_moments: number of even moments that are made exact; 5 serve polynomials to degree 9.
    """
    half = len(weights) // 2
    frames = np.arange(-half, half + 1)
    later = np.maximum(frames[None, :] - np.abs(frames)[:, None], 0)  # (t_i - |s|)_+ in frames
    at_edge = (later == 0) & (frames == np.abs(frames)[:, None])
    share = later if derivative == 2 else (later > 0) + 0.5 * at_edge
    sampled = step**derivative * (share * (frames > 0)) @ weights
    count = min(n_exact_moments, half + 1)
    scaled = frames / max(half, 1)
    powers = np.array([scaled ** (2 * p) for p in range(count)])
    p = 2 * np.arange(count)
    integral = np.array([scaled ** (k + derivative) for k in p]) @ weights * (step * max(half, 1)) ** derivative
    exact = integral / ((p + 1) * (p + 2) if derivative == 2 else p + 1)
    corrected: np.ndarray = sampled + np.linalg.lstsq(powers, exact - powers @ sampled, rcond=None)[0]
    return corrected


def _batches_of_equal_shape(runs: Sequence[Trajectory]) -> list[list[int]]:
    """Group the indices of runs of one shape into batches of bounded size."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for k, run in enumerate(runs):
        groups.setdefault(run.positions.shape, []).append(k)
    size = {shape: max(TRACKS_PER_BATCH // shape[1], 1) for shape in groups}
    return [g[k : k + size[shape]] for shape, g in groups.items() for k in range(0, len(g), size[shape])]


def _smoothed_velocity(
    tracks: Float[np.ndarray, "T M D"], windows: Int[np.ndarray, "M 2"], step: float
) -> Float[np.ndarray, "T M D"]:
    """Return the velocity of each track by its polynomial, up to the ends; ``windows`` are half widths and degrees."""
    from scipy.signal import savgol_filter  # its import takes a second

    velocities = np.empty_like(tracks)
    for half, degree in {(int(h), int(d)) for h, d in windows}:
        members = np.flatnonzero((windows == (half, degree)).all(axis=1))
        velocities[:, members] = savgol_filter(tracks[:, members], 2 * half + 1, degree, deriv=1, delta=step, axis=0)
    return velocities
