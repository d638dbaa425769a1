"""Kept cells read back, and put into groups of one thing over several seeds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnn_discovery.errors import DataError
from gnn_discovery.runs.files import read_json
from gnn_discovery_replication.matrix import RUNS_BY_RECIPE, STRATEGIES, SYSTEMS, TASK_MODULE
from gnn_discovery_replication.published_values import SYSTEM_LABELS


@dataclass(frozen=True)
class ReplicationResult:
    """One cell: what was asked, and what came of it or why nothing did."""

    name: str
    task: str
    asked: Mapping[str, Any]
    outcome: str
    value: Any
    date: str
    machine: str
    seconds: float

    @property
    def ok(self) -> bool:
        return self.outcome == "done"

    @property
    def data(self) -> tuple[Any, ...]:
        """The motion, but for its seed."""
        return tuple(self.asked[name] for name in ("system", "dim", "particles", "runs"))


def read_results(directory: Path) -> list[ReplicationResult]:
    """The cells that ``directory`` holds, in the order of systems, strategies and seeds."""
    found = []
    for path in sorted(directory.glob("*.json")):
        try:
            record = read_json(path)
            module, _, task = record["task"].partition(":")
            if module == TASK_MODULE:
                rest = (record[k] for k in ("outcome", "value", "date", "machine", "seconds"))
                found.append(ReplicationResult(path.stem, task, record["arguments"], *rest))
        except (DataError, KeyError, TypeError, AttributeError):
            continue
    return sorted(found, key=_sort_key)


def _sort_key(result: ReplicationResult) -> tuple[Any, ...]:
    asked = result.asked
    strategy = asked.get("strategy", STRATEGIES[0])
    recipe = (asked.get("recipe", "fast"), -asked.get("budget", 1.0))
    return (
        asked["particles"],
        SYSTEMS.index(asked["system"]),
        asked["dim"],
        STRATEGIES.index(strategy),
        recipe,
        asked["seed"],
    )


@dataclass(frozen=True)
class SeedGroup:
    """Networks that differ by their seeds alone."""

    results: tuple[ReplicationResult, ...]

    @property
    def asked(self) -> Mapping[str, Any]:
        return self.results[0].asked

    @property
    def system(self) -> str:
        """As the paper calls it, with the dimension, and the particles where they are not four."""
        n = self.asked["particles"]
        return f"{SYSTEM_LABELS[self.asked['system']]} {self.asked['dim']}D" + (f", n = {n}" if n != 4 else "")

    @property
    def strategy(self) -> str:
        return str(self.asked["strategy"])

    @property
    def recipe(self) -> str:
        return recipe_name(self.asked)

    @property
    def done(self) -> list[Mapping[str, Any]]:
        return [r.value for r in self.results if r.ok]

    @property
    def count(self) -> str:
        """How many seeds, and how many of them failed."""
        failed = len(self.results) - len(self.done)
        return f"{len(self.results)}" + (f" ({failed} failed)" if failed else "")

    def values(self, *path: str) -> list[Any]:
        """The figure at ``path`` of every seed that has it."""
        found: list[Any] = list(self.done)
        for name in path:
            found = [value[name] for value in found if value[name] is not None]
        return found

    def median(self, *path: str) -> float | None:
        values = self.values(*path)
        return statistics.median(values) if values else None

    def share(self, *path: str) -> str:
        """In how many of the seeds the answer at ``path`` is yes; those that failed count as no."""
        return f"{sum(map(bool, self.values(*path)))} of {len(self.results)}"

    def every(self, *path: str) -> bool:
        """Whether every seed says yes."""
        return sum(map(bool, self.values(*path))) == len(self.results)


def recipe_name(asked: Mapping[str, Any]) -> str:
    """The recipe, with its budget and its runs where they are not its own."""
    recipe, budget, runs = asked["recipe"], asked["budget"], asked["runs"]
    extra = ([f"budget {budget:g}"] if budget != 1 else []) + (
        [f"{runs} runs"] if runs != RUNS_BY_RECIPE[recipe] else []
    )
    return ", ".join([recipe, *extra])


def group_by_seed(results: Iterable[ReplicationResult]) -> list[SeedGroup]:
    """The networks, by all that was asked but for the seed."""
    found: dict[tuple[Any, ...], list[ReplicationResult]] = {}
    for result in results:
        if result.task == "network":
            key = (*result.data, *(result.asked[k] for k in ("strategy", "recipe", "budget")))
            found.setdefault(key, []).append(result)
    return [SeedGroup(tuple(some)) for some in found.values()]


def median_with_range(values: Sequence[float], shown: Callable[[float], str]) -> str:
    """The median, with the range in brackets."""
    if not values:
        return "-"
    middle = shown(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} [{shown(min(values))}, {shown(max(values))}]"
