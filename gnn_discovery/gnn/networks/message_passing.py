"""The message-passing networks: an edge function makes messages, a node function turns their sum into motion.

Two node functions (``NetworkConfig.node``):

* ``fixed``: m_i a_i = sum_j message_ij + self_i. The message is the force itself, so it has no gauge
  (the operator of Han et al., arXiv 2202.00299). ``self_i`` is a small network of x_i, v_i and the properties, with
  outputs along the velocity and the line to the origin too.
* ``mlp``: a_i = MLP(sum_j message_ij, v_i, properties_i), as in Cranmer et al., arXiv 2006.11287, section 2.

Each message component is u * exp(w) with two outputs u, w a component (the gate), so that forces over decades
are nearly linear in log r for the network. A message of D components made from relative inputs has one more
output, along the line of centres: a * direction + b, where b is free, so a force that is not central costs nothing.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from gnn_discovery.gnn.networks.base import GraphNetwork
from gnn_discovery.gnn.networks.config import NetworkConfig
from gnn_discovery.gnn.networks.layers import MLP, GatedMLP, unit_vectors
from gnn_discovery.gnn.networks.scales import Scales


class MessagePassingNetwork(GraphNetwork):
    """Edge function, sum over neighbours, node function.

    Beside ``message`` its edges hold ``mean`` and ``log_variance`` (E M) for the KL strategy and ``across`` (E D), the
    free part b of a message that has one along the line of centres.
    """

    def __init__(self, config: NetworkConfig, scales: Scales, dim: int, particles: int, *, rngs: nnx.Rngs):
        super().__init__(config, scales, dim, particles)
        pair = (3 * dim + 2 if config.inputs == "relative" else 4 * dim) + 2 * self.n_property_features
        hidden = [config.width] * config.depth
        heads = 2 if config.strategy == "kl" else 1
        self.radial = config.inputs == "relative" and self.size == dim
        self.edge = GatedMLP(pair, self.size + self.radial, hidden, config, rngs)
        self.spread = MLP([pair, config.width, self.size], rngs, last=0.1) if heads == 2 else None
        self.along = config.inputs != "raw"
        if config.node == "fixed":
            more = (dim + 2, 2) if self.along else (0, 0)
            self.own = GatedMLP(self.n_self_features + more[0], dim + more[1], [32, 32], config, rngs)
        else:
            self.node = MLP([self.size + self.n_self_features, *hidden, dim], rngs, activation=config.activation)

    def messages(self, edges: dict, sender: dict, receiver: dict, key: jax.Array | None = None) -> dict:
        """Messages (E M) from sender to receiver, in the unit of ``scales.force``; noisy for KL when a key is given."""
        x = self.pair_features(edges["separation"], sender, receiver)
        message, out = self.edge(x), {}
        if self.radial:
            out["across"] = message[:, 1:] * edges["present"][:, None]
            message = message[:, :1] * unit_vectors(edges["separation"]) + message[:, 1:]
        if self.spread is not None:
            out["log_variance"] = jnp.clip(self.spread(x), -12.0, 4.0)
            out["mean"] = message
            if key is not None:
                noise = jax.random.normal(key, message.shape)
                message = message + noise * jnp.exp(0.5 * out["log_variance"])
        if self.strength is not None:
            message = message * self.source_strengths()[sender["particle"]][:, None]
        keep = edges["present"][:, None] * self.mask[...]
        return {"message": message * keep, **out}

    def motion(self, nodes: dict, received: dict) -> dict:
        """Predicted target (N D) from the sum of messages (N M)."""
        total = received["message"]
        if self.node is not None:
            target = self.node(jnp.concatenate([total, self.self_features(nodes)], -1)) * self.scales.force
            return {"target": target, "self": jnp.zeros_like(target)}
        own = self.self_force(nodes) * self.scales.force
        return {"target": (total * self.scales.force + own) / self.mass(nodes["properties"]), "self": own}

    def self_force(self, nodes: dict) -> jax.Array:
        """(N D), in the unit of ``scales.force``."""
        features = self.self_features(nodes)
        if not self.along:
            return self.own(features)
        x = nodes["position"] / self.scales.length
        r = jnp.sqrt(jnp.sum(x**2, -1, keepdims=True) + 1e-30)
        own = self.own(jnp.concatenate([features, x / r, r, jnp.log(r + 1e-6)], -1))
        return own[:, :1] * x / r + own[:, 1:2] * unit_vectors(nodes["velocity"]) + own[:, 2:]

    def pair_features(self, separation: jax.Array, sender: dict, receiver: dict) -> jax.Array:
        s = self.scales
        properties = [self.property_features(receiver), self.property_features(sender)]
        if self.config.inputs != "relative":
            ends = [receiver["position"], receiver["velocity"], sender["position"], sender["velocity"]]
            units = [s.length, s.velocity, s.length, s.velocity]
            return jnp.concatenate([e / u for e, u in zip(ends, units, strict=True)] + properties, -1)
        r = jnp.sqrt(jnp.sum(separation**2, -1, keepdims=True) + 1e-30)
        motion = (receiver["velocity"] - sender["velocity"]) / s.velocity
        geometry = [separation / s.length, separation / r, r / s.length, jnp.log(r / s.length + 1e-6)]
        return jnp.concatenate([*geometry, motion, *properties], -1)
