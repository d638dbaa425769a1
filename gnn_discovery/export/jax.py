"""A Python file with the same function of JAX arrays: it can be jitted, mapped and differentiated."""

from __future__ import annotations

from gnn_discovery.export.arrays import source
from gnn_discovery.export.base import Distances
from gnn_discovery.export.printing import jax_source
from gnn_discovery.law.record import ForceLaw


def write(law: ForceLaw, distances: Distances) -> str:
    """The file; see `base.Format`."""
    return source(law, "import jax.numpy as jnp\nimport numpy as np", "jnp", jax_source)
