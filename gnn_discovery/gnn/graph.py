"""Graphs made from snapshots, as ``jraph.GraphsTuple``: fully connected, given edges, within a cut-off, periodic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from gnn_discovery.data.dataset import Dataset

Graph: TypeAlias = jraph.GraphsTuple
Features = dict[str, jax.Array]
"""Arrays of nodes or edges by name; the first axis counts the nodes or edges."""


@dataclass(frozen=True)
class GraphData:
    """A frozen record of S snapshots of N nodes and E edges each, as float32 arrays on the device.

    Attributes:
        position: (S N D).
        velocity: (S N D).
        target: (S N D), accelerations or velocities to be predicted.
        properties: (S N P), in the order of ``names``.
        present: (S N), False where a snapshot has fewer than N particles.
        senders: (E,) index of the particle that acts.
        receivers: (E,) index of the particle that is acted upon.
        box: (D,) side lengths of a periodic box.
        cutoff: the distance beyond which pairs do not interact.
        names: the names of the properties.
        count: S, the number of snapshots; rows beyond it are padding. It is an array, and the number of rows a power of
            two, so that one compiled program serves data sets of many sizes. Nothing is present in the padding.
        observed: (S N), True where there is a target.
        kernel: (W,) weights of the average over consecutive snapshots that a target is compared with; None where each
            snapshot has its own.
        middles: the snapshots in the middle of a window that has a target, and their number; None without windows.
    """

    position: jax.Array
    velocity: jax.Array
    target: jax.Array
    properties: jax.Array
    present: jax.Array
    senders: jax.Array
    receivers: jax.Array
    box: jax.Array | None
    cutoff: float | None
    names: tuple[str, ...]
    count: jax.Array
    observed: jax.Array
    kernel: jax.Array | None = None
    middles: tuple[jax.Array, jax.Array] | None = None

    def __len__(self) -> int:
        return int(self.count)

    @property
    def n_targets(self) -> jax.Array:
        """Return the number of snapshots, or of windows, that have a target."""
        return self.count if self.middles is None else self.middles[1]

    def windows(self, index: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the snapshots (B,) whose targets these are, and those (B W,) that the targets are averages over.

        Args:
            index: (B,) counts the targets.
        """
        if self.middles is None or self.kernel is None:
            return index, index
        middle, half = self.middles[0][index], self.kernel.shape[0] // 2
        return middle, (middle[:, None] + jnp.arange(-half, half + 1)).reshape(-1)

    def average(self, values: jax.Array) -> jax.Array:
        """Return the averages (B N, D) over the windows of values (B W N, D) at their snapshots."""
        if self.kernel is None:
            return values
        shape = (-1, self.kernel.shape[0], self.position.shape[1], values.shape[-1])
        return jnp.tensordot(values.reshape(shape), self.kernel, ((1,), (0,))).reshape(-1, values.shape[-1])

    @property
    def edges_per_snapshot(self) -> int:
        """Return E."""
        return int(self.senders.shape[0])


jax.tree_util.register_dataclass(
    GraphData,
    data_fields=[
        "position",
        "velocity",
        "target",
        "properties",
        "present",
        "senders",
        "receivers",
        "box",
        "count",
        "observed",
        "kernel",
        "middles",
    ],
    meta_fields=["cutoff", "names"],
)


def graph_data(dataset: Dataset) -> GraphData:
    """Return the snapshots on the device, in float32 and with nothing scaled; in weak form with its windows."""

    def padded(values: np.ndarray) -> jax.Array:
        return jnp.asarray(pad_rows(np.asarray(values, np.float32)))

    mask, kernel, middles = dataset.target_mask, None, None
    if dataset.observation.window > 1:
        kernel = jnp.asarray(dataset.observation.weights, jnp.float32)
        rows = np.flatnonzero(mask.any(axis=1))
        middles = jnp.asarray(pad_rows(rows), jnp.int32), jnp.asarray(len(rows), jnp.int32)
    names = tuple(sorted(dataset.properties))
    columns = [dataset.properties[name] for name in names]
    return GraphData(
        position=padded(dataset.positions),
        velocity=padded(dataset.velocities),
        target=padded(dataset.target),
        properties=padded(np.stack(columns, -1) if columns else np.zeros((*dataset.present.shape, 0))),
        present=jnp.asarray(pad_rows(dataset.present, mode="constant")),
        senders=jnp.asarray(dataset.senders, jnp.int32),
        receivers=jnp.asarray(dataset.receivers, jnp.int32),
        box=None if dataset.box is None else jnp.asarray(dataset.box, jnp.float32),
        cutoff=dataset.cutoff,
        names=names,
        count=jnp.asarray(len(dataset.present), jnp.int32),
        observed=jnp.asarray(pad_rows(mask, mode="constant")),
        kernel=kernel,
        middles=middles,
    )


