"""The networks before any training: what holds by construction, whatever the parameters."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from networks import apply_network, full_graph, targets, untrained_network
from worlds import size, spring, world

from gnn_discovery.criteria import Criteria, TrainingCriteria
from gnn_discovery.errors import UsageError
from gnn_discovery.gnn.networks import NODE_FUNCTIONS, NetworkConfig, make_network, measure_scales, message_size
from gnn_discovery.gnn.training import TrainedNetwork

DATA = world(spring, count=12)
RNG = np.random.default_rng(5)
SHIFT = np.array([0.7, -1.3])


def summed(network, data, graph=None):
    """Messages summed over neighbours, and the self force, in the units of the data (S N D)."""
    graph = graph or full_graph(data)
    out = apply_network(network, graph)
    force = np.zeros((data.target.shape[0] * data.target.shape[1], data.dim))
    np.add.at(force, np.asarray(graph.receivers), np.asarray(out.edges["message"], float) * network.scales.force)
    own = np.asarray(out.nodes["self"], float).reshape(data.target.shape)
    return force.reshape(data.target.shape), own


@pytest.fixture(scope="module")
def fixed():
    return untrained_network(DATA)


@pytest.fixture(scope="module")
def absolute():
    return untrained_network(DATA, inputs="absolute")


def test_with_a_fixed_node_function_messages_and_self_force_add_up_to_m_a(fixed):
    """m_i a_i = sum_j F_ij + F_i (Han et al., arXiv 2202.00299)."""
    pair, own = summed(fixed, DATA)
    force = targets(fixed, DATA) * DATA.properties["m"][..., None]
    np.testing.assert_allclose(force, pair + own, rtol=1e-4, atol=1e-4)
    assert np.median(size(pair)) > 10 * np.median(size(own - own.mean())) or np.median(size(own)) > 0


def test_where_no_mass_is_given_they_add_up_to_the_acceleration():
    data = world(spring, count=12, mass=False)
    network = untrained_network(data, depth=0)
    pair, own = summed(network, data)
    np.testing.assert_allclose(targets(network, data), pair + own, rtol=1e-4, atol=1e-4)


def test_a_message_knows_nothing_of_third_particles(fixed):
    """The message from 1 to 0 stays where particles 2 and 3 go elsewhere."""
    moved = replace(DATA, positions=DATA.positions.copy(), velocities=DATA.velocities.copy())
    moved.positions[:, 2:] += RNG.normal(size=(12, 2, 2))
    moved.velocities[:, 2:] += 1.0
    graph = full_graph(DATA)
    edge = (np.asarray(graph.receivers) % 4 == 0) & (np.asarray(graph.senders) % 4 == 1)
    here, there = (np.asarray(apply_network(fixed, full_graph(d)).edges["message"]) for d in (DATA, moved))
    np.testing.assert_allclose(here[edge], there[edge], rtol=1e-5, atol=1e-6)
    assert np.abs(here[~edge] - there[~edge]).max() > 0.01


@pytest.mark.parametrize("field", ["positions", "velocities"])
def test_messages_of_relative_inputs_bear_a_shift_and_a_boost(fixed, field):
    """Translation and Galilean invariance, by construction."""
    moved = replace(DATA, **{field: getattr(DATA, field) + SHIFT})
    np.testing.assert_allclose(summed(fixed, moved)[0], summed(fixed, DATA)[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("field", ["positions", "velocities"])
def test_messages_of_absolute_inputs_need_not(absolute, field):
    """As in the paper: what is not built in has to be learnt."""
    moved = replace(DATA, **{field: getattr(DATA, field) + SHIFT})
    here, there = summed(absolute, DATA)[0], summed(absolute, moved)[0]
    assert np.median(size(there - here)) > 0.01 * np.median(size(here))


@pytest.mark.parametrize("node", NODE_FUNCTIONS)
def test_absent_particles_do_not_act(node):
    data = replace(DATA, present=DATA.present.copy())
    data.present[:, 3] = False
    network = untrained_network(data, node=node)
    elsewhere = replace(data, positions=data.positions.copy(), velocities=data.velocities.copy())
    elsewhere.positions[:, 3] += RNG.normal(size=(12, 2))
    elsewhere.velocities[:, 3] -= 2.0
    np.testing.assert_array_equal(targets(network, elsewhere)[:, :3], targets(network, data)[:, :3])
    three = replace(
        data,
        positions=data.positions[:, :3],
        velocities=data.velocities[:, :3],
        target=data.target[:, :3],
        properties={"m": data.properties["m"][:, :3]},
        present=data.present[:, :3],
        **dict(zip(("senders", "receivers"), np.array([[1, 2, 0, 2, 0, 1], [0, 0, 1, 1, 2, 2]]), strict=True)),
    )
    np.testing.assert_allclose(targets(network, three), targets(network, data)[:, :3], rtol=1e-4, atol=1e-5)


def test_pairs_beyond_the_cutoff_do_not_act(fixed):
    far = np.linalg.norm(DATA.separation(), axis=-1).ravel() >= 1.2
    message = np.asarray(apply_network(fixed, full_graph(replace(DATA, cutoff=1.2))).edges["message"])
    assert np.all(message[far] == 0) and np.all(np.abs(message[~far]).max(-1) > 0)


def test_kl_messages_are_noisy_only_with_a_key():
    """Training draws from N(mean, exp(log_variance)); reading takes the mean."""
    network = untrained_network(DATA, node="mlp", strategy="kl", message=4, depth=0)
    graph = full_graph(DATA)
    still, again = apply_network(network, graph), apply_network(network, graph)
    np.testing.assert_array_equal(still.edges["message"], again.edges["message"])
    np.testing.assert_array_equal(still.edges["message"], still.edges["mean"])
    draws = [apply_network(network, graph, jax.random.key(k)).edges for k in range(40)]
    np.testing.assert_allclose(draws[0]["mean"], still.edges["mean"], rtol=1e-5, atol=1e-6)
    noise = np.array([d["message"] - d["mean"] for d in draws]) / np.exp(0.5 * np.asarray(still.edges["log_variance"]))
    assert abs(noise.mean()) < 0.02 and noise.std() == pytest.approx(1, abs=0.02)
    repeated = apply_network(network, graph, jax.random.key(7)).edges["message"]
    np.testing.assert_array_equal(repeated, draws[7]["message"])


@pytest.mark.parametrize(
    ("config", "dim", "expected"),
    [
        ({}, 2, 2),
        ({}, 3, 3),
        ({"node": "hamiltonian"}, 3, 3),
        ({"node": "mlp"}, 3, 3),
        ({"node": "mlp", "strategy": "standard"}, 2, 32),
        ({"node": "mlp", "strategy": "pruning", "message": 6}, 2, 6),
        ({"node": "mlp", "strategy": "bottleneck", "message": 1}, 2, 1),
    ],
)
def test_message_sizes(config, dim, expected):
    """A fixed node function and an energy have D by construction, a bottleneck D, the others what is asked, or 32."""
    assert message_size(NetworkConfig(**config), dim) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"node": "MLP"},
        {"node": "fixd"},
        {"inputs": "relatve"},
        {"strategy": "L1"},
        {"activation": "tanh"},
        {"node": "mlp", "message": 0},
        {"node": "mlp", "message": 2.5},
        {"width": 0},
        {"depth": -1},
        {"gate": "yes"},
        {"latent": 1},
        {"message": 100},
        {"strategy": "l1"},
        {"node": "hamiltonian", "strategy": "kl"},
    ],
    ids=str,
)
def test_a_config_refuses_unknown_words_impossible_numbers_and_settings_without_effect(wrong):
    """The error names the field and the value, in Python as on the command line."""
    name, value = list(wrong.items())[-1]
    with pytest.raises(UsageError) as caught:
        NetworkConfig(**wrong)
    assert caught.value.what.startswith(f"{name} is {value!r}") and caught.value.where == "NetworkConfig"
    assert caught.value.remedy


def test_the_gain_of_source_strengths_is_a_criterion():
    """It multiplies the parameters, and is kept with the network."""
    data = world(spring, count=12, mass=False)
    criteria = Criteria(training=TrainingCriteria(source_strength_gain=3.0))
    config, scales = NetworkConfig(latent=True, width=8, depth=0), measure_scales(data)
    network = make_network(config, scales, data.dim, 4, rngs=nnx.Rngs(0), criteria=criteria)
    network.strength[...] = jnp.array([0.0, 1.0, 0.0, -1.0])
    expected = np.exp([0.0, 3.0, 0.0, -3.0])
    np.testing.assert_allclose(network.source_strengths(), expected, rtol=1e-6)
    again = TrainedNetwork.unpack(*TrainedNetwork(network, config, np.zeros((1, 4)), ()).pack())
    np.testing.assert_allclose(again.network.source_strengths(), expected, rtol=1e-6)


def test_masked_components_carry_nothing():
    network = untrained_network(DATA, node="mlp", strategy="pruning", message=4, depth=0)
    network.mask[...] = jnp.array([1.0, 0.0, 1.0, 0.0])
    message = np.asarray(apply_network(network, full_graph(DATA)).edges["message"])
    assert np.all(message[:, [1, 3]] == 0) and np.all(np.std(message[:, [0, 2]], axis=0) > 0)


def test_source_strengths_multiply_the_messages_of_their_particle():
    data = world(spring, count=12, mass=False)
    network = untrained_network(data, latent=True, depth=0)
    before = np.asarray(apply_network(network, full_graph(data)).edges["message"])
    np.testing.assert_array_equal(network.source_strengths(), np.ones(4))
    stronger = untrained_network(data, latent=True, depth=0)
    stronger.strength[...] = jnp.log(jnp.array([1.0, 2.0, 0.5, 1.0])) / 10
    factor = np.array([1.0, 2.0, 0.5, 1.0])[np.asarray(full_graph(data).senders) % 4]
    after = np.asarray(apply_network(stronger, full_graph(data)).edges["message"])
    np.testing.assert_allclose(after, before * factor[:, None], rtol=1e-5)


def test_inside_it_is_float32_and_the_global_precision_stays(fixed):
    out = apply_network(fixed, full_graph(DATA))
    assert out.nodes["target"].dtype == out.edges["message"].dtype == jnp.float32
    assert not jax.config.jax_enable_x64


def test_scales_do_not_know_units_nor_where_the_origin_is():
    """In other units of length, mass and time everything that is divided is divided by the same more."""
    moved = replace(
        DATA,
        positions=1e11 * (DATA.positions + 40.0),
        velocities=1e3 * DATA.velocities,
        target=1e-5 * DATA.target,
        properties={"m": 1e24 * DATA.properties["m"]},
    )
    here, there = measure_scales(DATA), measure_scales(moved)
    assert there.length == pytest.approx(1e11 * here.length, rel=1e-9)
    assert there.velocity == pytest.approx(1e3 * here.velocity, rel=1e-9)
    assert there.force == pytest.approx(1e19 * here.force, rel=1e-9)
    assert there.properties[0] == pytest.approx(1e24 * here.properties[0], rel=1e-9)
    assert here.mass == there.mass == 0 and here.log == (True,)
    assert set(here.particle) == {here.force}


def test_bodies_have_a_scale_each():
    data = world(spring, count=200, mass=False)
    data.target[:, 2] *= 1e-4
    scales = measure_scales(data, bodies=True)
    typical = np.median(size(data.target)[..., 0], axis=0)
    np.testing.assert_allclose(scales.particle, typical, rtol=1e-12)
    assert scales.particle[2] < 1e-3 * scales.particle[0]
