"""What symbolic engines take and give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from gnn_discovery.errors import DataError, UsageError
from gnn_discovery.symbolic.expression import Expression

OPERATORS = ("+", "-", "*", "/", "pow", "sqrt", "exp", "log", "sin", "cos", "tan", "tanh", "Abs")

BudgetCallback = Callable[[int], None]
"""Told by an engine, as it goes on, how many evaluations of its budget it has spent on a problem."""
SearchProgressCallback = Callable[[float, int], None]
"""Told how many problems are done, the fraction of the present one included, and how many there are."""


@dataclass(frozen=True)
class RegressionProblem:
    """A scalar function to be found: ``target`` as a formula of the ``inputs``.

    Attributes:
        inputs: by name, (K,).
        target: (K,).
        weights: (K,), what a squared residual counts; None weighs all alike. A network's force profile
            usually wants ``1 / (scale + |target|)**2``, so that the relative error counts.
        dimensions: of each input, powers of ``length``, ``time`` and of what else has a unit of its own; empty
            where the data carry no units. The target needs none: the amplitude of a formula can take any unit.
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
        """The names of the inputs, in their order."""
        return tuple(self.inputs)

    def thinned(self, rows: int) -> RegressionProblem:
        """The problem on at most so many rows, evenly out of those ordered by the target; in float64."""
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
    """How far an engine searches.

    Attributes:
        evaluations: budget of formula evaluations for one problem; because this and not time ends the search,
            a seed repeats.
        seed: of every random choice.
        max_complexity: largest `Expression.complexity` of a candidate.
        time_limit: seconds for a whole `search`, after which it is ended and says so.
        operators: of `OPERATORS`; an exponent is always a number. What depends on a coordinate is searched with ``sin``
            and ``cos`` too.
    """

    evaluations: int = 60_000
    seed: int = 0
    max_complexity: int = 30
    time_limit: float | int = 120.0
    operators: tuple[str, ...] = ("+", "-", "*", "/", "pow", "exp", "log")

    def __post_init__(self) -> None:
        unknown = sorted(set(self.operators) - set(OPERATORS))
        if unknown:
            raise UsageError(f"unknown operators {unknown}", remedy=f"Choose from {' '.join(OPERATORS)}")
        for name in ("evaluations", "max_complexity", "time_limit"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} must be positive, got {getattr(self, name)}")


@dataclass(frozen=True)
class Candidate:
    """One formula that an engine offers.

    Attributes:
        expression: of the problem's inputs, its constants as numbers.
        loss: ``sum w (f - y)**2 / sum w y**2`` over all rows, constants refitted in float64.
        complexity: `Expression.complexity` plus the number of its free constants, so that ``r**2`` is simpler
            than ``r**1.98``.
        engine: who found it.
    """

    expression: Expression
    loss: float
    complexity: int
    engine: str


@dataclass(frozen=True)
class EngineResult:
    """The Pareto front of one problem, simplest first, and how the search ended, in words."""

    candidates: tuple[Candidate, ...]
    outcome: str


@runtime_checkable
class SymbolicEngine(Protocol):
    """A symbolic regression program. `search` calls it, in a child process; nobody else does."""

    name: str

    def available(self) -> None:
        """Raises EngineUnavailable where the engine cannot run; is quick, starts nothing, stays off line."""

    def fit(self, problem: RegressionProblem, config: EngineConfig, spent: BudgetCallback) -> list[Candidate]:
        """The Pareto front of a problem of numbers near one, simplest first; a seed gives the same again."""
