"""Test the command line: what it prints and writes, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from typer.testing import CliRunner

from gnn_discovery import pipeline
from gnn_discovery.cli import app, progress
from gnn_discovery.data.readers import read_trajectories
from gnn_discovery.errors import NoResult
from gnn_discovery.runs.directory import RunDirectory

FREE = ("discover", "free", "--runs", "20", "--frames", "20")
"""Straight lines: nothing is to be learnt, so that this is over in a moment."""


def run(*arguments: str, code: int = 0):
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def test_help_names_every_strategy():
    from gnn_discovery.gnn.networks import MessageStrategy

    text = run("discover", "--help").stdout
    assert all(name in text for name in get_args(MessageStrategy))


def test_free_motion_is_no_interaction_and_exit_code_0(in_tmp):
    result = run(*FREE, "--json")
    found = json.loads(result.stdout)
    assert found["law"]["terms"] == []
    assert found["verdict"]["status"] == "inconclusive"
    assert found["verdict"]["match"] == "no interaction"
    assert found == json.loads(Path("runs/free-1/discovery.json").read_text())
    assert Path("runs/free-1/report.html").stat().st_size > 0


def test_every_discovery_has_a_directory_of_its_own(in_tmp):
    run(*FREE, "--quiet")
    first = Path("runs/free-1/discovery.json").read_bytes()
    run(*FREE, "--quiet", "--seed", "1")
    assert Path("runs/free-1/discovery.json").read_bytes() == first
    assert json.loads(Path("runs/free-2/discovery.json").read_text())["seed"] == 1


def test_quiet_says_nothing(in_tmp):
    assert run(*FREE, "--quiet").output == ""


def test_the_same_seed_gives_the_same_result(in_tmp):
    one, two = (json.loads(run(*FREE, "--json", "--out", name).stdout) for name in ("one", "two"))
    for result in (one, two):
        del result["seconds"], result["command"]
    assert one == two


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(in_tmp):
    plan = json.loads(run(*FREE, "--dry-run", "--json").stdout)
    assert (plan["runs"], plan["frames"], plan["particles"]) == (20, 20, 4)
    assert plan["would_write"] == "runs/free-1" and plan["engines"] == ["operon"]
    assert not list(in_tmp.iterdir())


def test_several_engines_are_asked_each_once(in_tmp):
    asked = [word for name in ("sparse", "operon", "sparse") for word in ("--engine", name)]
    assert json.loads(run(*FREE, *asked, "--dry-run", "--json").stdout)["engines"] == ["sparse", "operon"]


def test_the_bar_of_the_regression_says_what_is_left(monkeypatch):
    """Half a profile in two seconds, 2.5 to go; what came before the first report counts for nothing."""
    clock = iter([100.0, 102.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    bars = progress.ProgressBars()
    bars.stage("regression")
    (task,) = bars.bars.tasks
    bars.regression(1.0, 4)
    assert task.fields["note"] == "1 of 4 profiles"
    bars.regression(1.5, 4)
    assert (task.completed, task.total) == (1.5, 4)
    assert task.fields["note"] == "1 of 4 profiles  10 s left"


@pytest.mark.parametrize("name", ["motion.npz", "motion.h5"])
def test_simulated_motion_comes_back_from_its_file(in_tmp, name):
    run("simulate", "gravity", "--out", name, "--runs", "3", "--frames", "12", "--seed", "4", "--dim", "3")
    source = pipeline.load_motion("gravity", pipeline.DiscoverConfig().simulation.__class__(3, 12, None, 3, 4))
    for kept, made in zip(read_trajectories(name), source.trajectories, strict=True):
        np.testing.assert_array_equal(kept.positions, made.positions)
        np.testing.assert_array_equal(kept.properties["m"], made.properties["m"])
    found = json.loads(run("inspect", name, "--json").stdout)
    assert (found["runs"], found["frames"], found["particles"], found["dimensions"]) == (3, 12, 4, 3)
    assert found["properties"] == ["m"] and found["accelerations"] == "given"


def law_file(expression: str) -> str:
    term = {"kind": "pair", "direction": "radial", "expression": expression, "constants": {}}
    Path("law.json").write_text(json.dumps({"terms": [term], "order": 2, "divides_by_mass": True}))
    return "law.json"


def test_a_law_written_by_hand_is_judged(in_tmp):
    found = json.loads(run("check", law_file("-2*(r - 0.99)"), "spring", "--json").stdout)
    assert found["status"] == "known" and "Hooke" in found["match"]
    assert found["error"] < 1e-6
    assert any(line.startswith("reciprocity of the law: passed, 0 (") for line in found["checks"])
    found = json.loads(run("check", law_file("-2*(r - 0.9)"), "spring", "--json").stdout)
    assert found["status"] == "inconclusive" and found["error"] > 0.01


def test_the_list_holds_all_that_is_built_in():
    found = json.loads(run("list", "--json").stdout)
    systems = {"charge", "damped", "discontinuous", "free", "gravity", "log-gravity"}
    assert systems | {"solar-system", "spring", "string", "superposition"} <= set(found["systems"])
    assert {"npz", "hdf5"} <= set(found["formats"])
    assert found["engines"]["operon"] == "ready" and "pysr" in found["engines"]
    assert len(found["known_laws"]) >= 40
    assert "broken" not in json.dumps(found)


def test_the_list_of_known_laws_holds_whole_records():
    newton = json.loads(run("list", "known-laws", "--json").stdout)["known_laws"]["Newtonian gravity"]
    assert newton["variables"] == ["m_i", "m_j", "r"] and newton["field"] == "astrophysics"
    assert newton["constants"]["G"]["unit"] == "force*length**2/mass**2" and "Principia" in newton["reference"]
    said = run("list", "known-laws").stdout
    assert "G: gravitational constant (force*length**2/mass**2)" in said and "Principia" in said


def test_the_doctor_sees_a_device_and_the_default_engine():
    found = json.loads(run("doctor", "--json").stdout)
    assert found["devices"] and found["engines"]["operon"] == "ready"


def test_an_interrupted_run_is_gone_on_with(in_tmp, monkeypatch):
    whole = pipeline.discover

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "discover", interrupted)
    result = run(*FREE, "--seed", "7", code=130)
    assert "gnn-discovery resume runs/free-1" in result.stderr
    monkeypatch.setattr(pipeline, "discover", whole)
    run("report", "runs/free-1", code=3)
    found = json.loads(run("resume", "runs/free-1", "--json").stdout)
    assert found["seed"] == 7 and found["verdict"]["match"] == "no interaction"


def test_an_interrupted_command_ends_at_once(in_tmp):
    """In the middle of a computation by jax, which would crash the shutdown of the interpreter."""
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{listen}; from gnn_discovery.cli import main; main()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, "discover", "gravity", "--runs", "3000"], stderr=subprocess.PIPE, text=True
    )
    assert child.stderr.readline() == "motion\n"
    time.sleep(1.5)
    child.send_signal(signal.SIGINT)
    _, message = child.communicate(timeout=60)
    assert child.returncode == 130
    assert message.splitlines()[-1].startswith("gnn-discovery: interrupted")
    assert not list(Path("runs/gravity-1").glob("lock"))


def test_a_finished_run_is_shown_and_left_as_it_is(in_tmp):
    run(*FREE, "--quiet")
    before = Path("runs/free-1/discovery.json").read_bytes()
    shown = run("resume", "runs/free-1").stdout
    assert "no interaction" in shown or "no force" in shown
    assert shown == run("report", "runs/free-1").stdout
    assert Path("runs/free-1/discovery.json").read_bytes() == before


def test_no_law_is_exit_code_5_and_leaves_the_run(in_tmp, monkeypatch):
    def diverged(*_, **__):
        raise NoResult("training diverged", remedy="Try another --seed")

    monkeypatch.setattr(pipeline, "discover", diverged)
    result = run(*FREE, code=5)
    assert "training diverged. Try another --seed" in result.stderr
    assert RunDirectory(Path("runs/free-1")).config["source"] == "free"


@pytest.mark.slow
def test_step_by_step_comes_to_the_law_of_the_spring(in_tmp):
    """A run is trained, distilled, checked, explained, and gone on with to the report."""
    motion = ("--runs", "100", "--frames", "20")
    trained = json.loads(run("train", "spring", *motion, "--steps", "1000", "--out", "run", "--json").stdout)
    assert trained["best"] < 0.1
    law = json.loads(run("distill", "run", "--json").stdout)
    (term,) = law["terms"]
    values = sorted(abs(c["value"]) for c in term["constants"].values())
    assert values == pytest.approx([0.99, 2.0], rel=1e-4)
    judged = json.loads(run("check", "run", "--json").stdout)
    assert judged["status"] == "known" and "Hooke" in judged["match"]
    told = run("explain", "run").stdout
    assert "Hooke" in told and "part" in told
    written = Path("run/explanation.json").stat().st_mtime_ns
    assert run("explain", "run").stdout == told
    assert Path("run/explanation.json").stat().st_mtime_ns == written, "explained once, and shown again"
    whole = json.loads(run("resume", "run", "--json").stdout)
    assert whole["verdict"]["status"] == "known"
    assert whole["law"]["text"] == law["text"]
