"""The child process of a symbolic search: it is started, watched and ended here, and speaks through files."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gnn_discovery.symbolic.search.engine_protocol import (
    EngineConfig,
    EngineResult,
    RegressionProblem,
    SearchProgressCallback,
)

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "PYTHON_JULIACALL_THREADS")
"""Environment variables that limit the threads of numerical libraries."""


def run_in_child_process(
    engine: str,
    problems: Sequence[RegressionProblem],
    config: EngineConfig,
    progress: SearchProgressCallback | None = None,
) -> list[EngineResult]:
    """Return the result of each problem, computed in one child process with its own process group and one thread.

    The child writes one file for each problem that it finishes. Whatever ends this call (the last problem, the time
    limit, Ctrl-C, an error) ends the whole process group of the child.

    Args:
        engine: Name of a registered engine.
        problems: Dimensionless problems.
        config: Settings of the search.
        progress: Callback that is called whenever the child has made progress.
    """
    with tempfile.TemporaryDirectory(prefix="gnn-discovery-") as name:
        folder = Path(name)
        write_problems(folder, engine, problems, config)
        with (folder / "errors.txt").open("wb") as errors:
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "gnn_discovery.symbolic.search.worker", name, str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=_child_environment(name),
                start_new_session=True,
            )
            try:
                timed_out = _wait(child, folder, len(problems), config.time_limit, progress)
            finally:
                _kill_process_group(child)
        return _collect_results(folder, engine, len(problems), timed_out, config.time_limit, child.returncode)


def _child_environment(folder: str) -> dict[str, str]:
    """Return the environment of the child: one thread, this package, and scratch files in its folder."""
    root = str(Path(__file__).parents[3])
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    return {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1"), "PYTHONPATH": path, "TMPDIR": folder}


def _wait(
    child: subprocess.Popen[bytes],
    folder: Path,
    count: int,
    limit: float | int,
    progress: SearchProgressCallback | None,
    poll_seconds: float = 0.05,
) -> bool:
    """Wait for the child and return True if the time limit came first."""
    end, reported = time.monotonic() + limit, 0.0
    while True:
        try:
            child.wait(min(poll_seconds, max(end - time.monotonic(), 0.0)))
            finished = True
        except subprocess.TimeoutExpired:
            finished = False
        done = _read_progress(folder)
        if progress is not None and done > reported:
            reported = done
            progress(done, count)
        if finished:
            return False
        if time.monotonic() >= end:
            return True


def _kill_process_group(child: subprocess.Popen[bytes]) -> None:
    """End the child and all processes that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stdin is not None:
        child.stdin.close()


def _collect_results(
    folder: Path, engine: str, count: int, timed_out: bool, limit: float | int, code: int
) -> list[EngineResult]:
    """Return the result of each problem, or why the child process has left none."""
    results = []
    errors = (folder / "errors.txt").read_text(errors="replace").strip().splitlines()
    for k in range(count):
        path = folder / f"result-{k}.json"
        if path.exists():
            results.append(read_engine_result(path))
        elif timed_out:
            results.append(EngineResult((), f"{engine} was stopped at the time limit of {limit:g} s"))
        elif code < 0:
            results.append(EngineResult((), f"{engine} was ended by {signal.Signals(-code).name}"))
        else:
            reason = errors[-1] if errors else f"exit code {code}"
            results.append(EngineResult((), f"{engine} failed: {reason}"))
    return results


def write_problems(folder: Path, engine: str, problems: Sequence[RegressionProblem], config: EngineConfig) -> None:
    """Write the task of the child: ``task.json`` and one ``problem-K.npz`` for each problem.

    Args:
        folder: Folder of the child.
        engine: Name of a registered engine.
        problems: Dimensionless problems.
        config: Settings of the search.
    """
    for k, problem in enumerate(problems):
        columns: dict[str, Any] = {f"input-{j}": values for j, values in enumerate(problem.inputs.values())}
        if problem.weights is not None:
            columns["weights"] = problem.weights
        np.savez(folder / f"problem-{k}.npz", target=problem.target, **columns)
    task = {
        "engine": engine,
        "config": asdict(config),
        "names": [list(problem.names) for problem in problems],
        "dimensions": [problem.dimensions for problem in problems],
    }
    (folder / "task.json").write_text(json.dumps(task))


def read_problems(folder: Path) -> tuple[str, list[RegressionProblem], EngineConfig]:
    """Return engine, problems and settings that `write_problems` wrote."""
    task = json.loads((folder / "task.json").read_text())
    problems = []
    for k, (names, dimensions) in enumerate(zip(task["names"], task["dimensions"], strict=True)):
        with np.load(folder / f"problem-{k}.npz", allow_pickle=False) as data:
            inputs = {name: data[f"input-{j}"] for j, name in enumerate(names)}
            problems.append(RegressionProblem(inputs, data["target"], data.get("weights"), dimensions))
    return task["engine"], problems, EngineConfig.from_dict(task["config"])


def report_progress(folder: Path, done: float) -> None:
    """Report the number of problems that the child has solved.

    Args:
        folder: Folder of the child.
        done: Number of problems, a fraction for the present one included.
    """
    _write_json_atomically(folder / "progress.json", done)


def _read_progress(folder: Path) -> float:
    """Return the number that the child reported last."""
    path = folder / "progress.json"
    return float(json.loads(path.read_text())) if path.exists() else 0.0


def write_engine_result(path: Path, result: EngineResult) -> None:
    """Write a result as JSON.

    Args:
        path: File of the result.
        result: The result of one problem.
    """
    _write_json_atomically(path, result.to_dict())


def _write_json_atomically(path: Path, value: Any) -> None:
    """Write JSON so that the file is complete or absent."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value, allow_nan=False))
    part.replace(path)


def read_engine_result(path: Path) -> EngineResult:
    """Return the result that `write_engine_result` wrote."""
    return EngineResult.from_dict(json.loads(path.read_text()))
