"""Query a network about pairs of particles, at the places of the data or at any other."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.gnn.graph import pair_graph
from gnn_discovery.gnn.networks import GraphNetwork, jit_with_network
from gnn_discovery.gnn.training import TrainedNetwork

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Positions (K 2 D), velocities (K 2 D), properties (K 2 P) and particle indices (K 2); the receiver comes first."""

ASKED_AT_ONCE = 1024
"""A network is asked for the forces of so many pairs at a time."""


def sample_pairs(dataset: Dataset, rows: int, rng: np.random.Generator) -> tuple[Pairs, np.ndarray]:
    """Draw pairs of the data at random.

    Args:
        dataset: Snapshots (S N D) with their edges.
        rows: Number of draws; a draw of absent particles is dropped.
        rng: Source of random numbers.

    Returns:
        The pairs, and the norm (K,) of the total force on each receiver.
    """
    s = rng.integers(len(dataset.positions), size=rows)
    e = rng.integers(len(dataset.senders), size=rows)
    present = dataset.pair_present()[s, e]
    s, e = s[present], e[present]
    pairs = pairs_at(dataset, s, e)
    return pairs, np.linalg.norm(dataset.force[s, pairs[3][:, 0]], axis=-1)


def pairs_at(dataset: Dataset, s: np.ndarray, e: np.ndarray) -> Pairs:
    """Return the pairs at some snapshots and edges, periodic images resolved.

    Args:
        dataset: Snapshots (S N D) with their edges.
        s: Snapshot indices (K,).
        e: Edge indices (K,).
    """
    ends = np.stack([dataset.receivers[e], dataset.senders[e]], -1)
    x, v = dataset.positions[s[:, None], ends], dataset.velocities[s[:, None], ends]
    if dataset.box is not None:
        x = np.stack([x[:, 1] + dataset.separation()[s, e], x[:, 1]], 1)
    names = sorted(dataset.properties)
    p = (
        np.stack([dataset.properties[name][s[:, None], ends] for name in names], -1)
        if names
        else np.zeros((*ends.shape, 0))
    )
    return x, v, p, ends


def network_pair_force(trained: TrainedNetwork) -> Callable[[Pairs], np.ndarray]:
    """Return a function of pairs: the force (K D) on the first of each two particles, alone in the world."""

    compiled, natural = jit_with_network(trained.network, _force_on_receivers), trained.natural_units
    units = (natural.length, natural.velocity, np.array([natural.properties.get(name, 1.0) for name in trained.names]))

    def pair_force(pairs: Pairs) -> np.ndarray:
        scaled = [np.asarray(a / unit, np.float32) for a, unit in zip(pairs[:3], units, strict=True)]
        forces, count = [np.zeros((0, pairs[0].shape[-1]))], len(pairs[3])
        for start in range(0, count, ASKED_AT_ONCE):  # one number of pairs at a time, so that one program serves all
            index = np.minimum(np.arange(start, start + ASKED_AT_ONCE), count - 1)
            force = compiled(*(jnp.asarray(a[index]) for a in (*scaled, pairs[3])))
            forces.append(np.asarray(force, float)[: count - start])
        return np.concatenate(forces) * natural.force

    return pair_force


def _force_on_receivers(net: GraphNetwork, *pairs: jax.Array) -> jax.Array:
    """Return the force (K D) on the receiver of each pair, in the unit of the network."""
    graph = pair_graph(*pairs)
    out = net(graph)
    if net.node is None:
        return jnp.asarray(out.edges["message"] * net.scales.force)
    return jnp.asarray((out.nodes["target"] * net.mass(graph.nodes["properties"]))[::2])


def radial_profile(
    trained: TrainedNetwork, dataset: Dataset, points: int = 200, seed: int = 0, *, sampled_pairs: int = 4000
) -> tuple[np.ndarray, np.ndarray, dict[str, float], int]:
    """Return the radial force between two particles at rest, of typical properties, over the distances of the data.

    Args:
        trained: A trained network.
        dataset: Snapshots (S N D) that give the range of distances and the typical properties.
        points: Number K of distances, even in their logarithm.
        seed: Seed of the directions and of the draw of pairs.
        sampled_pairs: Number of pairs from which the range and the typical properties are taken.

    Returns:
        r (K,), the radial force (K,), the properties that were held fixed (``m_i``, ...), and the index of the sender.
    """
    rng = np.random.default_rng(seed)
    (x, _, p, _), _ = sample_pairs(dataset, sampled_pairs, rng)
    distance = np.linalg.norm(x[:, 0] - x[:, 1], axis=-1)
    low, high = np.quantile(distance, [0.002, 0.998])  # the few pairs beyond would stretch the axis of the profile
    r = np.geomspace(max(low, 1e-3 * high), high, points)
    direction = rng.normal(size=(points, x.shape[-1]))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    positions = np.stack([r[:, None] * direction, np.zeros_like(direction)], 1)
    typical = np.quantile(p, 0.5, axis=0, method="higher")
    strength = trained.network.strength
    sender = 1 if strength is None else int(np.argmax(np.asarray(strength[...])))
    receiver = 0 if sender else 1
    properties = np.broadcast_to(typical, (points, *typical.shape))
    ends = np.broadcast_to([receiver, sender], (points, 2))
    force = network_pair_force(trained)((positions, np.zeros_like(positions), properties, ends))
    names = sorted(dataset.properties)
    held = {
        f"{name}_{suffix}": float(typical[end, k]) for k, name in enumerate(names) for end, suffix in enumerate("ij")
    }
    return r, np.sum(force * direction, -1), held, sender
