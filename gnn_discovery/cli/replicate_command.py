"""Implement the command `replicate`: the tables of the paper as a matrix of cells, with a progress bar."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import gnn_discovery.cli.options as opt
from gnn_discovery.cli.error_reporting import EXIT_INTERRUPTED
from gnn_discovery.errors import UsageError

if TYPE_CHECKING:
    from gnn_discovery.runs import Cell, CellResult

REPLICATION_PAGE = "replication.md"


def replicate_command(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="table1, table3, table5 or all.")],
    systems: Annotated[
        str | None, typer.Option(help="Names, as in gravity,spring.", show_default="all of the table")
    ] = None,
    strategies: Annotated[
        str | None, typer.Option(help="Names, as in bottleneck,l1.", show_default="all of the table")
    ] = None,
    dims: Annotated[str, typer.Option(help="Dimensions of space.")] = "2,3",
    n: Annotated[str, typer.Option(help="Particles.")] = "4",
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds of each cell.")] = 1,
    recipe: Annotated[str, typer.Option(help="Recipe: fast (ours) or paper.")] = "fast",
    budget: Annotated[float, typer.Option(help="Factor on the steps of training.")] = 1.0,
    runs: Annotated[
        int | None, typer.Option(min=20, help="Runs of each system.", show_default="fast 1000, paper 10000")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes side by side.", show_default="the cores")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Address of a dask cluster that does the work.", show_default=False),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where cells are kept; those that are there are not run again.")] = Path(
        "runs/replication"
    ),
    retry: Annotated[bool, typer.Option("--retry", help="Run the cells that failed once more.")] = False,
    json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which cells would be run.")] = False,
) -> None:
    """Replicate TABLE of arXiv 2006.11287, cell by cell.

    The same command goes on where it was stopped. All that --out holds is in the tables and in its replication.md."""
    from gnn_discovery_replication import Matrix, make_page, make_tables, read_results

    from gnn_discovery.runs.cells import load_cell_results
    from gnn_discovery.runs.files import to_json_text, write_bytes

    cells = Matrix(
        table,
        split_names(systems),
        split_names(strategies),
        split_integers("--dims", dims),
        split_integers("--n", n),
        seeds=seeds,
        recipe=recipe,
        budget=budget,
        runs=runs,
    ).cells()
    if dry_run:
        kept = load_cell_results(cells, out, retry) if out.exists() else {}
        plan = {"cells": [c.name for c in cells if c.name not in kept], "done": sorted(kept), "out": str(out)}
        typer.echo(
            to_json_text(plan)
            if json
            else "\n".join([*plan["cells"], f"{len(plan['cells'])} cells, {len(kept)} are done"])
        )
        return
    interrupted = False
    with cell_progress_bar(len(cells), len(load_cell_results(cells, out, retry)), quiet) as report:
        try:
            run_matrix(cells, out, workers, scheduler, retry, report)
        except KeyboardInterrupt:
            interrupted = True
    results = read_results(out)
    write_bytes(out / REPLICATION_PAGE, make_page(results).encode())
    if interrupted:
        typer.echo("gnn-discovery: interrupted; the same command goes on", err=True)
        raise typer.Exit(EXIT_INTERRUPTED)
    tables = make_tables(results, table)
    if json:
        typer.echo(
            to_json_text(
                [{"title": t.title, "heads": t.headings, "rows": t.rows, "learnt": t.findings} for t in tables]
            )
        )
    elif not quiet:
        typer.echo("\n\n".join([*(t.text() for t in tables), str(out / REPLICATION_PAGE)]))


def run_matrix(
    cells: list[Cell],
    out: Path,
    workers: int | None,
    scheduler: str | None,
    retry: bool,
    report: Callable[[CellResult], None],
) -> None:
    """Run the cells that are not there yet, here or on a cluster; a cell may take hours.

    Args:
        cells: all cells.
        out: directory of the kept cells.
        workers: processes side by side; None takes the number of cores.
        scheduler: address of a dask scheduler; None runs the cells here.
        retry: run cells that failed once more.
        report: called with the result of each cell.
    """
    from gnn_discovery.runs import run_cells, run_on_cluster

    if scheduler is not None:
        run_on_cluster(cells, out, scheduler, threads=1, time_limit=math.inf, retry=retry, report=report)
        return
    cores = os.cpu_count() or 1
    count = workers or cores
    threads = max(1, cores // count)
    run_cells(cells, out, count, threads=threads, time_limit=math.inf, retry=retry, report=report)


@contextmanager
def cell_progress_bar(count: int, done: int, quiet: bool) -> Iterator[Callable[[Any], None]]:
    """Yield a function that shows a cell that has ended: a line for each, the number done, and the time left.

    Args:
        count: number of cells.
        done: number of those that are there already.
        quiet: show nothing.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True, quiet=quiet)
    columns = (TextColumn("cells"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
    left = (TextColumn("left"), TimeRemainingColumn())
    with Progress(
        *columns, *left, console=console, disable=not console.is_terminal, speed_estimate_period=1e9
    ) as progress:
        task = progress.add_task("cells", total=count, completed=done)

        def report(result: CellResult) -> None:
            console.print(f"{result.seconds:7.0f} s  {result.name}: {result.outcome}", highlight=False, markup=False)
            progress.advance(task)

        yield report


def split_names(text: str | None) -> tuple[str, ...] | None:
    """Return the names between commas; None stands for all."""
    return None if text is None else tuple(part.strip() for part in text.split(","))


def split_integers(where: str, text: str) -> tuple[int, ...]:
    """Return the whole numbers between commas.

    Args:
        where: the option, for the error.
        text: its value.

    Raises:
        UsageError: it is something else.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"{text!r} is no list of whole numbers", where=where, remedy="As in 2,3") from error
