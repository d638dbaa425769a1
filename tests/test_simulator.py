"""The door for motion: names, files, bare functions, plug-ins, and the contract that all of them keep."""

import re
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint

import numpy as np
import pytest

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
)
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


# --- sizes


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
