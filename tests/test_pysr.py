"""The PySR adapter: what can be known without Julia, and a search where Julia is there."""

import json
import subprocess
import sys

import numpy as np
import pytest

from gnn_discovery.engines.pysr import REMEDY, PySR, arguments, read_equations
from gnn_discovery.errors import EngineUnavailable
from gnn_discovery.expression import Expression
from gnn_discovery.symbolic import EngineConfig, Problem, search

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
    assert caught.value.exit_code == 4 and REMEDY in str(caught.value)
    assert "doctor --install-julia" in REMEDY


def test_julia_without_its_packages_is_told_apart(notes):
    julia = notes.parent / "julia"
    julia.write_text("#!/bin/sh\nexit 1\n")
    julia.chmod(0o755)
    with pytest.raises(EngineUnavailable, match="SymbolicRegression is not"):
        PySR().available()
    notes.write_text("not JSON")
    with pytest.raises(EngineUnavailable, match="SymbolicRegression is not"):
        PySR().available()
    notes.write_text(json.dumps({"executable": str(julia), "pkgs": [{"name": "SymbolicRegression"}]}))
    PySR().available()
    julia.unlink()
    with pytest.raises(EngineUnavailable, match="Julia is not installed"):
        PySR().available()


def test_asking_starts_neither_pysr_nor_julia():
    code = (
        "import sys\nfrom gnn_discovery.engines.pysr import PySR\n"
        "try:\n    PySR().available()\nexcept Exception: pass\n"
        "print({'pysr', 'juliacall', 'sklearn', 'jax'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_argument_exists_in_the_installed_package():
    # The file is read, not imported: importing it would start Julia.
    import ast
    from importlib.util import find_spec
    from pathlib import Path

    source = Path(find_spec("pysr").submodule_search_locations[0]) / "sr.py"
    (regressor,) = (
        node
        for node in ast.parse(source.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == "PySRRegressor"
    )
    methods = {node.name: node for node in regressor.body if isinstance(node, ast.FunctionDef)}

    def keywords(name):
        return {argument.arg for argument in [*methods[name].args.args, *methods[name].args.kwonlyargs]}

    assert set(arguments(EVERYTHING)) <= keywords("__init__")
    assert {"X", "y", "weights", "variable_names"} <= keywords("fit")


def test_the_search_is_told_to_repeat_and_to_keep_variables_out_of_exponents():
    told = arguments(EngineConfig(evaluations=1234, seed=7, operators=("+", "*", "pow", "exp", "log", "Abs")))
    assert (told["parallelism"], told["deterministic"], told["random_state"]) == ("serial", True, 7)
    assert told["max_evals"] == 1234
    assert told["binary_operators"] == ["+", "*", "^"] and told["unary_operators"] == ["exp", "log", "abs"]
    assert told["constraints"]["^"][1] < told["complexity_of_variables"]
    plain = arguments(EngineConfig(operators=("+", "*")))
    assert plain["constraints"] is None and plain["nested_constraints"] is None


def test_julia_text_is_read_through_our_own_parser():
    rows = ["((x0 ^ -1.98) * 0.3) + abs(x1)", "__import__('os')", "exp(x1) * 5.0e4", "x0 ^ "]
    found = read_equations(rows, {"x0": "r", "x1": "m_j"})
    assert found == [Expression.parse("Abs(m_j) + 0.3/r**1.98"), Expression.parse("50000*exp(m_j)")]


@pytest.mark.julia
@pytest.mark.skipif(not julia_is_there(), reason="Julia is not installed")
def test_a_spring_is_found_twice_alike():
    r = np.linspace(0.1, 4, 200)
    problem = Problem({"r": r}, -2 * (r - 0.99))
    config = EngineConfig(evaluations=20_000, operators=("+", "-", "*"), time_limit=600)
    (first,), (second,) = (search("pysr", [problem], config) for _ in range(2))
    assert first == second
    best = min(first.candidates, key=lambda candidate: candidate.loss)
    np.testing.assert_allclose(best.expression.numpy(["r"])(r), problem.target, atol=1e-6)
