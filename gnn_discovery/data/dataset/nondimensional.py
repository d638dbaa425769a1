"""Natural units: what a network sees of a motion are numbers near one, in whatever units the data come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from gnn_discovery.data.dataset.dataset import Dataset, robust_scale


@dataclass(frozen=True)
class CharacteristicScales:
    """The units of lengths, velocities, the target and each property; powers of two, so that no digit is lost."""

    length: float = 1.0
    velocity: float = 1.0
    target: float = 1.0
    properties: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def of(data: Dataset) -> CharacteristicScales:
        """Those of the typical sizes in ``data``."""
        here = data.present
        centred = data.positions[here] - np.mean(data.positions[here], axis=0)
        return CharacteristicScales(
            _power_of_two(centred),
            _power_of_two(data.velocities[here]),
            _power_of_two(np.linalg.norm(data.target, axis=-1)[here]),
            {name: _power_of_two(values[here]) for name, values in data.properties.items()},
        )

    @property
    def force(self) -> float:
        return self.target * self.properties.get("m", 1.0)

    def mechanical(self) -> CharacteristicScales:
        """The same, with the unit of accelerations that those of length and velocity make: Newton's and Hamilton's
        equations hold in them as they stand."""
        return replace(self, target=self.velocity**2 / self.length)

    def apply(self, data: Dataset) -> Dataset:
        """The motion in these units; times and the weak form, which no network sees, are left out of it."""
        return replace(
            data,
            positions=data.positions / self.length,
            velocities=data.velocities / self.velocity,
            target=data.target / self.target,
            properties={name: values / self.properties.get(name, 1.0) for name, values in data.properties.items()},
            box=None if data.box is None else data.box / self.length,
            cutoff=None if data.cutoff is None else data.cutoff / self.length,
            weak_form=None,
        )


def _power_of_two(values: np.ndarray) -> float:
    """The one nearest to their typical size; one where all are nothing."""
    size = robust_scale(np.abs(values).ravel())
    return float(2.0 ** np.round(np.log2(size))) if size > 0 else 1.0
