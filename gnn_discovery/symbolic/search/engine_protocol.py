"""The protocol of symbolic engines: the problem they solve, their settings, and the candidates they return."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from gnn_discovery.criteria import DEFAULT_CRITERIA, SearchCriteria
from gnn_discovery.errors import DataError, UsageError
from gnn_discovery.symbolic.expression import Expression

OPERATORS = ("+", "-", "*", "/", "pow", "sqrt", "exp", "log", "sin", "cos", "tan", "tanh", "Abs")

BudgetCallback = Callable[[int], None]
"""A function that an engine calls with the number of evaluations that it has spent on a problem so far."""
SearchProgressCallback = Callable[[float, int], None]
"""A function that is called with the number of problems solved, a fraction for the present one, and their total."""


@dataclass(frozen=True)
class RegressionProblem:
    """A frozen regression problem: find ``target`` as a formula of the ``inputs``.

    Attributes:
        inputs: Values (K,) of each variable, by name.
        target: Values (K,) of the function.
        weights: Weights (K,) of the squared residuals; None weighs all rows equally. For the force profile of a
            network the weights are usually ``1 / (scale + |target|)**2``, which minimises the relative error.
        dimensions: Dimension of each input as powers of ``length``, ``time`` and further base quantities; empty
            where the data carry no units. The target needs none: the amplitude of a formula can take any unit.

    Raises:
        DataError: Shapes differ, a value is not finite, or no row has a positive weight.
    """

    inputs: Mapping[str, Float[np.ndarray, " K"]]
    target: Float[np.ndarray, " K"]
    weights: Float[np.ndarray, " K"] | None = None
    dimensions: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = np.shape(self.target)
        if len(rows) != 1 or rows[0] < 2 or not self.inputs:
            raise DataError(f"a symbolic problem needs inputs and a target (K,), K >= 2, got a target {rows}")
        weights = np.ones(rows) if self.weights is None else np.asarray(self.weights)
        for name, values in {"target": self.target, "weights": weights, **self.inputs}.items():
            if np.shape(values) != rows:
                raise DataError(f"{name!r} has shape {np.shape(values)}, the target {rows}")
            if not np.isfinite(values).all():
                raise DataError(f"{name!r} is not finite in row {int(np.argmin(np.isfinite(values)))}")
        if (weights < 0).any() or not weights.any():
            raise DataError("weights must be positive or zero, and not all zero")
        if self.dimensions and set(self.dimensions) != set(self.inputs):
            raise DataError(f"dimensions are given of {sorted(self.dimensions)}, the inputs are {list(self.inputs)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the inputs, in their order."""
        return tuple(self.inputs)

    def thinned(self, rows: int) -> RegressionProblem:
        """Return the problem on at most ``rows`` rows, taken evenly in the order of the target, in float64."""
        count = self.target.size
        order = np.argsort(self.target, kind="stable")
        keep = order[np.linspace(0, count - 1, min(count, rows)).round().astype(int)]
        return RegressionProblem(
            {name: np.asarray(values, float)[keep] for name, values in self.inputs.items()},
            np.asarray(self.target, float)[keep],
            None if self.weights is None else np.asarray(self.weights, float)[keep],
            self.dimensions,
        )


@dataclass(frozen=True)
class EngineConfig:
    """The settings of a symbolic search.

    Attributes:
        evaluations: Budget of formula evaluations for one problem. The budget ends the search and not the clock, so
            that a seed repeats.
        seed: Seed of every random choice.
        max_complexity: Largest `Expression.complexity` of a candidate.
        time_limit: Seconds for all problems of one `search_formulas`, after which the search is stopped.
        operators: Operators of formulas, from `OPERATORS`; an exponent is always a number. Profiles along a coordinate
            are searched with ``sin`` and ``cos`` too.
        criteria: Numbers that decide which formulas are tried and kept.

    Raises:
        UsageError: A setting is unknown, has the wrong type, or is out of range.
    """

    evaluations: int = 60_000
    seed: int = 0
    max_complexity: int = 30
    time_limit: float | int = 120.0
    operators: tuple[str, ...] = ("+", "-", "*", "/", "pow", "exp", "log")
    criteria: SearchCriteria = DEFAULT_CRITERIA.search

    def __post_init__(self) -> None:
        for name, least in (("evaluations", 1), ("max_complexity", 1), ("seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise UsageError(f"{name} must be an integer of at least {least}, got {value!r}")
        if not isinstance(self.time_limit, int | float) or isinstance(self.time_limit, bool) or not self.time_limit > 0:
            raise UsageError(f"time_limit must be a positive number of seconds, got {self.time_limit!r}")
        if not isinstance(self.operators, tuple) or not self.operators:
            raise UsageError(f"operators must be a tuple of names, got {self.operators!r}", remedy='As in ("+", "*")')
        unknown = [name for name in self.operators if name not in OPERATORS]
        if unknown:
            raise UsageError(f"unknown operators {unknown}", remedy=f"Choose from {' '.join(OPERATORS)}")
        if not isinstance(self.criteria, SearchCriteria):
            raise UsageError(f"criteria must be a SearchCriteria, got {self.criteria!r}")

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> EngineConfig:
        """Return the config that `dataclasses.asdict` made ``plain`` of; lists stand for tuples, as in JSON."""

        def from_lists(values: Mapping[str, Any]) -> dict[str, Any]:
            return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}

        values = from_lists(plain)
        values["criteria"] = SearchCriteria(**from_lists(plain.get("criteria", {})))
        return EngineConfig(**values)


@dataclass(frozen=True)
class Candidate:
    """A frozen record of one formula that an engine offers.

    Attributes:
        expression: Formula of the inputs of the problem, with numeric constants.
        loss: ``sum w (f - y)**2 / sum w y**2`` over all rows, with the constants refitted in float64.
        complexity: `Expression.complexity` plus the number of free constants, so that ``r**2`` is simpler than
            ``r**1.98``.
        engine: Name of the engine that found it.
    """

    expression: Expression
    loss: float
    complexity: int
    engine: str


@dataclass(frozen=True)
class EngineResult:
    """A frozen record of the Pareto front of one problem, simplest first, and a sentence on how the search ended."""

    candidates: tuple[Candidate, ...]
    outcome: str

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON can hold it."""
        rows = [
            {"expression": c.expression.text, "loss": c.loss, "complexity": c.complexity, "engine": c.engine}
            for c in self.candidates
        ]
        return {"candidates": rows, "outcome": self.outcome}

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> EngineResult:
        """Return the result that `to_dict` made ``plain`` of."""
        candidates = tuple(
            Candidate(Expression.parse(row["expression"]), row["loss"], row["complexity"], row["engine"])
            for row in plain["candidates"]
        )
        return EngineResult(candidates, plain["outcome"])


FormulaSearch = Callable[
    [str, Sequence[RegressionProblem], EngineConfig, SearchProgressCallback | None], list[EngineResult]
]
"""A function with the positional arguments and the results of `search_formulas`."""


@runtime_checkable
class SymbolicEngine(Protocol):
    """The protocol of a symbolic regression program; `search_formulas` calls it in a child process."""

    name: str

    def available(self) -> None:
        """Raise EngineUnavailable where the engine cannot run, quickly, without starting anything or going on line."""

    def fit(self, problem: RegressionProblem, config: EngineConfig, spent: BudgetCallback) -> list[Candidate]:
        """Return the Pareto front of a problem whose numbers are near one, simplest first.

        Args:
            problem: The regression problem.
            config: The settings; the same seed gives the same candidates again.
            spent: Callback that is called with the number of evaluations spent so far.
        """
