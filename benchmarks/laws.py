"""Make the table of laws recovered: ``python benchmarks/laws.py``. Cells that are done are kept and never run again.

Each cell is one discovery in a process of its own; its figures stand in ``results/laws/NAME.json``. The table in
``results/laws.md`` is made of whatever is there, so that it can be filled over several sittings.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatch

from command import HERE, arguments, report
from table import write_table

from gnn_discovery.runs import Cell, run_cells

RESULTS = HERE / "results" / "laws"
STRATEGIES = ("l1", "bottleneck", "kl", "pruning")


def groups() -> dict[str, list[Cell]]:
    """Return all cells, by the group that ``--only`` names."""
    return {
        "laws": [
            _law("laws", system, dim, seed, baseline=True)
            for seed in range(5)
            for system in ("spring", "log-gravity", "gravity", "charge")
            for dim in (2, 3)
        ],
        "sums": [
            _law("sums", system, 2, seed, baseline=True)
            for seed in range(5)
            for system in ("damped", "discontinuous", "superposition")
        ],
        "strategies": [
            _law("strategies", system, 2, seed, {"node": "mlp", "strategy": strategy})
            for seed in range(3)
            for strategy in STRATEGIES
            for system in ("gravity", "spring")
        ],
        "string": [_law("string", "string", 2, seed) for seed in range(2)],
        "free": [_law("free", "free", 2, seed) for seed in range(2)],
        "solar-system": [Cell(f"solar-system_s{seed}", "cells:solar_system", {"seed": seed}) for seed in range(3)],
        "timing": [
            *(
                _timed(f"timing_discover-gravity_s{seed}", ["discover", "gravity", "--seed", str(seed), "--quiet"])
                for seed in range(5)
            ),
            _timed("timing_help", ["--help"], 10),
            Cell("timing_import", "cells:command", {"arguments": ["-c", "import gnn_discovery"], "repeats": 10}),
            Cell("timing_full-set", "cells:full_set", {"system": "gravity"}),
        ],
    }


def _law(
    group: str, system: str, dim: int, seed: int, network: dict[str, str] | None = None, baseline: bool = False
) -> Cell:
    asked = {"system": system, "dim": dim, "seed": seed, "network": network or {}, "baseline": baseline}
    what = f"-{network['strategy']}" if network else ""
    return Cell(f"{group}_{system}-{dim}d{what}_s{seed}", "cells:law", asked)


def _timed(name: str, arguments: Sequence[str], repeats: int = 1) -> Cell:
    code = "from gnn_discovery.cli import main; main()"
    return Cell(name, "cells:command", {"arguments": ["-c", code, *arguments], "repeats": repeats})


def main() -> None:
    everything = groups()
    parser = arguments(__doc__, workers=2)
    groups_or_cells = f"groups ({', '.join(everything)}) or cells by name, such as 'laws_gravity-*'"
    parser.add_argument("--only", nargs="+", metavar="PATTERN", default=["*"], help=groups_or_cells)
    parser.add_argument("--seeds", type=int, default=5, help="of each system, at most so many")
    options = parser.parse_args()
    cores = os.cpu_count() or 1
    chosen = {name: _chosen(name, cells, options.only, options.seeds) for name, cells in everything.items()}
    if not any(chosen.values()):
        parser.error(f"no cell is called {' or '.join(options.only)}")
    try:
        for name, cells in [] if options.table else chosen.items():
            workers = 1 if name == "timing" else options.workers
            threads = None if workers == 1 else max(1, cores // workers)
            run_cells(cells, RESULTS, workers, threads=threads, search=[HERE], retry=options.retry, report=report)
    finally:
        print(write_table(everything, RESULTS, HERE / "results" / "laws.md"))


def _chosen(group: str, cells: Sequence[Cell], patterns: Sequence[str], seeds: int) -> list[Cell]:
    return [
        cell
        for cell in cells
        if any(pattern == group or fnmatch(cell.name, pattern) for pattern in patterns)
        and cell.arguments.get("seed", 0) < seeds
    ]


if __name__ == "__main__":
    main()
