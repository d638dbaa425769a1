"""A child of ``run_cells``: ``python -m gnn_discovery.runs.worker REQUEST ANSWER``; ends with the parent."""

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
    """Call the task of ``request`` and write {outcome, value} to ``answer``."""
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
    """Standard input is a pipe held by the parent: its end is the parent's end."""
    while os.read(0, 1):
        pass
    if os.name == "posix":
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    run_request(Path(sys.argv[1]), Path(sys.argv[2]))
