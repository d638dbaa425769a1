"""Nondimensional data: networks see numbers near one, in whatever units the data come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset.dataset import Dataset, robust_scale


@dataclass(frozen=True)
class CharacteristicScales:
    """The scales that data are divided by; powers of two, so that no digit is lost.

    Attributes:
        length: scale of lengths.
        velocity: scale of velocities.
        target: scale of the target, an acceleration or a velocity.
        properties: scale of each property.
    """

    length: float = 1.0
    velocity: float = 1.0
    target: float = 1.0
    properties: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def of(dataset: Dataset, *, criteria: Criteria = DEFAULT_CRITERIA) -> CharacteristicScales:
        """Return the powers of two nearest to the robust scales of a dataset.

        Args:
            dataset: positions are measured from their mean; absent particles do not count.
            criteria: the criteria of `robust_scale`.
        """
        present = dataset.present
        centred = dataset.positions[present] - np.mean(dataset.positions[present], axis=0)
        return CharacteristicScales(
            _nearest_power_of_two(centred, criteria),
            _nearest_power_of_two(dataset.velocities[present], criteria),
            _nearest_power_of_two(np.linalg.norm(dataset.target, axis=-1)[present], criteria),
            {name: _nearest_power_of_two(values[present], criteria) for name, values in dataset.properties.items()},
        )

    @property
    def force(self) -> float:
        """Return the scale of forces: that of the target, times that of the mass where the data give one."""
        return self.target * self.properties.get("m", 1.0)

    def mechanical(self) -> CharacteristicScales:
        """Return scales with the acceleration velocity² / length, in which the equations of motion keep their form."""
        return replace(self, target=self.velocity**2 / self.length)

    def apply(self, dataset: Dataset) -> Dataset:
        """Divide a dataset by the scales; times are kept, and the weak form, which no network sees, is left out."""
        return replace(
            dataset,
            positions=dataset.positions / self.length,
            velocities=dataset.velocities / self.velocity,
            target=dataset.target / self.target,
            properties={name: values / self.properties.get(name, 1.0) for name, values in dataset.properties.items()},
            box=None if dataset.box is None else dataset.box / self.length,
            cutoff=None if dataset.cutoff is None else dataset.cutoff / self.length,
            weak_form=None,
        )


def _nearest_power_of_two(values: np.ndarray, criteria: Criteria) -> float:
    """Return the power of two nearest to the robust scale of the values, one if they are all zero."""
    size = robust_scale(np.abs(values).ravel(), criteria=criteria)
    return float(2.0 ** np.round(np.log2(size))) if size > 0 else 1.0
