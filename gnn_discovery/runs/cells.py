"""The runner of many cells side by side: each is a child process, and each result a file that can be committed.

A cell is a task (``module:function``) with plain arguments. A run that was stopped continues with the cells that have
no result yet. Children are started with ``subprocess``, in a process group of their own, with a fixed number of
threads; they end with their parent, and on Ctrl-C.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gnn_discovery.errors import DataError
from gnn_discovery.runs.environment import describe_machine, package_versions, utc_timestamp
from gnn_discovery.runs.files import read_json, storage_errors, to_json_values, write_json


@dataclass(frozen=True)
class Cell:
    """A frozen record of one piece of work.

    Attributes:
        name: name of the cell and of the file of its result.
        task: the function that is called, ``module:function``; it returns plain values.
        arguments: its arguments by name.
    """

    name: str
    task: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CellResult:
    """A frozen record of the result of a cell.

    Attributes:
        name: name of the cell.
        outcome: "done", or in words why there is no value.
        value: what the task returned.
        seconds: the time it took.
    """

    name: str
    outcome: str
    value: Any
    seconds: float

    @property
    def ok(self) -> bool:
        """Tell whether the task returned a value."""
        return self.outcome == "done"


def run_cells(
    cells: Sequence[Cell],
    directory: Path,
    workers: int = 1,
    *,
    threads: int | None = None,
    time_limit: float = 1800.0,
    search: Sequence[Path] = (),
    retry: bool = False,
    report: Callable[[CellResult], None] | None = None,
) -> list[CellResult]:
    """Run the cells that have no result in the directory yet, and write one ``NAME.json`` for each.

    Args:
        cells: the cells, with names that differ.
        directory: the folder of the results.
        workers: the number of cells that run at a time.
        threads: the number of threads of each child; None leaves it to the libraries.
        time_limit: the seconds after which a cell is ended.
        search: folders from which tasks are imported.
        retry: run the failed cells again; those that are done are never run again.
        report: called with each result as it comes in.

    Returns:
        The results in the order of ``cells``.
    """
    results = load_cell_results(cells, directory, retry)
    waiting = [cell for cell in cells if cell.name not in results]
    running: list[_Child] = []
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                running.append(_Child(waiting.pop(0), threads, time_limit, search))
            for child in [c for c in running if c.has_ended()]:
                running.remove(child)
                result = child.result()
                write_cell_result(directory, child.cell, result, describe_machine())
                results[result.name] = result
                if report is not None:
                    report(result)
            time.sleep(0.05)
    finally:
        for child in running:
            child.stop()
    return [results[cell.name] for cell in cells]


def run_cell(cell: Cell, threads: int | None = None, time_limit: float = 1800.0) -> CellResult:
    """Run one cell to its end in a child process, and return its result without writing it.

    Args:
        cell: the cell.
        threads: the number of threads of the child; None leaves it to the libraries.
        time_limit: the seconds after which the cell is ended.
    """
    child = _Child(cell, threads, time_limit, ())
    try:
        while not child.has_ended():
            time.sleep(0.05)
    except BaseException:
        child.stop()
        raise
    return child.result()


def load_cell_results(cells: Sequence[Cell], directory: Path, retry: bool = False) -> dict[str, CellResult]:
    """Return the results that the directory holds, by the name of the cell; make the directory if it is missing.

    Args:
        cells: the cells.
        directory: the folder of the results.
        retry: leave the results of failed cells out.
    """
    if len({cell.name for cell in cells}) < len(cells):
        raise ValueError("two cells have one name")
    with storage_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
    return {cell.name: kept for cell in cells if (kept := read_cell_result(directory, cell, retry))}


def read_cell_result(directory: Path, cell: Cell, retry: bool = False) -> CellResult | None:
    """Return the result of a cell, and None where there is none, or one of another task or other arguments.

    Args:
        directory: the folder of the results.
        cell: the cell.
        retry: return None for a failed cell.
    """
    path = directory / f"{cell.name}.json"
    if not path.exists():
        return None
    try:
        record = read_json(path)
        if record["task"] != cell.task or record["arguments"] != to_json_values(cell.arguments):
            return None
        result = CellResult(cell.name, record["outcome"], record["value"], record["seconds"])
    except (DataError, KeyError, TypeError):
        return None
    return None if retry and not result.ok else result


def write_cell_result(directory: Path, cell: Cell, result: CellResult, where: str) -> None:
    """Write the result of a cell as ``NAME.json``.

    Args:
        directory: the folder of the results.
        cell: the cell.
        result: its result.
        where: the machine that it ran on.
    """
    record = {
        "name": cell.name,
        "task": cell.task,
        "arguments": cell.arguments,
        "outcome": result.outcome,
        "value": result.value,
        "seconds": round(result.seconds, 2),
        "date": utc_timestamp(),
        "machine": where,
        "versions": package_versions(),
    }
    write_json(directory / f"{cell.name}.json", record)


class _Child:
    """A cell under way, in a process group of its own."""

    def __init__(self, cell: Cell, threads: int | None, time_limit: float, search: Sequence[Path]):
        self.cell, self.time_limit = cell, time_limit
        self.folder = tempfile.TemporaryDirectory(prefix="gnn-discovery-cell-")
        self.answer = Path(self.folder.name) / "answer.json"
        self.errors = Path(self.folder.name) / "errors.txt"
        request = Path(self.folder.name) / "request.json"
        write_json(request, {"task": cell.task, "arguments": cell.arguments})
        self.start = time.monotonic()
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "gnn_discovery.runs.worker", str(request), str(self.answer)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=child_environment(threads, search),
                start_new_session=True,
            )
        self.timed_out = False

    def has_ended(self) -> bool:
        """Tell whether the cell has ended; end it where it is over its time limit."""
        if self.process.poll() is not None:
            return True
        if time.monotonic() - self.start > self.time_limit:
            self.timed_out = True
            self._end()
            return True
        return False

    def result(self) -> CellResult:
        """Return the result, and remove the temporary files."""
        seconds = time.monotonic() - self.start
        try:
            answer = json.loads(self.answer.read_text(encoding="utf-8"))
            outcome, value = str(answer["outcome"]), answer["value"]
        except (OSError, ValueError, KeyError):
            tail = self.errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            ending = f"ended with status {self.process.returncode}: {tail[-1] if tail else 'no message'}"
            outcome, value = f"stopped after {self.time_limit:g} s" if self.timed_out else ending, None
        self._clean()
        return CellResult(self.cell.name, outcome, value, seconds)

    def stop(self) -> None:
        """End the cell and everything that it started."""
        self._end()
        self._clean()

    def _end(self) -> None:
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()

    def _clean(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.folder.cleanup()


def child_environment(threads: int | None, search: Sequence[Path] = ()) -> dict[str, str]:
    """Return the environment of a child process.

    Args:
        threads: the number of threads that libraries may start; None leaves it to them.
        search: folders from which it can import.
    """
    env = dict(os.environ)
    paths = [str(p.resolve()) for p in search]
    if "PYTHONPATH" in env:
        paths.append(env["PYTHONPATH"])
    env["PYTHONPATH"] = os.pathsep.join(paths)
    if threads is not None:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            env[name] = str(threads)
        if threads == 1:
            env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return env
