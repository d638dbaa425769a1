"""The trained network: its prediction, and the arrays it is kept as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from gnn_discovery.criteria import Criteria, TrainingCriteria
from gnn_discovery.data.dataset import CharacteristicScales, Dataset
from gnn_discovery.gnn.graph import GraphData, equal_batches, graph_data, whole_graph
from gnn_discovery.gnn.networks import GraphNetwork, NetworkConfig, Scales, jit_with_network, make_network


@dataclass(frozen=True)
class TrainedNetwork:
    """A frozen record of a network and of its training.

    The network itself sees the data in ``natural_units``; `predict_target`, and all that reads its messages, take and
    give the units of the data.

    Attributes:
        network: the network, with the best parameters.
        config: its kind and shape.
        history: a row for each chunk of training: steps done, loss, held-out error, held-out error with a floor of one.
        names: the names of the properties.
        natural_units: the characteristic scales by which the data were divided.
    """

    network: GraphNetwork
    config: NetworkConfig
    history: np.ndarray
    names: tuple[str, ...]
    natural_units: CharacteristicScales = field(default_factory=CharacteristicScales)

    @property
    def force_scale(self) -> np.ndarray:
        """Return the typical force (N,) on each particle, in the units of the data."""
        return np.asarray(self.network.scales.particle) * self.natural_units.force

    def graph_data(self, dataset: Dataset) -> GraphData:
        """Return the dataset as the network sees it, in natural units and on the device."""
        return graph_data(self.natural_units.apply(dataset))

    @property
    def error(self) -> float:
        """Return the held-out error; for a relative loss the mean of |F - F'| / (scale + |F|)."""
        return float(self.history[np.nanargmin(self.history[:, 2]), -1])

    def pack(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return arrays and plain values from which `unpack` makes the same network."""
        net = self.network
        meta = {
            "config": asdict(self.config),
            "scales": {name: np.asarray(v).tolist() for name, v in asdict(net.scales).items()},
            "natural_units": asdict(self.natural_units),
            "strength_gain": net.strength_gain,
            "dim": net.dim,
            "particles": net.particles,
            "names": list(self.names),
        }
        return {**flatten_tree(nnx.state(net), "state"), "history": self.history}, meta

    @staticmethod
    def unpack(arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> TrainedNetwork:
        """Return the network of `pack`.

        Args:
            arrays: arrays by name.
            meta: plain values by name.
        """
        scales: dict[str, Any]
        scales = {name: tuple(value) if isinstance(value, list) else value for name, value in meta["scales"].items()}
        config = NetworkConfig(**meta["config"])
        criteria = Criteria(training=TrainingCriteria(source_strength_gain=meta["strength_gain"]))
        net = make_network(
            config, Scales(**scales), meta["dim"], meta["particles"], rngs=nnx.Rngs(0), criteria=criteria
        )
        graph, state = nnx.split(net)
        net = nnx.merge(graph, unflatten_tree(state, arrays, "state"))
        natural_units = CharacteristicScales(**meta["natural_units"])
        return TrainedNetwork(net, config, np.asarray(arrays["history"]), tuple(meta["names"]), natural_units)


def predict_target(trained: TrainedNetwork, dataset: Dataset, batch: int = 256) -> np.ndarray:
    """Return the target (S N D) that the network predicts, in the units of the data.

    Args:
        trained: the network.
        dataset: S snapshots.
        batch: the number of snapshots that are predicted at once.
    """
    predict, shape = jit_with_network(trained.network, _target_of_snapshots), (batch, *dataset.target.shape[1:])
    parts = [
        np.asarray(predict(part), float).reshape(shape)[:count]
        for part, count in equal_batches(trained.graph_data(dataset), batch)
    ]
    return np.concatenate(parts) * trained.natural_units.target


def _target_of_snapshots(network: GraphNetwork, data: GraphData) -> jax.Array:
    return jnp.asarray(network(whole_graph(data)).nodes["target"])


def flatten_tree(tree: Any, name: str) -> dict[str, np.ndarray]:
    """Return the leaves of a tree of arrays, numbered.

    Args:
        tree: a tree of arrays.
        name: the beginning of the name of each leaf.
    """
    return {f"{name}.{k}": np.asarray(leaf) for k, leaf in enumerate(jax.tree.leaves(tree))}


def unflatten_tree(like: Any, arrays: Mapping[str, np.ndarray], name: str) -> Any:
    """Return the tree that `flatten_tree` flattened.

    Args:
        like: a tree of the same structure.
        arrays: the leaves by name.
        name: the beginning of the name of each leaf.
    """
    leaves, structure = jax.tree.flatten(like)
    return jax.tree.unflatten(structure, [jnp.asarray(arrays[f"{name}.{k}"]) for k in range(len(leaves))])
