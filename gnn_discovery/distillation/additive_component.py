"""Channel: one part of a force, monomial(properties) x profile(variable) x direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gnn_discovery.messages.table import MessageTable
from gnn_discovery.types import Direction


@dataclass(frozen=True)
class AdditiveComponent:
    """``monomial`` x profile(``variable``) along ``direction``.

    Attributes:
        monomial: powers of the properties, of their sums over the pair (`pair_sum_name`) and of ``v_r``, by name; zero powers
            are left out.
        variable: what the profile depends on; None where it is one number.
    """

    direction: Direction
    monomial: tuple[tuple[str, float], ...]
    variable: str | None

    def monomial_values(self, table: MessageTable) -> np.ndarray:
        """Value of the monomial (K,)."""
        out = np.ones(len(table))
        for name, power in self.monomial:
            column = radial_velocity(table) if name == "v_r" else property_column(table, name)
            out = out * (
                column
                if power == 1
                else np.sign(column) * np.abs(column) ** power
                if power % 2
                else np.abs(column) ** power
            )
        return out

    def values(self, table: MessageTable) -> np.ndarray | None:
        """The variable of the profile (K,)."""
        if self.variable is None:
            return None
        if self.variable in "xyz":
            return table.position[:, "xyz".index(self.variable)]
        return table.distance if self.variable == "r" else table.speed

    def vectors(self, table: MessageTable) -> np.ndarray:
        """The direction (K D): unit vectors, but for ``velocity`` and a self ``transverse``, which have length v."""
        if self.direction in ("x", "y", "z"):
            return np.eye(table.position.shape[-1])["xyz".index(self.direction)] * np.ones((len(table), 1))
        if self.direction == "velocity":
            return table.velocity
        if self.direction == "transverse" and table.kind == "self":
            return rotate_quarter_turn(table.velocity)
        radial = table.position / np.maximum(table.distance, 1e-300)[:, None]
        return radial if self.direction == "radial" else rotate_quarter_turn(radial)


def pair_sum_name(base: str) -> str:
    """The name of the sum of a property over the two of a pair."""
    return f"{base}_i + {base}_j"


def property_column(table: MessageTable, name: str) -> np.ndarray:
    """A property, or the sum of one over the pair (K,)."""
    return np.sum([table.properties[part] for part in name.split(" + ")], axis=0)


def rotate_quarter_turn(vectors: np.ndarray) -> np.ndarray:
    """z x vectors, in two dimensions."""
    return np.stack([-vectors[:, 1], vectors[:, 0]], -1)


def radial_velocity(table: MessageTable) -> np.ndarray:
    return np.sum(table.position * table.velocity, -1) / np.maximum(table.distance, 1e-300)
