"""MessageTable: what the network says each neighbour does to each particle. A plain record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from gnn_discovery.types import Kind


@dataclass(frozen=True)
class MessageTable:
    """K contributions to the force on a receiver, read from a network at data points.

    Attributes:
        kind: "pair" (one row an edge) or "self" (one row a particle).
        position: x_i - x_j for a pair, x_i for self (K D).
        velocity: v_i - v_j for a pair, v_i for self (K D).
        properties: by name with suffix, ``m_i``, ``m_j``, ... (K).
        receiver, sender: (K,) index of the particles within their run; the same for self.
        contributions: force on the receiver (K D), already multiplied by m_i where the data give m.
        total: size of the whole force on the receiver plus the typical one (K): what a contribution is seen against.
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
        """r = |position|."""
        return np.linalg.norm(self.position, axis=-1)

    @property
    def speed(self) -> Float[np.ndarray, " K"]:
        return np.linalg.norm(self.velocity, axis=-1)

    def __len__(self) -> int:
        return len(self.total)

    def select(self, index: np.ndarray | slice) -> MessageTable:
        """The rows of ``index``."""
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
