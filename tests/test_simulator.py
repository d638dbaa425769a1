"""The door for motion: names, files, bare functions, plug-ins, and the contract that all of them keep."""

import re
import sys
from dataclasses import replace
from functools import partial
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from gnn_discovery import pipeline
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import DataError, UsageError
from gnn_discovery.simulators import (
    SimulationConfig,
    as_simulator,
    check_simulator,
    registry,
    resolve_simulator,
    simulator_names,
    simulator_plugins,
    user_function,
)
from gnn_discovery.simulators.compiled_integrator import integrate_compiled
from gnn_discovery.simulators.integrator import AdaptiveIntegrator, step_error, step_factor
from gnn_discovery.simulators.user_function import FunctionSimulator

SYSTEMS = {
    "charge",
    "damped",
    "discontinuous",
    "free",
    "gravity",
    "log-gravity",
    "solar-system",
    "spring",
    "string",
    "superposition",
}
FEW = SimulationConfig(runs=3, frames=15, seed=5)


def oscillator(positions, velocities, properties):
    return -positions / properties["m"][..., None]


class Drifting:
    """Straight lines, as a user would write them."""

    def simulate(self, config):
        rng = np.random.default_rng(config.seed)
        times = 0.1 * np.arange(config.frames)
        runs = []
        for _ in range(config.runs):
            x, v = rng.standard_normal((2, 3, 2))
            path = x + v * times[:, None, None]
            runs.append(Trajectory(path, times, np.broadcast_to(v, path.shape), np.zeros(path.shape)))
        return runs


MODULE = """
import numpy as np
from dataclasses import dataclass
from gnn_discovery.data.trajectory import Trajectory

def accelerations(positions, velocities, properties):
    return -positions

@dataclass
class Rest:
    offset: float = 1.0

    def simulate(self, config):
        x = np.arange(4.0).reshape(1, 2, 2).repeat(5, 0) + self.offset
        return [Trajectory(x, np.arange(5.0))]

class Needy:
    def __init__(self, argument):
        pass

    def simulate(self, config):
        return []

ready = Rest(offset=3.0)
number = 7
"""


@pytest.fixture
def own_code(tmp_path, monkeypatch):
    (tmp_path / "my_own_system.py").write_text(MODULE)
    (tmp_path / "failing_system.py").write_text("raise RuntimeError('no such planet')\n")
    (tmp_path / "leaving_system.py").write_text("raise SystemExit(0)\n")
    (tmp_path / "needing_system.py").write_text("import a_package_that_is_not_there\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    yield tmp_path
    sys.modules.pop("my_own_system", None)


@pytest.fixture
def registered(monkeypatch):
    """Puts entry points (name, value) beside the real ones."""

    def put(*points):
        real = list(registry.entry_points(group=registry.SIMULATOR_GROUP))
        added = [EntryPoint(name, value, registry.SIMULATOR_GROUP) for name, value in points]
        monkeypatch.setattr(registry, "entry_points", lambda group: real + added)

    return put


# --- names and plug-ins


def test_the_built_in_systems_come_through_the_door_for_plug_ins():
    assert set(simulator_names()) >= SYSTEMS
    listed = {plugin.name: plugin for plugin in simulator_plugins()}
    for name in SYSTEMS:
        assert listed[name].error is None
        assert listed[name].summary
        assert type(resolve_simulator(name)) is type(listed[name].simulator)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match=r"'gravty'.*Did you mean gravity") as caught:
        resolve_simulator("gravty")
    assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match=r"Known: .*solar-system"):
        resolve_simulator("xyzzy")


def test_a_broken_plugin_is_listed_with_its_error_and_harms_nothing(registered):
    registered(("broken", "a_package_that_is_not_there:System"), ("empty", "gnn_discovery.errors:nothing"))
    listed = {plugin.name: plugin for plugin in simulator_plugins()}
    assert "a_package_that_is_not_there" in listed["broken"].error
    assert "nothing" in listed["empty"].error
    assert listed["gravity"].error is None
    assert {"broken", "gravity"} <= set(simulator_names())
    assert hasattr(resolve_simulator("gravity"), "simulate")
    with pytest.raises(UsageError, match=r"'broken'.*does not load"):
        resolve_simulator("broken")


