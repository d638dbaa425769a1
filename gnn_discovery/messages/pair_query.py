"""Asking a network about pairs of particles."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.gnn.graph import Graph, pair_graph
from gnn_discovery.gnn.networks import GraphNetwork, jit_with_network
from gnn_discovery.gnn.training import TrainedNetwork

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Positions (K 2 D), velocities (K 2 D), properties (K 2 P), particle indices (K 2); receiver first."""


def sample_pairs(snapshots: Dataset, rows: int, rng: np.random.Generator) -> tuple[Pairs, np.ndarray]:
    """Pairs of the data at random, and the size (K,) of the force on each receiver."""
    s = rng.integers(len(snapshots.positions), size=rows)
    e = rng.integers(len(snapshots.senders), size=rows)
    here = snapshots.pair_present()[s, e]
    s, e = s[here], e[here]
    pairs = pairs_at(snapshots, s, e)
    return pairs, np.linalg.norm(snapshots.force[s, pairs[3][:, 0]], axis=-1)


def pairs_at(snapshots: Dataset, s: np.ndarray, e: np.ndarray) -> Pairs:
    """The pairs ``e`` (K,) of the instants ``s`` (K,)."""
    ends = np.stack([snapshots.receivers[e], snapshots.senders[e]], -1)
    x, v = snapshots.positions[s[:, None], ends], snapshots.velocities[s[:, None], ends]
    if snapshots.box is not None:
        x = np.stack([x[:, 1] + snapshots.separation()[s, e], x[:, 1]], 1)
    names = sorted(snapshots.properties)
    p = (
        np.stack([snapshots.properties[n][s[:, None], ends] for n in names], -1)
        if names
        else np.zeros((*ends.shape, 0))
    )
    return x, v, p, ends


def network_pair_force(trained: TrainedNetwork) -> Callable[[Pairs], np.ndarray]:
    """A function of pairs: the force (K D) on the first of each two particles, as the network sees them alone."""

    def force(net: GraphNetwork, graph: Graph) -> jax.Array:
        out = net(graph)
        if net.node is None:
            return out.edges["message"] * net.scales.force
        return (out.nodes["target"] * net.mass(graph.nodes["properties"]))[::2]

    compiled, natural = jit_with_network(trained.network, force), trained.natural_units
    units = (natural.length, natural.velocity, np.array([natural.properties.get(name, 1.0) for name in trained.names]))

    def ask(pairs: Pairs) -> np.ndarray:
        x, v, p = (jnp.asarray(np.asarray(a / unit, np.float32)) for a, unit in zip(pairs[:3], units, strict=True))
        return np.asarray(compiled(pair_graph(x, v, p, jnp.asarray(pairs[3]))), float) * natural.force

    return ask


def radial_profile(
    trained: TrainedNetwork, snapshots: Dataset, points: int = 200, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, dict[str, float], int]:
    """What the network says of two particles at rest, at typical properties, over the range of r in the data.

    Returns:
        r (K,), radial force (K,), the properties that were held (``m_i``, ...), and the index of the sender.
    """
    rng = np.random.default_rng(seed)
    (x, _, p, _), _ = sample_pairs(snapshots, 4000, rng)
    distance = np.linalg.norm(x[:, 0] - x[:, 1], axis=-1)
    low, high = np.quantile(distance, [0.002, 0.998])
    r = np.geomspace(max(low, 1e-3 * high), high, points)
    direction = rng.normal(size=(points, x.shape[-1]))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    place = np.stack([r[:, None] * direction, np.zeros_like(direction)], 1)
    typical = np.quantile(p, 0.5, axis=0, method="higher")
    strength = trained.network.strength
    sender = 1 if strength is None else int(np.argmax(np.asarray(strength[...])))
    receiver = 0 if sender else 1
    held = np.broadcast_to(typical, (points, *typical.shape))
    ends = np.broadcast_to([receiver, sender], (points, 2))
    force = network_pair_force(trained)((place, np.zeros_like(place), held, ends))
    names = sorted(snapshots.properties)
    fixed = {f"{n}_{end}": float(typical[e, k]) for k, n in enumerate(names) for e, end in enumerate("ij")}
    return r, np.sum(force * direction, -1), fixed, sender
