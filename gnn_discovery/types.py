"""Array types, named once.

Shape letters: R runs, T time, S snapshots, N particles, E edges, D space dimensions, P properties,
M message components, K rows of a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

Vectors = Float[np.ndarray, "T N D"]
Times = Float[np.ndarray, " T"]
Box = Float[np.ndarray, " D"]
Edges = Int[np.ndarray, "E 2"]
Properties = Mapping[str, Float[np.ndarray, " N"]]
Mask = Bool[np.ndarray, "..."]

Order = Literal[1, 2]
"""Order of the equation of motion: ``m a = sum F`` (2) or ``v = sum F`` (1)."""

Kind = Literal["pair", "self", "external"]
Direction = Literal["radial", "transverse", "velocity", "x", "y", "z"]
