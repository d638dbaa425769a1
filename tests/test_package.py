"""The package from outside: its public names, what it depends on, and the lock files."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def test_every_public_name_is_there():
    import gnn_discovery

    for name in gnn_discovery.__all__:
        assert getattr(gnn_discovery, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = gnn_discovery.nothing


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_release_of_jax_with_wrong_results_is_excluded():
    (jax,) = [r for r in map(Requirement, project()["project"]["dependencies"]) if r.name == "jax"]
    assert "0.10.1" in jax.specifier
    assert "0.10.2" not in jax.specifier and "0.11.0" not in jax.specifier
    locked = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line.startswith("jax==")]
    assert locked and all("0.10.2" not in line for line in locked)


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_file_is_hashed_and_names_no_host(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text and "index-url" not in text
    pins = [line for line in text.splitlines() if "==" in line and not line.startswith((" ", "#"))]
    assert len(pins) > 40
    assert all(line.endswith("\\") for line in pins), "a pin without hashes"


def test_every_dependency_is_locked():
    locked = {line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()}
    for requirement in map(Requirement, project()["project"]["dependencies"]):
        assert requirement.name.lower() in locked