def test_a_plugin_that_leaves_the_program_does_not(own_code, registered):
    registered(("leaving", "leaving_system:System"))
    sys.path.insert(0, str(own_code))
    listed = {plugin.name: plugin for plugin in simulator_plugins()}
    assert "SystemExit" in listed["leaving"].error


def test_one_name_for_two_systems_is_an_error_for_that_name_only(registered):
    registered(("gravity", "somebody.elses:Gravity"), ("spring", "gnn_discovery_simulations.spring:Spring"))
    with pytest.raises(UsageError, match=r"ambiguous: .*gravity:Gravity .* and somebody.elses:Gravity"):
        resolve_simulator("gravity")
    listed = {plugin.name: plugin for plugin in simulator_plugins()}
    assert "ambiguous" in listed["gravity"].error
    assert listed["spring"].error is None  # the same object twice is one system


# --- a user's own code


@pytest.mark.parametrize("place", ["my_own_system", "my_own_system.py", "./my_own_system.py"])
def test_own_code_in_the_working_directory_is_a_simulator(own_code, place):
    (made,) = resolve_simulator(f"{place}:Rest").simulate(FEW)
    assert made.positions[0, 0, 0] == 1.0
    (ready,) = resolve_simulator(f"{place}:ready").simulate(FEW)
    assert ready.positions[0, 0, 0] == 3.0
    assert len(resolve_simulator(f"{place}:accelerations").simulate(FEW)) == 3


def test_a_file_elsewhere_is_a_simulator(own_code, monkeypatch):
    monkeypatch.chdir("/")
    assert isinstance(resolve_simulator(f"{own_code}/my_own_system.py:accelerations"), FunctionSimulator)


@pytest.mark.parametrize(
    ("spec", "error", "says"),
    [
        ("my_own_system:Rst", UsageError, "'Rst'.*Did you mean Rest"),
        ("my_own_system.py:acceleration", UsageError, "Did you mean accelerations"),
        ("no_such_module:System", UsageError, "no module 'no_such_module'"),
        ("my_own_system:", UsageError, "names no object"),
        ("my_own_system.py", UsageError, "names no object"),
        ("nowhere/system.py:System", DataError, "nowhere/system.py: no such file"),
        ("failing_system:System", DataError, "RuntimeError: no such planet"),
        ("failing_system.py:System", DataError, "RuntimeError: no such planet"),
        ("leaving_system.py:System", DataError, "SystemExit"),
        ("needing_system:System", DataError, "a_package_that_is_not_there"),
        ("my_own_system:Needy", DataError, "cannot be made without arguments.*argument"),
        ("my_own_system:number", DataError, "int is no simulator"),
    ],
)
def test_what_is_wrong_with_own_code_is_said(own_code, spec, error, says):
    with pytest.raises(error, match=says):
        resolve_simulator(spec)


# --- bare functions


def test_a_bare_function_moves_as_its_closed_form():
    runs = as_simulator(oscillator).simulate(SimulationConfig(seed=2, runs=20))
    for run in runs:
        assert run.positions.shape == (100, 4, 2)
        frequency = 1 / np.sqrt(run.properties["m"])[:, None]
        phase = run.times[:, None, None] * frequency
        exact = run.positions[0] * np.cos(phase) + run.velocities[0] / frequency * np.sin(phase)
        np.testing.assert_allclose(run.positions, exact, atol=1e-6)
        np.testing.assert_allclose(run.accelerations, -run.positions * frequency**2, rtol=1e-12)


def test_a_bare_function_may_ask_for_velocities():
    runs = as_simulator(lambda x, v, p: -v).simulate(FEW)
    for run in runs:
        np.testing.assert_allclose(run.velocities, run.velocities[0] * np.exp(-run.times)[:, None, None], atol=1e-8)


def test_a_force_that_jumps_is_followed():
    runs = as_simulator(lambda x, v, p: -np.sign(x)).simulate(SimulationConfig(runs=5, seed=1))
    for run in runs:
        energy = abs(run.positions) + run.velocities**2 / 2
        np.testing.assert_allclose(energy, np.broadcast_to(energy[0], energy.shape), atol=5e-5)


