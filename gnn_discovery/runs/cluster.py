"""The runner of cells on a cluster, by dask.distributed; on its workers each is a child process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gnn_discovery.errors import UsageError
from gnn_discovery.runs.cells import Cell, CellResult, load_cell_results, run_cell, write_cell_result
from gnn_discovery.runs.environment import describe_machine


def run_on_cluster(
    cells: Sequence[Cell],
    directory: Path,
    scheduler: str,
    *,
    threads: int | None = None,
    time_limit: float = 1800.0,
    retry: bool = False,
    report: Callable[[CellResult], None] | None = None,
    connect_timeout: float = 10.0,
) -> list[CellResult]:
    """Run cells on the workers of a scheduler, and write the results here as they come in.

    Args:
        cells: the cells, with names that differ.
        directory: the folder of the results.
        scheduler: the address of the scheduler.
        threads: the number of threads of each child; None leaves it to the libraries.
        time_limit: the seconds after which a cell is ended.
        retry: run the failed cells again.
        report: called with each result as it comes in.
        connect_timeout: the seconds that the scheduler has to answer.

    Raises:
        UsageError: dask.distributed is not installed, or nothing answers at the address.
    """
    distributed, client = _connect(scheduler, connect_timeout)
    results = load_cell_results(cells, directory, retry)
    waiting = [cell for cell in cells if cell.name not in results]
    with client:
        futures = {client.submit(_run, cell, threads, time_limit, pure=False): cell for cell in waiting}
        try:
            for future in distributed.as_completed(futures):
                cell = futures[future]
                try:
                    result, where = future.result()
                except Exception as error:  # the worker died, or has no gnn-discovery
                    result, where = CellResult(cell.name, f"lost on the cluster: {error}", None, 0.0), "unknown"
                write_cell_result(directory, cell, result, where)
                results[cell.name] = result
                if report is not None:
                    report(result)
        finally:
            client.cancel(list(futures))
    return [results[cell.name] for cell in cells]


def _run(cell: Cell, threads: int | None, time_limit: float) -> tuple[CellResult, str]:
    """Return the result of a cell and the machine that it ran on; called on a worker."""
    return run_cell(cell, threads, time_limit), describe_machine()


def _connect(scheduler: str, timeout: float) -> tuple[Any, Any]:
    """Return the module ``distributed`` and a client of the scheduler."""
    try:
        import distributed
    except ImportError as error:
        raise UsageError(
            "this needs dask.distributed, which is not installed",
            where="--scheduler",
            remedy="pip install 'gnn-discovery[dask]'",
        ) from error
    try:
        return distributed, distributed.Client(scheduler, timeout=timeout)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise UsageError(
            f"no scheduler answers at {scheduler!r}",
            where="--scheduler",
            remedy="Start one with `dask scheduler`, and workers with `dask worker ADDRESS --nthreads 1`",
        ) from error
