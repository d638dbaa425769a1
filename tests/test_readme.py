"""Run the examples of the README as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pages import block
from typer.testing import CliRunner

from gnn_discovery.cli import app
from gnn_discovery.gnn.training import TrainingConfig
from gnn_discovery.pipeline import DiscoverConfig
from gnn_discovery.simulators import SimulationConfig

FEW = SimulationConfig(runs=60, frames=40)
SHORT = TrainingConfig(steps=800, edges=384, learning_rate=1e-2)
PATH = Path(__file__).parents[1] / "README.md"
README = PATH.read_text(encoding="utf-8")


def test_both_commands_make_their_own_environment_from_wheels():
    for name in ("main", "tests"):
        command = block(PATH, f"command: {name}")
        assert command.startswith("python3 -m venv .venv")
        assert "--only-binary :all:" in command


def test_every_command_that_is_shown_exists():
    shown = set(re.findall(r"gnn-discovery ([a-z]+)", README))
    assert {"discover", "list", "resume", "inspect", "doctor"} <= shown
    for name in shown:
        assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0, name


@pytest.mark.slow
def test_six_lines_lead_from_a_force_to_a_verdict(capsys):
    """As they stand but for the motion and the training, which are shorter."""
    code = block(PATH, "python: six lines")
    assert len(code.splitlines()) <= 6 and "discover(potential)" in code
    small = DiscoverConfig(simulation=FEW, training=SHORT)
    exec(compile(code.replace("(potential)", "(potential, SMALL)"), "README.md", "exec"), {"SMALL": small})
    assert capsys.readouterr().out.startswith("known: Hooke spring with rest length")


@pytest.mark.slow
def test_the_steps_in_python_find_the_spring(capsys):
    """As they stand but for the motion and the training, which are shorter."""
    code = block(PATH, "python: steps")
    assert len(code.splitlines()) <= 15
    names: dict = {"FEW": FEW, "SHORT": SHORT}
    exec(compile(code.replace("(seed=0)", "(seed=0, simulation=FEW, training=SHORT)"), "README.md", "exec"), names)
    assert names["verdict"].status == "known" and "Hooke" in names["verdict"].match
    (term,) = names["law"].terms
    values = sorted(abs(constant.value) for constant in term.constants.values())
    assert values == pytest.approx([0.99, 2.0], rel=1e-5)
    assert names["validation"].fit.law_error[0] < 1e-6
    assert "r_hat" in capsys.readouterr().out
