"""What is used of jraph, held to what it must do: it is unmaintained, and jax moves on under it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest

SENDERS, RECEIVERS = np.array([0, 1, 2, 2, 4]), np.array([1, 0, 0, 1, 3])


@pytest.fixture(scope="module")
def graph() -> jraph.GraphsTuple:
    """Two graphs side by side: three nodes and four edges, two nodes and one edge; a dictionary of features."""
    rng = np.random.default_rng(0)
    return jraph.GraphsTuple(
        nodes={"x": jnp.asarray(rng.normal(size=(5, 2))), "k": jnp.arange(5)},
        edges={"w": jnp.asarray(rng.normal(size=(5, 3)))},
        senders=jnp.asarray(SENDERS),
        receivers=jnp.asarray(RECEIVERS),
        globals=None,
        n_node=jnp.array([3, 2]),
        n_edge=jnp.array([4, 1]),
    )


def test_edges_see_their_ends_and_nodes_see_the_sum_of_what_they_receive(graph):
    def edge(edges, sent, received, context):
        assert context is None
        return {"e": edges["w"][:, :2] + 10 * sent["x"] + 100 * received["x"], "from": sent["k"]}

    def node(nodes, sent, received, context):
        return {"sum": received["e"], "out": sent["e"], "x": nodes["x"]}

    out = jraph.GraphNetwork(update_edge_fn=edge, update_node_fn=node)(graph)
    x, w = np.asarray(graph.nodes["x"]), np.asarray(graph.edges["w"])
    messages = w[:, :2] + 10 * x[SENDERS] + 100 * x[RECEIVERS]
    received, sent = np.zeros((5, 2)), np.zeros((5, 2))
    np.add.at(received, RECEIVERS, messages)
    np.add.at(sent, SENDERS, messages)
    np.testing.assert_allclose(out.edges["e"], messages, rtol=1e-5)
    np.testing.assert_allclose(out.nodes["sum"], received, rtol=1e-5)
    np.testing.assert_allclose(out.nodes["out"], sent, rtol=1e-5)
    np.testing.assert_array_equal(out.edges["from"], SENDERS)
    np.testing.assert_array_equal(out.nodes["x"], x)
    assert np.all(np.asarray(out.nodes["sum"])[[2, 4]] == 0), "a node that receives nothing gets zero"


def test_what_the_functions_leave_alone_comes_out_as_it_went_in(graph):
    out = jraph.GraphNetwork(lambda e, s, r, g: e, lambda n, s, r, g: n)(graph)
    for name in ("senders", "receivers", "n_node", "n_edge"):
        np.testing.assert_array_equal(getattr(out, name), getattr(graph, name))
    assert out.globals is None


def test_a_graph_goes_through_jit_and_grad(graph):
    def total(x):
        nodes = {**graph.nodes, "x": x}
        net = jraph.GraphNetwork(lambda e, s, r, g: (s["x"] - r["x"]) ** 2, lambda n, s, r, g: {"got": r.sum(-1)})
        return net(graph._replace(nodes=nodes)).nodes["got"].sum()

    gradient = np.asarray(jax.jit(jax.grad(total))(graph.nodes["x"]))
    x, expected = np.asarray(graph.nodes["x"]), np.zeros((5, 2))
    np.add.at(expected, SENDERS, 2 * (x[SENDERS] - x[RECEIVERS]))
    np.add.at(expected, RECEIVERS, -2 * (x[SENDERS] - x[RECEIVERS]))
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_segment_sums_take_any_order_and_empty_segments():
    rng = np.random.default_rng(1)
    values, owner = rng.normal(size=(50, 3)).astype(np.float32), rng.choice([0, 1, 3, 4], size=50)
    expected = np.zeros((6, 3))
    np.add.at(expected, owner, values)
    for segment_sum in (jraph.segment_sum, jax.ops.segment_sum):
        np.testing.assert_allclose(segment_sum(values, owner, 6), expected, atol=1e-5)


def test_batches_are_disjoint_unions(graph):
    both = jraph.batch([graph, graph])
    np.testing.assert_array_equal(both.senders, np.concatenate([SENDERS, SENDERS + 5]))
    np.testing.assert_array_equal(both.receivers, np.concatenate([RECEIVERS, RECEIVERS + 5]))
    np.testing.assert_array_equal(both.n_node, [3, 2, 3, 2])
