"""The command line of benchmarks that keep cells: what is there is not run again, and the table is made in any case."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from gnn_discovery.runs import Cell, CellResult, run_cells

HERE = Path(__file__).parent


def arguments(about: str | None, workers: int = 1) -> argparse.ArgumentParser:
    """The options that all of them have; ``about`` is the docstring of the benchmark."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--workers", type=int, default=workers, help="cells side by side")
    parser.add_argument("--retry", action="store_true", help="run cells that failed once more")
    parser.add_argument("--table", action="store_true", help="only write the table of what is there")
    return parser


def fill(asked: argparse.Namespace, cells: Sequence[Cell], results: Path, table: Callable[[], str]) -> None:
    """Run the cells that ``results`` lacks, with one thread each, and write the table."""
    try:
        if not asked.table:
            run_cells(cells, results, asked.workers, threads=1, search=[HERE], retry=asked.retry, report=say)
    finally:
        print(table())


def say(result: CellResult) -> None:
    """One line for each cell as it comes in."""
    value = result.value or {}
    said = "" if "exact" not in value else "exact" if value["exact"] else f"not exact: {value['why']}"
    print(f"{result.seconds:7.1f} s  {result.name}: {result.outcome}  {said}", flush=True)
