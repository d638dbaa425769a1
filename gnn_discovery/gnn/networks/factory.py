"""The choice of the network class that a config describes."""

from __future__ import annotations

from flax import nnx

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.gnn.config import NetworkConfig
from gnn_discovery.gnn.networks.base import GraphNetwork
from gnn_discovery.gnn.networks.hamiltonian import HamiltonianNetwork
from gnn_discovery.gnn.networks.message_passing import MessagePassingNetwork
from gnn_discovery.gnn.networks.scales import Scales


def make_network(
    config: NetworkConfig,
    scales: Scales,
    dim: int,
    particles: int,
    *,
    rngs: nnx.Rngs,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> GraphNetwork:
    """Return a new network with random parameters.

    Args:
        config: the kind and shape of the network.
        scales: the units of its inputs and outputs.
        dim: the dimension D of space.
        particles: the number N of particles of a snapshot.
        rngs: the random generators of the initial weights.
        criteria: ``training.source_strength_gain`` sets how fast source strengths are learnt.
    """
    kind = HamiltonianNetwork if config.node == "hamiltonian" else MessagePassingNetwork
    return kind(config, scales, dim, particles, rngs=rngs, strength_gain=criteria.training.source_strength_gain)
