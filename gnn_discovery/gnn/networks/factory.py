"""The network that a config describes."""

from __future__ import annotations

from flax import nnx

from gnn_discovery.gnn.networks.base import GraphNetwork
from gnn_discovery.gnn.networks.config import NetworkConfig
from gnn_discovery.gnn.networks.hamiltonian import HamiltonianNetwork
from gnn_discovery.gnn.networks.message_passing import MessagePassingNetwork
from gnn_discovery.gnn.networks.scales import Scales


def make_network(config: NetworkConfig, scales: Scales, dim: int, particles: int, *, rngs: nnx.Rngs) -> GraphNetwork:
    """A new network of this kind and shape, its parameters at random."""
    kind = HamiltonianNetwork if config.node == "hamiltonian" else MessagePassingNetwork
    return kind(config, scales, dim, particles, rngs=rngs)
