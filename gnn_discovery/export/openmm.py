"""Python lines that make an OpenMM CustomNonbondedForce."""

from __future__ import annotations

from gnn_discovery.export.base import DistanceRange, file_header
from gnn_discovery.export.central_force import CentralForce
from gnn_discovery.export.lepton_printer import lepton_source
from gnn_discovery.export.pair_potential import pair_potential
from gnn_discovery.laws.law import ForceLaw

UNIT_NOTE = "Lengths, energies and masses are in the units of the law, which OpenMM takes for nm, kJ/mol and dalton."


def pair_energy(law: ForceLaw, distances: DistanceRange) -> tuple[str, CentralForce]:
    """The energy of two particles, with parameters ``m1``, ``m2``; and the force that it is the potential of."""
    found = pair_potential(law, "openmm", distances)
    names = {f"{name}_{end}": f"{name}{k}" for name in found.central.properties for k, end in enumerate("ij", 1)}
    return lepton_source(found.energy, names), found.central


def write(law: ForceLaw, distances: DistanceRange) -> str:
    """The lines; see `base.Format`."""
    text, pair = pair_energy(law, distances)
    inferred = [f"{name} = {[float(v) for v in latent.values]!r}" for name, latent in law.latent.items()]
    values = ", ".join(f"{name}[k]" for name in pair.properties)
    return "\n".join(
        [
            file_header(law, pair.masses, UNIT_NOTE, prefix="# "),
            "import openmm\n",
            *inferred,
            f'force = openmm.CustomNonbondedForce("{text}")',
            *(f'force.addPerParticleParameter("{name}")' for name in pair.properties),
            f"# for each particle k: force.addParticle([{values}])\n",
        ]
    )
