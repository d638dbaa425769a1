"""The Dataset: instants of motion side by side, with the target that a law must explain.

A law is compared with the target through the observation of the dataset (`Dataset.observe`): the identity for
derivatives, an average over a window of instants for motion in weak form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset.observation import POINTWISE, IncrementObservation, Observation
from gnn_discovery.types import Order


@dataclass(frozen=True)
class Dataset:
    """A frozen record of S instants of at most N particles, float64.

    Attributes:
        positions: (S N D).
        velocities: (S N D); zero for order 1, where they are the target and nothing may depend on them.
        target: (S N D), the accelerations (order 2) or velocities (order 1) to be explained.
        properties: arrays (S N) by name.
        present: (S N), False where a run has fewer than N particles.
        run: (S,), label of the run, or of the contiguous block of a single run, that the instant belongs to. Data
            are held out and resampled by this label.
        times: (S,).
        senders, receivers: (E,), indices of the particles of each interacting pair, in both directions.
        box: (D,) side lengths when periodic.
        cutoff: distance beyond which pairs do not interact.
        order: order of the equation of motion.
        noise: relative error of ``target`` as estimated from the motion itself; 0 when exact.
        names: names of the particles, if all runs share them.
        units: units of length, time and properties, if they are known.
        observation: says how ``target`` follows from the values of a law at the instants.
        noise_realisation: (3 S N D), one realisation of the noise that positions, velocities and target carry in
            weak form.
        weak_form: the same runs in weak form, to which constants are fitted; None if the target is exact. Of
            increments, the same at the positions that the force has moved the particles to by their middle.
        derived: what was computed from these very instants and is kept with them, by name; a changed copy begins
            without.
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
    observation: Observation = POINTWISE
    noise_realisation: Float[np.ndarray, "3 S N D"] | None = None
    weak_form: Dataset | None = None
    derived: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def dim(self) -> int:
        """Return the number of space dimensions."""
        return int(self.positions.shape[-1])

    @property
    def has_mass(self) -> bool:
        """Tell whether the particles have a mass, the property ``m``."""
        return "m" in self.properties

    @property
    def force(self) -> Float[np.ndarray, "S N D"]:
        """Return m times the target where the data give m, else the target itself."""
        return self.target * self.properties["m"][..., None] if self.has_mass else self.target

    @property
    def target_mask(self) -> Bool[np.ndarray, "S N"]:
        """Mark where a target exists.

        The particle must be present. In weak form, the window around the instant must also lie within one run
        without a missing frame, and the average over it must be valid.
        """
        return self.observation.mask(self.present, self.run, self.times)

    @property
    def target_variance(self) -> Float[np.ndarray, "S N"]:
        """Return the variance by kicks of each coordinate of the target; zero where there are none."""
        if not isinstance(self.observation, IncrementObservation):
            return np.zeros(self.present.shape)
        mass = self.properties["m"] if self.has_mass and self.order == 2 else np.ones(self.present.shape)
        variance: np.ndarray = self.observation.variance / mass**2
        return variance

    def observe(self, values: Float[np.ndarray, "..."], axis: int = 0) -> Float[np.ndarray, "..."]:
        """Apply the observation to the values of a law, so that they can be compared with the target.

        Args:
            values: what a law predicts at each instant.
            axis: the axis of ``values`` that runs over the S instants.

        Returns:
            What would be observed where ``values`` were the truth.
        """
        return self.observation.apply(values, axis)

    def separation(self) -> Float[np.ndarray, "S E D"]:
        """Return x_i - x_j of each pair (receiver minus sender), by the nearest image when periodic."""
        d: np.ndarray = self.positions[:, self.receivers] - self.positions[:, self.senders]
        return d if self.box is None else d - self.box * np.round(d / self.box)

    def pair_present(self) -> Bool[np.ndarray, "S E"]:
        """Mark the pairs whose particles are both present and no farther apart than the cut-off."""
        both: np.ndarray = self.present[:, self.receivers] & self.present[:, self.senders]
        return both if self.cutoff is None else both & (np.sum(self.separation() ** 2, -1) < self.cutoff**2)

    def select(self, index: np.ndarray) -> Dataset:
        """Return the instants of ``index`` (a mask or integers), without their weak form."""
        return replace(
            self,
            positions=self.positions[index],
            velocities=self.velocities[index],
            target=self.target[index],
            properties={k: v[index] for k, v in self.properties.items()},
            present=self.present[index],
            run=self.run[index],
            times=self.times[index],
            observation=self.observation.select(index),
            noise_realisation=None if self.noise_realisation is None else self.noise_realisation[:, index],
            weak_form=None,
        )

    def with_added_noise(self, factor: float = 1.0) -> Dataset:
        """Add the noise realisation, times ``factor``, to the positions, velocities and target."""
        assert self.noise_realisation is not None  # motion in weak form has one
        x, v, f = factor * self.noise_realisation
        return replace(self, positions=self.positions + x, velocities=self.velocities + v, target=self.target + f)

    def select_runs(self, runs: np.ndarray) -> Dataset:
        """Return the instants of these runs, with their weak form."""
        part = self.select(np.isin(self.run, runs))
        return part if self.weak_form is None else replace(part, weak_form=self.weak_form.select_runs(runs))


def concatenate_datasets(parts: Sequence[Dataset]) -> Dataset:
    """Join parts of one dataset in the order of runs and times, without their weak form."""
    first = parts[0]
    changed: dict[str, Any] = {
        "properties": {k: np.concatenate([p.properties[k] for p in parts]) for k in first.properties}
    }
    for name in ("positions", "velocities", "target", "present", "run", "times"):
        changed[name] = np.concatenate([getattr(p, name) for p in parts])
    changed["observation"] = first.observation.join([part.observation for part in parts])
    if first.noise_realisation is not None:
        noise = [p.noise_realisation for p in parts if p.noise_realisation is not None]
        changed["noise_realisation"] = np.concatenate(noise, axis=1)
    joined = replace(first, **changed, weak_form=None)
    return joined.select(np.lexsort((joined.times, joined.run)))


def robust_scale(sizes: Float[np.ndarray, "..."], *, criteria: Criteria = DEFAULT_CRITERIA) -> float:
    """Return the size below which an error counts as absolute; it is the denominator scale of relative errors.

    The scale is the largest of three robust measures: the median; a fraction of the root mean square of the lower
    nine tenths, because the median alone vanishes where most particles have come to rest while a plain mean is
    dominated by close encounters; and a fraction of the median of the nonzero sizes, because particles that
    interact by contact feel no force most of the time.

    Args:
        sizes: norms of forces or other vectors, or absolute values.
        criteria: the fields ``estimation.scale_*`` set the quantile and the fractions.

    Returns:
        The scale, zero if ``sizes`` is empty or all zero.
    """
    if not sizes.size:
        return 0.0
    limits = criteria.estimation
    lower = sizes[sizes <= np.quantile(sizes, limits.scale_upper_quantile)]
    nonzero = sizes[sizes > 0]
    if nonzero.size:
        nonzero = nonzero[nonzero > limits.scale_zero_fraction * np.quantile(nonzero, limits.scale_upper_quantile)]
    else:
        nonzero = sizes
    return float(
        max(
            np.median(sizes),
            limits.scale_rms_weight * np.sqrt(np.mean(lower**2)),
            limits.scale_nonzero_median_weight * np.median(nonzero),
        )
    )
