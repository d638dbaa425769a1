"""Provide the command line of benchmarks that keep cells: kept cells are not run again, the table is always made."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from gnn_discovery.runs import Cell, CellResult, run_cells

HERE = Path(__file__).parent


def arguments(about: str | None, workers: int = 1) -> argparse.ArgumentParser:
    """Return a parser with the options that all of them have.

    Args:
        about: docstring of the benchmark.
        workers: default number of cells side by side.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--workers", type=int, default=workers, help="cells side by side")
    parser.add_argument("--retry", action="store_true", help="run cells that failed once more")
    parser.add_argument("--table", action="store_true", help="only write the table of what is there")
    return parser


def fill(options: argparse.Namespace, cells: Sequence[Cell], results: Path, table: Callable[[], str]) -> None:
    """Run the cells that are missing, with one thread each, and write the table.

    Args:
        options: the options of the command line.
        cells: all cells.
        results: directory of the kept cells.
        table: writes the table, and returns a line on it.
    """
    try:
        if not options.table:
            run_cells(cells, results, options.workers, threads=1, search=[HERE], retry=options.retry, report=report)
    finally:
        print(table())


def report(result: CellResult) -> None:
    """Print one line for a cell that has ended."""
    value = result.value or {}
    note = "" if "exact" not in value else "exact" if value["exact"] else f"not exact: {value['why']}"
    print(f"{result.seconds:7.1f} s  {result.name}: {result.outcome}  {note}", flush=True)
