"""Types and shapes of annotated arguments are checked at run time in the whole test suite."""

import os
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["GNN_DISCOVERY_HOME"] = str(Path(__file__).parent / "home")  # not there: a user's own records are not tested

import pytest
from jaxtyping import install_import_hook

_CORE = Path(__file__).parents[1] / "gnn_discovery"
_BOUNDARY = {"__init__", "cli", "data", "simulators"}
"""These check by hand, in words, what comes from outside; of `data` that is the trajectory and the readers."""
_CHECKED = [
    *(p.stem for p in _CORE.iterdir() if p.stem not in _BOUNDARY and not p.name.startswith("__")),
    "data.dataset",
    "data.differentiation",
]

# before any of them is imported
_hook = install_import_hook([f"gnn_discovery.{name}" for name in _CHECKED], "typed.checked")


@pytest.fixture
def in_tmp(tmp_path, monkeypatch):
    """A working directory of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
