"""The Hamiltonian network: it conserves its energy whatever its parameters, and a hand-set H gives Newton's laws."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from gnn_discovery_replication.energy_recovery import score_energies
from networks import SMALL, apply_network, full_graph, spring_world, targets, untrained_network
from scipy.integrate import solve_ivp
from worlds import radial, relative_error, size, spring, world

from gnn_discovery.data.dataset import CharacteristicScales
from gnn_discovery.distillation import distill_energies
from gnn_discovery.distillation.hamiltonian_energies import dependent_part
from gnn_discovery.errors import UsageError
from gnn_discovery.gnn.networks import NetworkConfig, jit_with_network
from gnn_discovery.gnn.training import TrainedNetwork, optimise_network
from gnn_discovery.messages.gauge import read_messages
from gnn_discovery.messages.hamiltonian_energies import read_energies
from gnn_discovery.messages.symmetry import measure_symmetry
from gnn_discovery.messages.table import MessageTable
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import EngineConfig

DATA = world(spring, count=12)
RAW = {"inputs": "raw", "gate": False, "activation": "softplus"}


@pytest.fixture(scope="module")
def untrained():
    return untrained_network(DATA, node="hamiltonian")


@pytest.mark.parametrize("shape", [{}, RAW], ids=["relative", "raw"])
def test_untrained_it_conserves_its_energy_to_the_accuracy_of_the_integrator(shape):
    """In double precision: the flow of H leaves H alone, while kinetic energy is turned into the rest."""
    start = world(spring, count=1, particles=3)
    graph, m = full_graph(start), start.properties["m"][0][:, None]
    i, j = np.asarray(graph.receivers), np.asarray(graph.senders)

    def flow(net, x, p):
        nodes = {**graph.nodes, "position": x, "velocity": p / m, "properties": jnp.asarray(m)}
        edges = {**graph.edges, "separation": x[i] - x[j]}
        out = net(graph._replace(nodes=nodes, edges=edges)).nodes
        nodes = net.with_momenta(nodes)
        receiver, sender = ({name: values[ends] for name, values in nodes.items()} for ends in (i, j))
        pairs = net.pair_energy(edges["separation"], sender, receiver)  # each pair from both its ends
        return out["velocity"], out["target"] * m, jnp.sum(net.self_energy(nodes)) + 0.5 * jnp.sum(pairs)

    with jax.enable_x64(True):
        compiled = jit_with_network(untrained_network(start, node="hamiltonian", **shape), flow)
        at = lambda y: compiled(*jnp.asarray(y.reshape(2, 3, 2)))  # noqa: E731
        slope = lambda _, y: np.concatenate([np.ravel(a) for a in at(y)[:2]])  # noqa: E731
        y = np.concatenate([start.positions[0].ravel(), (m * start.velocities[0]).ravel()])
        path = solve_ivp(slope, (0.0, 1.0), y, rtol=1e-9, atol=1e-9, method="DOP853").y.T
        energies = np.array([float(at(y)[2]) for y in path])
    kinetic = np.sum(path[:, 6:] ** 2 / np.repeat(2 * m, 2), axis=1)
    assert np.ptp(kinetic) > 1e-3 * kinetic[0]
    assert np.ptp(energies) < 1e-6 * np.ptp(kinetic)


def test_untrained_its_pair_forces_are_opposite_and_keep_the_momentum(untrained):
    message = np.asarray(apply_network(untrained, full_graph(DATA)).edges["message"], float).reshape(12, -1, 2)
    number = {pair: k for k, pair in enumerate(zip(DATA.receivers.tolist(), DATA.senders.tolist(), strict=True))}
    back = [number[j, i] for i, j in number]
    np.testing.assert_allclose(message[:, back], -message, rtol=1e-4, atol=1e-6)
    assert np.abs(message.sum(1)).max() < 1e-5 * np.abs(message).max()


@pytest.mark.parametrize("field", ["positions", "velocities"])
def test_pair_forces_bear_a_shift_and_a_boost(untrained, field):
    """Translation and Galilean invariance, by construction."""
    moved = replace(DATA, **{field: getattr(DATA, field) + np.array([0.7, -1.3])})
    here, there = (np.asarray(apply_network(untrained, full_graph(d)).edges["message"]) for d in (DATA, moved))
    np.testing.assert_allclose(there, here, rtol=1e-3, atol=1e-4)


def by_hand(data, pair):
    """A network whose H is ``pair(r, m_i*m_j)`` and p^2/2m, both written in what it is given to see."""
    network = untrained_network(data, node="hamiltonian")
    scales = network.scales
    length, mass, speed = scales.length, scales.properties[0], 2 * data.dim

    class Pair(nnx.Module):
        def __call__(self, seen):
            learnt = pair(length * seen[:, 0], mass**2 * jnp.exp(seen[:, 3]))  # of the logarithms of the masses the sum
            return learnt[:, None] / (scales.force * length)

    class OneBody(nnx.Module):
        def __call__(self, seen):
            return (0.5 * seen[:, speed] ** 2 / seen[:, speed + 1])[:, None]

    network.pair, network.one_body, network.kinetic = Pair(), OneBody(), None
    return network


SPRING = lambda r, product: (r - 0.99) ** 2  # noqa: E731
GRAVITY = lambda r, product: -product / (r + 0.1)  # noqa: E731
PULL = radial(lambda r, p: -p["m_i"] * p["m_j"] / (r + 0.1) ** 2)


@pytest.mark.parametrize(("pair", "force"), [(SPRING, spring), (GRAVITY, PULL)], ids=["spring", "gravity"])
@pytest.mark.parametrize("dim", [2, 3])
def test_a_hand_set_energy_gives_newtons_equations(pair, force, dim):
    data = world(force, count=30, dim=dim)
    network = by_hand(data, pair)
    np.testing.assert_allclose(targets(network, data), data.target, rtol=1e-2, atol=1e-3)
    assert relative_error(targets(network, data), data.target) < 1e-4
    velocity = np.asarray(apply_network(network, full_graph(data)).nodes["velocity"]).reshape(data.velocities.shape)
    np.testing.assert_allclose(velocity, data.velocities, rtol=1e-4, atol=1e-5)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(dim, dim)))[0]
    turned = replace(data, positions=data.positions @ turn, velocities=data.velocities @ turn)
    assert relative_error(targets(network, turned), data.target @ turn) < 1e-4


def kinetic(table):
    """p^2/2m along p, of the rows of a table of self energies."""
    return table.velocity * table.speed[:, None] / (2 * table.properties["m_i"])[:, None]


@cache
def reading():
    """Energies and messages of gravity by hand, in units of length, time and mass far from one."""
    here = world(PULL, count=200)
    length, time, mass = 1e9, 1e5, 1e20
    data = replace(
        here,
        positions=length * here.positions,
        velocities=length / time * here.velocities,
        target=length / time**2 * here.target,
        properties={"m": mass * here.properties["m"]},
    )
    natural = CharacteristicScales.of(data).mechanical()
    seen = natural.apply(data)
    newton = length**3 / (time**2 * mass)  # of 1 in the units of the data, then in natural ones
    g = newton * natural.properties["m"] / (natural.velocity**2 * natural.length)
    pair = lambda r, product: -g * product / (r + 0.1 * length / natural.length)  # noqa: E731
    network = by_hand(seen, pair)
    trained = TrainedNetwork(network, network.config, np.zeros((0, 3)), ("m",), natural)
    return data, (length, time, mass), trained


def test_energies_are_read_in_the_units_of_the_data_and_without_their_gauge():
    data, (length, time, mass), trained = reading()
    pair, own = read_energies(trained, data)
    unit = mass * length**2 / time**2
    r, usual = pair.distance / length, np.median(np.linalg.norm(data.separation(), axis=-1)) / length
    product = pair.properties["m_i"] * pair.properties["m_j"] / mass**2
    truth = -product * (1 / (r + 0.1) - 1 / (usual + 0.1))
    along = np.sum(pair.contributions * pair.position, -1) / pair.distance
    np.testing.assert_allclose(along / unit, truth, rtol=1e-3, atol=1e-4)
    momentum = size(data.velocities)[..., 0] * data.properties["m"]
    np.testing.assert_allclose(own.speed, momentum.ravel(), rtol=1e-9)
    assert relative_error(own.contributions, kinetic(own)) < 1e-4


def test_the_force_is_read_as_the_slope_of_the_energy():
    data, (length, time, mass), trained = reading()
    read = read_messages(trained, data)
    assert read.gauge == "hamiltonian" and not read.gauge_differences
    table = read.pair
    r = table.distance / length
    strength = -table.properties["m_i"] * table.properties["m_j"] / mass**2 / (r + 0.1) ** 2
    truth = strength[:, None] * table.position / table.distance[:, None] * mass * length / time**2
    assert relative_error(table.contributions, truth) < 1e-4


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("2.5*q_i*q_j*r/(r + 0.01)", "-0.025*q_i*q_j/(r + 0.01)"),
        ("m_i*(r - 1)**2", "m_i*(r**2 - 2*r)"),
        ("3*m_i*m_j*(log(0.7*(r + 0.01)) + 2)", "3*m_i*m_j*log(r + 0.01)"),
        ("-m_i*m_j/r", "-m_i*m_j/r"),
        ("(r + 0.1)**30*m_i*(r**2 + 1)**20", "(r + 0.1)**30*m_i*(r**2 + 1)**20"),
    ],
)
def test_what_does_not_change_is_left_out_of_an_energy(text, left):
    found, expected = dependent_part(Expression.parse(text), "r"), Expression.parse(left)
    names = sorted({"m_i", "m_j", "q_i", "q_j", "r"})
    given = np.random.default_rng(0).uniform(0.5, 2.0, size=(5, 20))
    np.testing.assert_allclose(found.numpy(names)(*given), expected.numpy(names)(*given), rtol=1e-9)


def scalar(kind, energy, rows=4000):
    """An energy of a pair, of r, or of a particle, of p, in a table as `read_energies` writes it."""
    rng = np.random.default_rng(0)
    x, v = rng.normal(size=(2, rows, 2))
    p = {f"{k}_{end}": c(rng, rows) for k, c in COLUMNS.items() for end in ("ij" if kind == "pair" else "i")}
    vectors = x if kind == "pair" else v
    learnt = energy(size(vectors)[:, 0], p)
    index = np.zeros(rows, int)
    contributions = learnt[:, None] * vectors / size(vectors)
    total = np.abs(learnt) + np.median(np.abs(learnt))
    return MessageTable(kind, x, v, p, index, index + (kind == "pair"), contributions, total)


COLUMNS = {"m": lambda rng, rows: np.exp(rng.normal(size=rows)), "q": lambda rng, rows: rng.choice([-1.0, 1.0], rows)}
KINETIC = lambda p, of: p**2 / (2 * of["m_i"]) * (1 + 2e-3 * np.sin(4 * p))  # noqa: E731  # as a network errs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("energy", "force"),
    [
        (lambda r, of: of["q_i"] * of["q_j"] * (1 / (r + 0.01) - 0.7), "q_i*q_j/(r + 0.01)**2"),
        (lambda r, of: of["m_i"] * of["m_j"] * np.log((r + 0.01) / 1.4), "-m_i*m_j/(r + 0.01)"),
    ],
    ids=["charge", "log-gravity"],
)
def test_energies_become_formulas_that_are_held_against_the_true_force(energy, force):
    found = distill_energies((scalar("pair", energy), scalar("self", KINETIC)), ("operon",), EngineConfig())
    data = world(spring, count=100)
    data = replace(data, properties={**data.properties, "q": np.sign(data.positions[..., 0])})
    learnt = score_energies(found, [{"kind": "pair", "direction": "radial", "expression": force}], data)
    assert learnt["pair_recovered"] and learnt["self_recovered"], learnt
    wrong = score_energies(found, [{"kind": "pair", "direction": "radial", "expression": f"2*{force}"}], data)
    assert not wrong["pair_recovered"]


@pytest.mark.slow
def test_what_a_network_of_damped_motion_says_of_speeds_is_no_energy_of_the_distance():
    table = scalar("pair", lambda r, of: np.exp(-r))
    approach = np.sum(table.velocity * table.position, -1, keepdims=True) / size(table.position)
    table = replace(table, contributions=table.contributions * approach)
    found = distill_energies((table, scalar("self", KINETIC)), ("operon",), EngineConfig(evaluations=20_000))
    assert found.pair_energy is None or found.pair_energy.names <= {"r", *table.properties}
    assert found.self_energy is not None


@pytest.mark.parametrize("change", [{"order": 1}, {}], ids=["first order", "bodies without masses"])
def test_motion_that_no_hamiltonian_can_give_is_refused(change):
    split = spring_world()
    split = replace(split, train=replace(split.train, **change))
    with pytest.raises(UsageError, match="Hamiltonian network needs"):
        optimise_network(split, NetworkConfig(node="hamiltonian", latent=not change), SMALL, seed=0)


@cache
def trained_hamiltonian():
    return optimise_network(spring_world(), NetworkConfig(node="hamiltonian", width=16, depth=2), SMALL, seed=0)


@pytest.mark.slow
def test_training_finds_the_energy_of_a_spring_and_that_of_motion():
    """(r - 0.99)^2, up to what it is counted from, and p^2/2m."""
    trained, test = trained_hamiltonian(), spring_world().test
    pair, own = read_energies(trained, test)
    usual = np.median(np.linalg.norm(test.separation(), axis=-1))
    learnt = np.sum(pair.contributions * pair.position, -1) / pair.distance
    truth = (pair.distance - 0.99) ** 2 - (usual - 0.99) ** 2
    assert relative_error(learnt[:, None], truth[:, None]) < 0.05
    assert relative_error(own.contributions, kinetic(own)) < 0.05


@pytest.mark.slow
def test_what_is_not_built_in_is_learnt_and_what_is_built_in_holds():
    deviations = measure_symmetry(trained_hamiltonian(), spring_world().test)
    figures = deviations.transformations
    assert figures["reciprocity"] < 1e-4 and figures["translation"] < 1e-3 and figures["Galilean invariance"] < 1e-3
    assert figures["rotation"] < 0.05 and figures["centrality"] < 0.05
    assert deviations.dependences["velocity"] < 1e-6, "of a pair energy that sees places alone"


@pytest.mark.slow
def test_what_is_kept_as_arrays_is_the_same_network():
    trained, test = trained_hamiltonian(), spring_world().test
    again = TrainedNetwork.unpack(*trained.pack())
    np.testing.assert_array_equal(targets(again.network, test), targets(trained.network, test))
