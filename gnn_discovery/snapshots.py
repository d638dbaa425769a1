"""Snapshots: runs cut into instants, with the motion that a law must explain, and the honest split of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from gnn_discovery.types import Order


@dataclass(frozen=True)
class Snapshots:
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
        order: of the equation of motion.
        noise: relative error of ``target`` as estimated from the motion itself; 0 when exact.
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
    order: Order = 2
    noise: float = 0.0
    names: tuple[str, ...] | None = None
    units: Mapping[str, str] | None = None

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

    def separation(self) -> Float[np.ndarray, "S E D"]:
        """x_i - x_j of each pair (receiver minus sender), by the nearest image when periodic."""
        d = self.positions[:, self.receivers] - self.positions[:, self.senders]
        return d if self.box is None else d - self.box * np.round(d / self.box)

    def pair_present(self) -> Bool[np.ndarray, "S E"]:
        return self.present[:, self.receivers] & self.present[:, self.senders]

    def select(self, index: np.ndarray) -> Snapshots:
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
        )


@dataclass(frozen=True)
class Split:
    """Whole runs, apart: to train on, to stop and choose by, to report on, and the extremes kept out."""

    train: Snapshots
    valid: Snapshots
    test: Snapshots
    extreme: Snapshots | None
