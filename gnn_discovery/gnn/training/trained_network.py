"""A network that was trained, what it predicts, and the arrays it is kept as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from gnn_discovery.data.dataset import CharacteristicScales, Dataset
from gnn_discovery.gnn.graph import GraphData, batch_graph, graph_data
from gnn_discovery.gnn.networks import GraphNetwork, NetworkConfig, Scales, jit_with_network, make_network


@dataclass(frozen=True)
class TrainedNetwork:
    """A network, what it was trained on, and how it went: rows (step, loss, held-out error, that with a floor of 1).

    The network itself sees ``natural_units`` units; `predict_target`, and all that reads its messages, take and give those of the
    data.
    """

    network: GraphNetwork
    config: NetworkConfig
    history: np.ndarray
    names: tuple[str, ...]
    natural_units: CharacteristicScales = field(default_factory=CharacteristicScales)

    @property
    def force_scale(self) -> np.ndarray:
        """(N,) the typical force on each particle."""
        return np.asarray(self.network.scales.particle) * self.natural_units.force

    def seen(self, snapshots: Dataset) -> GraphData:
        """The motion as the network sees it."""
        return graph_data(self.natural_units.apply(snapshots))

    @property
    def error(self) -> float:
        """The held-out error; of a relative loss the mean of |F - F_predicted| / (scale + |F|)."""
        return float(self.history[np.nanargmin(self.history[:, 2]), -1])

    def pack(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and plain numbers from which `unpack` makes the same network."""
        net = self.network
        shape = {"dim": net.dim, "particles": net.particles, "names": list(self.names)}
        meta = {
            "config": asdict(self.config),
            "scales": asdict(net.scales),
            "natural": asdict(self.natural_units),
            **shape,
        }
        return {**flatten_tree(nnx.state(net), "state"), "history": self.history}, meta

    @staticmethod
    def unpack(arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> TrainedNetwork:
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in meta["scales"].items()}
        scales = Scales(**plain)
        config = NetworkConfig(**meta["config"])
        net = make_network(config, scales, meta["dim"], meta["particles"], rngs=nnx.Rngs(0))
        nnx.update(net, unflatten_tree(nnx.state(net), arrays, "state"))
        natural = CharacteristicScales(**meta.get("natural", {}))
        return TrainedNetwork(net, config, np.asarray(arrays["history"]), tuple(meta["names"]), natural)


def predict_target(trained: TrainedNetwork, snapshots: Dataset, batch: int = 256) -> np.ndarray:
    """The network's target (S N D) in the units of the data."""
    data = trained.seen(snapshots)
    run = jit_with_network(trained.network, lambda net, data, index: net(batch_graph(data, index)).nodes["target"])
    count, rows = len(data), []
    for start in range(0, count, batch):
        index = jnp.minimum(jnp.arange(start, start + batch), count - 1)
        out = np.asarray(run(data, index), float).reshape(batch, *snapshots.target.shape[1:])
        rows.append(out[: count - start])
    return np.concatenate(rows) * trained.natural_units.target


def flatten_tree(tree: Any, name: str) -> dict[str, np.ndarray]:
    return {f"{name}.{k}": np.asarray(leaf) for k, leaf in enumerate(jax.tree.leaves(tree))}


def unflatten_tree(like: Any, arrays: Mapping[str, np.ndarray], name: str) -> Any:
    leaves, shape = jax.tree.flatten(like)
    return jax.tree.unflatten(shape, [jnp.asarray(arrays[f"{name}.{k}"]) for k in range(len(leaves))])
