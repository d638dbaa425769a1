"""The message-passing networks: an edge function makes messages, a node function turns their sum into motion.

Two node functions (``NetworkConfig.node``):

* ``fixed``: m_i a_i = sum_j message_ij + self_i. The message is the force itself, so it has no gauge
  (the operator of Han et al., arXiv 2202.00299). ``self_i`` is a small network of x_i, v_i and the properties.
* ``mlp``: a_i = MLP(sum_j message_ij, v_i, properties_i), as in Cranmer et al., arXiv 2006.11287, section 2.

Each message component is u * exp(w) with two outputs u, w a component (the gate), so that forces over decades
are nearly linear in log r for the network. A message of D components made from relative inputs has one more
output, along the line of centres: a * direction + b, where b is free, so a force that is not central costs nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import jraph
import numpy as np
from flax import nnx

from gnn_discovery.snapshots import Snapshots, typical

Strategy = Literal["standard", "bottleneck", "l1", "kl", "pruning"]
Activation = Literal["silu", "relu"]


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of the network.

    Attributes:
        node: "fixed" or "mlp" (see the module).
        inputs: "relative" gives the edge function x_i - x_j and v_i - v_j; "absolute" both endpoints; "raw" both
            endpoints with nothing scaled and nothing added, to the node function too, as in the paper.
        strategy: how messages are pushed toward few components; a fixed node function has D by construction.
        message: number of components; None takes D for "bottleneck" and "fixed", else 32.
        width, depth: hidden layers of the edge and node functions.
        gate: u * exp(w) messages; without it the message is u.
        activation: between the hidden layers.
        latent: learn a source strength for each particle, for data that give no mass.
    """

    node: Literal["fixed", "mlp"] = "fixed"
    inputs: Literal["relative", "absolute", "raw"] = "relative"
    strategy: Strategy = "bottleneck"
    message: int | None = None
    width: int = 64
    depth: int = 3
    gate: bool = True
    activation: Activation = "silu"
    latent: bool = False


@dataclass(frozen=True)
class Scales:
    """What inputs and outputs are divided by, measured on the training runs; plain numbers.

    ``force`` is the unit of messages; ``particle`` (N,) the typical force on each particle, below which an error counts
    as absolute: one number for all, or each its own in a system of particular bodies, whose forces may span decades.
    ``log`` says of each property whether its logarithm is an input too (all values positive).
    """

    length: float
    velocity: float
    force: float
    particle: tuple[float, ...]
    properties: tuple[float, ...]
    log: tuple[bool, ...]
    mass: int | None


def measure_scales(train: Snapshots, bodies: bool = False, raw: bool = False) -> Scales:
    """Scales of the training runs: spreads of the inputs, and a force scale that rest and encounters leave alone.

    Args:
        bodies: whether the particles are particular bodies, each with a force scale of its own.
        raw: nothing is divided by anything; only what counts as a small force is measured.
    """
    names = sorted(train.properties)
    here = train.present
    columns = [train.properties[k][here] for k in names]
    size = np.linalg.norm(train.force, axis=-1)
    force = typical(size[here]) or 1.0
    each = [(typical(size[train.present[:, k], k]) or 1.0) if bodies else force for k in range(size.shape[1])]
    spread = lambda a: float(np.sqrt(np.mean(np.square(a))) or 1.0)  # noqa: E731
    centred = train.positions - np.mean(train.positions[here], axis=0)
    mass = names.index("m") if "m" in names else None
    if raw:
        return Scales(1.0, 1.0, 1.0, tuple(each), (1.0,) * len(names), (False,) * len(names), mass)
    return Scales(
        length=spread(centred[here]),
        velocity=spread(train.velocities[here]),
        force=force,
        particle=tuple(each),
        properties=tuple(spread(c) for c in columns),
        log=tuple(bool(np.all(c > 0)) for c in columns),
        mass=mass,
    )


