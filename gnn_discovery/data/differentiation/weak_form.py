"""The weak form: averages of the target over a window, which noisy positions give without the bias of a derivative.

The filter of a derivative, summed over the frames around, is the integral of that derivative against a kernel,
whatever the motion (Peano's theorem; Messenger and Bortz, Multiscale Model. Simul. 19, 1474, 2021, use the same
identity with other test functions). So a law is averaged with the kernel before it is held against the filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import minimum_filter1d
from scipy.signal import savgol_filter

from gnn_discovery.data.differentiation.completion import TRACKS_PER_BATCH, CompletedTrajectory, unwrap
from gnn_discovery.data.differentiation.savitzky_golay import SavitzkyGolayFilters, apply_filter, time_grid
from gnn_discovery.data.differentiation.window_selection import select_smoothing_window
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.types import Order

NOISY = 1e-4
"""Relative error of the target below which a derivative needs no better form."""
STEP, BLUR = 0.3, 0.01
"""Of the distance of a pair: how far it may move between two frames, and how uncertain it may be."""
_FILTER_DEGREE = 2
"""Of the filter: the lowest has the least noise, and in weak form no bias for it."""
_N_EXACT_MOMENTS = 5
"""Even moments of the kernel that are exact in its sum over frames: polynomials to degree 9."""


@dataclass(frozen=True)
class WeakFormRuns:
    """Runs in weak form, all frames of each.

    Attributes:
        runs: positions as they were seen, velocities smoothed; the target (accelerations for order 2, velocities for
            order 1) is averages centred on the frames, zero within half a window of the ends, where there are none.
        noise: of each run one draw (3 T N D) of the noise that its positions, velocities and target carry.
        kernel: (2 half + 1,) weights of the instants around that make the same average of what a law says.
        gain: standard error of the target over that of the positions.
    """

    runs: tuple[Trajectory, ...]
    noise: tuple[Float[np.ndarray, "3 T N D"], ...]
    kernel: Float[np.ndarray, " W"]
    noise_gain: float


def to_weak_form(
    runs: Sequence[Trajectory],
    motions: Sequence[CompletedTrajectory],
    order: Order = 2,
    stretch: int | None = None,
    widest: int | None = None,
) -> WeakFormRuns | None:
    """The runs in weak form where that is of use: positions alone were seen, with noise, at even times.

    Args:
        runs: as they were given.
        motions: of the same runs; the window that served most tracks best serves all.
        stretch: frames that stay together where runs are held out or resampled in parts; None: whole runs do.
        widest: half of a window, in frames, at most.
    """
    grids = [time_grid(run.times) for run in runs]
    steps = np.array([grid[1] for grid, _ in grids])
    derived = all(run.velocities is None and run.accelerations is None for run in runs)
    even = all(uniform for _, uniform in grids) and bool(np.ptp(steps) <= 1e-6 * steps[0])
    if not (derived and even) or max(motion.noise for motion in motions) < NOISY:
        return None
    half = int(np.median(np.concatenate([motion.filter_windows[:, 0] for motion in motions])))
    half = max(min(half, (stretch or min(len(run.times) for run in runs)) // 4, widest or half), 1)
    weights = SavitzkyGolayFilters(np.arange(2 * half + 1) * steps[0], order).weights(_FILTER_DEGREE, half)
    found, noise = list(runs), [np.zeros(0)] * len(runs)
    rng = np.random.default_rng(0)
    for members in _batches_of_equal_shape(runs):
        seen = np.concatenate([unwrap(runs[k].positions, runs[k].box) for k in members], axis=1)
        sigma = np.concatenate([motions[k].position_noise for k in members])
        drawn = sigma[:, None] * rng.standard_normal(seen.shape)
        windows = select_smoothing_window(steps[0] * np.arange(len(seen)), seen, sigma, 1)
        parts = []
        for tracks in (seen, drawn):
            average = np.zeros_like(tracks)
            average[half : len(tracks) - half] = apply_filter(weights, tracks)
            parts.append(
                np.stack([tracks, _smoothed_velocity(tracks, windows, steps[0]) if order == 2 else average, average])
            )
        for row, k in enumerate(members):
            count = runs[k].positions.shape[1]
            (x, v, f), own = (part[:, :, row * count : (row + 1) * count] for part in parts)
            found[k] = replace(runs[k], positions=x, velocities=v, accelerations=f if order == 2 else None)
            noise[k] = own
    return WeakFormRuns(
        tuple(found), tuple(noise), peano_kernel(weights[0], steps[0], order), float(np.linalg.norm(weights[0]))
    )


def resolvable_mask(
    separation: Float[np.ndarray, "T E D"],
    acting: Bool[np.ndarray, "T E"],
    sigma: Float[np.ndarray, "T N"],
    senders: Int[np.ndarray, " E"],
    receivers: Int[np.ndarray, " E"],
    width: int,
) -> Bool[np.ndarray, "T N"]:
    """Where all that act on a particle can be averaged, in the whole window of ``width`` frames around.

    A force that changes as the distance does cannot be summed over frames between which a pair moves by much of
    its distance, and noise in the distance weighs more the smaller it is. What is left out depends on the motion
    alone, never on the residuals of a law.

    Args:
        acting: which pairs act at all.
        sigma: standard error of the positions.
    """
    distance = np.linalg.norm(separation, axis=-1)
    step = np.linalg.norm(np.gradient(separation, axis=0), axis=-1)
    blur = np.hypot(sigma[:, receivers], sigma[:, senders])
    fine = ~acting | ((step <= STEP * distance) & (blur <= BLUR * distance))
    out = np.ones(sigma.shape, dtype=bool)
    for edge, receiver in enumerate(receivers):
        out[:, receiver] &= fine[:, edge]
    return minimum_filter1d(out.view(np.uint8), width, axis=0, mode="nearest").astype(bool)


def _batches_of_equal_shape(runs: Sequence[Trajectory]) -> list[list[int]]:
    """Runs of one shape, so many together as are well worked on at once."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for k, run in enumerate(runs):
        groups.setdefault(run.positions.shape, []).append(k)
    size = {shape: max(TRACKS_PER_BATCH // shape[1], 1) for shape in groups}
    return [g[k : k + size[shape]] for shape, g in groups.items() for k in range(0, len(g), size[shape])]


def peano_kernel(weights: Float[np.ndarray, " W"], step: float, derivative: int) -> Float[np.ndarray, " W"]:
    """The weights of the ``derivative`` (1 or 2) of a smooth function that give what ``weights`` give of itself.

    Peano's kernel at the frames, with the least change that makes its first even moments exact.
    """
    half = len(weights) // 2
    frames = np.arange(-half, half + 1)
    later = np.maximum(frames[None, :] - np.abs(frames)[:, None], 0)  # frames from each on, beyond it
    share = later if derivative == 2 else (later > 0) + 0.5 * ((later == 0) & (frames == np.abs(frames)[:, None]))
    sampled = step**derivative * (share * (frames > 0)) @ weights
    count = min(_N_EXACT_MOMENTS, half + 1)
    scaled = frames / max(half, 1)
    powers = np.array([scaled ** (2 * p) for p in range(count)])
    p = 2 * np.arange(count)
    integral = np.array([scaled ** (k + derivative) for k in p]) @ weights * (step * max(half, 1)) ** derivative
    exact = integral / ((p + 1) * (p + 2) if derivative == 2 else p + 1)
    return sampled + np.linalg.lstsq(powers, exact - powers @ sampled, rcond=None)[0]


def _smoothed_velocity(tracks: np.ndarray, windows: np.ndarray, step: float) -> np.ndarray:
    """The velocity of each track by its polynomial, up to the ends; ``filter_windows`` are half widths and degrees."""
    out = np.empty_like(tracks)
    for half, degree in {(int(h), int(d)) for h, d in windows}:
        own = np.flatnonzero((windows == (half, degree)).all(axis=1))
        out[:, own] = savgol_filter(tracks[:, own], 2 * half + 1, degree, deriv=1, delta=step, axis=0)
    return out
