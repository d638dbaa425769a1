"""The PySR adapter: what can be known without Julia, and a search where Julia is there."""

import ast
import builtins
import collections.abc
import hashlib
import json
import os
import subprocess
import sys
import types
import typing
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from beartype.door import is_bearable

from gnn_discovery.errors import EngineUnavailable
from gnn_discovery.symbolic.engines.pysr import (
    INSTALL_REMEDY,
    PySR,
    fit_arguments,
    read_equations,
    regressor_arguments,
)
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import EngineConfig, RegressionProblem, search_formulas

EVERYTHING = EngineConfig(operators=("+", "-", "*", "/", "pow", "sqrt", "exp", "log", "sin", "Abs"))


def julia_is_there():
    try:
        PySR().available()
    except EngineUnavailable:
        return False
    return True


@pytest.fixture
def notes(tmp_path, monkeypatch):
    """juliapkg's file of notes, at a place of the test's own, and no Julia on the path."""
    from juliapkg.state import STATE

    monkeypatch.setitem(STATE, "meta", str(tmp_path / "meta.json"))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "meta.json"


def test_without_julia_the_message_says_what_to_do(notes):
    with pytest.raises(EngineUnavailable, match="Julia is not installed") as caught:
        PySR().available()
    assert caught.value.exit_code == 4 and INSTALL_REMEDY in str(caught.value)
    assert "doctor --install-julia" in INSTALL_REMEDY


def test_what_is_missing_is_named(notes):
    """Julia without its packages, with some, with those of another PySR, and with all that is needed."""
    julia = notes.parent / "julia"
    julia.write_text("#!/bin/sh\nexit 1\n")
    julia.chmod(0o755)
    needs = [Path(find_spec(module).origin).with_name("juliapkg.json") for module in ("pysr", "juliacall")]
    names = [name for need in needs for name in json.loads(need.read_text())["packages"]]
    assert {"SymbolicRegression", "PythonCall"} <= set(names)

    def noted(packages, files):
        hashes = {name: {"hash_sha256": hashlib.sha256(text).hexdigest()} for name, text in files.items()}
        pkgs = [{"name": name} for name in packages]
        notes.write_text(json.dumps({"executable": str(julia), "pkgs": pkgs, "deps_files": hashes}))

    def missing(what):
        with pytest.raises(EngineUnavailable, match=what) as caught:
            PySR().available()
        assert caught.value.exit_code == 4

    missing(f"Julia is installed .*, but without {', '.join(names)}")
    notes.write_text("not JSON")
    missing("without SymbolicRegression")
    noted(names[1:], {})
    missing(f"without {names[0]}$|without {names[0]}[.]")
    noted(names, {str(needs[0]): b"{}", str(needs[1]): needs[1].read_bytes()})
    missing("packages for another version of PySR")
    noted(names, {str(need): need.read_bytes() for need in needs})
    PySR().available()
    julia.unlink()
    missing("Julia is not installed")


