"""The networks, from a graph of particles to the motion of each: by messages between them, or by an energy."""

from gnn_discovery.model.base import GraphNetwork as GraphNetwork
from gnn_discovery.model.base import jitted as jitted
from gnn_discovery.model.config import NODES as NODES
from gnn_discovery.model.config import NetworkConfig as NetworkConfig
from gnn_discovery.model.config import Strategy as Strategy
from gnn_discovery.model.config import message_size as message_size
from gnn_discovery.model.hamiltonian import HamiltonianNetwork as HamiltonianNetwork
from gnn_discovery.model.layers import MLP as MLP
from gnn_discovery.model.layers import Gated as Gated
from gnn_discovery.model.make import make_network as make_network
from gnn_discovery.model.message import MessageNetwork as MessageNetwork
from gnn_discovery.model.scales import Scales as Scales
from gnn_discovery.model.scales import measure_scales as measure_scales
