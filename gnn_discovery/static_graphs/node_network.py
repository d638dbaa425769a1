"""The network of a static graph: one number from each neighbour, their sum, and a function of it and of the node.

A message knows its sender and what lies between, the node function its node. So a message is fixed up to a factor: a
constant added to it counts the neighbours, which the node function is not told, and a factor that belongs to the
receiver is left to the node function.
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

from gnn_discovery.errors import NoResult
from gnn_discovery.gnn.networks import MLP, GatedMLP, NetworkConfig
from gnn_discovery.gnn.training import N_CHUNKS, TrainingProgress
from gnn_discovery.static_graphs.static_graph import NodeSplit, StaticGraph


@dataclass(frozen=True)
class NodeTrainingConfig:
    """How the network is shaped and trained: mean absolute error, Adam, one-cycle cosine, as for motion."""

    steps: int = 3000
    batch: int = 64
    learning_rate: float = 5e-3
    width: int = 32
    depth: int = 2


@dataclass(frozen=True)
class FeatureScale:
    """What a column is divided by before the network sees it, beside its logarithm where all are positive."""

    unit: float
    log: bool

    @staticmethod
    def of(values: np.ndarray) -> FeatureScale:
        return FeatureScale(float(np.sqrt(np.mean(values**2))) or 1.0, bool((values > 0).all()))

    @property
    def count(self) -> int:
        return 2 if self.log else 1

    def features(self, values: Any) -> list[Any]:
        x = values / self.unit
        return [x, jnp.log(jnp.maximum(x, 1e-12))] if self.log else [x]


class NodeNetwork(nnx.Module):
    """Targets in units of their spread about their middle; messages in units of one over the mean number of links."""

    def __init__(self, graph: StaticGraph, config: NodeTrainingConfig, *, rngs: nnx.Rngs):
        self.inputs = tuple(FeatureScale.of(x) for x in graph.inputs.values())
        self.own = tuple(FeatureScale.of(x) for x in graph.own.values())
        self.target_median, self.spread = float(np.median(graph.target)), float(np.std(graph.target)) or 1.0
        self.in_degree = float(max(1.0, np.mean(graph.in_degree)))
        hidden = [config.width] * config.depth
        self.edge = GatedMLP(sum(s.count for s in self.inputs), 1, hidden, NetworkConfig(), rngs)
        self.node = MLP([1 + sum(s.count for s in self.own), *hidden, 1], rngs)

    def message(self, inputs: Any) -> Any:
        """(...) from columns (... V)."""
        return self.edge(_scaled_features(self.inputs, inputs))[..., 0] / self.in_degree

    def answer(self, total: Any, own: Any) -> Any:
        """Predicted target (...) from the sum of messages (...) and the node's columns (... P)."""
        features = jnp.concatenate([total[..., None], _scaled_features(self.own, own)], -1)
        return self.target_median + self.spread * self.node(features)[..., 0]


def _scaled_features(scales: tuple[FeatureScale, ...], columns: Any) -> Any:
    parts = [f for k, scale in enumerate(scales) for f in scale.features(columns[..., k])]
    return jnp.stack(parts, -1) if parts else columns


@dataclass(frozen=True)
class NodeNetworkOutputs:
    """A network and what it says: ``messages`` (E) of all links, ``message_sums`` (N) their sums, ``predicted`` (N)."""

    messages: Float[np.ndarray, " E"]
    message_sums: Float[np.ndarray, " N"]
    predicted: Float[np.ndarray, " N"]


def train_node_network(
    graph: StaticGraph,
    parts: NodeSplit,
    config: NodeTrainingConfig,
    seed: int,
    report: Callable[[TrainingProgress], None] | None = None,
) -> NodeNetworkOutputs:
    """Train on ``parts.train``, keep the parameters that predict ``parts.valid`` best.

    Raises:
        NoResult: the held-out error was never finite.
    """
    model = NodeNetwork(graph, config, rngs=nnx.Rngs(seed))
    shape, state = nnx.split(model)
    own = jnp.asarray(_stack_columns(graph.own, len(graph.target)), jnp.float32)
    padded = _padded_inputs(graph)
    target = jnp.asarray(graph.target, jnp.float32)
    length = max(1, config.steps // N_CHUNKS)
    schedule = optax.cosine_onecycle_schedule(N_CHUNKS * length, config.learning_rate, 0.1, 10.0, 1e3)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule, b2=0.99))

    def error(state: Any, nodes: jax.Array) -> jax.Array:
        net = nnx.merge(shape, state)
        inputs, present = padded[0][nodes], padded[1][nodes]
        total = jnp.sum(net.message(inputs) * present, -1)
        return jnp.mean(jnp.abs(net.answer(total, own[nodes]) - target[nodes])) / net.spread

    @jax.jit
    def chunk(state: Any, moments: Any, key: jax.Array, nodes: jax.Array) -> Any:
        def step(carry: Any, key: jax.Array) -> Any:
            state, moments = carry
            picked = jax.random.choice(key, nodes, (config.batch,))
            value, slope = jax.value_and_grad(error)(state, picked)
            updates, moments = optimiser.update(slope, moments, state)
            return (optax.apply_updates(state, updates), moments), value

        (state, moments), losses = jax.lax.scan(step, (state, moments), jax.random.split(key, length))
        return state, moments, jnp.mean(losses)

    examine = jax.jit(error)
    moments, best, lowest = optimiser.init(state), state, np.inf
    begun = time.perf_counter()
    for k in range(N_CHUNKS):
        key = jax.random.fold_in(jax.random.key(seed), k)
        state, moments, loss = chunk(state, moments, key, jnp.asarray(parts.train))
        valid = float(examine(state, jnp.asarray(parts.valid)))
        if valid < lowest:
            best, lowest = state, valid
        if report is not None:
            rate = (k + 1) * length / (time.perf_counter() - begun)
            report(TrainingProgress((k + 1) * length, N_CHUNKS * length, float(loss), valid, rate, 1))
    if not np.isfinite(lowest):
        raise NoResult("training diverged: the held-out error was never finite", remedy="Try a lower learning rate")
    return _evaluate_network(nnx.merge(shape, best), graph)


def _evaluate_network(net: NodeNetwork, graph: StaticGraph) -> NodeNetworkOutputs:
    """What the network says of every link and node."""
    columns = np.asarray(_stack_columns(graph.inputs, len(graph.senders)), np.float32)
    messages = np.concatenate([np.asarray(net.message(part), float) for part in np.array_split(columns, _N_CHUNKS)])
    totals = graph.gather(messages)
    own = jnp.asarray(_stack_columns(graph.own, len(totals)))
    return NodeNetworkOutputs(messages, totals, np.asarray(net.answer(jnp.asarray(totals, jnp.float32), own), float))


_N_CHUNKS = 16


def _stack_columns(columns: Mapping[str, np.ndarray], rows: int) -> np.ndarray:
    """(rows, number of columns)."""
    return np.stack(list(columns.values()), -1) if columns else np.zeros((rows, 0))


def _padded_inputs(graph: StaticGraph) -> tuple[jax.Array, jax.Array]:
    """The inputs of the links of each node (N L V), filled up with ones to the largest number, and which are there."""
    order = np.argsort(graph.receivers, kind="stable")
    count = graph.in_degree
    place = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count)
    rows = (graph.receivers[order], place)
    inputs = np.ones((len(count), count.max(), len(graph.inputs)), np.float32)
    present = np.zeros(inputs.shape[:2], np.float32)
    inputs[rows], present[rows] = _stack_columns(graph.inputs, len(order))[order], 1.0
    return jnp.asarray(inputs), jnp.asarray(present)
