"""Tiny networks for the tests, compiled once each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from worlds import halves, spring, world

from gnn_discovery.data.dataset import Dataset, Split
from gnn_discovery.gnn.graph import Graph, batch_graph, graph_data
from gnn_discovery.gnn.networks import GraphNetwork, NetworkConfig, jit_with_network, make_network, measure_scales
from gnn_discovery.gnn.training import TrainedNetwork, TrainingConfig, optimise_network

SHAPE = NetworkConfig(width=16, depth=2)
SMALL = TrainingConfig(steps=400, edges=384, learning_rate=1e-2)
QUICK_NETWORK = NetworkConfig(width=32, depth=1)
QUICK_TRAINING = TrainingConfig(steps=800, edges=384, learning_rate=1e-2)
"""Whole discoveries of the tests train these: on motion of one size, as 1,025 to 2,048 instants of four masses in the
plane, they share a compiled program, which takes longer to compile than to run."""


def untrained_network(data: Dataset, seed: int = 0, **config: object) -> GraphNetwork:
    """An untrained network of width 8 for ``data``, its parameters at random."""
    shape = NetworkConfig(**{"width": 8, "depth": 2, **config})  # type: ignore[arg-type]
    particles = data.positions.shape[1]
    scales = measure_scales(data, raw=shape.inputs == "raw")
    return make_network(shape, scales, data.dim, particles, rngs=nnx.Rngs(seed))


def full_graph(data: Dataset) -> Graph:
    """One graph of all instants."""
    return batch_graph(graph_data(data), jnp.arange(len(data.positions)))


def apply_network(network: GraphNetwork, graph: Graph, key: jax.Array | None = None) -> Graph:
    """Return the graph that the network makes of a graph."""
    return _compiled(network)(graph, key)


@cache
def _compiled(network: GraphNetwork) -> Callable[..., Graph]:
    return jit_with_network(network, lambda net, graph, key: net(graph, key))


def targets(network: GraphNetwork, data: Dataset) -> np.ndarray:
    """The predicted target (S N D)."""
    return np.asarray(apply_network(network, full_graph(data)).nodes["target"], float).reshape(data.target.shape)


def predicted_target(trained: TrainedNetwork, data: Dataset) -> np.ndarray:
    """The target (S N D) that a trained network predicts, in the units of the data."""
    return targets(trained.network, trained.natural_units.apply(data)) * trained.natural_units.target


def spring_world() -> Split:
    """Springs of rest length 0.99 between four particles of log-normal masses."""
    return halves(world(spring, count=600))


@cache
def trained_spring() -> TrainedNetwork:
    """A small network that knows the spring to a percent; trained once for all tests."""
    return optimise_network(spring_world(), SHAPE, SMALL, seed=0)


@cache
def trained_pruning() -> TrainedNetwork:
    """Twelve message components and an MLP for a node function, on the same motion; pruned."""
    config = NetworkConfig(node="mlp", strategy="pruning", message=12, width=24, depth=1)
    return optimise_network(spring_world(), config, TrainingConfig(steps=1200, edges=384, learning_rate=1e-2), seed=0)
