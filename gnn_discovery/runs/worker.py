"""The child process of a cell: ``python -m gnn_discovery.runs.worker REQUEST ANSWER``; it ends with its parent."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from pathlib import Path

from gnn_discovery.errors import GnnDiscoveryError
from gnn_discovery.runs.files import read_json, write_json


def run_request(request: Path, answer: Path) -> None:
    """Call the task of a request and write {outcome, value}.

    Args:
        request: the file that names the task and its arguments.
        answer: the file that is written.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    asked = read_json(request)
    module, _, function = asked["task"].partition(":")
    task = getattr(importlib.import_module(module), function)
    try:
        value, outcome = task(**asked["arguments"]), "done"
    except GnnDiscoveryError as error:
        value, outcome = None, str(error)
    write_json(answer, {"outcome": outcome, "value": value})


def _end_with_parent() -> None:
    """End this process group when the parent ends, which closes the pipe to standard input."""
    while os.read(0, 1):
        pass
    if os.name == "posix":
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    run_request(Path(sys.argv[1]), Path(sys.argv[2]))
