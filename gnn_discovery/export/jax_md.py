"""A Python file with a pair energy for jax-md, and the energy function of all pairs."""

from __future__ import annotations

from gnn_discovery.export.base import DistanceRange, file_header
from gnn_discovery.export.number_printers import jax_source
from gnn_discovery.export.pair_potential import pair_potential
from gnn_discovery.laws.law import ForceLaw

_ENDS = (("i", "first"), ("j", "second"))


def write_jax_md(law: ForceLaw, distances: DistanceRange) -> str:
    """Return the text of a Python file for jax-md; see `base.ExportFormat`."""
    pair = pair_potential(law, "jax-md", distances)
    names = pair.central.properties
    ends = [f"{name}_{end}" for name in names for end in "ij"]
    pairs = [f"{name}_{end}=({which}, {name})" for name in names for end, which in _ENDS]
    inferred = [f"{name} = jnp.array({[float(v) for v in latent.values]!r})" for name, latent in law.latent.items()]
    text = jax_source(pair.energy).replace("xp.", "jnp.")
    return "\n".join(
        [
            f'"""{file_header(law, pair.central.masses)}\n"""\n',
            "import jax.numpy as jnp",
            "from jax_md import smap, space\n",
            *inferred,
            f"\ndef pair_energy({', '.join(['r', *ends])}):",
            '    """Potential energy of two particles at the distance r."""',
            f"    return jnp.asarray({text})\n\n",
            "def first(i, j):\n    return i\n\n",
            "def second(i, j):\n    return j\n\n",
            f"def energy_fn({', '.join(['displacement', *names])}):",
            '    """The energy of all pairs, a function of positions (N, D); of properties, arrays (N)."""',
            "    metric = space.canonicalize_displacement_or_metric(displacement)",
            f"    return smap.pair({', '.join(['pair_energy', 'metric', *pairs])})\n",
        ]
    )