def test_the_compiled_integrator_and_the_one_of_bare_functions_agree():
    """They share error estimate and step control; each run has steps of its own."""
    rng = np.random.default_rng(0)
    x, v = rng.standard_normal((2, 6, 3, 2))
    m = {"m": np.exp(rng.standard_normal((6, 3)))}

    def derivative(state, runs, place):
        return np.stack([state[:, 1], -state[:, 0] / m["m"][runs, :, None]], axis=1)

    states, counts = AdaptiveIntegrator(derivative, "springs", np.stack([x, v], 1), 9, 0.5, tolerance=1e-9).integrate()
    motion = integrate_compiled(
        lambda x, v, p: -x / p["m"][:, None], x, v, m, spacing=0.5, frames=9, tolerance=1e-9, lanes=4
    )
    assert (counts == 9).all()
    np.testing.assert_allclose(np.stack(motion, axis=2), states, atol=1e-7)


def test_a_step_that_gives_no_number_is_tried_again_at_a_fifth():
    error = step_error(
        np.full((13, 2, 3), np.nan), np.ones((2, 3)), np.ones((2, 3)), 0.1, tolerance=1, size=1, axes=(1,)
    )
    assert np.isinf(error).all()
    np.testing.assert_allclose(
        step_factor(np.array([np.inf, 1.0, 0.0, 0.0]), [False, False, False, True]), [0.2, 0.9, 10, 1]
    )


def falling(x, v, p):
    return -x / (x**2).sum(-1, keepdims=True) ** 2


def at_rest(distances):
    """A start of as many runs in 2D, all particles at rest on a circle of this radius."""

    def start(rng, runs, particles, dim):
        angle = 2 * np.pi * np.arange(particles) / particles
        x = distances[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        return x, np.zeros_like(x), {}

    return start


def test_a_run_ends_where_it_falls_into_a_centre_without_a_bound():
    """From rest an attraction of 1/r^3 makes r^2 = r0^2 - t^2/r0^2, which is nothing at t = r0^2."""
    start = at_rest(np.sqrt([0.505, 4.0, 0.905, 9.0, 4.0]))
    runs = FunctionSimulator(falling, name="fall", initial=start).simulate(SimulationConfig(runs=5, frames=100))
    assert [len(run.times) for run in runs] == [51, 100, 91, 100, 100]
    for run, squared in zip(runs, [0.505, 4.0, 0.905, 9.0, 4.0], strict=True):
        there = (run.positions[:-1] ** 2).sum(-1)
        exact = squared - run.times[:-1, None] ** 2 / squared
        np.testing.assert_allclose(there, np.broadcast_to(exact, there.shape), atol=1e-5)
    assert pipeline.load_motion(FunctionSimulator(falling, initial=start), SimulationConfig(runs=5)).notes == (
        "2 of 5 runs end before the others do.",
    )


def test_a_run_that_falls_at_once_is_left_out_and_counted():
    system = FunctionSimulator(falling, initial=at_rest(np.sqrt([0.505, 0.005, 4.0, 9.0])))
    found = pipeline.load_motion(system, SimulationConfig(runs=4))
    assert [len(run.times) for run in found.trajectories] == [51, 100, 100]
    assert found.notes == ("2 of 4 runs end before the others do, 1 of them so soon that they are left out.",)


def test_where_most_runs_fall_it_is_an_error():
    system = FunctionSimulator(falling, name="fall", initial=at_rest(np.sqrt([0.505, 0.605, 4.0])))
    with pytest.raises(DataError, match=r"fall: in 2 of 3 runs .* no bound.*run 0, after frame 50\. Soften"):
        system.simulate(SimulationConfig(runs=3, frames=100))


def test_bare_functions_get_copies():
    def careless(x, v, p):
        x[:] = 0
        p["m"][:] = 0
        return np.zeros_like(v)

    run = as_simulator(careless).simulate(FEW)[0]
    assert (run.properties["m"] > 0).all()
    np.testing.assert_allclose(run.positions[-1], run.positions[0] + run.times[-1] * run.velocities[0])


def without_a_number(x, v, p):
    a = -x
    a[2 % len(a), 1] = np.nan
    return a


def late(x, v, p):
    return np.where(x > 3.0, np.nan, 50.0)


def itself(x, v, p):
    d = x[..., :, None, :] - x[..., None, :, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        return (d / np.linalg.norm(d, axis=-1)[..., None] ** 3).sum(-2)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (without_a_number, "particle 1 is no finite number at run 2, frame 0"),
        (late, r"particle \d is no finite number at run \d, after frame \d"),
        (itself, "particle 0 is no .* at run 0, frame 0.*acts on itself"),
        (lambda x, v, p: x[0], r"shape \(4, 2\) for positions of shape \(3, 4, 2\).*run 0, frame 0"),
        (lambda x, v, p: None, "run 0, frame 0"),
        (lambda x, v, p: p["charge"], "KeyError: 'charge'.*the properties m"),
        (lambda x, v, p, t: -x, r"a function of 4 arguments.*accelerations\(positions, velocities, properties\)"),
    ],
)
def test_what_is_wrong_with_a_bare_function_is_said(function, says):
    with pytest.raises(DataError, match=says):
        FunctionSimulator(function).simulate(replace(FEW, frames=40))


