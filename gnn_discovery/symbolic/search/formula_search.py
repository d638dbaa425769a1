"""Symbolic search: problems are made dimensionless, solved by an engine in a child process, and scaled back."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from gnn_discovery.errors import DataError
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search.child_process import run_in_child_process
from gnn_discovery.symbolic.search.engine_protocol import (
    Candidate,
    EngineConfig,
    EngineResult,
    RegressionProblem,
    SearchProgressCallback,
)
from gnn_discovery.symbolic.search.engine_registry import get_engine


def search_formulas(
    engine: str,
    problems: Sequence[RegressionProblem],
    config: EngineConfig,
    progress: SearchProgressCallback | None = None,
) -> list[EngineResult]:
    """Return formulas for each problem, found by an engine in one child process.

    The problems are made dimensionless before and scaled back after. The child is ended at the time limit, on
    Ctrl-C and with this process; a problem that it had not finished has no candidates, and its outcome says why.

    Args:
        engine: Name of a registered engine.
        problems: Problems that are solved one after the other.
        config: Settings of the search.
        progress: Callback that is called whenever the child has made progress.

    Raises:
        UsageError: There is no such engine.
        EngineUnavailable: The engine cannot run on this machine.
    """
    get_engine(engine).available()
    scaled = [_nondimensionalise(problem) for problem in problems]
    results = run_in_child_process(engine, [problem for problem, _ in scaled], config, progress)
    return [_rescale_result(result, scales) for result, (_, scales) in zip(results, scaled, strict=True)]


@dataclass(frozen=True)
class _Scales:
    """The units in which a problem has numbers near one."""

    inputs: Mapping[str, float]
    target: float


def _power_of_two_scale(values: Float[np.ndarray, " K"]) -> float:
    """Return a power of two near the typical size, so that scaling causes no rounding error."""
    size = np.abs(values[values != 0])
    return float(2.0 ** np.round(np.median(np.log2(size)))) if size.size else 1.0


def _nondimensionalise(problem: RegressionProblem) -> tuple[RegressionProblem, _Scales]:
    """Return the problem in units in which its numbers are near one, and these units."""
    scales = _Scales(
        {name: _power_of_two_scale(x) for name, x in problem.inputs.items()}, _power_of_two_scale(problem.target)
    )
    weights = problem.weights
    return RegressionProblem(
        {name: np.asarray(x, float) / scales.inputs[name] for name, x in problem.inputs.items()},
        np.asarray(problem.target, float) / scales.target,
        None if weights is None else np.asarray(weights, float) / np.max(weights),
        problem.dimensions,
    ), scales


def _rescale_result(result: EngineResult, scales: _Scales) -> EngineResult:
    """Return the result with its formulas in the units of the original problem."""
    by_name = {name: Expression.parse(f"{name}*{1 / scale!r}") for name, scale in scales.inputs.items()}

    def back(candidate: Candidate) -> Candidate:
        inner = candidate.expression.substitute(by_name)
        outer = Expression.parse(f"{scales.target!r}*({inner.text})")
        skeleton, values = outer.lift_constants("c_")
        return replace(candidate, expression=skeleton.substitute(values))

    kept = []
    for candidate in result.candidates:
        with contextlib.suppress(DataError):  # a constant overflows in these units
            kept.append(back(candidate))
    return replace(result, candidates=tuple(kept))
