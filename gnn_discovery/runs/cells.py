"""Many cells side by side, resumable: each a child process, each result a file that can be committed.

A cell is a task (``module:function``) with plain arguments. Children are started with ``subprocess``, in a
process group of their own, with a fixed number of threads; they end with their parent, and on Ctrl-C.
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
    """One piece of work: ``task`` (``module:function``) is called with ``arguments``, gives plain values."""

    name: str
    task: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CellResult:
    """How a cell went. ``outcome`` is "done" or says in words why there is no ``value``."""

    name: str
    outcome: str
    value: Any
    seconds: float

    @property
    def ok(self) -> bool:
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
    """Run what is not yet in ``directory``, ``workers`` at a time; one ``NAME.json`` a cell.

    Args:
        cells: with names that differ.
        threads: of each child; None leaves it to the libraries.
        time_limit: seconds, after which a cell is ended and says so.
        search: directories from which tasks are imported.
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
            for child in [c for c in running if c.ended()]:
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
    """One cell to its end, in a child process; what comes of it is kept by the caller."""
    child = _Child(cell, threads, time_limit, ())
    try:
        while not child.ended():
            time.sleep(0.05)
    except BaseException:
        child.stop()
        raise
    return child.result()


def load_cell_results(cells: Sequence[Cell], directory: Path, retry: bool = False) -> dict[str, CellResult]:
    """What ``directory``, which is made where it is missing, holds of the cells, by name."""
    if len({cell.name for cell in cells}) < len(cells):
        raise ValueError("two cells have one name")
    with storage_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
    return {cell.name: kept for cell in cells if (kept := read_cell_result(directory, cell, retry))}


def read_cell_result(directory: Path, cell: Cell, retry: bool = False) -> CellResult | None:
    """The kept result of a cell; None where there is none, of other arguments, or to be retried."""
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
    """Write ``NAME.json``; ``where`` is the machine that the cell ran on."""
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
    """One cell under way, in a process group of its own."""

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
        self.late = False

    def ended(self) -> bool:
        if self.process.poll() is not None:
            return True
        if time.monotonic() - self.start > self.time_limit:
            self.late = True
            self._end()
            return True
        return False

    def result(self) -> CellResult:
        """What came of it; cleans up after itself."""
        seconds = time.monotonic() - self.start
        try:
            answer = json.loads(self.answer.read_text(encoding="utf-8"))
            outcome, value = str(answer["outcome"]), answer["value"]
        except (OSError, ValueError, KeyError):
            tail = self.errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            ending = f"ended with status {self.process.returncode}: {tail[-1] if tail else 'no message'}"
            outcome, value = f"stopped after {self.time_limit:g} s" if self.late else ending, None
        self._clean()
        return CellResult(self.cell.name, outcome, value, seconds)

    def stop(self) -> None:
        """End it and everything that it started."""
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
    """What a child finds: the folders to import from, and how many threads the libraries may start."""
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
