"""What all networks have in common: a graph goes in, the motion of its nodes comes out, in the units of the data."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jraph
from flax import nnx

from gnn_discovery.gnn.networks.config import NetworkConfig, message_size
from gnn_discovery.gnn.networks.layers import MLP
from gnn_discovery.gnn.networks.scales import Scales


class GraphNetwork(nnx.Module):
    """Messages along edges, summed over neighbours, and turned into motion, over a ``jraph.GraphsTuple``.

    Called on a graph it returns one whose edges hold ``message`` (E M), and whose nodes hold the predicted ``target``
    (N D) and ``self`` (N D), the force on a particle alone; and what else the kind of network says.
    """

    node: MLP | None = None

    def __init__(self, config: NetworkConfig, scales: Scales, dim: int, particles: int):
        self.config, self.scales, self.dim, self.particles = config, scales, dim, particles
        self.size = message_size(config, dim)
        self.mask = nnx.Variable(jnp.ones((self.size,)))
        self.strength = nnx.Param(jnp.zeros((particles,))) if config.latent else None

    def __call__(self, graph: jraph.GraphsTuple, key: jax.Array | None = None) -> jraph.GraphsTuple:
        net = jraph.GraphNetwork(
            update_edge_fn=lambda edges, sent, received, _: self.messages(edges, sent, received, key),
            update_node_fn=lambda nodes, _, received, __: self.motion(nodes, received),
        )
        return net(graph)

    @abstractmethod
    def messages(self, edges: dict, sender: dict, receiver: dict, key: jax.Array | None = None) -> dict:
        """What goes from sender to receiver: ``message`` (E M), and what else is summed; random when a key is given."""

    @abstractmethod
    def motion(self, nodes: dict, received: dict) -> dict:
        """The predicted ``target`` (N D) and ``self`` (N D), from the sums of what `messages` gives."""

    def source_strengths(self) -> jax.Array:
        """(N,) source strength of each particle, all one where none is learnt; up to a common factor."""
        return jnp.ones((self.particles,)) if self.strength is None else jnp.exp(10.0 * self.strength[...])

    def mass(self, properties: jax.Array) -> jax.Array:
        """(N 1), ones where the data give no mass."""
        k = self.scales.mass
        return jnp.ones((properties.shape[0], 1)) if k is None else properties[:, k : k + 1]

    def self_features(self, nodes: dict) -> jax.Array:
        s = self.scales
        if self.config.inputs == "raw":
            return jnp.concatenate([nodes["position"], nodes["velocity"], nodes["properties"]], -1)
        v = nodes["velocity"] / s.velocity
        speed = jnp.sqrt(jnp.sum(v**2, -1, keepdims=True) + 1e-30)
        position = nodes["position"] / s.length
        return jnp.concatenate([position, v, speed, self.property_features(nodes)], -1)

    def property_features(self, nodes: dict) -> jax.Array:
        p, s = nodes["properties"], self.scales
        columns = [p[:, k] / unit for k, unit in enumerate(s.properties)]
        logs = [jnp.log(jnp.maximum(p[:, k] / u, 1e-12)) for k, u in enumerate(s.properties) if s.log[k]]
        return jnp.stack(columns + logs, -1) if columns else p

    @property
    def n_property_features(self) -> int:
        """Of `property_features`."""
        return len(self.scales.properties) + sum(self.scales.log)

    @property
    def n_self_features(self) -> int:
        """Of `self_features`."""
        return 2 * self.dim + (self.config.inputs != "raw") + self.n_property_features


def jit_with_network(network: GraphNetwork, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function(network, *arrays)`` compiled, with the network's parameters as an argument and not as constants."""
    definition, state = nnx.split(network)
    compiled = jax.jit(lambda state, *arrays: function(nnx.merge(definition, state), *arrays))
    return lambda *arrays: compiled(state, *arrays)
