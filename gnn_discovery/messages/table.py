"""The message table: the force that each neighbour exerts on each particle, as a network or a law states it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from gnn_discovery.types import Kind


@dataclass(frozen=True)
class MessageTable:
    """A frozen record of K contributions to the force on a receiver, read from a network at data points.

    Attributes:
        kind: "pair" (one row for each edge) or "self" (one row for each particle).
        position: x_i - x_j for a pair, x_i for self (K D).
        velocity: v_i - v_j for a pair, v_i for self (K D).
        properties: Values (K,) by name with suffix: ``m_i``, ``m_j``, ...
        receiver: Index (K,) of the receiving particle within its run.
        sender: Index (K,) of the sending particle within its run; the receiver itself in a self table.
        contributions: Force on the receiver (K D), already multiplied by m_i where the data give m.
        total: Norm of the total force on the receiver plus the typical norm of it (K,), in units of force. Relative
            errors and the detection limit of a contribution refer to it.
    """

    kind: Kind
    position: Float[np.ndarray, "K D"]
    velocity: Float[np.ndarray, "K D"]
    properties: Mapping[str, Float[np.ndarray, " K"]]
    receiver: Int[np.ndarray, " K"]
    sender: Int[np.ndarray, " K"]
    contributions: Float[np.ndarray, "K D"]
    total: Float[np.ndarray, " K"]

    @property
    def distance(self) -> Float[np.ndarray, " K"]:
        """Return r = |position| (K,)."""
        return np.asarray(np.linalg.norm(self.position, axis=-1))

    @property
    def speed(self) -> Float[np.ndarray, " K"]:
        """Return |velocity| (K,)."""
        return np.asarray(np.linalg.norm(self.velocity, axis=-1))

    def __len__(self) -> int:
        return len(self.total)

    def select(self, index: np.ndarray | slice) -> MessageTable:
        """Return the table of the rows that ``index`` (row numbers, a mask (K,) or a slice) selects."""
        return replace(
            self,
            position=self.position[index],
            velocity=self.velocity[index],
            properties={name: column[index] for name, column in self.properties.items()},
            receiver=self.receiver[index],
            sender=self.sender[index],
            contributions=self.contributions[index],
            total=self.total[index],
        )
