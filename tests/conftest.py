"""Types and shapes of annotated arguments are checked at run time in the whole test suite."""

import os
from collections import Counter
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["GNN_DISCOVERY_HOME"] = str(Path(__file__).parent / "home")  # not there: a user's own records are not tested

# programs that one test has compiled serve the others, in all processes
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "compiled"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# most programs run for less than a second: they are made faster, and run slower by less than a tenth
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=1 --xla_cpu_use_fusion_emitters=false")

import pytest
import typed
from jaxtyping import install_import_hook

_CORE = Path(__file__).parents[1] / "gnn_discovery"
_BY_HAND = ("__init__", "cli", "criteria", "data.trajectory", "data.readers", "simulators")
"""These check in words what comes from outside; so do the configs, each in a file ``config.py``."""


def _checked_modules() -> list[str]:
    names = [".".join(path.relative_to(_CORE).with_suffix("").parts) for path in sorted(_CORE.rglob("*.py"))]
    names = [name for name in names if name.rpartition(".")[2] not in ("__init__", "config")]
    return [f"gnn_discovery.{name}" for name in names if not name.startswith(_BY_HAND)]


# before any of them is imported
typed.check_first_calls()
_hook = install_import_hook(_checked_modules(), "typed.checked")


def pytest_collection_modifyitems(items):
    """Put the files with most slow tests first, so that no process is left alone with them at the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(autouse=True, scope="module")
def _types():
    typed.count_anew()


@pytest.fixture
def in_tmp(tmp_path, monkeypatch):
    """A working directory of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
