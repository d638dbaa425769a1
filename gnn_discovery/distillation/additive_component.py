"""This module defines one addend of a force: monomial(properties) x profile(variable) x direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gnn_discovery.messages.table import MessageTable
from gnn_discovery.types import Direction

TINY = 1e-300
"""This length replaces zero in denominators."""


@dataclass(frozen=True)
class AdditiveComponent:
    """A frozen record of one addend of a force, ``monomial`` x profile(``variable``) along ``direction``.

    The profile is a function that `AdditiveFit` fits as a spline and symbolic regression turns into a formula.

    Attributes:
        direction: one of the directions of a law, such as ``radial``.
        monomial: (name, exponent) of the properties, of their sums over the pair (`pair_sum_name`) and of the radial
            velocity ``v_r``, sorted by name; names with exponent zero are left out.
        variable: name of the argument of the profile, ``r``, ``v`` or a coordinate; None where the profile is a number.
    """

    direction: Direction
    monomial: tuple[tuple[str, float], ...]
    variable: str | None

    def monomial_values(self, table: MessageTable) -> np.ndarray:
        """Return the value of the monomial in each row (K,); an odd power keeps the sign of its base."""
        product = np.ones(len(table))
        for name, power in self.monomial:
            column = radial_velocity(table) if name == "v_r" else property_column(table, name)
            product = product * (
                column
                if power == 1
                else np.sign(column) * np.abs(column) ** power
                if power % 2
                else np.abs(column) ** power
            )
        return product

    def variable_values(self, table: MessageTable) -> np.ndarray | None:
        """Return the argument of the profile in each row (K,), or None where the profile is a number."""
        if self.variable is None:
            return None
        if self.variable in "xyz":
            return table.position[:, "xyz".index(self.variable)]
        return table.distance if self.variable == "r" else table.speed

    def direction_vectors(self, table: MessageTable) -> np.ndarray:
        """Return the direction in each row (K D).

        The vectors have length one, except that ``velocity`` and the ``transverse`` direction of a self force have
        length v.
        """
        if self.direction in ("x", "y", "z"):
            axis = np.eye(table.position.shape[-1])["xyz".index(self.direction)]
            return np.asarray(axis * np.ones((len(table), 1)))
        if self.direction == "velocity":
            return table.velocity
        if self.direction == "transverse" and table.kind == "self":
            return rotate_quarter_turn(table.velocity)
        radial: np.ndarray = table.position / np.maximum(table.distance, TINY)[:, None]
        return radial if self.direction == "radial" else rotate_quarter_turn(radial)


def pair_sum_name(base: str) -> str:
    """Return the name of the sum of the property ``base`` over the two particles of a pair."""
    return f"{base}_i + {base}_j"


def property_column(table: MessageTable, name: str) -> np.ndarray:
    """Return the values (K,) of a property, or of the sum of a property over the pair.

    Args:
        table: K rows.
        name: name of a property of ``table``, or a name made by `pair_sum_name`.
    """
    column: np.ndarray = np.sum([table.properties[part] for part in name.split(" + ")], axis=0)
    return column


def rotate_quarter_turn(vectors: np.ndarray) -> np.ndarray:
    """Return z x ``vectors`` (K 2): the vectors rotated counterclockwise by 90 degrees."""
    return np.stack([-vectors[:, 1], vectors[:, 0]], -1)


def radial_velocity(table: MessageTable) -> np.ndarray:
    """Return the component of the relative velocity along the line of centres (K,)."""
    speed: np.ndarray = np.sum(table.position * table.velocity, -1) / np.maximum(table.distance, TINY)
    return speed
