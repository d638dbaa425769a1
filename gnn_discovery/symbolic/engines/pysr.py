"""PySR: evolutionary search in Julia (Cranmer, arXiv 2305.01582), for those who have Julia.

Importing `pysr` starts Julia and may go on line, so it happens in `PySR.fit` alone, which runs in the child process,
and with juliapkg told to stay off line. The budget is spent in slices, each of which continues the last one (a warm
start), and the progress is reported after each. PySR's templates are not used: a known direction and the powers of
the properties are divided out before an engine is called.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from gnn_discovery.errors import DataError, EngineUnavailable
from gnn_discovery.symbolic.engines.pareto_refinement import refine
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import BudgetCallback, Candidate, EngineConfig, RegressionProblem

INSTALL_REMEDY = "Run `gnn-discovery doctor --install-julia` (this goes on line), or use another --engine"


@dataclass(frozen=True)
class PySRSettings:
    """The settings of PySR that set its speed; the budget of evaluations sets its reach.

    Attributes:
        evaluations_per_slice: Evaluations between two reports of progress; an iteration takes about half of them.
        populations: Number of populations that evolve side by side.
        max_iterations: Number of iterations, larger than any slice lasts, since the evaluations end it.
        max_unbatched_rows: Number of rows above which formulas are compared on batches, and on all rows only when
            they are the best.
    """

    evaluations_per_slice: int = 20_000
    populations: int = 8
    max_iterations: int = 10_000
    max_unbatched_rows: int = 1000


PYSR_SETTINGS = PySRSettings()
"""The settings of every search by PySR."""

_JULIA_BINARY_OPERATORS = {"+": "+", "-": "-", "*": "*", "/": "/", "pow": "^"}
_JULIA_UNARY_OPERATORS = {"sqrt", "exp", "log", "sin", "cos", "tan", "tanh", "Abs"}
_JULIA_UNITS = ("m", "s", "kg", "A", "K", "cd", "mol")
"""Base units of Julia, which stand for any base quantities in the order of their occurrence."""


class PySR:
    """The engine PySR; see `SymbolicEngine`."""

    name = "pysr"

    def available(self) -> None:
        """Raise EngineUnavailable unless Julia is installed with the packages that this PySR needs.

        Only the metadata of juliapkg about its last set-up is read; neither PySR nor Julia is started.
        """
        if missing := _missing_component(_juliapkg_metadata()):
            raise EngineUnavailable(missing, where="engine pysr", remedy=INSTALL_REMEDY)

    def fit(self, problem: RegressionProblem, config: EngineConfig, spent: BudgetCallback) -> list[Candidate]:
        """Return the Pareto front, simplest first; see `SymbolicEngine.fit`."""
        os.environ["PYTHON_JULIAPKG_OFFLINE"] = "yes"
        from pysr import PySRRegressor

        model = PySRRegressor(**regressor_arguments(problem, config))
        step = PYSR_SETTINGS.evaluations_per_slice
        for number, start in enumerate(range(0, config.evaluations, step)):
            seed = np.random.SeedSequence([config.seed, number]).generate_state(1)[0]
            stop = min(start + step, config.evaluations)
            model.set_params(random_state=int(seed), max_evals=stop - start)
            model.fit(**fit_arguments(problem))
            spent(stop)
        names = dict(zip(_short_names(problem), problem.names, strict=True))
        raw = read_equations(model.equations_["equation"], names)
        return refine(raw, problem, config.max_complexity, self.name, criteria=config.criteria)


def regressor_arguments(problem: RegressionProblem, config: EngineConfig) -> dict[str, Any]:
    """Return the arguments of `PySRRegressor`: serial and seeded, so that a seed repeats; exponents are numbers.

    Args:
        problem: The regression problem.
        config: Settings of the search.
    """
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
        "niterations": PYSR_SETTINGS.max_iterations,
        "populations": PYSR_SETTINGS.populations,
        "warm_start": True,
        "parallelism": "serial",
        "deterministic": True,
        "precision": 64,
        "batching": problem.target.size > PYSR_SETTINGS.max_unbatched_rows,
        "input_stream": "devnull",
        "progress": False,
        "verbosity": 0,
        "temp_equation_file": True,
    }


def fit_arguments(problem: RegressionProblem) -> dict[str, Any]:
    """Return the arguments of its ``fit``: float64 columns, short names, and units where the data carry them."""
    arguments = {
        "X": np.column_stack([np.asarray(values, float) for values in problem.inputs.values()]),
        "y": np.asarray(problem.target, float),
        "weights": None if problem.weights is None else np.asarray(problem.weights, float),
        "variable_names": _short_names(problem),
    }
    units = dict(
        zip(dict.fromkeys(base for d in problem.dimensions.values() for base in d), _JULIA_UNITS, strict=False)
    )
    if problem.dimensions and all(base in units for d in problem.dimensions.values() for base in d):
        arguments["X_units"] = [
            "*".join(f"{units[base]}^{power}" for base, power in problem.dimensions[name].items()) or "1"
            for name in problem.names
        ]
    return arguments


def _short_names(problem: RegressionProblem) -> list[str]:
    """Return names for the inputs that have no other meaning in Julia."""
    return [f"x{k}" for k in range(len(problem.names))]


def read_equations(equations: Iterable[Any], names: dict[str, str]) -> list[Expression]:
    """Return texts of Julia as expressions of the inputs of the problem; a text that is no formula is left out.

    Args:
        equations: Texts in the syntax of Julia.
        names: Name of each input by its short name.
    """
    inputs = {short: Expression.parse(name) for short, name in names.items()}
    found = []
    for text in equations:
        try:
            found.append(Expression.parse(str(text).replace("^", "**").replace("abs(", "Abs(")).substitute(inputs))
        except DataError:
            continue
    return found


def _missing_component(metadata: dict[str, Any]) -> str | None:
    """Return the sentence that says what PySR lacks, or None where it lacks nothing."""
    julia = metadata.get("executable") or shutil.which("julia")
    if not julia or not Path(julia).exists():
        return "Julia is not installed"
    needs = [Path(find_spec(module).origin).with_name("juliapkg.json").read_bytes() for module in ("pysr", "juliacall")]  # type: ignore[union-attr,arg-type]
    packages = [name for need in needs for name in json.loads(need)["packages"]]
    installed = {package.get("name") for package in metadata.get("pkgs", ())}
    if absent := [name for name in packages if name not in installed]:
        return f"Julia is installed ({julia}), but without {', '.join(absent)}"
    hashes = {file.get("hash_sha256") for file in metadata.get("deps_files", {}).values()}
    if any(hashlib.sha256(need).hexdigest() not in hashes for need in needs):
        return f"Julia is installed ({julia}), but with packages for another version of PySR"
    return None


def _juliapkg_metadata() -> dict[str, Any]:
    """Return the metadata of juliapkg about Julia and its packages, empty before the first set-up."""
    from juliapkg.state import STATE

    try:
        metadata = json.loads(Path(STATE["meta"]).read_text())
    except (OSError, ValueError):
        return {}
    return metadata if isinstance(metadata, dict) else {}
