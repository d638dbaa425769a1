"""Python lines that make an OpenMM CustomNonbondedForce."""

from __future__ import annotations

from gnn_discovery.export.base import DistanceRange, file_header
from gnn_discovery.export.central_force import CentralForce
from gnn_discovery.export.lepton_printer import lepton_source
from gnn_discovery.export.pair_potential import pair_potential
from gnn_discovery.laws.law import ForceLaw

UNIT_NOTE = "Lengths, energies and masses are in the units of the law, which OpenMM takes for nm, kJ/mol and dalton."


def pair_energy(law: ForceLaw, distances: DistanceRange) -> tuple[str, CentralForce]:
    """Return the energy of two particles in the language of Lepton, and the force that it is the potential of.

    Args:
        law: the law.
        distances: the range in which the energy is held against the force.

    Returns:
        The energy, a function of ``r`` and of parameters such as ``m1`` and ``m2``; and the force.

    Raises:
        UsageError: the law is not a central force, or its potential is not a formula.
    """
    pair = pair_potential(law, "openmm", distances)
    names = {f"{name}_{end}": f"{name}{k}" for name in pair.central.properties for k, end in enumerate("ij", 1)}
    return lepton_source(pair.energy, names), pair.central


def write_openmm(law: ForceLaw, distances: DistanceRange) -> str:
    """Return lines of Python for OpenMM; see `base.ExportFormat`."""
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