def test_a_bare_function_that_needs_endless_steps_is_given_up(monkeypatch):
    monkeypatch.setattr(user_function, "AdaptiveIntegrator", partial(AdaptiveIntegrator, max_steps=20))
    with pytest.raises(DataError, match=r"in 3 of 3 runs .* too short to go on: run 0, .*frame \d+"):
        as_simulator(lambda x, v, p: -1e8 * x).simulate(FEW)


@pytest.mark.parametrize("value", [-1, 2.0, "4", True])
@pytest.mark.parametrize("name", ["runs", "frames", "particles", "dim", "seed"])
def test_a_config_refuses_impossible_sizes(name, value):
    with pytest.raises(UsageError) as caught:
        SimulationConfig(**{name: value})
    assert caught.value.what == f"{name} is {value!r}" and caught.value.where == "SimulationConfig"


@pytest.mark.parametrize("name", ["frames", "particles"])
def test_sizes_of_a_bare_function_are_checked(name):
    with pytest.raises(UsageError, match=f"{name} is 1"):
        as_simulator(oscillator).simulate(SimulationConfig(**{name: 1}))


# --- the contract


class Changed:
    """Drifting, with something done to its runs or its config."""

    def __init__(self, run=lambda run: run, config=lambda config: config):
        self.run, self.config = run, config

    def simulate(self, config):
        return [self.run(run) for run in Drifting().simulate(self.config(config))]


class Forgetful:
    def __init__(self):
        self.calls = 0

    def simulate(self, config):
        self.calls += 1
        return Drifting().simulate(replace(config, seed=self.calls))


class Failing:
    def simulate(self, config):
        raise KeyError("planet")


class Empty:
    def simulate(self, config):
        return []


def bad_number(run):
    positions = run.positions.copy()
    positions[3, 1, 0] = np.nan
    return replace(run, positions=positions)


@pytest.mark.parametrize("simulator", [Drifting(), FunctionSimulator(oscillator), Changed()])
def test_simulators_that_keep_the_contract(simulator):
    assert check_simulator(simulator, FEW) == ()


@pytest.mark.parametrize(
    ("simulator", "says"),
    [
        (Failing(), "KeyError: 'planet'"),
        (Forgetful(), "the same seed gave different runs"),
        (Changed(config=lambda c: replace(c, seed=0)), "another seed gave the same runs"),
        (Changed(config=lambda c: replace(c, runs=1)), "3 runs were asked for, 1 were made"),
        (Empty(), "there are no runs"),
        (Changed(config=lambda c: replace(c, frames=7)), "15 frames were asked for, there are 7"),
        (Changed(bad_number), "particle 1 at frame 3 is nan"),
        (Changed(lambda r: replace(r, times=-r.times)), "times do not increase"),
        (Changed(lambda r: replace(r, properties={"m": -np.ones(3)})), "m of particle 0 is -1"),
        (
            Changed(lambda r: replace(r, velocities=2 * r.velocities)),
            "velocities are not the change of positions",
        ),
        (
            Changed(lambda r: replace(r, accelerations=r.accelerations + 1)),
            "accelerations are not the change of velocities",
        ),
        (Changed(lambda r: r.positions), "run 0 is no Trajectory"),
    ],
)
def test_breaches_of_the_contract_are_named(simulator, says):
    problems = check_simulator(simulator, FEW)
    assert any(re.search(says, problem) for problem in problems), problems


def test_recorded_motion_need_not_heed_the_seed():
    class Recorded(Changed):
        recorded = True

    assert check_simulator(Recorded(config=lambda c: replace(c, seed=0)), FEW) == ()
