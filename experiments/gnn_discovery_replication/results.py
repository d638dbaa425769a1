"""Read kept cells, and group those that differ by their seed alone."""

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
    """One kept cell.

    Attributes:
        name: name of the cell.
        task: "network" or "accelerations".
        settings: its arguments.
        outcome: "done", or the reason why there is no value.
        value: its figures, None where it failed.
        date: when it was run, ISO.
        machine: the machine in words.
        seconds: its wall time.
    """

    name: str
    task: str
    settings: Mapping[str, Any]
    outcome: str
    value: Any
    date: str
    machine: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Return True where the cell has a value."""
        return self.outcome == "done"

    @property
    def data(self) -> tuple[Any, ...]:
        """Return the settings of the motion without its seed."""
        return tuple(self.settings[name] for name in ("system", "dim", "particles", "runs"))


def read_results(directory: Path) -> list[ReplicationResult]:
    """Return the cells that ``directory`` holds, in the order of systems, strategies and seeds."""
    results = []
    for path in sorted(directory.glob("*.json")):
        try:
            record = read_json(path)
            module, _, task = record["task"].partition(":")
            if module == TASK_MODULE:
                others = (record[k] for k in ("outcome", "value", "date", "machine", "seconds"))
                results.append(ReplicationResult(path.stem, task, record["arguments"], *others))
        except (DataError, KeyError, TypeError, AttributeError):
            continue
    return sorted(results, key=_sort_key)


def _sort_key(result: ReplicationResult) -> tuple[Any, ...]:
    settings = result.settings
    strategy = settings.get("strategy", STRATEGIES[0])
    recipe = (settings.get("recipe", "fast"), -settings.get("budget", 1.0))
    return (
        settings["particles"],
        SYSTEMS.index(settings["system"]),
        settings["dim"],
        STRATEGIES.index(strategy),
        recipe,
        settings["seed"],
    )


@dataclass(frozen=True)
class SeedGroup:
    """Networks that differ by their seeds alone.

    Attributes:
        results: one for each seed.
    """

    results: tuple[ReplicationResult, ...]

    @property
    def settings(self) -> Mapping[str, Any]:
        """Return the settings of the first seed."""
        return self.results[0].settings

    @property
    def system(self) -> str:
        """Return the name in the paper with the dimension, and the number of particles where that is not four."""
        n = self.settings["particles"]
        return f"{SYSTEM_LABELS[self.settings['system']]} {self.settings['dim']}D" + (f", n = {n}" if n != 4 else "")

    @property
    def strategy(self) -> str:
        """Return the name of the strategy."""
        return str(self.settings["strategy"])

    @property
    def recipe(self) -> str:
        """Return the name of the recipe."""
        return recipe_name(self.settings)

    @property
    def done(self) -> list[Mapping[str, Any]]:
        """Return the figures of the seeds that did not fail."""
        return [r.value for r in self.results if r.ok]

    @property
    def count(self) -> str:
        """Return the number of seeds, and of those that failed, in words."""
        failed = len(self.results) - len(self.done)
        return f"{len(self.results)}" + (f" ({failed} failed)" if failed else "")

    def values(self, *path: str) -> list[Any]:
        """Return the figure at ``path`` of every seed that has it."""
        values: list[Any] = list(self.done)
        for name in path:
            values = [value[name] for value in values if value[name] is not None]
        return values

    def median(self, *path: str) -> float | None:
        """Return the median of the figure at ``path`` over seeds; None where no seed has it."""
        values = self.values(*path)
        return statistics.median(values) if values else None

    def share(self, *path: str) -> str:
        """Return "k of n": the seeds whose answer at ``path`` is yes; those that failed count as no."""
        return f"{sum(map(bool, self.values(*path)))} of {len(self.results)}"

    def every(self, *path: str) -> bool:
        """Return True where the answer at ``path`` is yes for every seed."""
        return sum(map(bool, self.values(*path))) == len(self.results)


def recipe_name(settings: Mapping[str, Any]) -> str:
    """Return the recipe, with budget and runs where these are not the defaults."""
    recipe, budget, runs = settings["recipe"], settings["budget"], settings["runs"]
    extra = ([f"budget {budget:g}"] if budget != 1 else []) + (
        [f"{runs} runs"] if runs != RUNS_BY_RECIPE[recipe] else []
    )
    return ", ".join([recipe, *extra])


def group_by_seed(results: Iterable[ReplicationResult]) -> list[SeedGroup]:
    """Return the networks, grouped by all settings except the seed."""
    members: dict[tuple[Any, ...], list[ReplicationResult]] = {}
    for result in results:
        if result.task == "network":
            key = (*result.data, *(result.settings[k] for k in ("strategy", "recipe", "budget")))
            members.setdefault(key, []).append(result)
    return [SeedGroup(tuple(group)) for group in members.values()]


def median_with_range(values: Sequence[float], shown: Callable[[float], str]) -> str:
    """Return the median with the range in brackets, or a dash without values.

    Args:
        values: the numbers.
        shown: formats a number.
    """
    if not values:
        return "-"
    middle = shown(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} [{shown(min(values))}, {shown(max(values))}]"
