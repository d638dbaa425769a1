"""A Python file with a function accelerations(positions, velocities, properties) of NumPy arrays."""

from __future__ import annotations

from gnn_discovery.export.arrays import source
from gnn_discovery.export.base import Distances
from gnn_discovery.export.printing import numpy_source
from gnn_discovery.law.record import ForceLaw


def write(law: ForceLaw, distances: Distances) -> str:
    """The file; see `base.Format`."""
    return source(law, "import numpy as np", "np", numpy_source, decorator='@np.errstate(all="ignore")\n')
