"""Array types and literals that the whole package shares.

Shape letters: R runs, T time, S snapshots, N particles, E edges, D space dimensions, P properties,
M message components, K rows of a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

Vectors = Float[np.ndarray, "T N D"]
Times = Float[np.ndarray, " T"]
Box = Float[np.ndarray, " D"]
Edges = Int[np.ndarray, "E 2"]
Properties = Mapping[str, Float[np.ndarray, " N"]]

Order = Literal[1, 2]
"""The order of the equation of motion is 2 for ``m a = sum F`` and 1 for ``v = sum F``."""

OrderSetting = Literal[1, 2, "auto"]
"""An order that somebody states, or ``auto``, which leaves it to the motion to tell."""

Kind = Literal["pair", "self", "external"]
Direction = Literal["radial", "transverse", "velocity", "x", "y", "z"]
