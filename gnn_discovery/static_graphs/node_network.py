"""This module trains the network of a static graph: a message of each neighbour, their sum, and a node function.

A message sees the sender and the edge, the node function the sum and the receiver. A message is therefore determined up
to a factor: a constant added to it would count the neighbours, which the node function is not told, and a factor that
depends on the receiver belongs to the node function.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Float

from gnn_discovery.errors import NoResult, require_integer, require_number
from gnn_discovery.gnn.networks import MLP, GatedMLP, NetworkConfig
from gnn_discovery.gnn.training import N_CHUNKS, TrainingProgress
from gnn_discovery.static_graphs.static_graph import NodeSplit, StaticGraph


@dataclass(frozen=True)
class NodeTrainingConfig:
    """The shape of the network and its training: mean absolute error, Adam, a one-cycle cosine schedule.

    Attributes:
        steps: number of optimisation steps.
        batch: number of nodes in a batch.
        learning_rate: peak of the learning rate.
        width: units of a hidden layer.
        depth: number of hidden layers.
    """

    steps: int = 3000
    batch: int = 64
    learning_rate: float = 5e-3
    width: int = 32
    depth: int = 2

    def __post_init__(self) -> None:
        where = type(self).__name__
        for name in ("steps", "batch", "width", "depth"):
            require_integer(name, getattr(self, name), 1, where)
        require_number("learning_rate", self.learning_rate, 0.0, where, positive=True)


@dataclass(frozen=True)
class FeatureScale:
    """A frozen record of how a column enters the network: divided by a unit, and as a logarithm beside it.

    Attributes:
        unit: root mean square of the column.
        log: all values are positive, so that the logarithm is a feature too.
    """

    unit: float
    log: bool

    @staticmethod
    def of(values: np.ndarray) -> FeatureScale:
        """Return the scale of a column."""
        return FeatureScale(float(np.sqrt(np.mean(values**2))) or 1.0, bool((values > 0).all()))

    @property
    def count(self) -> int:
        """Return the number of features."""
        return 2 if self.log else 1

    def features(self, values: Any) -> list[Any]:
        """Return the features of the values of a column."""
        x = values / self.unit
        return [x, jnp.log(jnp.maximum(x, 1e-12))] if self.log else [x]


class NodeNetwork(nnx.Module):
    """A message-passing network for one number of each node.

    Predictions are in units of the spread of the targets about their median, messages in units of one over the mean
    degree.

    Args:
        graph: sets the numbers and the scales of the inputs.
        config: width and depth.
        rngs: random numbers of the initial weights.
    """

    def __init__(self, graph: StaticGraph, config: NodeTrainingConfig, *, rngs: nnx.Rngs):
        self.message_scales = tuple(FeatureScale.of(x) for x in graph.message_inputs.values())
        self.node_scales = tuple(FeatureScale.of(x) for x in graph.node_inputs.values())
        self.target_median, self.target_spread = float(np.median(graph.target)), float(np.std(graph.target)) or 1.0
        self.mean_degree = float(max(1.0, np.mean(graph.in_degree)))
        hidden = [config.width] * config.depth
        self.edge = GatedMLP(sum(s.count for s in self.message_scales), 1, hidden, NetworkConfig(), rngs)
        self.node = MLP([1 + sum(s.count for s in self.node_scales), *hidden, 1], rngs)

    def message(self, inputs: Any) -> Any:
        """Return the messages (...) of edges with the columns (... V)."""
        return self.edge(_scaled_features(self.message_scales, inputs))[..., 0] / self.mean_degree

    def predict(self, message_sum: Any, node_inputs: Any) -> Any:
        """Return the predicted targets (...).

        Args:
            message_sum: (...) sum of the messages to each node.
            node_inputs: (... P) columns of the nodes.
        """
        features = jnp.concatenate([message_sum[..., None], _scaled_features(self.node_scales, node_inputs)], -1)
        return self.target_median + self.target_spread * self.node(features)[..., 0]


def _scaled_features(scales: tuple[FeatureScale, ...], columns: Any) -> Any:
    parts = [f for k, scale in enumerate(scales) for f in scale.features(columns[..., k])]
    return jnp.stack(parts, -1) if parts else columns


@dataclass(frozen=True)
class NodeNetworkOutputs:
    """A frozen record of what a trained network gives for a graph of N nodes and E edges.

    Attributes:
        messages: (E,) message of each edge.
        message_sums: (N,) sum of the messages to each node.
        predicted: (N,) predicted target of each node.
    """

    messages: Float[np.ndarray, " E"]
    message_sums: Float[np.ndarray, " N"]
    predicted: Float[np.ndarray, " N"]


def train_node_network(
    graph: StaticGraph,
    split: NodeSplit,
    config: NodeTrainingConfig,
    seed: int,
    report: Callable[[TrainingProgress], None] | None = None,
) -> NodeNetworkOutputs:
    """Train a network on ``split.train`` and keep the parameters that predict ``split.valid`` best.

    Args:
        graph: edges, properties and targets.
        split: nodes to train on, and held-out nodes.
        config: shape and training of the network.
        seed: seed of the initial weights and of the batches.
        report: is called with the progress after each chunk of steps.

    Returns:
        The messages, their sums, and the predictions for all edges and nodes.

    Raises:
        NoResult: the held-out error was never finite.
    """
    model = NodeNetwork(graph, config, rngs=nnx.Rngs(seed))
    definition, state = nnx.split(model)
    node_inputs = jnp.asarray(_stack_columns(graph.node_inputs, len(graph.target)), jnp.float32)
    learnt = np.concatenate([split.train, split.valid])  # the dense nodes, of most edges, are not among them
    edge_inputs, edge_mask = _padded_inputs(graph.edges_to(learnt))
    target = jnp.asarray(graph.target, jnp.float32)
    length = max(1, config.steps // N_CHUNKS)
    schedule = optax.cosine_onecycle_schedule(N_CHUNKS * length, config.learning_rate, 0.1, 10.0, 1e3)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule, b2=0.99))

    def error(state: Any, nodes: jax.Array) -> jax.Array:
        network = nnx.merge(definition, state)
        inputs, mask = edge_inputs[nodes], edge_mask[nodes]
        message_sum = jnp.sum(network.message(inputs) * mask, -1)
        residual = network.predict(message_sum, node_inputs[nodes]) - target[nodes]
        return jnp.mean(jnp.abs(residual)) / network.target_spread

    @jax.jit
    def chunk(state: Any, moments: Any, key: jax.Array, nodes: jax.Array) -> Any:
        def step(carry: Any, key: jax.Array) -> Any:
            state, moments = carry
            batch = jax.random.choice(key, nodes, (config.batch,))
            value, gradient = jax.value_and_grad(error)(state, batch)
            updates, moments = optimiser.update(gradient, moments, state)
            return (optax.apply_updates(state, updates), moments), value

        (state, moments), losses = jax.lax.scan(step, (state, moments), jax.random.split(key, length))
        return state, moments, jnp.mean(losses)

    validation_error = jax.jit(error)
    moments, best, lowest = optimiser.init(state), state, np.inf
    start = time.perf_counter()
    for k in range(N_CHUNKS):
        key = jax.random.fold_in(jax.random.key(seed), k)
        state, moments, loss = chunk(state, moments, key, jnp.asarray(split.train))
        valid = float(validation_error(state, jnp.asarray(split.valid)))
        if valid < lowest:
            best, lowest = state, valid
        if report is not None:
            rate = (k + 1) * length / (time.perf_counter() - start)
            report(TrainingProgress((k + 1) * length, N_CHUNKS * length, float(loss), valid, rate, 1))
    if not np.isfinite(lowest):
        raise NoResult("training diverged: the held-out error was never finite", remedy="Try a lower learning rate")
    return _evaluate_network(nnx.merge(definition, best), graph)


def _evaluate_network(network: NodeNetwork, graph: StaticGraph, n_parts: int = 16) -> NodeNetworkOutputs:
    """Return the outputs for every edge and node; edges are evaluated in ``n_parts`` parts to limit memory."""
    columns = np.asarray(_stack_columns(graph.message_inputs, len(graph.senders)), np.float32)
    messages = np.concatenate([np.asarray(network.message(part), float) for part in np.array_split(columns, n_parts)])
    message_sums = graph.aggregate(messages)
    node_inputs = jnp.asarray(_stack_columns(graph.node_inputs, len(message_sums)))
    predicted = network.predict(jnp.asarray(message_sums, jnp.float32), node_inputs)
    return NodeNetworkOutputs(messages, message_sums, np.asarray(predicted, float))


def _stack_columns(columns: Mapping[str, np.ndarray], rows: int) -> np.ndarray:
    """Return the columns as one array (rows, number of columns)."""
    return np.stack(list(columns.values()), -1) if columns else np.zeros((rows, 0))


def _padded_inputs(graph: StaticGraph) -> tuple[jax.Array, jax.Array]:
    """Return the message inputs of each node (N L V), padded with ones to the largest degree L, and a mask (N L)."""
    order = np.argsort(graph.receivers, kind="stable")
    count = graph.in_degree
    place = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count)
    rows = (graph.receivers[order], place)
    inputs = np.ones((len(count), count.max(), len(graph.message_inputs)), np.float32)
    mask = np.zeros(inputs.shape[:2], np.float32)
    inputs[rows], mask[rows] = _stack_columns(graph.message_inputs, len(order))[order], 1.0
    return jnp.asarray(inputs), jnp.asarray(mask)