class MLP(nnx.Module):
    """Dense layers with an activation between them."""

    def __init__(self, sizes: list[int], rngs: nnx.Rngs, last: float = 1.0, activation: Activation = "silu"):
        self.activation = activation
        init = nnx.initializers.variance_scaling(1.0, "fan_in", "truncated_normal")
        final = nnx.initializers.variance_scaling(last, "fan_in", "truncated_normal")
        pairs = list(itertools.pairwise(sizes))
        self.layers = nnx.List(
            nnx.Linear(a, b, kernel_init=final if k == len(pairs) - 1 else init, rngs=rngs)
            for k, (a, b) in enumerate(pairs)
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.layers[:-1]:
            x = getattr(nnx, self.activation)(layer(x))
        return self.layers[-1](x)


class Gated(nnx.Module):
    """An MLP whose outputs are u * exp(w), w kept within +-12."""

    def __init__(self, inputs: int, outputs: int, hidden: list[int], config: NetworkConfig, rngs: nnx.Rngs):
        self.gate = config.gate
        sizes = [inputs, *hidden, outputs * (2 if config.gate else 1)]
        self.mlp = MLP(sizes, rngs, activation=config.activation)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.mlp(x)
        if not self.gate:
            return y
        u, w = jnp.split(y, 2, axis=-1)
        return u * jnp.exp(jnp.clip(w, -12.0, 12.0))


class GraphNetwork(nnx.Module):
    """Edge function, sum over neighbours, node function, over a ``jraph.GraphsTuple``.

    Called on a graph it returns one whose edges hold ``message`` (E M), with ``mean`` and ``log_variance`` (E M) for
    the KL strategy and ``across`` (E D), the free part b of a message that has one along the line of centres; and
    whose nodes hold the predicted ``target`` (N D) and ``self`` (N D), in the units of the data.
    """

    def __init__(self, config: NetworkConfig, scales: Scales, dim: int, particles: int, *, rngs: nnx.Rngs):
        self.config, self.scales, self.dim, self.particles = config, scales, dim, particles
        props = len(scales.properties) + sum(scales.log)
        pair = (3 * dim + 2 if config.inputs == "relative" else 4 * dim) + 2 * props
        hidden = [config.width] * config.depth
        self.size = message_size(config, dim)
        heads = 2 if config.strategy == "kl" else 1
        self.radial = config.inputs == "relative" and self.size == dim
        self.edge = Gated(pair, self.size + self.radial, hidden, config, rngs)
        self.spread = MLP([pair, config.width, self.size], rngs, last=0.1) if heads == 2 else None
        self.mask = nnx.Variable(jnp.ones((self.size,)))
        own = 2 * dim + (config.inputs != "raw") + props
        fixed = config.node == "fixed"
        self.own = Gated(own, dim, [32, 32], config, rngs) if fixed else None
        self.node = None if fixed else MLP([self.size + own, *hidden, dim], rngs, activation=config.activation)
        self.strength = nnx.Param(jnp.zeros((particles,))) if config.latent else None

    def __call__(self, graph: jraph.GraphsTuple, key: jax.Array | None = None) -> jraph.GraphsTuple:
        net = jraph.GraphNetwork(
            update_edge_fn=lambda edges, sent, received, _: self.messages(edges, sent, received, key),
            update_node_fn=lambda nodes, _, received, __: self.motion(nodes, received["message"]),
        )
        return net(graph)

    def messages(self, edges: dict, sender: dict, receiver: dict, key: jax.Array | None = None) -> dict:
        """Messages (E M) from sender to receiver, in the unit of ``scales.force``; noisy for KL when a key is given."""
        x = self.pair_features(edges["separation"], sender, receiver)
        message, out = self.edge(x), {}
        if self.radial:
            out["across"] = message[:, 1:] * edges["present"][:, None]
            message = message[:, :1] * unit(edges["separation"]) + message[:, 1:]
        if self.spread is not None:
            out["log_variance"] = jnp.clip(self.spread(x), -12.0, 4.0)
            out["mean"] = message
            if key is not None:
                noise = jax.random.normal(key, message.shape)
                message = message + noise * jnp.exp(0.5 * out["log_variance"])
        if self.strength is not None:
            message = message * self.strengths()[sender["particle"]][:, None]
        keep = edges["present"][:, None] * self.mask[...]
        return {"message": message * keep, **out}

    def strengths(self) -> jax.Array:
        """(N,) source strength of each particle, all one where none is learnt; up to a common factor."""
        return jnp.ones((self.particles,)) if self.strength is None else jnp.exp(10.0 * self.strength[...])

    def motion(self, nodes: dict, total: jax.Array) -> dict:
        """Predicted target (N D) from the sum of messages (N M)."""
        features = self.own_features(nodes)
        if self.node is not None:
            target = self.node(jnp.concatenate([total, features], -1)) * self.scales.force
            return {"target": target, "self": jnp.zeros_like(target)}
        assert self.own is not None
        own = self.own(features) * self.scales.force
        return {"target": (total * self.scales.force + own) / self.mass(nodes["properties"]), "self": own}

    def mass(self, properties: jax.Array) -> jax.Array:
        """(N 1), ones where the data give no mass."""
        k = self.scales.mass
        return jnp.ones((properties.shape[0], 1)) if k is None else properties[:, k : k + 1]

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

    def own_features(self, nodes: dict) -> jax.Array:
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


def jitted(network: GraphNetwork, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function(network, *arrays)`` compiled, with the network's parameters as an argument and not as constants."""
    definition, state = nnx.split(network)
    compiled = jax.jit(lambda state, *arrays: function(nnx.merge(definition, state), *arrays))
    return lambda *arrays: compiled(state, *arrays)


def unit(vectors: jax.Array) -> jax.Array:
    """Vectors (... D) of length one; zero stays zero."""
    return vectors / jnp.sqrt(jnp.sum(vectors**2, -1, keepdims=True) + 1e-30)


def message_size(config: NetworkConfig, dim: int) -> int:
    """Number of message components M."""
    if config.node == "fixed":
        return dim
    return config.message or (dim if config.strategy == "bottleneck" else 32)
