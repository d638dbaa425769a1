"""Test `gnn-discovery replicate`: cells that are done outlive an interruption, here and on a cluster of processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from test_runs import wait_for
from typer.testing import CliRunner

from gnn_discovery.cli import app
from gnn_discovery.errors import UsageError
from gnn_discovery.runs import Cell, run_cells, run_on_cluster

TASKS = """
import os, time

def quick(folder, name, value):
    with open(os.path.join(folder, "calls"), "a") as f:
        f.write(name + "\\n")
    return {"value": value, "parent": os.getppid()}

def patient(folder, name, value):
    found = quick(folder, name, value)
    while not os.path.exists(os.path.join(folder, "go")):
        time.sleep(0.05)
    return found

def crash(folder, name, value):
    raise RuntimeError("a bug")
"""


@pytest.fixture
def tasks(tmp_path, monkeypatch):
    (tmp_path / "replicate_tasks.py").write_text(TASKS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def cell(folder: Path, name: str, function: str = "quick", value: int = 0) -> Cell:
    return Cell(name, f"replicate_tasks:{function}", {"folder": str(folder), "name": name, "value": value})


def calls(folder: Path) -> list[str]:
    return sorted((folder / "calls").read_text().split())


def test_an_interrupted_replication_goes_on_with_the_same_command(tasks):
    """A command whose cells are quick, but for one that waits."""
    script = tasks / "command.py"
    script.write_text(
        textwrap.dedent(f"""
        import signal
        from gnn_discovery.cli import app
        from gnn_discovery_replication import Matrix
        from gnn_discovery.runs import Cell
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job would ignore it
        given = lambda name: {{"folder": {str(tasks)!r}, "name": name, "value": 0}}
        names = {{"a": "quick", "b": "patient", "c": "quick"}}
        Matrix.cells = lambda self: [Cell(n, f"replicate_tasks:{{f}}", given(n)) for n, f in names.items()]
        app(["replicate", "table5", "--workers", "1", "--quiet", "--out", {str(tasks / "out")!r}])
        """)
    )
    first = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: (tasks / "calls").exists() and "b" in calls(tasks), 60.0)
    first.send_signal(signal.SIGINT)
    assert "the same command goes on" in first.communicate(timeout=60)[1]
    assert first.returncode == 130
    assert sorted(path.name for path in (tasks / "out").iterdir()) == ["a.json", "replication.md"]
    (tasks / "go").touch()
    subprocess.run([sys.executable, str(script)], check=True, timeout=120)
    assert {path.stem for path in (tasks / "out").glob("*.json")} == {"a", "b", "c"}
    assert calls(tasks) == ["a", "b", "b", "c"], "what was done is not done again; the one in hand is"


def test_a_dry_run_lists_the_cells_that_are_missing(tmp_path):
    asked = ["replicate", "table1", "--systems", "spring", "--dims", "2", "--strategies", "l1,kl", "--seeds", "2"]
    result = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "none"), "--dry-run", "--json"])
    plan = json.loads(result.stdout)
    assert plan["cells"] == [f"fast1_spring-2d-n4-{what}_runs1000_s{seed}" for seed in (0, 1) for what in ("l1", "kl")]
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("wrong", [["table2"], ["table1", "--dims", "two"], ["table1", "--systems", "damped"]])
def test_what_cannot_be_replicated_is_exit_code_2(wrong):
    assert CliRunner().invoke(app, ["replicate", *wrong, "--dry-run"]).exit_code == 2


def test_a_cluster_of_processes_does_what_one_machine_does(tasks):
    distributed = pytest.importorskip("distributed")
    cells = [cell(tasks, f"s{k}", value=k) for k in range(4)]
    bad = cell(tasks, "bad", "crash")
    run_cells(cells[:1], tasks / "out")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        workers = {os.getpid(), *(worker.process.pid for worker in cluster.workers.values())} - {os.getpid()}
        told: list[str] = []
        found = run_on_cluster([*cells, bad], tasks / "out", address, report=lambda r: told.append(r.name))
        again = run_on_cluster(cells, tasks / "out", address)
    assert [r.value["value"] for r in found[:4]] == [0, 1, 2, 3] == [r.value["value"] for r in again]
    assert "a bug" in found[4].outcome and json.loads((tasks / "out" / "bad.json").read_text())["value"] is None
    assert sorted(told) == ["bad", "s1", "s2", "s3"], "the one that was done here is not done there"
    assert calls(tasks) == ["s0", "s1", "s2", "s3"]
    assert {r.value["parent"] for r in found[1:4]} <= workers, "each is a child of a worker"


def test_a_scheduler_that_is_not_there_is_said(tasks, monkeypatch):
    pytest.importorskip("distributed")
    with pytest.raises(UsageError, match="no scheduler answers"):
        run_on_cluster([cell(tasks, "s")], tasks / "out", "tcp://127.0.0.1:9", connect_timeout=0.5)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'gnn-discovery\[dask\]'"):
        run_on_cluster([cell(tasks, "s")], tasks / "out", "tcp://127.0.0.1:9")
