"""The message-passing networks: an edge function makes messages, a node function turns their sum into motion.

There are two node functions (``NetworkConfig.node``):

* ``fixed``: m_i a_i = sum_j message_ij + self_i. The message is the force itself, so it has no gauge
  (the operator of Han et al., arXiv 2202.00299). ``self_i`` is a small network of x_i, v_i and the properties, with
  additional outputs along the velocity and along the line to the origin.
* ``mlp``: a_i = MLP(sum_j message_ij, v_i, properties_i), as in Cranmer et al., arXiv 2006.11287, section 2.

Each message component is u * exp(w) with two outputs u and w (the gate), so that a force that spans decades is
nearly linear in log r for the network. A message of D components made from relative inputs has one output more,
along the line of centres: message = a * direction + b, where b is free, so a force that is not central costs nothing.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from gnn_discovery.gnn.config import NetworkConfig
from gnn_discovery.gnn.graph import Features
from gnn_discovery.gnn.networks.base import GraphNetwork
from gnn_discovery.gnn.networks.layers import MLP, GatedMLP, unit_vectors
from gnn_discovery.gnn.networks.scales import Scales


class MessagePassingNetwork(GraphNetwork):
    """A network of an edge function, a sum over neighbours, and a node function.

    Beside ``message`` its edges hold ``mean`` and ``log_variance`` (E M) for the "kl" strategy, and ``noncentral``
    (E D), the free part b of a message that has a part along the line of centres.

    Args:
        config: the kind and shape of the network.
        scales: the units of its inputs and outputs.
        dim: the dimension D of space.
        particles: the number N of particles of a snapshot.
        rngs: the random generators of the initial weights.
        strength_gain: factor between the parameter of a particle and the logarithm of its source strength.
    """

    def __init__(
        self, config: NetworkConfig, scales: Scales, dim: int, particles: int, *, rngs: nnx.Rngs, strength_gain: float
    ):
        super().__init__(config, scales, dim, particles, strength_gain)
        geometry = 3 * dim + 2 if config.inputs == "relative" else 4 * dim
        n_pair_features = geometry + 2 * self.n_property_features
        hidden = [config.width] * config.depth
        self.has_central_output = config.inputs == "relative" and self.size == dim
        self.edge = GatedMLP(n_pair_features, self.size + self.has_central_output, hidden, config, rngs)
        noise_sizes = [n_pair_features, config.width, self.size]
        self.noise_log_variance = MLP(noise_sizes, rngs, last_scale=0.1) if config.strategy == "kl" else None
        self.has_directions = config.inputs != "raw"
        # The names of the parameters keep their alphabetical order: sums over all parameters follow it.
        if config.node == "fixed":
            more_inputs, more_outputs = (dim + 2, 2) if self.has_directions else (0, 0)
            self.one_body = GatedMLP(self.n_self_features + more_inputs, dim + more_outputs, [32, 32], config, rngs)
        else:
            sizes = [self.size + self.n_self_features, *hidden, dim]
            self.node = MLP(sizes, rngs, activation=config.activation)

    def messages(self, edges: Features, sender: Features, receiver: Features, key: jax.Array | None = None) -> Features:
        """Return the messages (E M) from sender to receiver, in the unit of ``scales.force``.

        Args:
            edges: features of the edges.
            sender: features of the node at which each edge begins.
            receiver: features of the node at which each edge ends.
            key: makes the messages of the "kl" strategy random: message = mean + exp(log_variance / 2) * N(0, 1).
        """
        x = self.pair_features(edges["separation"], sender, receiver)
        message = self.edge(x)
        others: Features = {}
        if self.has_central_output:
            others["noncentral"] = message[:, 1:] * edges["present"][:, None]
            message = message[:, :1] * unit_vectors(edges["separation"]) + message[:, 1:]
        if self.noise_log_variance is not None:
            others["log_variance"] = jnp.clip(self.noise_log_variance(x), -12.0, 4.0)
            others["mean"] = message
            if key is not None:
                noise = jax.random.normal(key, message.shape)
                message = message + noise * jnp.exp(0.5 * others["log_variance"])
        if self.strength is not None:
            message = message * self.source_strengths()[sender["particle"]][:, None]
        mask = edges["present"][:, None] * self.mask[...]
        return {"message": message * mask, **others}

    def motion(self, nodes: Features, received: Features) -> Features:
        """Return the predicted target (N D) and the self force (N D).

        Args:
            nodes: features of the nodes.
            received: ``message`` (N M), the sum of the messages to each node.
        """
        total = received["message"]
        if self.node is not None:
            target = self.node(jnp.concatenate([total, self.self_features(nodes)], -1)) * self.scales.force
            return {"target": target, "self": jnp.zeros_like(target)}
        self_force = self.self_force(nodes) * self.scales.force
        target = (total * self.scales.force + self_force) / self.mass(nodes["properties"])
        return {"target": target, "self": self_force}

    def self_force(self, nodes: Features) -> jax.Array:
        """Return the force (N D) on each particle that no pair makes, in the unit of ``scales.force``."""
        features = self.self_features(nodes)
        if not self.has_directions:
            return self.one_body(features)
        x = nodes["position"] / self.scales.length
        r = jnp.sqrt(jnp.sum(x**2, -1, keepdims=True) + 1e-30)
        parts: jax.Array = self.one_body(jnp.concatenate([features, x / r, r, jnp.log(r + 1e-6)], -1))
        return parts[:, :1] * x / r + parts[:, 1:2] * unit_vectors(nodes["velocity"]) + parts[:, 2:]

    def pair_features(self, separation: jax.Array, sender: Features, receiver: Features) -> jax.Array:
        """Return the inputs of the edge function for each pair.

        Args:
            separation: (E D) x_i - x_j, receiver minus sender.
            sender: features of particle j of each pair.
            receiver: features of particle i of each pair.
        """
        s = self.scales
        properties = [self.property_features(receiver), self.property_features(sender)]
        if self.config.inputs != "relative":
            ends = [receiver["position"], receiver["velocity"], sender["position"], sender["velocity"]]
            units = [s.length, s.velocity, s.length, s.velocity]
            return jnp.concatenate([end / unit for end, unit in zip(ends, units, strict=True)] + properties, -1)
        r = jnp.sqrt(jnp.sum(separation**2, -1, keepdims=True) + 1e-30)
        relative_velocity = (receiver["velocity"] - sender["velocity"]) / s.velocity
        geometry = [separation / s.length, separation / r, r / s.length, jnp.log(r / s.length + 1e-6)]
        return jnp.concatenate([*geometry, relative_velocity, *properties], -1)
