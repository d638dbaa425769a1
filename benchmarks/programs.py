"""Make the table of laws found in other people's programs: ``python benchmarks/programs.py``.

As in ``laws.py``, each cell is one discovery in a process of its own, kept in ``results/programs/NAME.json`` and never
run again; the table in ``results/programs.md`` is made of whatever is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from command import HERE, arguments, fill
from summary import right
from table import every_law, made_with, markdown_table, median_with_range, read_cells, values

from gnn_discovery.runs import Cell
from gnn_discovery.runs.files import write_bytes

RESULTS = HERE / "results" / "programs"
PAIRWISE = {
    "REBOUND": ("rebound-planets", "rebound-drag"),
    "OpenMM": ("openmm-pair", "openmm-lennard-jones"),
    "jax-md": ("jaxmd-soft-spheres", "jaxmd-morse"),
    "ASE": ("ase-lennard-jones",),
}
MANY_BODY = "ase-emt"
NOT_A_SUM = "the forces are not a sum over pairs"

Record = Mapping[str, Any]


def cells(seeds: int) -> dict[str, list[Cell]]:
    """Return the cells of each system."""
    systems = [*(system for some in PAIRWISE.values() for system in some), MANY_BODY]
    return {system: [_cell(system, seed) for seed in range(seeds)] for system in systems}


def _cell(system: str, seed: int) -> Cell:
    return Cell(f"{system}_s{seed}", "cells:law", {"system": system, "dim": None, "seed": seed, "network": {}})


def write_table(seeds: int) -> str:
    """Write the table, and return a line on it."""
    kept = {system: read_cells(some, RESULTS) for system, some in cells(seeds).items()}
    records = [record for some in kept.values() for record in some]
    adapters = [
        all(_right(kept[s][k]) for s in systems if k < len(kept[s]))
        for systems in PAIRWISE.values()
        for k in range(max(len(kept[s]) for s in systems))
    ]
    heads = ("system", "seeds", "exact, constants within .1%", "known", "error of constants", "seconds")
    parts = [
        "# Laws found in other people's programs",
        "Made by `python benchmarks/programs.py` from the cells in `programs/`. Exact and known are as in "
        "[laws.md](laws.md). An adapter counts with a seed where the law of each of its systems is recovered. "
        f"`{MANY_BODY}` is a many-body potential: right is a verdict that says so.",
        made_with(records, seeds * len(kept)),
        f"Adapters whose law is recovered: **{sum(adapters)} of {seeds * len(PAIRWISE)}** (adapters × seeds). "
        f"EMT refused, because it is no sum over pairs: **{sum(map(_refused, kept[MANY_BODY]))} of {seeds}**.",
        markdown_table(heads, [_row(system, some) for system, some in kept.items()]),
        *every_law(records),
    ]
    out = HERE / "results" / "programs.md"
    write_bytes(out, ("\n\n".join(parts) + "\n").encode())
    return f"{out}: {len(records)} of {seeds * len(kept)} cells"


def _row(system: str, records: Sequence[Record]) -> list[str]:
    done = [r["value"] for r in records if r["outcome"] == "done"]
    count = len(records)
    if system == MANY_BODY:
        found = [f"refused: {sum(map(_refused, records))} of {count}", "-", "-"]
    else:
        known = sum(v["status"] == "known" for v in done)
        errors = median_with_range(values(done, "constants_error"), "{:.1e}".format)
        found = [f"{sum(map(_right, records))} of {count}", f"{known} of {count}", errors]
    return [system, str(count), *found, median_with_range(values(done, "seconds"), "{:.0f}".format)]


def _right(record: Record) -> bool:
    return record["outcome"] == "done" and right(record["value"]) and record["value"]["status"] == "known"


def _refused(record: Record) -> bool:
    value = record["value"]
    return record["outcome"] == "done" and value["status"] == "inconclusive" and NOT_A_SUM in value["reason"]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", metavar="SYSTEM", choices=[*cells(1)], help="systems to run")
    parser.add_argument("--seeds", type=int, default=3, help="of each system")
    options = parser.parse_args()
    every = cells(options.seeds)
    chosen = [cell for k in range(options.seeds) for s in options.only or every for cell in every[s][k : k + 1]]
    fill(options, chosen, RESULTS, lambda: write_table(options.seeds))


if __name__ == "__main__":
    main()
