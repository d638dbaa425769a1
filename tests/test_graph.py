"""Snapshots to graphs: the geometry of every edge, and no edge between two instants."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import targets, untrained_network
from worlds import all_pairs, spring, world

from gnn_discovery.gnn.graph import batch_graph, equal_batches, graph_data, pair_graph, whole_graph
from gnn_discovery.gnn.networks import NODE_FUNCTIONS

INDEX = np.array([3, 0, 7])


def graph_of(data, index=INDEX):
    return batch_graph(graph_data(data), jnp.asarray(index))


def test_separations_are_receiver_minus_sender_in_the_order_of_the_data():
    data = world(spring, count=10)
    graph = graph_of(data)
    expected = data.separation()[INDEX].reshape(-1, 2)
    np.testing.assert_allclose(graph.edges["separation"], expected, rtol=1e-6, atol=1e-6)
    x = np.asarray(graph.nodes["position"])
    np.testing.assert_allclose(x[graph.receivers] - x[graph.senders], expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(x, data.positions[INDEX].reshape(-1, 2), rtol=1e-6)
    np.testing.assert_allclose(graph.nodes["properties"][:, 0], data.properties["m"][INDEX].ravel(), rtol=1e-6)


def test_snapshots_of_a_batch_share_no_edge():
    graph = graph_of(world(spring, count=10))
    snapshot = np.repeat(np.arange(3), 4)
    assert np.all(snapshot[np.asarray(graph.senders)] == snapshot[np.asarray(graph.receivers)])
    np.testing.assert_array_equal(np.bincount(snapshot[np.asarray(graph.receivers)]), [12, 12, 12])
    np.testing.assert_array_equal(graph.n_node, [4, 4, 4])
    np.testing.assert_array_equal(graph.n_edge, [12, 12, 12])
    np.testing.assert_array_equal(graph.nodes["particle"], np.tile(np.arange(4), 3))


def test_every_pair_is_there_in_both_directions_and_none_with_itself():
    graph = graph_of(world(spring, count=10), [0])
    pairs = set(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
    assert pairs == {(i, j) for i in range(4) for j in range(4) if i != j}


def test_a_batch_is_the_same_whoever_else_is_in_it():
    data = graph_data(world(spring, count=10))
    alone, among = batch_graph(data, jnp.array([5])), batch_graph(data, jnp.array([1, 5, 5]))
    for k in (1, 2):
        np.testing.assert_array_equal(among.edges["separation"][12 * k : 12 * k + 12], alone.edges["separation"])


def test_a_periodic_box_takes_the_nearest_image():
    box = np.array([2.0, 3.0])
    data = world(spring, count=10, box=box)
    separation = np.asarray(graph_of(data).edges["separation"])
    images = np.array([[a, b] for a in (-1, 0, 1) for b in (-1, 0, 1)]) * box
    x = data.positions[INDEX]
    plain = (x[:, data.receivers] - x[:, data.senders]).reshape(-1, 1, 2) + images
    nearest = np.linalg.norm(plain, axis=-1).min(1)
    np.testing.assert_allclose(np.linalg.norm(separation, axis=-1), nearest, rtol=1e-5, atol=1e-6)
    moved = replace(data, positions=data.positions + box * np.array([1, -2]))
    np.testing.assert_allclose(graph_of(moved).edges["separation"], separation, atol=1e-5)


def test_a_cutoff_leaves_out_the_pairs_beyond_it():
    data = world(spring, count=10)
    r = np.linalg.norm(data.separation()[INDEX], axis=-1).ravel()
    present = np.asarray(graph_of(replace(data, cutoff=1.2)).edges["present"])
    np.testing.assert_array_equal(present, r < 1.2)
    assert 0 < present.sum() < present.size
    assert np.all(graph_of(data).edges["present"])


def test_given_edges_are_the_only_ones():
    senders, receivers = np.array([0, 1, 1, 2]), np.array([1, 0, 2, 1])
    graph = graph_of(world(spring, count=10, edges=(senders, receivers)))
    offset = np.repeat(4 * np.arange(3), 4)
    np.testing.assert_array_equal(graph.senders, np.tile(senders, 3) + offset)
    np.testing.assert_array_equal(graph.receivers, np.tile(receivers, 3) + offset)


def test_pairs_of_absent_particles_are_absent():
    data = world(spring, count=10)
    data.present[3, 2] = False
    graph = graph_of(data)
    absent = ~np.asarray(graph.edges["present"])
    touching = (np.asarray(graph.senders) == 2) | (np.asarray(graph.receivers) == 2)
    np.testing.assert_array_equal(absent, touching)


def test_the_arrays_are_float32_and_the_global_precision_is_left_alone():
    data = graph_data(world(spring, count=4))
    assert {a.dtype for a in (data.position, data.velocity, data.target, data.properties)} == {jnp.float32.dtype}
    assert not jax.config.jax_enable_x64


def test_a_graph_can_be_made_under_jit():
    data = graph_data(replace(world(spring, count=10), cutoff=1.2))
    here, there = batch_graph(data, jnp.asarray(INDEX)), jax.jit(batch_graph)(data, jnp.asarray(INDEX))
    assert jax.tree.all(jax.tree.map(lambda a, b: bool(jnp.allclose(a, b)), here, there))


def test_graphs_of_two_have_one_edge_to_the_first():
    rng = np.random.default_rng(0)
    x, v = rng.normal(size=(2, 5, 2, 3))
    p, k = rng.uniform(size=(5, 2, 1)), np.tile([7, 2], (5, 1))
    graph = pair_graph(*(jnp.asarray(a) for a in (x, v, p, k)))
    np.testing.assert_allclose(graph.edges["separation"], x[:, 0] - x[:, 1], rtol=1e-6)
    np.testing.assert_array_equal(graph.receivers, 2 * np.arange(5))
    np.testing.assert_array_equal(graph.senders, 2 * np.arange(5) + 1)
    np.testing.assert_allclose(graph.nodes["velocity"][::2], v[:, 0], rtol=1e-6)
    np.testing.assert_allclose(graph.nodes["properties"][1::2], p[:, 1], rtol=1e-6)
    np.testing.assert_array_equal(graph.nodes["particle"][::2], 7)


@pytest.mark.parametrize("node", NODE_FUNCTIONS)
def test_a_network_does_not_know_the_order_of_particles_or_edges(node):
    data = world(spring, count=10)
    net = untrained_network(data, node=node)
    order, shuffle = np.array([2, 0, 3, 1]), np.random.default_rng(1).permutation(12)
    senders, receivers = all_pairs(4)
    other = replace(
        data,
        positions=data.positions[:, order],
        velocities=data.velocities[:, order],
        properties={"m": data.properties["m"][:, order]},
        senders=senders[shuffle],
        receivers=receivers[shuffle],
    )
    np.testing.assert_allclose(targets(net, other), targets(net, data)[:, order], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [4, 7, 16])
def test_batches_of_one_size_hold_every_snapshot_once(size):
    """Eleven snapshots in batches of 4, 7 and 16, the last filled up with the last snapshot."""
    data = graph_data(world(spring, count=11))
    parts = list(equal_batches(data, size))
    assert {part.position.shape[0] for part, _ in parts} == {size}
    for name in ("position", "velocity", "target", "properties", "present", "observed"):
        kept = np.concatenate([np.asarray(getattr(part, name))[:count] for part, count in parts])
        np.testing.assert_array_equal(kept, np.asarray(getattr(data, name))[:11])
    graph = whole_graph(parts[-1][0])
    np.testing.assert_array_equal(graph.nodes["position"][-4:], data.position[10])
