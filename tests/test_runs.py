"""The run directory and the runner of cells: nothing is lost, overwritten, half-written or left running."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from gnn_discovery.errors import DataError, StorageError
from gnn_discovery.pipeline import RunCache
from gnn_discovery.runs import Cell, RunDirectory, next_directory, run_cells
from gnn_discovery.runs import files as run_files
from gnn_discovery.runs.files import to_json_text, write_bytes


@pytest.fixture
def run(tmp_path):
    with RunDirectory.create(tmp_path / "run", {"seed": 3}) as made:
        yield made


def test_a_new_run_holds_its_config_and_its_environment(run):
    assert run.config == {"seed": 3}
    recorded = run.read_json("environment.json")
    assert recorded["versions"]["jax"] and recorded["machine"] and recorded["date"]


def test_a_run_is_never_overwritten(run):
    run.close()
    with pytest.raises(StorageError, match=r"not empty.*resume"):
        RunDirectory.create(run.path, {"seed": 4})
    assert run.config == {"seed": 3}


def test_only_one_process_works_in_a_directory(run):
    with pytest.raises(StorageError, match=f"process {os.getpid()}"):
        RunDirectory.open(run.path)
    run.close()
    RunDirectory.open(run.path).close()


def test_a_run_is_entered_again_with_the_same_config_alone(tmp_path):
    """From Python: a directory holds one run, whose networks belong to what was asked and to the motion it saw."""
    with RunDirectory.create_or_open(tmp_path / "run", {"config": {"seed": 3, "box": (1, 2)}}) as run:
        RunCache(run).data("abc")
    with RunDirectory.create_or_open(tmp_path / "run", {"config": {"seed": 3, "box": (1, 2)}}) as run:
        RunCache(run).data("abc")
        with pytest.raises(DataError, match="not the one"):
            RunCache(run).data("abd")
        with pytest.raises(StorageError, match=f"process {os.getpid()}"):
            RunDirectory.create_or_open(run.path, {"config": {"seed": 3, "box": (1, 2)}})
    with pytest.raises(StorageError, match="other settings"):
        RunDirectory.create_or_open(tmp_path / "run", {"config": {"seed": 4, "box": (1, 2)}})
    RunDirectory.open(tmp_path / "run").close()


def test_a_lock_whose_process_is_gone_is_taken_over(run):
    run.close()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    record = {"pid": gone.pid, "host": __import__("socket").gethostname()}
    (run.path / "lock").write_text(json.dumps(record))
    RunDirectory.open(run.path).close()
    (run.path / "lock").write_text(json.dumps(record | {"host": "elsewhere"}))
    with pytest.raises(StorageError, match="elsewhere"):
        RunDirectory.open(run.path)


def test_no_run_directory(tmp_path):
    with pytest.raises(DataError, match="no run directory"):
        RunDirectory.open(tmp_path)


def test_arrays_come_back_bit_for_bit(run):
    rng = np.random.default_rng(0)
    arrays = {
        "w": rng.normal(size=(3, 4)).astype(np.float32),
        "x": rng.normal(size=(2, 5)).T,
        "mask": np.array([True, False]),
        "step": np.array(7),
    }
    run.save_arrays("net", arrays, {"width": 64, "names": ["a"]})
    loaded, meta = run.load_arrays("net")
    assert meta == {"width": 64, "names": ["a"]}
    assert set(loaded) == set(arrays)
    for name, array in arrays.items():
        assert (loaded[name].dtype, loaded[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(loaded[name], array)


def test_every_flipped_byte_of_a_checkpoint_is_seen(run):
    run.save_arrays("net", {"w": np.linspace(0, 1, 100)})
    path = run.path / "checkpoints" / "net.safetensors"
    whole = path.read_bytes()
    payload = len(whole) - 800
    for position in np.random.default_rng(0).integers(payload, len(whole), 20):
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="damaged"):
            run.load_arrays("net")


def test_a_write_that_fails_leaves_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "discovery.json"
    write_bytes(path, b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(run_files.os, "fsync", full)
    with pytest.raises(StorageError, match="No space left") as caught:
        write_bytes(path, b"new")
    assert caught.value.exit_code == 6
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["discovery.json"]


def test_json_has_no_nan():
    record = {"a": np.float64("nan"), "b": np.array([1.0, np.inf]), "c": np.int64(3), "d": (True, None)}
    assert json.loads(to_json_text(record)) == {"a": None, "b": [1.0, None], "c": 3, "d": [True, None]}


def test_metrics_are_one_record_in_each_line(run):
    run.log(step=1, loss=0.5)
    run.log(step=2, loss=float("nan"))
    lines = (run.path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": None}]


def test_a_step_that_is_done_is_not_computed_again(run):
    calls = []

    def compute() -> np.ndarray:
        calls.append(1)
        return np.arange(3.0)

    def step() -> np.ndarray:
        return run.step(
            "train",
            compute,
            lambda result: run.save_arrays("x", {"x": result}),
            lambda: run.load_arrays("x")[0]["x"],
        )

    np.testing.assert_array_equal(step(), step())
    assert len(calls) == 1 and run.done("train")
    (run.path / "checkpoints" / "x.safetensors").write_bytes(b"damaged")
    np.testing.assert_array_equal(step(), np.arange(3.0))
    assert len(calls) == 2


def test_a_step_that_fails_is_not_done(run):
    with pytest.raises(ZeroDivisionError):
        run.step("train", lambda: 1 / 0, lambda _: None, lambda: 0.0)
    assert not run.done("train")


def test_directories_are_numbered(tmp_path):
    assert next_directory("gravity", tmp_path).name == "gravity-1"
    (tmp_path / "gravity-1").mkdir()
    assert next_directory("gravity", tmp_path).name == "gravity-2"
    assert next_directory("/data/my run.npz", tmp_path).name == "my-run-1"
    assert next_directory("path/to/sim.py:make", tmp_path).name == "sim.py-make-1"


TASKS = """
import os, subprocess, sys, time
from gnn_discovery.errors import NoResult

