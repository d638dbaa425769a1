"""The program of the child process: ``python -m gnn_discovery.symbolic.search.worker FOLDER PARENT``."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gnn_discovery.symbolic.search.child_process import (
    read_problems,
    report_progress,
    write_engine_result,
)
from gnn_discovery.symbolic.search.engine_protocol import (
    EngineConfig,
    EngineResult,
    RegressionProblem,
    SymbolicEngine,
)
from gnn_discovery.symbolic.search.engine_registry import get_engine


def solve_problems(folder: Path, parent: int) -> None:
    """Solve the problems of a folder one after the other; see `run_in_child_process`.

    Args:
        folder: Folder that `write_problems` has filled; results are written there.
        parent: Process whose end ends this one.
    """
    exit_with_parent(parent)
    name, problems, config = read_problems(folder)
    engine = get_engine(name)
    for k, problem in enumerate(problems):
        write_engine_result(
            folder / f"result-{k}.json", solve_problem(engine, problem, config, partial(_report_part, folder, k))
        )
        report_progress(folder, k + 1)


def solve_problem(
    engine: SymbolicEngine, problem: RegressionProblem, config: EngineConfig, part: Callable[[float], None]
) -> EngineResult:
    """Return the candidates of an engine, or the failure of the engine as an outcome without candidates.

    Args:
        engine: The engine.
        problem: A dimensionless problem.
        config: Settings of the search.
        part: Callback that is called with the fraction of the budget that is spent.
    """
    name = engine.name
    try:
        candidates = tuple(engine.fit(problem, config, lambda n: part(min(1.0, n / config.evaluations))))
        outcome = f"{name} found {len(candidates)} formulas" if candidates else f"{name} found no formula"
    except Exception as error:  # an engine is foreign code: its failure is this problem's outcome
        candidates, outcome = (), f"{name} failed: {type(error).__name__}: {error}"
    return EngineResult(candidates, outcome)


def _report_part(folder: Path, done: int, part: float) -> None:
    """Report the problems solved and the fraction of the budget spent on the present one."""
    report_progress(folder, done + part)


def exit_with_parent(parent: int) -> None:
    """End this process and its group when the process ``parent`` has ended, however it ended.

    Linux does so by itself, even within a long call of a C library; elsewhere a thread waits for the end of standard
    input, whose other side the parent holds.
    """
    if sys.platform == "linux":
        pr_set_pdeathsig = 1  # from prctl(2)
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    def watch() -> None:
        while sys.stdin.buffer.read(1):
            pass
        os.killpg(os.getpgid(0), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    solve_problems(Path(sys.argv[1]), int(sys.argv[2]))
