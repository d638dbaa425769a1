"""PySR: evolutionary search in Julia (Cranmer, arXiv 2305.01582), for those who have Julia.

Importing `pysr` starts Julia and may go on line, so it happens in `PySR.fit` alone, which runs in the child
process, and with juliapkg told to stay off line.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from gnn_discovery.engines.refine import refine
from gnn_discovery.errors import DataError, EngineUnavailable
from gnn_discovery.expression import Expression
from gnn_discovery.symbolic import Candidate, EngineConfig, Problem

REMEDY = "Run `gnn-discovery doctor --install-julia` (this goes on line), or use --engine operon"
PACKAGE = "SymbolicRegression"
POPULATIONS = 8
ITERATIONS = 10_000
"""More than any budget lasts: the count of evaluations ends the search."""

_BINARY = {"+": "+", "-": "-", "*": "*", "/": "/", "pow": "^"}
_UNARY = {"sqrt", "exp", "log", "sin", "cos", "tan", "tanh", "Abs"}


class PySR:
    """The engine; see `SymbolicEngine`."""

    name = "pysr"

    def available(self) -> None:
        """Raises EngineUnavailable unless Julia is there with the packages that PySR needs.

        Reads what juliapkg has noted about the last set-up; neither PySR nor Julia is started.
        """
        notes = _notes()
        julia = notes.get("executable") or shutil.which("julia")
        if not julia or not Path(julia).exists():
            raise EngineUnavailable("Julia is not installed", where="engine pysr", remedy=REMEDY)
        if PACKAGE not in {package.get("name") for package in notes.get("pkgs", ())}:
            raise EngineUnavailable(
                f"Julia is there ({julia}), but its package {PACKAGE} is not",
                where="engine pysr",
                remedy=REMEDY,
            )

    def fit(self, problem: Problem, config: EngineConfig) -> list[Candidate]:
        """The Pareto front, simplest first."""
        os.environ["PYTHON_JULIAPKG_OFFLINE"] = "yes"
        from pysr import PySRRegressor

        model = PySRRegressor(**arguments(config))
        names = [f"x{k}" for k in range(len(problem.names))]
        model.fit(
            np.column_stack([np.asarray(values, float) for values in problem.inputs.values()]),
            np.asarray(problem.target, float),
            weights=None if problem.weights is None else np.asarray(problem.weights, float),
            variable_names=names,
        )
        raw = read_equations(model.equations_["equation"], dict(zip(names, problem.names, strict=True)))
        return refine(raw, problem, config.max_complexity, self.name)


def arguments(config: EngineConfig) -> dict[str, Any]:
    """What `PySRRegressor` is told: serial and seeded, so that a seed repeats; numbers alone in exponents."""
    binary = [julia for name, julia in _BINARY.items() if name in config.operators]
    unary = ["abs" if name == "Abs" else name for name in config.operators if name in _UNARY]
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
        "niterations": ITERATIONS,
        "max_evals": config.evaluations,
        "populations": POPULATIONS,
        "parallelism": "serial",
        "deterministic": True,
        "random_state": config.seed,
        "precision": 64,
        "batching": False,
        "input_stream": "devnull",
        "progress": False,
        "verbosity": 0,
        "temp_equation_file": True,
        "delete_tempfiles": True,
    }


def read_equations(equations: Any, names: dict[str, str]) -> list[Expression]:
    """Rows of Julia text as expressions of the problem's own names; what is no formula is left out."""
    own = {short: Expression.parse(name) for short, name in names.items()}
    found = []
    for text in equations:
        try:
            found.append(Expression.parse(str(text).replace("^", "**").replace("abs(", "Abs(")).substitute(own))
        except DataError:
            continue
    return found


def _notes() -> dict[str, Any]:
    """What juliapkg has written down about Julia and its packages; empty before the first set-up."""
    from juliapkg.state import STATE

    try:
        notes = json.loads(Path(STATE["meta"]).read_text())
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}
