"""LAMMPS commands for pair_style lepton, or lepton/coul where the force depends on charges."""

from __future__ import annotations

from gnn_discovery.export.base import DistanceRange, file_header
from gnn_discovery.export.lepton_printer import lepton_source
from gnn_discovery.export.pair_potential import pair_potential
from gnn_discovery.laws.law import ForceLaw

_TYPES = (
    "Other properties than the charge belong to the types of particles. For each pair of types I <= J: set the "
    "variables NAME_i and NAME_j to the properties of I and of J, then repeat pair_coeff."
)


def write_lammps_lepton(law: ForceLaw, distances: DistanceRange) -> str:
    """Return the commands; the cut-off is the largest of ``distances``. See `base.ExportFormat`."""
    pair = pair_potential(law, "lammps-lepton", distances)
    names, others = {"q_i": "qi", "q_j": "qj"}, [name for name in pair.central.properties if name != "q"]
    names |= {f"{name}_{end}": f"(${{{name}_{end}}})" for name in others for end in "ij"}
    style = "lepton/coul" if "q" in pair.central.properties else "lepton"
    more = [pair.central.masses, f"Particles farther apart than {distances[1]:g} do not interact."]
    more += [_TYPES] if others else []
    for name, latent in law.latent.items():
        more.append(f"{name} of each particle: {', '.join(repr(float(v)) for v in latent.values)}")
    text = lepton_source(pair.energy, names).replace(" ", "")  # no quotes: LAMMPS puts no variables into these
    return "\n".join(
        [
            file_header(law, *more, prefix="# "),
            *(f"# variable {name}_{end} equal ..." for name in others for end in "ij"),
            f"pair_style {style} {distances[1]!r}",
            f"pair_coeff {'I J' if others else '* *'} {text}\n",
        ]
    )
