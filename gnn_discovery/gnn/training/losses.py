"""The loss of a training: the error of the prediction, and the penalties on messages and self forces.

With the force F_i = m_i a_i on particle i, or its average over a window where the motion is in weak form along paths,
its prediction F'_i and its typical force s_i, the relative error is

    mean_i w_i |F_i - F'_i|,    w_i = 1 / (floor s_i + |F_i|),

and the loss adds to it

* ``l1`` times the mean over edges of the L1 norm of a message (strategies "l1" and "pruning"), or ``kl`` times the mean
  over edges of the divergence of N(mean, variance) from N(0, 1) (strategy "kl"), both as in Cranmer et al.,
  arXiv 2006.11287, section 3;
* for a Hamiltonian network the error of the velocity dH/dp;
* for "fixed" and "hamiltonian" node functions ``noncentral_weight`` times the mean over particles of

      w_i (|F_i^self| + c_1 sum_j |b_ij| + c_2 sum_j |F_ij|),

  where b_ij is the part of the pair force F_ij that is free of the line of centres. Without it a pair force and a self
  force that cancel, as a field and its opposite in each pair, cost nothing. The last term is there only where source
  strengths are learnt.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.gnn.config import LossName, TrainingConfig
from gnn_discovery.gnn.graph import Graph, GraphData, batch_graph
from gnn_discovery.gnn.networks import GraphNetwork, NetworkConfig


def prediction_error(
    network: GraphNetwork, predicted: jax.Array, data: GraphData, index: jax.Array, floor: float = 1.0
) -> jax.Array:
    """Return the mean over particles of |F - F'| / (floor * scale + |F|), F = m a.

    Args:
        network: the network, for its scales.
        predicted: (B N, D) the targets that it predicts.
        data: all snapshots.
        index: (B,) the snapshots of the batch.
        floor: the force below which errors are absolute, in units of the typical force on each particle.
    """
    target = data.target[index].reshape(-1, network.dim)
    mass = network.mass(data.properties[index].reshape(target.shape[0], -1))
    error = jnp.sqrt(jnp.sum(((predicted - target) * mass) ** 2, -1) + 1e-30)
    observed = data.observed[index].reshape(-1)
    return jnp.sum(observed * error * _error_weights(network, data, index, floor)) / jnp.sum(observed)


def _error_weights(network: GraphNetwork, data: GraphData, index: jax.Array, floor: float) -> jax.Array:
    """Return the weight (B N,) of a unit of force, 1 / (floor * scale + |F|), and zero for absent particles."""
    target = data.target[index].reshape(-1, network.dim)
    mass = network.mass(data.properties[index].reshape(target.shape[0], -1))
    size = jnp.sqrt(jnp.sum((target * mass) ** 2, -1))
    scale = jnp.tile(jnp.asarray(network.scales.particle), len(index))
    return data.present[index].reshape(-1) / (floor * scale + size)


def absolute_error(
    network: GraphNetwork, predicted: jax.Array, data: GraphData, index: jax.Array, floor: float = 1.0
) -> jax.Array:
    """Return the mean over particles of the sum over components of |target - prediction| (arXiv 2006.11287).

    Args:
        network: the network, for the dimension of space.
        predicted: (B N, D) the targets that it predicts.
        data: all snapshots.
        index: (B,) the snapshots of the batch.
        floor: of no effect; all prediction errors take the same arguments.
    """
    target = data.target[index].reshape(-1, network.dim)
    observed = data.observed[index].reshape(-1)
    return jnp.sum(observed * jnp.sum(jnp.abs(predicted - target), -1)) / jnp.sum(observed)


def velocity_error(
    network: GraphNetwork, prediction: Graph, data: GraphData, index: jax.Array, loss: LossName
) -> jax.Array:
    """Return the mean over particles of the difference between dH/dp and the velocity.

    Args:
        network: the network, for its scales.
        prediction: the graph that it returned for the snapshots, with ``velocity``.
        data: all snapshots.
        index: (B,) the snapshots of the batch.
        loss: "relative" divides by scale + |v|; "absolute" sums over components.
    """
    observed = data.velocity[index].reshape(-1, network.dim)
    present = data.present[index].reshape(-1)
    difference = prediction.nodes["velocity"] - observed
    weight = 1.0 / (network.scales.velocity + _norm(observed))
    error = weight * _norm(difference) if loss == "relative" else jnp.sum(jnp.abs(difference), -1)
    return jnp.sum(present * error) / jnp.sum(present)


PREDICTION_ERRORS = {"relative": prediction_error, "absolute": absolute_error}
"""The error of a prediction, by ``TrainingConfig.loss``."""


def training_loss(
    graph: Any,
    network: NetworkConfig,
    config: TrainingConfig,
    params: Any,
    variables: Any,
    data: GraphData,
    index: jax.Array,
    key: jax.Array,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> jax.Array:
    """Return the loss of a batch, see the equation at the top of this module.

    Args:
        graph: the static part of the network, as ``nnx.split`` returns it.
        network: the config of the network.
        config: the weights of the penalties.
        params: the parameters that are trained.
        variables: all other variables of the network, as ``nnx.split`` returns them.
        data: all snapshots.
        index: (B,) counts the targets of the batch.
        key: the random key of the noise of messages and of displacements.
        criteria: the fields ``training.noncentral_component_weight`` and ``training.latent_message_weight`` decide.
    """
    net = nnx.merge(graph, params, variables)
    rows, index = data.windows(index)
    batch = batch_graph(data, index)
    if config.shift:
        batch = displace_snapshots(batch, config.shift, jax.random.fold_in(key, 1))
    prediction = net(batch, key if network.strategy == "kl" else None)
    predicted = data.average(prediction.nodes["target"])
    total = PREDICTION_ERRORS[config.loss](net, predicted, data, rows, config.floor)
    message = prediction.edges["message"]
    if network.strategy in ("l1", "pruning"):
        total += config.l1 * jnp.mean(jnp.sum(jnp.abs(message), -1))
    if network.strategy == "kl":
        mean, log_variance = prediction.edges["mean"], prediction.edges["log_variance"]
        divergence = 0.5 * (mean**2 + jnp.exp(log_variance) - log_variance - 1)
        total += config.kl * jnp.mean(jnp.sum(divergence, -1))
    if "velocity" in prediction.nodes:
        total += velocity_error(net, prediction, data, index, config.loss)
    if network.node != "mlp":
        total += config.noncentral_weight * _noncentral_penalty(net, prediction, data, index, config.floor, criteria)
    return total


def displace_snapshots(graph: Graph, sigma: float, key: jax.Array) -> Graph:
    """Return a batch in which each snapshot is displaced as a whole.

    Args:
        graph: the batch.
        sigma: the standard deviation of the normal displacement along each axis.
        key: the random key.
    """
    position = graph.nodes["position"]
    displacement = sigma * jax.random.normal(key, (len(graph.n_node), position.shape[-1]))
    displaced = position + jnp.repeat(displacement, len(position) // len(displacement), axis=0)
    return graph._replace(nodes={**graph.nodes, "position": displaced})


def _noncentral_penalty(
    network: GraphNetwork, prediction: Graph, data: GraphData, index: jax.Array, floor: float, criteria: Criteria
) -> jax.Array:
    """Return the penalty on self forces and non-central pair forces, which resolves the pair/self degeneracy.

    It is the mean over particles of w_i (|F_i^self| + c_1 sum_j |b_ij| + c_2 sum_j |F_ij|), weighed as errors are, so
    that no large force costs more than the error it avoids. Among sums that explain the motion equally well, it
    prefers those in which fields belong to particles, central forces to pairs, and no body exerts a force that the
    motion does not require.
    """
    weight = _error_weights(network, data, index, floor)

    def sum_of_forces(sizes: jax.Array) -> jax.Array:
        return jax.ops.segment_sum(sizes, prediction.receivers, len(weight)) * network.scales.force

    total = _norm(prediction.nodes["self"])
    if "noncentral" in prediction.edges:
        noncentral = sum_of_forces(_norm(prediction.edges["noncentral"]))
        total += criteria.training.noncentral_component_weight * noncentral
    if network.strength is not None:
        total += criteria.training.latent_message_weight * sum_of_forces(_norm(prediction.edges["message"]))
    return jnp.sum(total * weight) / jnp.sum(data.present[index])


def _norm(vectors: jax.Array) -> jax.Array:
    """Return the lengths of vectors (... D), with a finite slope at zero."""
    return jnp.sqrt(jnp.sum(vectors**2, -1) + 1e-24)
