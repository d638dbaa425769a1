"""This room turns message tables into candidate laws: additive structure, profiles, symbolic regression."""

from gnn_discovery.distillation.additive_component import AdditiveComponent as AdditiveComponent
from gnn_discovery.distillation.additive_structure import AdditiveStructure as AdditiveStructure
from gnn_discovery.distillation.additive_structure import find_structures as find_structures
from gnn_discovery.distillation.candidates import DistillationResult as DistillationResult
from gnn_discovery.distillation.candidates import distill_tables as distill_tables
from gnn_discovery.distillation.candidates import is_visible as is_visible
from gnn_discovery.distillation.hamiltonian_energies import HamiltonianEnergies as HamiltonianEnergies
from gnn_discovery.distillation.hamiltonian_energies import distill_energies as distill_energies
from gnn_discovery.distillation.no_network_baseline import tables_without_network as tables_without_network
