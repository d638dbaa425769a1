"""MessageTable to candidate laws: structure, profiles, symbolic regression."""

from gnn_discovery.distill.candidates import Distilled as Distilled
from gnn_discovery.distill.candidates import distill as distill
from gnn_discovery.distill.candidates import visible as visible
from gnn_discovery.distill.channel import Channel as Channel
from gnn_discovery.distill.direct import tables_without_network as tables_without_network
from gnn_discovery.distill.energies import Energies as Energies
from gnn_discovery.distill.energies import distill_energies as distill_energies
from gnn_discovery.distill.structure import VISIBLE as VISIBLE
from gnn_discovery.distill.structure import Structure as Structure
from gnn_discovery.distill.structure import find_structures as find_structures
