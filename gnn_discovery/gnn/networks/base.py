"""The base class of all networks: a graph goes in, the motion of its nodes comes out, in the units of the data."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import jraph
import numpy as np
from flax import nnx

from gnn_discovery.gnn.config import NetworkConfig, message_size
from gnn_discovery.gnn.graph import Features, Graph
from gnn_discovery.gnn.networks.layers import MLP
from gnn_discovery.gnn.networks.scales import Scales


class GraphNetwork(nnx.Module):
    """A network that makes messages along edges, sums them over neighbours, and turns the sums into motion.

    Called on a ``jraph.GraphsTuple`` it returns one whose edges hold ``message`` (E M), and whose nodes hold the
    predicted ``target`` (N D) and ``self`` (N D), the force on a particle that no pair makes; kinds of networks add
    features of their own.

    Args:
        config: the kind and shape of the network.
        scales: the units of its inputs and outputs.
        dim: the dimension D of space.
        particles: the number N of particles of a snapshot.
        strength_gain: factor between the parameter of a particle and the logarithm of its source strength.
    """

    node: MLP | None = None

    def __init__(self, config: NetworkConfig, scales: Scales, dim: int, particles: int, strength_gain: float):
        self.config, self.dim, self.particles = config, dim, particles
        self.scales = nnx.data(scales.on_device())
        self.strength_gain = strength_gain
        self.size = message_size(config, dim)
        self.mask = nnx.Variable(jnp.ones((self.size,)))
        self.strength = nnx.Param(jnp.zeros((particles,))) if config.latent else None

    def __call__(self, graph: Graph, key: jax.Array | None = None) -> Graph:
        net = jraph.GraphNetwork(
            update_edge_fn=lambda edges, sender, receiver, _: self.messages(edges, sender, receiver, key),
            update_node_fn=lambda nodes, _, received, __: self.motion(nodes, received),
        )
        return net(graph)

    @abstractmethod
    def messages(self, edges: Features, sender: Features, receiver: Features, key: jax.Array | None = None) -> Features:
        """Return the ``message`` (E M) from sender to receiver, and all else that is summed over neighbours.

        Args:
            edges: features of the edges, as `gnn_discovery.gnn.graph.batch_graph` makes them.
            sender: features of the node at which each edge begins.
            receiver: features of the node at which each edge ends.
            key: makes the messages of the "kl" strategy random.
        """

    @abstractmethod
    def motion(self, nodes: Features, received: Features) -> Features:
        """Return the predicted ``target`` (N D) and the force ``self`` (N D).

        Args:
            nodes: features of the nodes.
            received: sums over neighbours of the arrays that `messages` returns.
        """

    def source_strengths(self) -> jax.Array:
        """Return the source strength (N,) of each particle, known up to a common factor; ones where none is learnt."""
        if self.strength is None:
            return jnp.ones((self.particles,))
        return jnp.exp(self.strength_gain * self.strength[...])

    def mass(self, properties: jax.Array) -> jax.Array:
        """Return the masses (N 1) among the properties (N P), ones where the data give no mass."""
        k = self.scales.mass
        return jnp.ones((properties.shape[0], 1)) if k is None else properties[:, k : k + 1]

    def self_features(self, nodes: Features) -> jax.Array:
        """Return position, velocity, speed and properties of each particle, scaled unless the inputs are raw."""
        s = self.scales
        if self.config.inputs == "raw":
            return jnp.concatenate([nodes["position"], nodes["velocity"], nodes["properties"]], -1)
        v = nodes["velocity"] / s.velocity
        speed = jnp.sqrt(jnp.sum(v**2, -1, keepdims=True) + 1e-30)
        position = nodes["position"] / s.length
        return jnp.concatenate([position, v, speed, self.property_features(nodes)], -1)

    def property_features(self, nodes: Features) -> jax.Array:
        """Return the scaled properties of each particle, and the logarithms of those that are always positive."""
        p, s = nodes["properties"], self.scales
        scaled = p / jnp.asarray(s.properties)
        return jnp.concatenate([scaled, jnp.log(jnp.maximum(scaled[:, np.flatnonzero(s.log)], 1e-12))], -1)

    @property
    def n_property_features(self) -> int:
        """Return the number of columns of `property_features`."""
        return len(self.scales.properties) + sum(self.scales.log)

    @property
    def n_self_features(self) -> int:
        """Return the number of columns of `self_features`."""
        return 2 * self.dim + (self.config.inputs != "raw") + self.n_property_features


def jit_with_network(network: GraphNetwork, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function(network, *arrays)`` compiled, as a function of the arrays.

    Parameters and scales are arguments of what is compiled, and not constants in it: networks of one kind and shape
    share a program, as long as it is asked for by the same function.

    Args:
        network: a network.
        function: takes the network and arrays; a function of a module, that is, not made anew for each call.
    """
    return partial(_apply, function, *nnx.split(network))


@partial(jax.jit, static_argnums=(0, 1))
def _apply(function: Callable[..., Any], definition: Any, state: Any, *arrays: Any) -> Any:
    return function(nnx.merge(definition, state), *arrays)
