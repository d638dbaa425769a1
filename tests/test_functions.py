"""Bare functions: potentials, first-order laws, starts of one's own; runs that are given; and what the kit says."""

from __future__ import annotations

import json
import re

import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

from gnn_discovery import pipeline
from gnn_discovery.cli import app
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import DataError, UsageError
from gnn_discovery.pipeline import DiscoverConfig
from gnn_discovery.simulators import (
    FunctionSimulator,
    SimulationConfig,
    as_simulator,
    check_simulator,
    resolve_simulator,
    simulator_symmetries,
)
from gnn_discovery.simulators.potential_gradient import finite_difference_gradient, jax_gradient

FEW = SimulationConfig(runs=3, frames=15, seed=5)


def distances(positions, numbers):
    """(R P) of the pairs, each once."""
    i, j = np.triu_indices(positions.shape[-2], 1)
    return numbers.linalg.norm(positions[..., i, :] - positions[..., j, :], axis=-1)


def energy(power, numbers):
    """The potential sum of r**power / power, whose force is -r**(power - 1) along the line of centres."""
    return lambda positions, properties: (distances(positions, numbers) ** power / power).sum(-1)


def slope(power, x):
    d = x[:, :, None] - x[:, None]
    r = np.linalg.norm(d, axis=-1)[..., None] + np.eye(x.shape[1])[..., None]
    return (r ** (power - 2) * d).sum(2)


def vortices(positions, properties):
    """Kirchhoff 1876, in two dimensions: each moves the others around itself."""
    d = positions[..., :, None, :] - positions[..., None, :, :]
    turned = np.stack([-d[..., 1], d[..., 0]], -1)
    r2 = (d**2).sum(-1) + np.eye(positions.shape[-2])
    return (properties["m"][..., None, :, None] * turned / r2[..., None]).sum(-2)


def falling(rng, runs, particles, dim):
    """From rest, in units of their own, without masses."""
    return 1e9 * rng.standard_normal((runs, particles, dim)), np.zeros((runs, particles, dim)), {}


def start(seed=0):
    return np.random.default_rng(seed).standard_normal((6, 4, 3))


# --- potentials


@pytest.mark.parametrize(("power", "error"), [(2, 1e-11), (-1, 1e-10), (-12, 1e-7)])
def test_differences_are_as_good_as_they_say(power, error):
    x = start()
    exact = slope(power, x)
    found = finite_difference_gradient(energy(power, np), x, {})
    assert (abs(found - exact).max((1, 2)) <= error * abs(exact).max((1, 2))).all()


def test_differences_do_not_know_units():
    x = start()
    one, other = (finite_difference_gradient(energy(-1, np), scale * x, {}) * scale**2 for scale in (1.0, 1e11))
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def test_a_potential_in_jax_has_its_exact_slope_for_any_number_of_runs():
    x = start()
    gradient = jax_gradient(energy(-1, jnp), x, {})
    for runs in (6, 5, 1):
        np.testing.assert_allclose(gradient(x[:runs], {}), slope(-1, x[:runs]), rtol=1e-12, atol=1e-12)


