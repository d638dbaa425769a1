"""MessageTable: what the network says each neighbour does to each particle. A plain record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gnn_discovery.types import Kind


@dataclass(frozen=True)
class MessageTable:
    """K contributions to the force on a receiver, read from a network at data points.

    Attributes:
        kind: "pair" (one row an edge) or "self" (one row a particle).
        inputs: scalar inputs by name, each (K,): ``r``, ``v_r``, ``m_i``, ``m_j``, ... for a pair;
            ``v``, ``x``, ``y``, ``z``, ``m_i`` ... for self.
        position: x_i - x_j for a pair, x_i for self (K, D).
        velocity: v_i - v_j for a pair, v_i for self (K, D).
        contributions: force on the receiver (K, D), positive radial part is repulsive, in the units of
            the data, already multiplied by m_i where the data give m.
    """

    kind: Kind
    inputs: Mapping[str, Float[np.ndarray, " K"]]
    position: Float[np.ndarray, "K D"]
    velocity: Float[np.ndarray, "K D"]
    contributions: Float[np.ndarray, "K D"]
