"""The matrix: systems x dimensions x particles x strategies x seeds, as cells for the runner."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gnn_discovery.errors import UsageError
from gnn_discovery.runs import Cell

SYSTEMS = ("charge", "log-gravity", "gravity", "spring", "damped", "discontinuous")
MESSAGE_STRATEGIES = ("standard", "bottleneck", "l1", "kl", "pruning", "fixed")
STRATEGIES = (*MESSAGE_STRATEGIES, "hamiltonian")
LAW_SYSTEMS = SYSTEMS[:4]
"""The systems of tables 1 and 5."""

TABLES = {
    "table1": (LAW_SYSTEMS, MESSAGE_STRATEGIES),
    "table3": (SYSTEMS, STRATEGIES),
    "table5": (LAW_SYSTEMS, MESSAGE_STRATEGIES[1:]),
    "all": (SYSTEMS, STRATEGIES),
}
"""Systems and strategies of each table. Pruning and the fixed node function are not the paper's; its Hamiltonian
network has no messages, and is of table 3 alone."""

RUNS_BY_RECIPE = {"fast": 1000, "paper": 10_000}
"""Runs that each recipe asks for where nothing else is said; the first thousand are the same."""

TASK_MODULE = "gnn_discovery_replication.cell"


@dataclass(frozen=True)
class Matrix:
    """What is to be replicated.

    Attributes:
        table: of `TABLES`.
        systems, strategies: of those of the table; None takes them all.
        dims, particles: of space, of each run.
        seeds: 0 ... seeds - 1, of data, network and regression.
        recipe: "fast" or "paper".
        budget: what the steps of training are multiplied by.
        runs: of each system; None takes those of the recipe.
    """

    table: str = "all"
    systems: Sequence[str] | None = None
    strategies: Sequence[str] | None = None
    dims: Sequence[int] = (2, 3)
    particles: Sequence[int] = (4,)
    seeds: int = 1
    recipe: str = "fast"
    budget: float = 1.0
    runs: int | None = None

    def __post_init__(self) -> None:
        _check_choices("table", [self.table], TABLES)
        systems, strategies = TABLES[self.table]
        _check_choices("--systems", self.systems or (), systems)
        _check_choices("--strategies", self.strategies or (), strategies)
        _check_choices("--dims", self.dims, (2, 3))
        _check_choices("--recipe", [self.recipe], RUNS_BY_RECIPE)
        for what, number, least in (("--seeds", self.seeds, 1), ("--n", min(self.particles, default=0), 2)):
            if number < least:
                raise UsageError(f"{number} is too few", where=what, remedy=f"At least {least}")
        if not self.budget > 0:
            raise UsageError(f"{self.budget} is no share of the training", where="--budget", remedy="Above 0, 1 is all")

    def cells(self) -> list[Cell]:
        """One cell a network, and one a data set for what the accelerations give away without a network."""
        systems, strategies = TABLES[self.table]
        cells = []
        for seed in range(self.seeds):
            for n in self.particles:
                for system in self.systems or systems:
                    for dim in self.dims:
                        data = {"system": system, "dim": dim, "particles": n, "seed": seed}
                        data["runs"] = self.runs or RUNS_BY_RECIPE[self.recipe]
                        named = f"{system}-{dim}d-n{n}"
                        if self.table in ("table5", "all"):
                            name = f"no-network_{named}_runs{data['runs']}_s{seed}"
                            cells.append(Cell(name, f"{TASK_MODULE}:accelerations", data))
                        for strategy in self.strategies or strategies:
                            asked = {"strategy": strategy, "recipe": self.recipe, "budget": self.budget}
                            name = f"{self.recipe}{self.budget:g}_{named}-{strategy}_runs{data['runs']}_s{seed}"
                            cells.append(Cell(name, f"{TASK_MODULE}:network", {**data, **asked}))
        return cells


def _check_choices(where: str, asked: Sequence[object], choices: Collection[object]) -> None:
    unknown = [str(one) for one in asked if one not in choices]
    if unknown:
        offered = ", ".join(map(str, choices))
        raise UsageError(f"{', '.join(unknown)} is not of this table", where=where, remedy=f"Choose from {offered}")
