"""Python lines that make an OpenMM CustomNonbondedForce."""

from __future__ import annotations

from gnn_discovery.export.base import Distances, heading
from gnn_discovery.export.central import CentralForce
from gnn_discovery.export.lepton import lepton_source
from gnn_discovery.export.potential import potential
from gnn_discovery.law.record import ForceLaw

UNITS = "Lengths, energies and masses are in the units of the law, which OpenMM takes for nm, kJ/mol and dalton."


def energy(law: ForceLaw, distances: Distances) -> tuple[str, CentralForce]:
    """The energy of two particles, with parameters ``m1``, ``m2``; and the force that it is the potential of."""
    found = potential(law, "openmm", distances)
    names = {f"{name}_{end}": f"{name}{k}" for name in found.central.properties for k, end in enumerate("ij", 1)}
    return lepton_source(found.energy, names), found.central


def write(law: ForceLaw, distances: Distances) -> str:
    """The lines; see `base.Format`."""
    text, pair = energy(law, distances)
    inferred = [f"{name} = {[float(v) for v in latent.values]!r}" for name, latent in law.latent.items()]
    values = ", ".join(f"{name}[k]" for name in pair.properties)
    return "\n".join(
        [
            heading(law, pair.masses, UNITS, prefix="# "),
            "import openmm\n",
            *inferred,
            f'force = openmm.CustomNonbondedForce("{text}")',
            *(f'force.addPerParticleParameter("{name}")' for name in pair.properties),
            f"# for each particle k: force.addParticle([{values}])\n",
        ]
    )
