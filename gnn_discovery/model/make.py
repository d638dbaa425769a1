"""The network that a config describes."""

from __future__ import annotations

from flax import nnx

from gnn_discovery.model.base import GraphNetwork
from gnn_discovery.model.config import NetworkConfig
from gnn_discovery.model.hamiltonian import HamiltonianNetwork
from gnn_discovery.model.message import MessageNetwork
from gnn_discovery.model.scales import Scales


def make_network(config: NetworkConfig, scales: Scales, dim: int, particles: int, *, rngs: nnx.Rngs) -> GraphNetwork:
    """A new network of this kind and shape, its parameters at random."""
    kind = HamiltonianNetwork if config.node == "hamiltonian" else MessageNetwork
    return kind(config, scales, dim, particles, rngs=rngs)
