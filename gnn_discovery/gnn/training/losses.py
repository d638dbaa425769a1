"""What training makes small: the error of the prediction, and what the strategy asks of the messages."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from gnn_discovery.gnn.graph import Graph, GraphData, batch_graph
from gnn_discovery.gnn.networks import GraphNetwork, NetworkConfig
from gnn_discovery.gnn.training.config import TrainingConfig


def prediction_error(net: GraphNetwork, out: Graph, data: GraphData, index: jax.Array, floor: float = 1.0) -> jax.Array:
    """Mean over particles of |F - F_predicted| / (scale + |F|), F = m a, with ``floor`` times each particle's scale."""
    target = data.target[index].reshape(-1, net.dim)
    mass = net.mass(data.properties[index].reshape(target.shape[0], -1))
    error = jnp.sqrt(jnp.sum(((out.nodes["target"] - target) * mass) ** 2, -1) + 1e-30)
    return jnp.sum(error * _weight(net, data, index, floor)) / jnp.sum(data.present[index])


def _weight(net: GraphNetwork, data: GraphData, index: jax.Array, floor: float) -> jax.Array:
    """(B N,) what one unit of force counts for: 1 / (floor * scale + |F|), and nothing where no particle is."""
    target = data.target[index].reshape(-1, net.dim)
    size = jnp.sqrt(jnp.sum((target * net.mass(data.properties[index].reshape(target.shape[0], -1))) ** 2, -1))
    scale = jnp.tile(jnp.asarray(net.scales.particle), len(index))
    return data.present[index].reshape(-1) / (floor * scale + size)


def absolute_error(net: GraphNetwork, out: Graph, data: GraphData, index: jax.Array, floor: float = 1.0) -> jax.Array:
    """Mean over particles of the sum over components of |target - prediction| (arXiv 2006.11287)."""
    target = data.target[index].reshape(-1, net.dim)
    here = data.present[index].reshape(-1)
    return jnp.sum(here * jnp.sum(jnp.abs(out.nodes["target"] - target), -1)) / jnp.sum(here)


def velocity_error(net: GraphNetwork, out: Graph, data: GraphData, index: jax.Array, how: str) -> jax.Array:
    """How far dH/dp is from the velocity, as "relative" or "absolute" as the error of the target."""
    seen = data.velocity[index].reshape(-1, net.dim)
    here = data.present[index].reshape(-1)
    miss = out.nodes["velocity"] - seen
    weight = 1.0 / (net.scales.velocity + _length(seen))
    error = weight * _length(miss) if how == "relative" else jnp.sum(jnp.abs(miss), -1)
    return jnp.sum(here * error) / jnp.sum(here)


PREDICTION_ERRORS = {"relative": prediction_error, "absolute": absolute_error}
"""Of a prediction, by ``TrainingConfig.loss``."""


def training_loss(
    graph: Any,
    network: NetworkConfig,
    config: TrainingConfig,
    params: Any,
    rest: Any,
    data: GraphData,
    index: jax.Array,
    key: jax.Array,
) -> jax.Array:
    """Of the snapshots at ``index``: the error, and what the strategy and the node function pay."""
    net = nnx.merge(graph, params, rest)
    seen = batch_graph(data, index)
    if config.shift:
        seen = displace_snapshots(seen, config.shift, jax.random.fold_in(key, 1))
    out = net(seen, key if network.strategy == "kl" else None)
    total = PREDICTION_ERRORS[config.loss](net, out, data, index, config.floor)
    message = out.edges["message"]
    if network.strategy in ("l1", "pruning"):
        total += config.l1 * jnp.mean(jnp.sum(jnp.abs(message), -1))
    if network.strategy == "kl":
        mean, log_variance = out.edges["mean"], out.edges["log_variance"]
        divergence = 0.5 * (mean**2 + jnp.exp(log_variance) - log_variance - 1)
        total += config.kl * jnp.mean(jnp.sum(divergence, -1))
    if "velocity" in out.nodes:
        total += velocity_error(net, out, data, index, config.loss)
    if network.node != "mlp":
        total += config.own * _noncentral_penalty(net, out, data, index, config.floor)
    return total


def displace_snapshots(graph: Graph, sigma: float, key: jax.Array) -> Graph:
    """Each snapshot of a batch moved as a whole, by a normal displacement."""
    place = graph.nodes["position"]
    by = sigma * jax.random.normal(key, (len(graph.n_node), place.shape[-1]))
    moved = place + jnp.repeat(by, len(place) // len(by), axis=0)
    return graph._replace(nodes={**graph.nodes, "position": moved})


def _noncentral_penalty(net: GraphNetwork, out: Graph, data: GraphData, index: jax.Array, floor: float) -> jax.Array:
    """Mean over particles of the self force, twice the pair forces off the line of centres, and for particular bodies
    a tenth of the whole pair forces, weighed as errors are, so that no large force is dearer than its error: of the
    sums that explain the motion alike, the plain one. A field is left to the particles, what is central to the pairs,
    and no body pulls that need not."""
    weight = _weight(net, data, index, floor)
    gather = lambda lengths: jax.ops.segment_sum(lengths, out.receivers, len(weight)) * net.scales.force  # noqa: E731
    total = _length(out.nodes["self"])
    if "across" in out.edges:
        total += 2.0 * gather(_length(out.edges["across"]))
    if net.strength is not None:
        total += 0.1 * gather(_length(out.edges["message"]))
    return jnp.sum(total * weight) / jnp.sum(data.present[index])


def _length(vectors: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.sum(vectors**2, -1) + 1e-24)