def square(x, folder):
    with open(os.path.join(folder, "calls"), "a") as f:
        f.write(f"{x}\\n")
    return {"square": x * x}

def diverge(x, folder):
    raise NoResult("training diverged")

def crash(x, folder):
    raise RuntimeError("a bug")

def hang(x, folder):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with open(os.path.join(folder, f"pids{x}"), "w") as f:
        f.write(f"{os.getpid()} {child.pid}")
    time.sleep(60)
"""


@pytest.fixture
def tasks(tmp_path):
    (tmp_path / "cell_tasks.py").write_text(TASKS)
    return tmp_path


def cell(name: str, function: str, x: int, folder: Path) -> Cell:
    return Cell(name, f"cell_tasks:{function}", {"x": x, "folder": str(folder)})


def test_cells_run_once_and_failures_keep_their_reason(tasks):
    cells = [cell(f"s{x}", "square", x, tasks) for x in (2, 3)]
    cells += [cell("d", "diverge", 0, tasks), cell("c", "crash", 0, tasks)]
    out = tasks / "results"
    first = run_cells(cells, out, 2, search=[tasks])
    assert [r.value for r in first[:2]] == [{"square": 4}, {"square": 9}]
    assert first[2].outcome == "training diverged" and not first[2].ok
    assert "a bug" in first[3].outcome
    again = run_cells(cells, out, 2, search=[tasks])
    assert [r.value for r in again[:2]] == [{"square": 4}, {"square": 9}]
    assert sorted((tasks / "calls").read_text().split()) == ["2", "3"]
    record = json.loads((out / "s2.json").read_text())
    assert record["machine"] and record["versions"]["numpy"] and record["date"]


def test_a_cell_with_other_arguments_is_another_cell(tasks):
    out = tasks / "results"
    run_cells([cell("s", "square", 2, tasks)], out, search=[tasks])
    assert run_cells([cell("s", "square", 5, tasks)], out, search=[tasks])[0].value == {"square": 25}


def test_a_time_limit_ends_a_cell_and_its_children(tasks):
    result = run_cells([cell("h", "hang", 0, tasks)], tasks / "r", search=[tasks], time_limit=3)[0]
    assert result.outcome == "stopped after 3 s"
    assert_gone(tasks / "pids0")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_cells_end_with_their_parent(tasks, ending):
    script = tasks / "parent.py"
    script.write_text(
        textwrap.dedent(f"""
        import signal
        from pathlib import Path
        from gnn_discovery.runs import Cell, run_cells
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job would ignore it
        cells = [Cell(f"h{{x}}", "cell_tasks:hang", {{"x": x, "folder": {str(tasks)!r}}}) for x in (0, 1)]
        run_cells(cells, Path({str(tasks / "r")!r}), 2, search=[Path({str(tasks)!r})])
        """)
    )
    parent = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.DEVNULL)
    pids = [tasks / "pids0", tasks / "pids1"]
    wait_for(lambda: all(p.exists() and p.read_text() for p in pids))
    parent.send_signal(ending)
    parent.wait(20)
    for path in pids:
        assert_gone(path)
    assert not list((tasks / "r").glob("*.json"))


def assert_gone(path: Path) -> None:
    for pid in map(int, path.read_text().split()):
        wait_for(lambda pid=pid: not alive(pid))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


COMPILES = """
import gnn_discovery, jax
from gnn_discovery.runs import enable_compilation_cache
jax.jit(lambda x: x + 1)(1.0)  # before the cache
enable_compilation_cache()
print(jax.jit(lambda x: x + 2)(1.0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the user's cache folder is not that of XDG")
@pytest.mark.parametrize("where", ["a folder", "a file", "off", "the user's own", "jax came first"])
def test_compiled_programs_are_kept_in_the_users_cache_folder_where_that_can_be(tmp_path, where):
    env = {name: value for name, value in os.environ.items() if "CACHE" not in name and "TF_CPP" not in name}
    code = COMPILES
    if where == "jax came first":
        code = COMPILES.replace("import gnn_discovery, jax", "import jax, gnn_discovery")
    if where == "a folder":  # every session asks for it
        code = COMPILES.replace("runs import enable_compilation_cache", "pipeline import Session").replace(
            "enable_compilation_cache()", "Session()"
        )
    if where == "a file":
        (tmp_path / "cache").write_text("no folder")
    if where == "off":
        env["JAX_ENABLE_COMPILATION_CACHE"] = "false"
    if where == "the user's own":
        env["JAX_COMPILATION_CACHE_DIR"] = str(tmp_path / "own")
    env["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    for _ in range(2):  # XLA has a word about each program that it loads
        done = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True)
        assert done.stdout == "3.0\n" and not done.stderr
    folder = tmp_path / "cache" / "gnn-discovery" / "compiled"
    assert any(path.is_file() for path in folder.rglob("*")) is (where == "a folder")
    if where == "a folder":
        cleared = [sys.executable, "-c", "from gnn_discovery.cli import main; main()", "doctor", "--clear-cache"]
        said = subprocess.run(cleared, env=env, check=True, capture_output=True, text=True).stdout
        assert str(folder) in said and not any(path.is_file() for path in folder.rglob("*"))


@pytest.mark.skipif(sys.platform != "linux", reason="the user's cache folder is not that of XDG")
def test_the_older_half_of_too_many_compiled_programs_is_deleted(tmp_path):
    env = {name: value for name, value in os.environ.items() if "CACHE" not in name and "TF_CPP" not in name}
    env["XDG_CACHE_HOME"] = str(tmp_path)
    code = """
import gnn_discovery
from gnn_discovery.runs import compilation_cache
compilation_cache.MAX_PROGRAMS = 10
compilation_cache.enable_compilation_cache()
"""
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    (folder,) = (tmp_path / "gnn-discovery" / "compiled").iterdir()
    for number in range(20):
        (folder / f"{number}-cache").write_text("program")
        os.utime(folder / f"{number}-cache", (number, number))
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    assert {path.name for path in folder.iterdir()} == {f"{number}-cache" for number in range(10, 20)}
