"""The equation of motion in LaTeX (amsmath), constants with their standard errors."""

from __future__ import annotations

from gnn_discovery.export.base import Distances
from gnn_discovery.law.latex import latex
from gnn_discovery.law.record import ForceLaw


def write(law: ForceLaw, distances: Distances) -> str:
    """One line; see `base.Format`."""
    return f"{latex(law)}\n"
