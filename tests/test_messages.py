"""Messages: what is read from a network adds up, is in physical units, and its symmetry is measured, not supposed."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import (
    apply_network,
    full_graph,
    predicted_target,
    spring_world,
    trained_pruning,
    trained_spring,
    untrained_network,
)
from worlds import relative_error, size, spring, world

from gnn_discovery.gnn.training import TrainedNetwork
from gnn_discovery.messages.gauge import read_messages
from gnn_discovery.messages.pair_query import radial_profile
from gnn_discovery.messages.symmetry import measure_pair_force_symmetry, measure_symmetry

TEST = spring_world().test
READINGS = {"linear", "odd", "two_body"}


def untrained(network) -> TrainedNetwork:
    return TrainedNetwork(network, network.config, np.zeros((0, 3)), ("m",))


def added_up(table, data) -> np.ndarray:
    """Return the sum of the contributions to each particle (S N D) of a table that holds all snapshots in order."""
    out = np.zeros(data.target.shape)
    each = table.contributions.reshape(len(data.run), -1, data.dim)
    np.add.at(out, (slice(None), table.receiver[: each.shape[1]]), each)
    return out


def force(trained, data) -> np.ndarray:
    return predicted_target(trained, data) * data.properties["m"][..., None]


@pytest.mark.slow
def test_with_a_fixed_node_function_the_contributions_are_the_prediction():
    trained = trained_spring()
    read = read_messages(trained, TEST)
    assert read.gauge == "fixed" and not read.gauge_differences
    total = added_up(read.pair, TEST) + read.self_force.contributions.reshape(TEST.target.shape)
    np.testing.assert_allclose(total, force(trained, TEST), rtol=1e-3, atol=1e-4)
    assert read.additivity_error < 0.02


@pytest.mark.slow
def test_the_self_force_of_an_mlp_is_the_prediction_minus_the_pair_forces():
    trained = trained_pruning()
    read = read_messages(trained, TEST)
    assert {read.gauge, *read.gauge_differences} == READINGS
    total = added_up(read.pair, TEST) + read.self_force.contributions.reshape(TEST.target.shape)
    np.testing.assert_allclose(total, force(trained, TEST), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_the_rows_of_a_table_are_the_pairs_of_the_data():
    table = read_messages(trained_spring(), TEST).pair
    np.testing.assert_allclose(table.position, TEST.separation().reshape(-1, 2))
    v = TEST.velocities
    np.testing.assert_allclose(table.velocity, (v[:, TEST.receivers] - v[:, TEST.senders]).reshape(-1, 2))
    snapshot = np.repeat(np.arange(len(TEST.run)), 12)
    for name, particle in (("m_i", table.receiver), ("m_j", table.sender)):
        np.testing.assert_array_equal(table.properties[name], TEST.properties["m"][snapshot, particle])
    whole_force = size(TEST.force)[snapshot, table.receiver, 0]
    np.testing.assert_allclose(table.total, whole_force + trained_spring().force_scale[0])


@pytest.mark.slow
def test_the_contributions_are_the_true_pair_forces_without_any_fit():
    """Direct comparison with the true pair force, in the units of the data."""
    for trained, limit in ((trained_spring(), 0.03), (trained_pruning(), 0.1)):
        table = read_messages(trained, TEST).pair
        assert relative_error(table.contributions, spring(table.position, table.velocity, {})) < limit


@pytest.mark.slow
def test_the_profile_of_the_network_is_that_of_the_spring():
    r, value, fixed, sender = radial_profile(trained_spring(), TEST)
    assert set(fixed) == {"m_i", "m_j"} and sender == 1
    inner = (r > 0.3) & (r < 3)
    assert np.all(np.diff(r) > 0) and inner.sum() > 50
    assert np.abs(value + 2 * (r - 0.99))[inner].max() < 0.1


@pytest.mark.slow
def test_absent_particles_have_no_rows():
    data = replace(TEST, present=TEST.present.copy())
    data.present[:, 3] = False
    read = read_messages(trained_spring(), data)
    assert len(read.pair) == 6 * len(data.run) and len(read.self_force) == 3 * len(data.run)
    assert set(read.pair.receiver) == set(read.pair.sender) == set(read.self_force.receiver) == {0, 1, 2}


@pytest.mark.slow
def test_the_spectrum_counts_the_active_components():
    for trained, most in ((trained_spring(), 2), (trained_pruning(), 3)):
        read = read_messages(trained, TEST)
        message = np.asarray(
            apply_network(trained.network, full_graph(trained.natural_units.apply(TEST))).edges["message"], float
        )
        share = np.sort(message.var(0))[::-1] / message.var(0).sum()
        np.testing.assert_allclose(read.spectrum, share, atol=1e-6)
        assert 2 <= read.n_active_components <= most


def linear_network(mixing: np.ndarray):
    """A network whose node function is linear, a = mixing @ sum of messages, and data for it."""
    data = world(spring, count=20, mass=False)
    network = untrained_network(data, node="mlp", strategy="standard", message=3, depth=0)
    (layer,) = network.node.layers
    kernel = jnp.zeros_like(layer.kernel[...])
    layer.kernel[...] = kernel.at[:3].set(jnp.asarray(mixing.T, jnp.float32))
    return data, network


def odd_messages(network):
    """The same network, its edge function made odd in the separation and the relative velocity."""

    class Odd(type(network)):
        def messages(self, edges, sender, receiver, key=None):
            mirror = {name: 2 * receiver[name] - sender[name] for name in ("position", "velocity")}
            there = {**edges, "separation": -edges["separation"]}
            here = super().messages(edges, sender, receiver, key)["message"]
            back = super().messages(there, {**sender, **mirror}, receiver, key)["message"]
            return {"message": 0.5 * (here - back)}

    network.__class__ = Odd
    return network


def test_the_three_readings_agree_where_the_node_function_is_linear():
    """A linear map of the sum: the Jacobian times a message, half the change under the mirror, and the acceleration
    by one neighbour alone are one and the same."""
    mixing = np.random.default_rng(2).normal(size=(2, 3))
    data, network = linear_network(mixing)
    read = read_messages(untrained(odd_messages(network)), data)
    assert {read.gauge, *read.gauge_differences} == READINGS
    assert max(read.gauge_differences.values()) < 1e-5
    message = np.asarray(apply_network(network, full_graph(data)).edges["message"], float)
    expected = message @ mixing.T * network.scales.force
    np.testing.assert_allclose(read.pair.contributions, expected, rtol=1e-4, atol=1e-5)


def test_the_linear_reading_is_the_derivative_of_the_force_along_the_message():
    """By a central difference of the node function at the real sum of messages, which here is not linear; so the
    readings differ."""
    from gnn_discovery.messages.gauge import _gauge_readings

    data = world(spring, count=20)
    network = untrained_network(data, node="mlp", strategy="standard", message=3)
    graph = full_graph(data)
    _, readings, _ = _gauge_readings(untrained(network), data)
    message = apply_network(network, graph).edges["message"]
    total = jax.ops.segment_sum(message, graph.receivers, 80)[graph.receivers]
    receiver = {name: values[graph.receivers] for name, values in graph.nodes.items()}
    mass = np.asarray(receiver["properties"])
    step = 1e-2

    def target_of(received):
        return np.asarray(network.motion(receiver, {"message": received})["target"], float)

    there, back = (target_of(total + s * message) for s in (step, -step))
    difference = (there - back) / (2 * step) * mass
    np.testing.assert_allclose(readings["linear"], difference, rtol=2e-2, atol=2e-4 * np.abs(difference).max())
    assert readings.keys() == READINGS
    for name in READINGS - {"linear"}:
        assert relative_error(readings[name], readings["linear"]) > 0.01


def across(d: np.ndarray) -> np.ndarray:
    """A quarter turn."""
    return np.stack([-d[:, 1], d[:, 0]], -1)


SYMMETRIES = {"rotation", "reflection", "translation", "Galilean invariance", "reciprocity", "centrality"}
FORCES = {
    "gravity": (lambda x, d, v, m: -m[0] * m[1] * d / size(d) ** 3, {"m_i", "m_j"}, set()),
    "unequal axes": (lambda x, d, v, m: -d * np.array([1.0, 3.0]), set(), {"rotation", "centrality"}),
    "swirl": (lambda x, d, v, m: across(d), set(), {"reflection", "centrality"}),
    "place": (lambda x, d, v, m: -d * size(x[:, 0]) ** 2, set(), {"translation", "reciprocity"}),
    "speed": (lambda x, d, v, m: -d * size(v[:, 0]) ** 2, set(), {"Galilean invariance", "reciprocity"}),
    "source alone": (lambda x, d, v, m: -d * m[1], {"m_j"}, {"reciprocity"}),
    "relative speed": (lambda x, d, v, m: -d * size(v[:, 0] - v[:, 1]) ** 2, {"velocity"}, set()),
}
"""Forces on the first of two particles, from positions (K 2 D), separation, velocities and masses (m_i, m_j), each
(K 1); the inputs that matter, of masses and relative velocity; and the symmetries that the force breaks."""


@pytest.mark.parametrize("name", FORCES)
def test_a_symmetry_is_seen_where_it_holds_and_missed_where_it_is_broken(name):
    formula, matters, broken = FORCES[name]

    def pair_force(pairs):
        x, v, p, _ = pairs
        return formula(x, x[:, 0] - x[:, 1], v, (p[:, 0], p[:, 1]))

    deviations = measure_pair_force_symmetry(pair_force, TEST)
    assert deviations.transformations.keys() == SYMMETRIES
    assert deviations.dependences.keys() == {"m_i", "m_j", "velocity"}
    for name, value in {**deviations.transformations, **deviations.dependences}.items():
        assert value > 0.1 if name in broken | matters else value < 1e-9, (name, value)


@pytest.mark.slow
def test_a_network_that_learnt_springs_learnt_their_symmetry():
    deviations = measure_symmetry(trained_spring(), TEST)
    assert max({**deviations.transformations, **deviations.dependences}.values()) < 0.05
    invariances = [deviations.transformations[name] for name in ("translation", "Galilean invariance")]
    assert max(invariances) < 1e-5, "built in"