def test_asking_starts_neither_pysr_nor_julia():
    code = (
        "import sys\nfrom gnn_discovery.symbolic.engines.pysr import PySR\n"
        "try:\n    PySR().available()\nexcept Exception: pass\n"
        "print({'pysr', 'juliacall', 'sklearn', 'jax'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


SOURCE = Path(find_spec("pysr").origin).with_name("sr.py")


@cache
def regressor():
    """The methods of PySRRegressor. The file is read, not imported: importing it would start Julia."""
    (found,) = (
        node
        for node in ast.parse(SOURCE.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == "PySRRegressor"
    )
    return {node.name: node for node in found.body if isinstance(node, ast.FunctionDef)}


class Anything(dict):
    """Names for annotations; a type of PySR's own may be anything."""

    def __missing__(self, name):
        return object


def assert_allowed(method, given):
    """Each argument is one of the method's, and of the type that is written there."""
    arguments = regressor()[method].args
    hints = {one.arg: one.annotation for one in [*arguments.args, *arguments.kwonlyargs]}
    names = Anything(vars(typing) | vars(collections.abc) | vars(builtins) | {"np": np, "ArrayLike": Sequence})
    for name, value in given.items():
        assert name in hints, f"{method} takes no {name!r}"
        if hints[name] is not None:
            hint = eval(ast.unparse(hints[name]), {"__builtins__": {}}, names)
            assert is_bearable(value, hint), f"{name}={value!r} is no {ast.unparse(hints[name])}"


X = np.linspace(1.0, 2.0, 5)
DIMENSIONS = {"r": {"length": 1}, "v": {"length": 1, "time": -1}, "n": {}}
PROBLEMS = {
    "plain": RegressionProblem({"r": X}, X),
    "weighted": RegressionProblem({"r": X}, X, X),
    "large": RegressionProblem({"r": np.tile(X, 500)}, np.tile(X, 500)),
    "with units": RegressionProblem({"r": X, "v": X, "n": X}, X, dimensions=DIMENSIONS),
}


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
@pytest.mark.parametrize("config", [EVERYTHING, EngineConfig(operators=("+", "*"), max_complexity=3)])
def test_every_argument_is_one_of_the_installed_package(problem, config):
    told = regressor_arguments(problem, config)
    assert_allowed("__init__", {**told, "random_state": 1, "max_evals": 20_000})
    assert_allowed("fit", fit_arguments(problem))


def test_a_wrong_argument_would_be_seen():
    for wrong in ({"parallelism": "threads"}, {"precision": 65}, {"populations": 1.5}, {"unary_operator": ["exp"]}):
        with pytest.raises(AssertionError):
            assert_allowed("__init__", wrong)


def test_units_are_powers_of_julias_base_units():
    assert fit_arguments(PROBLEMS["with units"])["X_units"] == ["m^1", "m^1*s^-1", "1"]
    assert "X_units" not in fit_arguments(PROBLEMS["plain"])
    bases = {f"x{k}": {f"base{k}": 1} for k in range(8)}
    assert "X_units" not in fit_arguments(RegressionProblem(dict.fromkeys(bases, X), X, dimensions=bases)), (
        "there are but seven"
    )


def test_many_rows_are_batched():
    batched = {name: regressor_arguments(problem, EVERYTHING)["batching"] for name, problem in PROBLEMS.items()}
    assert batched == {"plain": False, "weighted": False, "large": True, "with units": False}


class StandIn:
    """In the place of PySRRegressor: notes what it is asked."""

    asked: typing.ClassVar[list] = []
    equations_: typing.ClassVar[dict] = {"equation": ["1.0", "(x0 * 1.9) - 1.1"]}

    def __init__(self, **given):
        self.given = given

    def set_params(self, **given):
        assert_allowed("__init__", given)
        self.given |= given

    def fit(self, X, y, **rest):
        assert self.given["warm_start"] and X.shape == (5, 1) and y.shape == (5,)
        self.asked.append((self.given["random_state"], self.given["max_evals"]))


def test_the_budget_is_spent_in_slices_that_go_on_from_each_other(monkeypatch):
    """And a larger budget begins with the same ones."""
    monkeypatch.setitem(sys.modules, "pysr", types.SimpleNamespace(PySRRegressor=StandIn))
    monkeypatch.setenv("PYTHON_JULIAPKG_OFFLINE", "no")
    monkeypatch.setattr(StandIn, "asked", [])
    spent = []
    found = PySR().fit(RegressionProblem({"r": X}, 2 * X - 1), EngineConfig(evaluations=50_000, seed=3), spent.append)
    np.testing.assert_allclose(found[-1].expression.numpy(["r"])(X), 2 * X - 1, rtol=1e-12)
    assert os.environ["PYTHON_JULIAPKG_OFFLINE"] == "yes"
    assert spent == [20_000, 40_000, 50_000]
    short, StandIn.asked = StandIn.asked, []
    PySR().fit(RegressionProblem({"r": X}, 2 * X - 1), EngineConfig(evaluations=70_000, seed=3), spent.append)
    assert [n for _, n in short] == [20_000, 20_000, 10_000]
    assert StandIn.asked[:2] == short[:2] and len({seed for seed, _ in StandIn.asked}) == 4


def test_the_search_is_told_to_repeat_and_to_keep_variables_out_of_exponents():
    told = regressor_arguments(PROBLEMS["plain"], EngineConfig(operators=("+", "*", "pow", "exp", "log", "Abs")))
    assert (told["parallelism"], told["deterministic"]) == ("serial", True)
    assert told["binary_operators"] == ["+", "*", "^"] and told["unary_operators"] == ["exp", "log", "abs"]
    assert told["constraints"]["^"][1] < told["complexity_of_variables"]
    plain = regressor_arguments(PROBLEMS["plain"], EngineConfig(operators=("+", "*")))
    assert plain["constraints"] is None and plain["nested_constraints"] is None


def test_julia_text_is_read_through_our_own_parser():
    rows = ["((x0 ^ -1.98) * 0.3) + abs(x1)", "__import__('os')", "exp(x1) * 5.0e4", "x0 ^ "]
    found = read_equations(rows, {"x0": "r", "x1": "m_j"})
    assert found == [Expression.parse("Abs(m_j) + 0.3/r**1.98"), Expression.parse("50000*exp(m_j)")]


@pytest.mark.julia
@pytest.mark.skipif(not julia_is_there(), reason="Julia is not installed")
@pytest.mark.parametrize("dimensions", [{}, {"r": {"length": 1}}])
def test_a_spring_is_found_twice_alike(dimensions):
    r, seen = np.linspace(0.1, 4, 200), []
    problem = RegressionProblem({"r": r}, -2 * (r - 0.99), dimensions=dimensions)
    config = EngineConfig(evaluations=30_000, operators=("+", "-", "*"), time_limit=600)
    (first,), (second,) = (
        search_formulas("pysr", [problem], config, lambda *done: seen.append(done)) for _ in range(2)
    )
    assert first == second
    assert (20_000 / 30_000, 1) in seen, "its progress comes between the slices"
    best = min(first.candidates, key=lambda candidate: candidate.loss)
    np.testing.assert_allclose(best.expression.numpy(["r"])(r), problem.target, atol=1e-6)
