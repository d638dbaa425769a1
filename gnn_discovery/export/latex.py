"""The equation of motion in LaTeX (amsmath), constants with their standard errors."""

from __future__ import annotations

from gnn_discovery.export.base import DistanceRange
from gnn_discovery.laws.latex import law_latex
from gnn_discovery.laws.law import ForceLaw


def write_latex(law: ForceLaw, distances: DistanceRange) -> str:
    """Return the equation in one line; see `base.ExportFormat`."""
    return f"{law_latex(law)}\n"
