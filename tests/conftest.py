"""Shapes of annotated arrays are checked at run time in the whole test suite."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import pytest
from jaxtyping import install_import_hook

# before the package is first imported
_hook = install_import_hook(["gnn_discovery", "gnn_discovery_simulations"], "typecheck.checked")


@pytest.fixture
def in_tmp(tmp_path, monkeypatch):
    """A working directory of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
