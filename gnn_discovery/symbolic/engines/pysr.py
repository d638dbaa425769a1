"""PySR: evolutionary search in Julia (Cranmer, arXiv 2305.01582), for those who have Julia.

Importing `pysr` starts Julia and may go on line, so it happens in `PySR.fit` alone, which runs in the child process,
and with juliapkg told to stay off line. The budget is spent in slices, each going on where the last one stopped (a warm
start), and after each it is told how far the search is. PySR's templates are not used: a known direction and the
powers of the properties are divided out before an engine is asked.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from gnn_discovery.errors import DataError, EngineUnavailable
from gnn_discovery.symbolic.engines.pareto_refinement import refine
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import BudgetCallback, Candidate, EngineConfig, RegressionProblem

INSTALL_REMEDY = "Run `gnn-discovery doctor --install-julia` (this goes on line), or use another --engine"
EVALUATIONS_PER_SLICE = 20_000
"""Evaluations at a time; a round of the populations takes about half of it."""
POPULATIONS = 8
MAX_ITERATIONS = 10_000
"""More than any slice lasts: the count of evaluations ends it."""
BATCHING_ROW_LIMIT = 1000
"""With more rows, formulas are compared on some of them, and on all only when they are the best."""

_JULIA_BINARY_OPERATORS = {"+": "+", "-": "-", "*": "*", "/": "/", "pow": "^"}
_JULIA_UNARY_OPERATORS = {"sqrt", "exp", "log", "sin", "cos", "tan", "tanh", "Abs"}
_JULIA_UNITS = ("m", "s", "kg", "A", "K", "cd", "mol")
"""Julia's base units; which of them stands for what is all the same."""


class PySR:
    """The engine; see `SymbolicEngine`."""

    name = "pysr"

    def available(self) -> None:
        """Raises EngineUnavailable unless Julia is there with the packages that this PySR needs.

        Reads what juliapkg has noted about the last set-up; neither PySR nor Julia is started.
        """
        if missing := _missing_component(_juliapkg_metadata()):
            raise EngineUnavailable(missing, where="engine pysr", remedy=INSTALL_REMEDY)

    def fit(self, problem: RegressionProblem, config: EngineConfig, spent: BudgetCallback) -> list[Candidate]:
        """The Pareto front, simplest first."""
        os.environ["PYTHON_JULIAPKG_OFFLINE"] = "yes"
        from pysr import PySRRegressor

        model = PySRRegressor(**regressor_arguments(problem, config))
        for number, start in enumerate(range(0, config.evaluations, EVALUATIONS_PER_SLICE)):
            seed = np.random.SeedSequence([config.seed, number]).generate_state(1)[0]
            stop = min(start + EVALUATIONS_PER_SLICE, config.evaluations)
            model.set_params(random_state=int(seed), max_evals=stop - start)
            model.fit(**fit_arguments(problem))
            spent(stop)
        names = dict(zip(_short_names(problem), problem.names, strict=True))
        return refine(read_equations(model.equations_["equation"], names), problem, config.max_complexity, self.name)


def regressor_arguments(problem: RegressionProblem, config: EngineConfig) -> dict[str, Any]:
    """What `PySRRegressor` is told: serial and seeded, so that a seed repeats; numbers alone in exponents."""
    binary = [julia for name, julia in _JULIA_BINARY_OPERATORS.items() if name in config.operators]
    unary = ["abs" if name == "Abs" else name for name in config.operators if name in _JULIA_UNARY_OPERATORS]
    return {
        "binary_operators": binary,
        "unary_operators": unary,
        # A variable costs 2 and an exponent may cost 1, so an exponent is a number.
        "complexity_of_variables": 2,
        "constraints": {"^": (-1, 1)} if "^" in binary else None,
        "nested_constraints": {name: {"exp": 0, "log": 0} for name in unary if name in ("exp", "log")}
        if {"exp", "log"} <= set(unary)
        else None,
        "maxsize": max(7, config.max_complexity * 3 // 2),
        "niterations": MAX_ITERATIONS,
        "populations": POPULATIONS,
        "warm_start": True,
        "parallelism": "serial",
        "deterministic": True,
        "precision": 64,
        "batching": problem.target.size > BATCHING_ROW_LIMIT,
        "input_stream": "devnull",
        "progress": False,
        "verbosity": 0,
        "temp_equation_file": True,
    }


def fit_arguments(problem: RegressionProblem) -> dict[str, Any]:
    """What its ``fit`` is told: float64, names that Julia has no other use for, and units where the data carry them."""
    told = {
        "X": np.column_stack([np.asarray(values, float) for values in problem.inputs.values()]),
        "y": np.asarray(problem.target, float),
        "weights": None if problem.weights is None else np.asarray(problem.weights, float),
        "variable_names": _short_names(problem),
    }
    units = dict(
        zip(dict.fromkeys(base for d in problem.dimensions.values() for base in d), _JULIA_UNITS, strict=False)
    )
    if problem.dimensions and all(base in units for d in problem.dimensions.values() for base in d):
        told["X_units"] = [
            "*".join(f"{units[base]}^{power}" for base, power in problem.dimensions[name].items()) or "1"
            for name in problem.names
        ]
    return told


def _short_names(problem: RegressionProblem) -> list[str]:
    return [f"x{k}" for k in range(len(problem.names))]


def read_equations(equations: Iterable[Any], names: dict[str, str]) -> list[Expression]:
    """Rows of Julia text as expressions of the problem's own names; what is no formula is left out."""
    own = {short: Expression.parse(name) for short, name in names.items()}
    found = []
    for text in equations:
        try:
            found.append(Expression.parse(str(text).replace("^", "**").replace("abs(", "Abs(")).substitute(own))
        except DataError:
            continue
    return found


def _missing_component(notes: dict[str, Any]) -> str | None:
    """What PySR lacks, in words; None where it lacks nothing."""
    julia = notes.get("executable") or shutil.which("julia")
    if not julia or not Path(julia).exists():
        return "Julia is not installed"
    needs = [Path(find_spec(module).origin).with_name("juliapkg.json").read_bytes() for module in ("pysr", "juliacall")]  # type: ignore[union-attr,arg-type]
    packages = [name for need in needs for name in json.loads(need)["packages"]]
    noted = {package.get("name") for package in notes.get("pkgs", ())}
    if absent := [name for name in packages if name not in noted]:
        return f"Julia is there ({julia}), but without {', '.join(absent)}"
    hashes = {file.get("hash_sha256") for file in notes.get("deps_files", {}).values()}
    if any(hashlib.sha256(need).hexdigest() not in hashes for need in needs):
        return f"Julia is there ({julia}), but with packages for another version of PySR"
    return None


def _juliapkg_metadata() -> dict[str, Any]:
    """What juliapkg has written down about Julia and its packages; empty before the first set-up."""
    from juliapkg.state import STATE

    try:
        notes = json.loads(Path(STATE["meta"]).read_text())
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}
