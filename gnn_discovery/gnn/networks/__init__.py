"""The networks that turn a graph of particles into the motion of each, by messages between them or by an energy."""

from gnn_discovery.gnn.config import NODE_FUNCTIONS as NODE_FUNCTIONS
from gnn_discovery.gnn.config import MessageStrategy as MessageStrategy
from gnn_discovery.gnn.config import NetworkConfig as NetworkConfig
from gnn_discovery.gnn.config import message_size as message_size
from gnn_discovery.gnn.networks.base import GraphNetwork as GraphNetwork
from gnn_discovery.gnn.networks.base import jit_with_network as jit_with_network
from gnn_discovery.gnn.networks.factory import make_network as make_network
from gnn_discovery.gnn.networks.hamiltonian import HamiltonianNetwork as HamiltonianNetwork
from gnn_discovery.gnn.networks.layers import MLP as MLP
from gnn_discovery.gnn.networks.layers import GatedMLP as GatedMLP
from gnn_discovery.gnn.networks.message_passing import MessagePassingNetwork as MessagePassingNetwork
from gnn_discovery.gnn.networks.scales import Scales as Scales
from gnn_discovery.gnn.networks.scales import measure_scales as measure_scales
