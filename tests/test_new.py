"""Test that files to begin with work as they are written, and that nothing is overwritten."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from gnn_discovery.catalogue.known_law import load_catalogue
from gnn_discovery.cli import app
from gnn_discovery.simulators import SimulationConfig, resolve_simulator


def new(*arguments: str):
    return CliRunner().invoke(app, ["new", *arguments])


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GNN_DISCOVERY_HOME", str(tmp_path / "own"))
    load_catalogue.cache_clear()
    yield tmp_path / "own"
    monkeypatch.undo()
    load_catalogue.cache_clear()


def test_a_new_simulator_passes_its_test_and_is_one(in_tmp):
    said = new("simulator", "my_springs")
    assert said.exit_code == 0 and "discover my_springs.py:simulator" in said.stdout
    child = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "test_my_springs.py"], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0 and "2 passed" in child.stdout, child.stdout
    (run,) = resolve_simulator("my_springs.py:simulator").simulate(
        SimulationConfig(runs=1, frames=5, particles=2, dim=3)
    )
    d = run.positions[:, 0] - run.positions[:, 1]
    pull = -2 * (1 - 1 / abs((d**2).sum(-1, keepdims=True)) ** 0.5) * d
    assert run.accelerations[:, 0] * run.properties["m"][0] == pytest.approx(pull, rel=1e-12)


@pytest.mark.parametrize("name", ["my springs", "2springs", "class", "../springs", "numpy", "federkräfte"])
def test_a_name_that_is_no_module_of_ones_own_is_refused(in_tmp, name):
    said = new("simulator", name)
    assert said.exit_code == 2 and repr(name) in said.stderr
    assert not list(in_tmp.iterdir())


@pytest.mark.parametrize("there", ["springs.py", "test_springs.py"])
def test_nothing_is_overwritten(in_tmp, there):
    (in_tmp / there).write_text("mine")
    said = new("simulator", "springs")
    assert said.exit_code == 6 and there in said.stderr
    assert [(path.name, path.read_text()) for path in in_tmp.iterdir()] == [(there, "mine")]


def test_a_new_law_is_a_known_law(own_folder):
    said = new("law", "inverse cube: ours")
    assert said.exit_code == 0, said.stderr
    load_catalogue.cache_clear()
    path = own_folder / "known_laws" / "inverse_cube_ours.yaml"
    assert load_catalogue().origins["inverse cube: ours"] == str(path)
    assert load_catalogue()["inverse cube: ours"].expression.text == "-A*m_i*m_j/r**3"
    again = CliRunner().invoke(app, ["list", "known-laws"])
    assert str(path) in again.stdout and "broken" not in again.stdout


@pytest.mark.parametrize("name", ["Newtonian gravity", "..."])
def test_a_law_that_is_there_or_nameless_is_refused(own_folder, name):
    said = new("law", name)
    assert said.exit_code == 2 and not own_folder.exists()
