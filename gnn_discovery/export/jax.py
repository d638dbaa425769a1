"""A Python file with the same function of JAX arrays: it can be jitted, mapped and differentiated."""

from __future__ import annotations

from gnn_discovery.export.array_function import array_function_source
from gnn_discovery.export.base import DistanceRange
from gnn_discovery.export.number_printers import jax_source
from gnn_discovery.laws.law import ForceLaw


def write_jax(law: ForceLaw, distances: DistanceRange) -> str:
    """Return the text of a Python file with JAX; see `base.ExportFormat`."""
    return array_function_source(law, "import jax.numpy as jnp\nimport numpy as np", "jnp", jax_source)
