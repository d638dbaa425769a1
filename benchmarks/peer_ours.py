"""Train for our side of ``peer.py``, as ``gnn-discovery replicate --recipe paper`` does, a chunk of steps at a time.

Run by ``peer.py``: ``python peer_ours.py FOLDER STEPS``.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from gnn_discovery_replication.recipes import PAPER_BATCH_GRAPHS, recipe_config
from turns import Turns

from gnn_discovery import pipeline
from gnn_discovery.data.dataset import Dataset, Split
from gnn_discovery.gnn.graph import batch_graph, graph_data
from gnn_discovery.gnn.networks import make_network, measure_scales
from gnn_discovery.gnn.training import N_CHUNKS, optimise_network
from gnn_discovery.gnn.training.losses import training_loss
from gnn_discovery.pipeline import DiscoverConfig
from gnn_discovery.simulators import SimulationConfig


def motion(runs: int = 40) -> tuple[Split, DiscoverConfig]:
    """Return motion of four charges in 2D, and the paper's recipe with the L1 norm."""
    simulation = SimulationConfig(runs=runs, particles=4, dim=2)
    config = recipe_config("paper", "l1", budget=1.0, simulation=simulation, seed=0)
    return pipeline.prepare_dataset(pipeline.load_motion("charge", simulation), config), config


def reference_arrays(snapshots: Dataset, config: DiscoverConfig) -> dict[str, np.ndarray]:
    """Return the input of the peer, and our result for the first batch, with nothing displaced.

    Args:
        snapshots: the motion.
        config: the paper's recipe.

    Returns:
        Nodes x (S N F) and targets y (S N D), the weights of a network, its output, its loss and the gradient of that.
    """
    scales = measure_scales(snapshots, raw=True)
    particles = snapshots.present.shape[1]
    network = make_network(config.network, scales, snapshots.dim, particles, rngs=nnx.Rngs(0))
    graph, params, rest = nnx.split(network, nnx.Param, ...)
    still = replace(config.training, shift=0.0)
    data, first, key = graph_data(snapshots), jnp.arange(PAPER_BATCH_GRAPHS), jax.random.key(0)
    objective = jax.value_and_grad(
        lambda params: training_loss(graph, config.network, still, params, rest, data, first, key)
    )
    value, gradient = jax.jit(objective)(params)
    x = np.concatenate([data.position, data.velocity, data.properties], -1)
    output = network(batch_graph(data, first)).nodes["target"]
    return {
        "x": x,
        "y": np.asarray(data.target),
        "output": np.asarray(output),
        "loss": np.asarray(value),
        **{f"weights_{k}": a for k, a in enumerate(_as_the_peer(params, snapshots.dim, x.shape[-1]))},
        **{f"gradient_{k}": a for k, a in enumerate(_as_the_peer(gradient, snapshots.dim, x.shape[-1]))},
    }


def _as_the_peer(params: Any, dim: int, features: int) -> list[np.ndarray]:
    """Return arrays in the order of the peer: edge before node, weights (out in) before bias.

    It has the inputs of an edge end by end; ours has the motion of both ends before their properties.
    """
    layers = [layer for mlp in (params["edge"]["mlp"], params["node"]) for _, layer in sorted(mlp["layers"].items())]
    arrays = [np.asarray(array) for layer in layers for array in (layer["kernel"][...].T, layer["bias"][...])]
    moving = 2 * dim
    ends = np.split(np.arange(2 * features), [moving, 2 * moving, features + moving])
    arrays[0] = arrays[0][:, np.concatenate([ends[k] for k in (0, 2, 1, 3)])]
    return [np.ascontiguousarray(array) for array in arrays]


def main(folder: Path, steps: int) -> None:
    data, config = motion()
    np.savez(folder / "ours.npz", **reference_arrays(data.train, config))
    rows = PAPER_BATCH_GRAPHS * data.train.present.shape[1] * (data.train.present.shape[1] - 1)
    one, other = (jax.random.normal(jax.random.key(k), (size, 300)) for k, size in enumerate((rows, 300)))
    product = jax.jit(jnp.matmul)
    turns = Turns(lambda: product(one, other).block_until_ready())
    training = replace(config.training, steps=N_CHUNKS * steps)
    optimise_network(data, config.network, training, seed=0, report=lambda _: turns.wait())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
