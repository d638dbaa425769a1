"""Snapshots: instants of motion side by side, with what a law must explain of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import correlate1d

from gnn_discovery.types import Order

FEWEST_STRETCHES = 12
"""Of motion in weak form, in any sample of it."""


@dataclass(frozen=True)
class Dataset:
    """S instants of at most N particles, float64.

    Attributes:
        positions, velocities: (S N D).
        target: (S N D), the accelerations (order 2) or velocities (order 1) to be explained.
        properties: by name (S N).
        present: (S N), False where a run has fewer than N particles.
        run: (S,), the run, or the contiguous block of a single run, that the instant belongs to: what is
            held out and resampled as a whole.
        times: (S,).
        senders, receivers: (E,), the pairs that interact, both directions; indices of particles.
        box: (D,) side lengths when periodic.
        cutoff: distance beyond which pairs do not interact.
        order: of the equation of motion.
        noise: relative error of ``target`` as estimated from the motion itself; 0 when exact.
        kernel: (W,), of motion in weak form: ``target`` is the average of what a law says over the W instants
            around, with these weights (`motion.weak_form`); None where it is that of the instant itself.
        resolved: of motion in weak form, where the average can be trusted; None: everywhere.
        blur: (3 S N D), of motion in weak form, one draw of the noise that positions, velocities and target carry.
        weak: the same runs in weak form, with which constants are fitted; None where the target is exact.
    """

    positions: Float[np.ndarray, "S N D"]
    velocities: Float[np.ndarray, "S N D"]
    target: Float[np.ndarray, "S N D"]
    properties: Mapping[str, Float[np.ndarray, "S N"]]
    present: Bool[np.ndarray, "S N"]
    run: Int[np.ndarray, " S"]
    times: Float[np.ndarray, " S"]
    senders: Int[np.ndarray, " E"]
    receivers: Int[np.ndarray, " E"]
    box: Float[np.ndarray, " D"] | None = None
    cutoff: float | None = None
    order: Order = 2
    noise: float = 0.0
    names: tuple[str, ...] | None = None
    units: Mapping[str, str] | None = None
    kernel: Float[np.ndarray, " W"] | None = None
    weak_form_valid: Bool[np.ndarray, "S N"] | None = None
    noise_realisation: Float[np.ndarray, "3 S N D"] | None = None
    weak_form: Dataset | None = None

    @property
    def dim(self) -> int:
        return self.positions.shape[-1]

    @property
    def has_mass(self) -> bool:
        return "m" in self.properties

    @property
    def force(self) -> Float[np.ndarray, "S N D"]:
        """m a where the data give m, else the target itself."""
        return self.target * self.properties["m"][..., None] if self.has_mass else self.target

    @property
    def target_mask(self) -> Bool[np.ndarray, "S N"]:
        """Where there is a target: of a particle that is present and, in weak form, of an instant whose whole
        window is here and resolved."""
        if self.kernel is None:
            return self.present
        half, count = len(self.kernel) // 2, len(self.run)
        whole = np.zeros(count, dtype=bool)
        if count > 2 * half:
            first, last = slice(None, count - 2 * half), slice(2 * half, None)
            step = np.min(np.diff(self.times), where=np.diff(self.times) > 0, initial=np.inf)
            span = (self.times[last] - self.times[first]) / (2 * half * step)
            whole[half : count - half] = (self.run[first] == self.run[last]) & (np.abs(span - 1) < 0.25 / half)
        return self.present & whole[:, None] & (True if self.weak_form_valid is None else self.weak_form_valid)

    def average(self, values: np.ndarray, axis: int = 0) -> np.ndarray:
        """What is held against the target, of what a law says at each instant (along ``axis``)."""
        if self.kernel is None:
            return values
        return correlate1d(values, self.kernel, axis=axis, mode="nearest")

    def separation(self) -> Float[np.ndarray, "S E D"]:
        """x_i - x_j of each pair (receiver minus sender), by the nearest image when periodic."""
        d = self.positions[:, self.receivers] - self.positions[:, self.senders]
        return d if self.box is None else d - self.box * np.round(d / self.box)

    def pair_present(self) -> Bool[np.ndarray, "S E"]:
        """Whether both particles are there, and no farther apart than the cut-off."""
        here = self.present[:, self.receivers] & self.present[:, self.senders]
        return here if self.cutoff is None else here & (np.sum(self.separation() ** 2, -1) < self.cutoff**2)

    def select(self, index: np.ndarray) -> Dataset:
        """The instants of ``index`` (a mask or integers)."""
        return replace(
            self,
            positions=self.positions[index],
            velocities=self.velocities[index],
            target=self.target[index],
            properties={k: v[index] for k, v in self.properties.items()},
            present=self.present[index],
            run=self.run[index],
            times=self.times[index],
            weak_form_valid=None if self.weak_form_valid is None else self.weak_form_valid[index],
            noise_realisation=None if self.noise_realisation is None else self.noise_realisation[:, index],
            weak_form=None,
        )

    def with_added_noise(self, share: float = 1.0) -> Dataset:
        """The motion with the draw of its noise added once more, times ``share``."""
        assert self.noise_realisation is not None  # of motion in weak form
        x, v, f = share * self.noise_realisation
        return replace(self, positions=self.positions + x, velocities=self.velocities + v, target=self.target + f)

    def select_runs(self, runs: np.ndarray) -> Dataset:
        """The instants of these runs, in weak form too."""
        part = self.select(np.isin(self.run, runs))
        return part if self.weak_form is None else replace(part, weak_form=self.weak_form.select_runs(runs))


def concatenate_datasets(parts: Sequence[Dataset]) -> Dataset:
    """Parts of one motion together, in the order of runs and times."""
    first = parts[0]
    together = replace(
        first,
        positions=np.concatenate([p.positions for p in parts]),
        velocities=np.concatenate([p.velocities for p in parts]),
        target=np.concatenate([p.target for p in parts]),
        properties={k: np.concatenate([p.properties[k] for p in parts]) for k in first.properties},
        present=np.concatenate([p.present for p in parts]),
        run=np.concatenate([p.run for p in parts]),
        times=np.concatenate([p.times for p in parts]),
        weak_form_valid=None if first.weak_form_valid is None else np.concatenate([p.weak_form_valid for p in parts]),
        noise_realisation=None
        if first.noise_realisation is None
        else np.concatenate([p.noise_realisation for p in parts], axis=1),
        weak_form=None,
    )
    return together.select(np.lexsort((together.times, together.run)))


def subsample_dataset(snapshots: Dataset, count: int, seed: int = 0) -> Dataset:
    """About ``count`` instants, at random, in the order of the data; in weak form in stretches of two windows."""
    total, rng = len(snapshots.run), np.random.default_rng(seed)
    if total <= count:
        return snapshots
    if snapshots.kernel is None:
        return snapshots.select(np.sort(rng.choice(total, count, replace=False)))
    length = 2 * len(snapshots.kernel)
    stretches = -(-total // length)
    chosen = rng.choice(stretches, min(stretches, max(FEWEST_STRETCHES, count // length)), replace=False)
    return snapshots.select(np.isin(np.arange(total) // length, chosen))


def robust_scale(sizes: np.ndarray) -> float:
    """A size below which an error counts as absolute; zero of nothing, or of nothing but zeros.

    The median, or a fifth of the root mean square of the lower nine tenths where that is more: the median alone
    fails where most particles have come to rest, and a plain mean belongs to close encounters. At least a quarter of
    the median of what is not next to nothing: particles that interact by contact feel nothing most of the time.
    """
    if not sizes.size:
        return 0.0
    lower = sizes[sizes <= np.quantile(sizes, 0.9)]
    felt = sizes[sizes > 0]
    felt = felt[felt > 1e-3 * np.quantile(felt, 0.9)] if felt.size else sizes
    return float(max(np.median(sizes), 0.2 * np.sqrt(np.mean(lower**2)), 0.25 * np.median(felt)))