def pad_rows(values: np.ndarray, mode: Literal["edge", "constant"] = "edge") -> np.ndarray:
    """Return an array with as many rows as the next power of two.

    Args:
        values: rows, at least one.
        mode: ``edge`` repeats the last row, ``constant`` adds zeros.
    """
    rows = len(values)
    padding = (1 << (rows - 1).bit_length()) - rows
    return np.pad(values, [(0, padding)] + [(0, 0)] * (values.ndim - 1), mode=mode)


def equal_batches(data: GraphData, size: int) -> Iterator[tuple[GraphData, int]]:
    """Yield all snapshots in order, in batches of one size without windows, so that one program serves all data.

    Args:
        data: all snapshots.
        size: the number of snapshots of a batch; the last one is filled up with the last snapshot.

    Yields:
        A batch, and the number of snapshots from its first on, which is less than ``size`` where there is filling.
    """
    names = ("position", "velocity", "target", "properties", "present", "observed")
    columns, count = {name: np.asarray(getattr(data, name)) for name in names}, len(data)
    for start in range(0, count, size):
        index = np.minimum(np.arange(start, start + size), count - 1)
        rows: dict[str, Any] = {name: jnp.asarray(values[index]) for name, values in columns.items()}
        yield replace(data, **rows, count=jnp.asarray(size, jnp.int32), kernel=None, middles=None), count - start


def whole_graph(data: GraphData) -> Graph:
    """Return one graph of all rows of the data, as `batch_graph` does."""
    return batch_graph(data, jnp.arange(data.position.shape[0]))


def batch_graph(data: GraphData, index: jax.Array) -> Graph:
    """Return one graph of B disjoint snapshots; it works under ``jit``, since shapes depend on B, N and E alone.

    Args:
        data: all snapshots.
        index: (B,) the snapshots of the batch.

    Returns:
        A graph of B N nodes and B E edges. Node features: ``position``, ``velocity``, ``properties``, ``present``, and
        ``particle``, the index within the snapshot. Edge features: ``separation`` x_i - x_j (receiver minus sender,
        nearest image) and ``present``.
    """

    def flat(values: jax.Array) -> jax.Array:
        return values[index].reshape(b * n, *values.shape[2:])

    b, n = index.shape[0], data.position.shape[1]
    offset = n * jnp.arange(b)[:, None]
    senders = (offset + data.senders).reshape(-1)
    receivers = (offset + data.receivers).reshape(-1)
    nodes = {
        "position": flat(data.position),
        "velocity": flat(data.velocity),
        "properties": flat(data.properties),
        "present": flat(data.present),
        "particle": jnp.tile(jnp.arange(n), b),
    }
    separation = nodes["position"][receivers] - nodes["position"][senders]
    if data.box is not None:
        separation = separation - data.box * jnp.round(separation / data.box)
    present = nodes["present"][receivers] & nodes["present"][senders]
    if data.cutoff is not None:
        present = present & (jnp.sum(separation**2, -1) < data.cutoff**2)
    return jraph.GraphsTuple(
        nodes=nodes,
        edges={"separation": separation, "present": present},
        senders=senders,
        receivers=receivers,
        globals=None,
        n_node=jnp.full((b,), n),
        n_edge=jnp.full((b,), data.edges_per_snapshot),
    )


def pair_graph(position: Any, velocity: Any, properties: Any, particle: Any) -> Graph:
    """Return K graphs of two particles each, with which a network is asked for the force of one pair.

    The one edge of each graph goes from the second particle to the first.

    Args:
        position: (K 2 D), receiver first.
        velocity: (K 2 D).
        properties: (K 2 P).
        particle: (K 2) index of each particle in the system that the network was trained on.
    """

    def flat(values: Any) -> Any:
        return values.reshape(2 * k, *values.shape[2:])

    k = position.shape[0]
    receivers = 2 * jnp.arange(k)
    nodes = {
        "position": flat(position),
        "velocity": flat(velocity),
        "properties": flat(properties),
        "present": jnp.ones((2 * k,), bool),
        "particle": flat(particle),
    }
    return jraph.GraphsTuple(
        nodes=nodes,
        edges={"separation": position[:, 0] - position[:, 1], "present": jnp.ones((k,), bool)},
        senders=receivers + 1,
        receivers=receivers,
        globals=None,
        n_node=jnp.full((k,), 2),
        n_edge=jnp.ones((k,), jnp.int32),
    )