def test_a_potential_in_jax_that_cannot_be_traced_is_worked_out_in_double_precision():
    def stubborn(positions, properties):
        return jnp.asarray(np.asarray(energy(-1, jnp)(positions, properties)))

    x = start()
    assert jax_gradient(stubborn, x, {}) is None
    simulator = FunctionSimulator(stubborn)
    for run in simulator.simulate(FEW):
        exact = -slope(-1, run.positions) / run.properties["m"][:, None]
        np.testing.assert_allclose(run.accelerations, exact, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("numbers", [np, jnp])
def test_a_potential_moves_by_the_force_over_the_mass(numbers):
    """Of springs of length zero that all pairs have: the centre of mass goes straight."""
    simulator = FunctionSimulator(energy(2, numbers))
    for run in simulator.simulate(FEW):
        m = run.properties["m"][:, None]
        np.testing.assert_allclose(run.accelerations * m, -slope(2, run.positions), rtol=1e-9, atol=1e-9)
        centre = (m * run.positions).sum(1) / m.sum()
        speed = (m * run.velocities[0]).sum(0) / m.sum()
        np.testing.assert_allclose(centre, centre[0] + run.times[:, None] * speed, atol=1e-9)


def test_a_potential_keeps_the_contract_and_shows_its_symmetry():
    for power, at_contact in ((2, True), (-1, False)):
        simulator = FunctionSimulator(energy(power, np))
        assert check_simulator(simulator, FEW) == ()
        assert simulator_symmetries(simulator, FEW) == {
            "invariant under translation": True,
            "invariant under rotation": True,
            "invariant under boosts": True,
            "finite at r = 0": at_contact,
        }


def test_without_masses_the_slope_is_the_acceleration():
    simulator = FunctionSimulator(lambda x, p: 9.81 * x[..., 1].sum(-1), initial=falling)
    for run in simulator.simulate(FEW):
        assert run.properties == {}
        fallen = run.positions[0] - 9.81 * np.array([0.0, 0.5]) * run.times[:, None, None] ** 2
        np.testing.assert_allclose(run.positions, fallen, rtol=1e-9)


# --- first-order laws


def test_two_vortices_go_around_each_other():
    """At the distance d, with the angular velocity (m_1 + m_2)/d**2."""
    simulator = FunctionSimulator(vortices)
    for run in simulator.simulate(SimulationConfig(runs=4, frames=60, particles=2, seed=2)):
        assert run.accelerations is None
        d = run.positions[:, 0] - run.positions[:, 1]
        angle = np.unwrap(np.arctan2(d[:, 1], d[:, 0]))
        rate = run.properties["m"].sum() / (d[0] ** 2).sum()
        np.testing.assert_allclose(angle - angle[0], rate * run.times, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(d, axis=-1), np.linalg.norm(d[0]), rtol=1e-6)
    assert check_simulator(simulator, FEW) == ()


def test_a_law_of_another_order_is_not_fitted():
    with pytest.raises(UsageError, match=r"vortices: gives velocities, a law of order 1, .*--order 1"):
        pipeline.prepare_dataset(pipeline.load_motion(vortices, FEW), DiscoverConfig(simulation=FEW, order=2))
    config = DiscoverConfig(simulation=FEW, order=1)
    assert pipeline.prepare_dataset(pipeline.load_motion(vortices, FEW), config).train.order == 1
    with pytest.raises(UsageError, match=r"gives accelerations, a law of order 2"):
        pipeline.prepare_dataset(pipeline.load_motion(lambda x, v, p: -x, FEW), config)


# --- starts


@pytest.mark.parametrize(
    ("initial", "says"),
    [
        (lambda rng, runs, particles, dim: 1 / 0, r"initial fails: ZeroDivisionError.*test_functions.py, line \d+"),
        (lambda rng, runs: None, "initial fails: TypeError.*It is called as initial"),
        (lambda rng, r, n, d: (np.zeros((r, n)), np.zeros((r, n)), {}), r"positions of shape \(3, 4\), not"),
        (lambda rng, r, n, d: (np.zeros((2, n, d)), np.zeros((2, n, d)), {}), r"\(2, 4, 2\), not \(3, 'any', 'any'\)"),
        (lambda rng, r, n, d: (np.zeros((r, n, d)), np.zeros((r, d)), {}), r"velocities of shape \(3, 2\)"),
        (lambda rng, r, n, d: (np.zeros((r, n, d)), np.zeros((r, n, d)), {"q": np.ones(n)}), r"q of shape \(4,\)"),
    ],
)
def test_what_is_wrong_with_a_start_is_said(initial, says):
    with pytest.raises(DataError, match=says):
        FunctionSimulator(lambda x, v, p: -x, initial=initial).simulate(FEW)


# --- runs that are given


def straight(seed):
    rng = np.random.default_rng(seed)
    x, v = rng.standard_normal((2, 3, 2))
    times = 0.1 * np.arange(12)
    return Trajectory(x + v * times[:, None, None], times)


def on_demand(config):
    for run in range(config.runs or 5):
        yield straight([config.seed, run])


def recorded():
    yield straight(1)
    yield straight(2)


GIVEN = """
from test_functions import on_demand, recorded, straight
runs = [straight(1), straight(2)]
"""


@pytest.mark.parametrize(("name", "count"), [("on_demand", 4), ("recorded", 2), ("runs", 2)])
def test_functions_that_yield_and_lists_are_simulators(in_tmp, name, count):
    (in_tmp / "given.py").write_text(GIVEN)
    simulator = resolve_simulator(f"given.py:{name}")
    config = SimulationConfig(runs=4, seed=3)
    assert check_simulator(simulator, config) == ()
    assert len(pipeline.load_motion(f"given.py:{name}", config).trajectories) == count


def test_runs_in_a_list_keep_their_label():
    assert pipeline.load_motion([straight(1)], FEW).label == "trajectories"
    assert pipeline.load_motion(recorded(), FEW).label == "trajectories"


def asked_for_nothing(config):
    return [straight(k) for k in range(config.runs)]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (asked_for_nothing, r"simulate fails: TypeError.*test_functions.py, line \d+.*None where the choice is left"),
        (list, "the simulator makes no run"),
        (lambda: [np.zeros((5, 2, 2))], "run 0 is a ndarray, no Trajectory"),
    ],
)
def test_what_is_wrong_with_given_runs_is_said(source, says):
    with pytest.raises(DataError, match=says):
        pipeline.load_motion(source, SimulationConfig())


