"""The matrix: systems x dimensions x particles x strategies x seeds, as cells for the runner."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gnn_discovery.errors import UsageError
from gnn_discovery.runs import Cell

SYSTEMS = ("charge", "log-gravity", "gravity", "spring", "damped", "discontinuous")
MESSAGES = ("standard", "bottleneck", "l1", "kl", "pruning", "fixed")
STRATEGIES = (*MESSAGES, "hamiltonian")
LAWS = SYSTEMS[:4]
"""The systems of tables 1 and 5."""

TABLES = {
    "table1": (LAWS, MESSAGES),
    "table3": (SYSTEMS, STRATEGIES),
    "table5": (LAWS, MESSAGES[1:]),
    "all": (SYSTEMS, STRATEGIES),
}
"""Systems and strategies of each table. Pruning and the fixed node function are not the paper's; its Hamiltonian
network has no messages, and is of table 3 alone."""

RECIPES = {"fast": 1000, "paper": 10_000}
"""Runs that each recipe asks for where nothing else is said; the first thousand are the same."""

TASKS = "gnn_discovery.replication.cell"


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
        _known("table", [self.table], TABLES)
        systems, strategies = TABLES[self.table]
        _known("--systems", self.systems or (), systems)
        _known("--strategies", self.strategies or (), strategies)
        _known("--dims", self.dims, (2, 3))
        _known("--recipe", [self.recipe], RECIPES)
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
                        data["runs"] = self.runs or RECIPES[self.recipe]
                        named = f"{system}-{dim}d-n{n}"
                        if self.table in ("table5", "all"):
                            name = f"no-network_{named}_runs{data['runs']}_s{seed}"
                            cells.append(Cell(name, f"{TASKS}:accelerations", data))
                        for strategy in self.strategies or strategies:
                            asked = {"strategy": strategy, "recipe": self.recipe, "budget": self.budget}
                            name = f"{self.recipe}{self.budget:g}_{named}-{strategy}_runs{data['runs']}_s{seed}"
                            cells.append(Cell(name, f"{TASKS}:network", {**data, **asked}))
        return cells


def _known(where: str, asked: Sequence[object], choices: Collection[object]) -> None:
    unknown = [str(one) for one in asked if one not in choices]
    if unknown:
        offered = ", ".join(map(str, choices))
        raise UsageError(f"{', '.join(unknown)} is not of this table", where=where, remedy=f"Choose from {offered}")
