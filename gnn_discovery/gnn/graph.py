"""Snapshots to ``jraph.GraphsTuple``: fully connected, given edges, within a cut-off, periodic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from gnn_discovery.data.dataset import Dataset

Graph = jraph.GraphsTuple


@dataclass(frozen=True)
class GraphData:
    """Snapshots as float32 arrays on the device, S instants of N nodes and E edges each.

    ``properties`` is (S N P) in the order of ``names``; the target is scaled by nothing.
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

    def __len__(self) -> int:
        return self.position.shape[0]

    @property
    def edges_per_snapshot(self) -> int:
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
    ],
    meta_fields=["cutoff", "names"],
)


def graph_data(snapshots: Dataset) -> GraphData:
    """The snapshots on the device, in float32."""
    names = tuple(sorted(snapshots.properties))
    shape = (*snapshots.present.shape, 0)
    columns = [snapshots.properties[k] for k in names]
    f32 = lambda a: jnp.asarray(np.asarray(a, np.float32))  # noqa: E731
    return GraphData(
        position=f32(snapshots.positions),
        velocity=f32(snapshots.velocities),
        target=f32(snapshots.target),
        properties=f32(np.stack(columns, -1) if columns else np.zeros(shape)),
        present=jnp.asarray(snapshots.present),
        senders=jnp.asarray(snapshots.senders, jnp.int32),
        receivers=jnp.asarray(snapshots.receivers, jnp.int32),
        box=None if snapshots.box is None else f32(snapshots.box),
        cutoff=snapshots.cutoff,
        names=names,
    )


def batch_graph(data: GraphData, index: jax.Array) -> jraph.GraphsTuple:
    """One graph of B disjoint snapshots (index (B,)): nodes B N, edges B E.

    Node features: position, velocity, properties, present, and ``particle``, the index within the snapshot.
    Edge features: ``separation`` x_i - x_j (receiver minus sender, nearest image) and ``present``.
    Works under jit: shapes depend on B, N and E alone.
    """
    b, n = index.shape[0], data.position.shape[1]
    offset = n * jnp.arange(b)[:, None]
    senders = (offset + data.senders).reshape(-1)
    receivers = (offset + data.receivers).reshape(-1)
    flat = lambda a: a[index].reshape(b * n, *a.shape[2:])  # noqa: E731
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


def pair_graph(position: Any, velocity: Any, properties: Any, particle: Any) -> jraph.GraphsTuple:
    """K graphs of two particles each, receiver first: arrays (K 2 D), (K 2 D), (K 2 P), (K 2).

    The one edge of each goes from the second particle to the first. Used to ask a network what it has learnt.
    """
    k = position.shape[0]
    flat = lambda a: a.reshape(2 * k, *a.shape[2:])  # noqa: E731
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
