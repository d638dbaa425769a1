"""A search in a child process: units, failure, time, and the end of either side."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace

import numpy as np
import pytest

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.errors import DataError, EngineUnavailable, UsageError
from gnn_discovery.symbolic.search import (
    EngineConfig,
    RegressionProblem,
    engine_entries,
    get_engine,
    search_formulas,
)
from gnn_discovery.symbolic.search.child_process import read_problems, write_problems

STAND_INS = '''
"""Engines that misbehave."""
import os, subprocess, sys, time
from pathlib import Path
from gnn_discovery.errors import EngineUnavailable
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import Candidate

class Base:
    def available(self): pass
    def fit(self, problem, config, spent): return []

class Linear(Base):
    name = "linear"
    def fit(self, problem, config, spent):
        return [Candidate(Expression.parse("1.5*x + 2"), 0.0, 5, self.name)]

class Steep(Base):
    name = "steep"
    def fit(self, problem, config, spent):
        texts = ("1.9e164*x**270.6", "2.0*x")
        return [Candidate(Expression.parse(text), 0.1, 5, self.name) for text in texts]

class Failing(Base):
    name = "failing"
    def fit(self, problem, config, spent):
        if len(problem.target) == 3:
            raise ArithmeticError("three rows")
        for k in range(4):
            spent((k + 1) * config.evaluations // 4)
            time.sleep(0.2)
        return []

class Crashing(Base):
    name = "crashing"
    def fit(self, problem, config, spent):
        os.abort()

class Sleeping(Base):
    name = "sleeping"
    def fit(self, problem, config, spent):
        grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        Path(os.environ["SLEEPING_PIDS"]).write_text(f"{os.getpid()} {grandchild.pid}")
        time.sleep(60)

class Absent(Base):
    name = "absent"
    def available(self): raise EngineUnavailable("no absent program", remedy="Install it")
'''


@pytest.fixture
def stand_ins(tmp_path, monkeypatch):
    """The engines above, registered like anyone's plug-in."""
    names = ["linear", "steep", "failing", "crashing", "sleeping", "absent"]
    (tmp_path / "stand_ins.py").write_text(STAND_INS)
    info = tmp_path / "stand_ins-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stand-ins\nVersion: 1.0\n")
    entries = [f"{name} = stand_ins:{name.capitalize()}" for name in names] + ["broken = stand_ins:Missing"]
    (info / "entry_points.txt").write_text("[gnn_discovery.engines]\n" + "\n".join(entries) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("SLEEPING_PIDS", str(tmp_path / "pids"))
    return tmp_path


def problem(rows=5):
    x = np.linspace(1.0, 2.0, rows)
    return RegressionProblem({"x": x}, 3 * x)


def gone(pid):
    """Tell whether a process has ended (a zombie has)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_for(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_scaling_costs_no_digit(stand_ins):
    x = 1e9 * np.linspace(0.7, 1.4, 9)
    (result,) = search_formulas("linear", [RegressionProblem({"x": x}, 4e-30 * x)], EngineConfig())
    # the engine answers 1.5 x + 2 in units of the problem's own powers of two
    ux, uy = 2.0**30, 2.0 ** np.round(np.log2(np.median(4e-30 * x)))
    np.testing.assert_allclose(result.candidates[0].expression.numpy(["x"])(x), uy * (1.5 * x / ux + 2), rtol=1e-15)


def test_what_a_problem_says_reaches_the_child(tmp_path):
    x, y = np.linspace(1, 2, 5), np.linspace(-1, 1, 5)
    dimensions = {"r": {"length": 1}, "v": {"length": 1, "time": -1}}
    for given in (RegressionProblem({"r": x, "v": y}, x - y, x, dimensions), RegressionProblem({"r": x}, y)):
        asked = EngineConfig(seed=5, criteria=replace(DEFAULT_CRITERIA.search, shifted_forms=2))
        write_problems(tmp_path, "operon", [given], asked)
        name, (read,), config = read_problems(tmp_path)
        assert (name, config) == ("operon", asked)
        assert read.names == given.names and read.dimensions == given.dimensions
        np.testing.assert_equal([read.inputs, read.target, read.weights], [given.inputs, given.target, given.weights])


def test_a_failure_is_told_and_harms_no_other_problem(stand_ins):
    seen = []
    results = search_formulas(
        "failing", [problem(3), problem(4)], EngineConfig(), progress=lambda *done: seen.append(done)
    )
    assert results[0].outcome == "failing failed: ArithmeticError: three rows"
    assert results[1].outcome == "failing found no formula"
    assert seen == sorted(seen) and seen[-1] == (2, 2)
    assert {(1.25, 2), (1.5, 2), (1.75, 2)} <= set(seen), "a part of a problem counts as one"


def test_a_crash_is_an_outcome(stand_ins):
    (result,) = search_formulas("crashing", [problem()], EngineConfig())
    assert result.candidates == () and result.outcome == "crashing was ended by SIGABRT"


def test_the_time_limit_ends_the_child_and_its_children(stand_ins):
    pids = stand_ins / "pids"
    (result,) = search_formulas("sleeping", [problem()], EngineConfig(time_limit=6.0))
    assert result.outcome == "sleeping was stopped at the time limit of 6 s"
    wait_for(lambda: all(gone(pid) for pid in pids.read_text().split()))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_the_child_ends_with_its_parent(stand_ins, end):
    code = (
        "import numpy as np\nfrom gnn_discovery.symbolic.search import *\nx = np.arange(1.0, 6.0)\n"
        "search_formulas('sleeping', [RegressionProblem({'x': x}, x)], EngineConfig())"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    pids = stand_ins / "pids"
    wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    os.kill(parent.pid, end)
    started = time.monotonic()
    _, errors = parent.communicate(timeout=20)
    assert time.monotonic() - started < 5
    if end == signal.SIGINT:
        assert "KeyboardInterrupt" in errors
        wait_for(lambda: all(gone(pid) for pid in pids.read_text().split()))
    else:
        wait_for(lambda: gone(pids.read_text().split()[0]))
        os.kill(int(pids.read_text().split()[1]), signal.SIGKILL)


def test_a_formula_whose_constants_are_no_numbers_in_the_units_of_the_data_is_left_out(stand_ins):
    x = 0.125 * np.linspace(0.8, 1.2, 20)
    (result,) = search_formulas("steep", [RegressionProblem({"x": x}, 0.01 * x)], EngineConfig())
    (kept,) = result.candidates
    assert kept.expression.names == {"x"} and "**" not in kept.expression.text


def test_unknown_broken_and_absent_engines_are_named(stand_ins):
    assert {"operon", "pysr", "linear"} <= set(engine_entries())
    with pytest.raises(UsageError, match=r"unknown engine 'operum'.*operon, pysr"):
        get_engine("operum")
    with pytest.raises(UsageError, match=r"'broken' .stand_ins:Missing. cannot be loaded"):
        get_engine("broken")
    with pytest.raises(EngineUnavailable, match=r"no absent program\. Install it"):
        search_formulas("absent", [problem()], EngineConfig())


def test_bad_problems_and_settings_are_refused():
    x = np.ones(4)
    for inputs, target, weights in [
        ({}, x, None),
        ({"x": x}, np.array([1.0, np.nan, 1, 1]), None),
        ({"x": np.array([1.0, 2, 3, np.inf])}, x, None),
        ({"x": x}, x, -x),
        ({"x": x}, x, 0 * x),
    ]:
        with pytest.raises(DataError):
            RegressionProblem(inputs, target, weights)
    with pytest.raises(DataError, match="dimensions are given of"):
        RegressionProblem({"x": x}, x, dimensions={"r": {"length": 1}})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("operators", ("+", "max")),
        ("operators", "+*"),
        ("operators", ()),
        ("time_limit", 0.0),
        ("time_limit", "120"),
        ("evaluations", 0),
        ("evaluations", 1e4),
        ("max_complexity", -3),
        ("max_complexity", True),
        ("seed", -1),
        ("criteria", Criteria()),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(field, value):
    # the type checker of the tests refuses wrong types before the config does
    with pytest.raises((UsageError, TypeError), match=field):
        EngineConfig(**{field: value})


def test_a_wrong_type_is_refused_without_a_type_checker():
    code = (
        "from gnn_discovery.symbolic.search import EngineConfig\n"
        "from gnn_discovery.errors import UsageError\n"
        "for settings in (dict(operators='+*'), dict(time_limit='120'), dict(evaluations=1e4), dict(criteria=1)):\n"
        "    try:\n        EngineConfig(**settings)\n    except UsageError as error:\n        print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    named = [line.split()[0] for line in done.stdout.splitlines()]
    assert named == ["operators", "time_limit", "evaluations", "criteria"]


def test_a_config_is_the_same_after_json():
    config = EngineConfig(seed=3, criteria=replace(DEFAULT_CRITERIA.search, max_exponent=7.0))
    assert EngineConfig.from_dict(json.loads(json.dumps(asdict(config)))) == config
