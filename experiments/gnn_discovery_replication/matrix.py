"""Define the matrix of systems, dimensions, particles, strategies and seeds, as cells for the runner."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gnn_discovery.errors import UsageError
from gnn_discovery.runs import Cell

SYSTEMS = ("charge", "log-gravity", "gravity", "spring", "damped", "discontinuous")
MESSAGE_STRATEGIES = ("standard", "bottleneck", "l1", "kl", "pruning", "fixed")
STRATEGIES = (*MESSAGE_STRATEGIES, "hamiltonian")
LAW_SYSTEMS = SYSTEMS[:4]
"""Tables 1 and 5 are about these systems."""

TABLES = {
    "table1": (LAW_SYSTEMS, MESSAGE_STRATEGIES),
    "table3": (SYSTEMS, STRATEGIES),
    "table5": (LAW_SYSTEMS, MESSAGE_STRATEGIES[1:]),
    "all": (SYSTEMS, STRATEGIES),
}
"""Each table has systems and strategies. Pruning and the fixed node function are not in the paper; its Hamiltonian
network has no messages, and belongs to table 3 alone."""

RUNS_BY_RECIPE = {"fast": 1000, "paper": 10_000}
"""Each recipe has so many runs by default; the first thousand are the same."""

TASK_MODULE = "gnn_discovery_replication.cell"


@dataclass(frozen=True)
class Matrix:
    """The part of the tables that is to be replicated.

    Attributes:
        table: name of a table of `TABLES`.
        systems, strategies: names among those of the table; None takes them all.
        dims: dimensions of space.
        particles: numbers of particles of a run.
        seeds: number of seeds, 0 ... seeds - 1, of data, network and regression.
        recipe: "fast" or "paper".
        budget: factor on the steps of training.
        runs: number of runs of each system; None takes that of the recipe.

    Raises:
        UsageError: a name is unknown or not of the table, or a number is too small.
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
        for option, number, minimum in (("--seeds", self.seeds, 1), ("--n", min(self.particles, default=0), 2)):
            if number < minimum:
                raise UsageError(f"{number} is too few", where=option, remedy=f"Give at least {minimum}")
        if not self.budget > 0:
            raise UsageError(
                f"{self.budget} is no share of the training",
                where="--budget",
                remedy="Give a number above 0; 1 is all of it",
            )

    def cells(self) -> list[Cell]:
        """Return one cell for each network, and one for each data set that is regressed on without a network."""
        systems, strategies = TABLES[self.table]
        cells = []
        for seed in range(self.seeds):
            for n in self.particles:
                for system in self.systems or systems:
                    for dim in self.dims:
                        data = {"system": system, "dim": dim, "particles": n, "seed": seed}
                        data["runs"] = self.runs or RUNS_BY_RECIPE[self.recipe]
                        label = f"{system}-{dim}d-n{n}"
                        if self.table in ("table5", "all"):
                            name = f"no-network_{label}_runs{data['runs']}_s{seed}"
                            cells.append(Cell(name, f"{TASK_MODULE}:accelerations", data))
                        for strategy in self.strategies or strategies:
                            settings = {"strategy": strategy, "recipe": self.recipe, "budget": self.budget}
                            name = f"{self.recipe}{self.budget:g}_{label}-{strategy}_runs{data['runs']}_s{seed}"
                            cells.append(Cell(name, f"{TASK_MODULE}:network", {**data, **settings}))
        return cells


def _check_choices(where: str, names: Sequence[object], choices: Collection[object]) -> None:
    unknown = [str(name) for name in names if name not in choices]
    if unknown:
        offered = ", ".join(map(str, choices))
        raise UsageError(f"{', '.join(unknown)} is not of this table", where=where, remedy=f"Choose from {offered}")