# --- the contract


class Euler:
    """A pendulum of two in large steps, which gain energy."""

    def simulate(self, config):
        rng = np.random.default_rng(config.seed)
        for _ in range(config.runs):
            x, v = [rng.standard_normal((2, 2))], [rng.standard_normal((2, 2))]
            for _ in range(config.frames - 1):
                x, v = [*x, x[-1] + 0.05 * v[-1]], [*v, v[-1] - 0.05 * x[-1]]
            yield Trajectory(np.array(x), 0.05 * np.arange(config.frames), np.array(v), -np.array(x))

    def energy(self, positions, velocities, properties):
        return ((positions**2 + velocities**2) / 2).sum((-2, -1))


class Damped(Euler):
    def energy(self, positions, velocities, properties):
        return -super().energy(positions, velocities, properties)


class Units(Euler):
    energy = None

    def simulate(self, config):
        for run in super().simulate(config):
            yield Trajectory(run.positions, run.times, units={"length": "m", "mass": "kg"})


@pytest.mark.parametrize(
    ("simulator", "says"),
    [
        (Euler(), r"energy is gained, \d+\.\d% of the kinetic energy"),
        (Units(), r"run 0: there are units of mass: give those of length, time"),
        (as_simulator(lambda x, v, p: -x + x.sum((0, 1))), "a run gives other rates alone.*axis -2"),
        (as_simulator(lambda x, v, p: -x.squeeze()), r"gives shape \(4, 2\) for positions of shape \(1, 4, 2\)"),
        (
            as_simulator(lambda x, v, p: -x * np.arange(1.0, 5.0)[:, None]),
            "another order move differently.*property",
        ),
    ],
)
def test_the_kit_teaches(simulator, says):
    problems = check_simulator(simulator, FEW)
    assert any(re.search(says, problem) for problem in problems), problems


LEAKING = """
def law(positions, velocities, properties):
    return -positions + positions.mean((0, 1))
"""


def test_inspect_holds_a_simulator_against_its_contract(in_tmp):
    (in_tmp / "leaking.py").write_text(LEAKING)
    found = json.loads(CliRunner().invoke(app, ["inspect", "leaking.py:law", "--json"]).stdout)
    assert len(found["contract"]) == 1 and "a run gives other rates alone" in found["contract"][0]
    assert all(found["law"].values())


def careful(x, v, p):
    if (x[:, 0] == x[:, 1]).all():
        raise ZeroDivisionError("two particles at one place")
    return -x


def test_what_fails_at_one_place_has_no_number_there():
    assert not simulator_symmetries(as_simulator(careful), FEW)["finite at r = 0"]


def test_a_function_in_a_file_is_planned_as_asked(in_tmp):
    (in_tmp / "mine.py").write_text("def law(positions, properties):\n    return -positions\n")
    size = ("--particles", "3", "--dim", "3", "--runs", "20", "--frames", "10", "--dry-run", "--json")
    plan = json.loads(CliRunner().invoke(app, ["discover", "mine.py:law", *size, "--order", "1"]).stdout)
    assert (plan["particles"], plan["dimensions"], plan["runs"], plan["order"]) == (3, 3, 20, 1)
    refused = CliRunner().invoke(app, ["discover", "mine.py:law", *size, "--order", "2"])
    assert refused.exit_code == 2 and "--order 1" in refused.stderr


def test_energy_may_be_lost():
    assert check_simulator(Damped(), FEW) == ()


def test_fields_and_friction_are_no_breach_but_seen():
    def law(x, v, p):
        return -v - np.array([0.0, 9.81])

    simulator = as_simulator(law)
    assert check_simulator(simulator, FEW) == ()
    assert simulator_symmetries(simulator, FEW) == {
        "invariant under translation": True,
        "invariant under rotation": False,
        "invariant under boosts": False,
        "finite at r = 0": True,
    }
