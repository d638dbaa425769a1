"""A Python file with a function accelerations(positions, velocities, properties) of NumPy arrays."""

from __future__ import annotations

from gnn_discovery.export.array_function import array_function_source
from gnn_discovery.export.base import DistanceRange
from gnn_discovery.export.number_printers import numpy_source
from gnn_discovery.laws.law import ForceLaw


def write_numpy(law: ForceLaw, distances: DistanceRange) -> str:
    """Return the text of a Python file with NumPy; see `base.ExportFormat`."""
    return array_function_source(
        law, "import numpy as np", "np", numpy_source, decorator='@np.errstate(all="ignore")\n'
    )
