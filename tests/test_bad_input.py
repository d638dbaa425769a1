"""Bad input is named - file, run, frame, particle - with what to do; no traceback, nothing half-written."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from gnn_discovery.cli import app
from gnn_discovery.runs import RunDirectory
from gnn_discovery.runs import files as run_files

RUNS, FRAMES, PARTICLES, DIM = 4, 12, 3, 2


@dataclass(frozen=True)
class Bad:
    """``make`` puts what is bad into the working directory and gives the arguments of the command."""

    name: str
    make: Callable[[], list[str]]
    code: int
    says: tuple[str, ...]


def motion() -> dict[str, np.ndarray]:
    """Straight lines: valid in every way."""
    rng = np.random.default_rng(1)
    times = 0.1 * np.arange(FRAMES)
    start, speed = rng.normal(size=(2, RUNS, 1, PARTICLES, DIM))
    return {
        "positions": start + speed * times[None, :, None, None],
        "times": times,
        "m": rng.lognormal(size=(RUNS, PARTICLES)),
    }


def changed(**arrays: object) -> Callable[[], list[str]]:
    """A file of valid motion with some arrays replaced (None: left out), held against ``--dry-run``."""

    def make() -> list[str]:
        kept = {k: v for k, v in {**motion(), **arrays}.items() if v is not None}
        np.savez("bad.npz", **kept)
        return ["discover", "bad.npz", "--dry-run"]

    return make


def spoiled(name: str, index: tuple[int, ...], value: float) -> Callable[[], list[str]]:
    """A file of valid motion with one number replaced."""
    data = motion()
    data.setdefault("velocities", np.ones_like(data["positions"]))
    array = data[name].copy()
    array[index] = value
    return changed(**{name: array})


def text_file(name: str, content: str | bytes, *more: str) -> Callable[[], list[str]]:
    def make() -> list[str]:
        Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return ["discover", name, "--dry-run", *more]

    return make


def simulator(code: str) -> Callable[[], list[str]]:
    def make() -> list[str]:
        Path("mine.py").write_text("import numpy as np\n" + code)
        return ["discover", "mine.py:simulate", "--dry-run", "--runs", "6"]

    return make


def said(*arguments: str) -> Callable[[], list[str]]:
    return lambda: list(arguments)


def coincident() -> list[str]:
    positions = motion()["positions"].copy()
    positions[2, 5, 1] = positions[2, 5, 0]
    return changed(positions=positions)()


def truncated() -> list[str]:
    np.savez("bad.npz", **motion())
    whole = Path("bad.npz").read_bytes()
    Path("bad.npz").write_bytes(whole[: len(whole) // 2])
    return ["discover", "bad.npz", "--dry-run"]


def external_link() -> list[str]:
    with h5py.File("other.h5", "w") as file:
        file["positions"] = motion()["positions"]
    with h5py.File("bad.h5", "w") as file:
        file["times"] = motion()["times"]
        file["positions"] = h5py.ExternalLink("other.h5", "positions")
    return ["discover", "bad.h5", "--dry-run"]


def directory() -> list[str]:
    Path("data.npz").mkdir()
    return ["discover", "data.npz", "--dry-run"]


def occupied() -> list[str]:
    Path("here").mkdir()
    Path("here/notes.txt").write_text("mine")
    return ["discover", "spring", "--out", "here"]


def under_a_file() -> list[str]:
    Path("file").write_text("no directory")
    return ["discover", "spring", "--out", "file/run"]


def existing_output() -> list[str]:
    Path("there.npz").write_bytes(b"mine")
    return ["simulate", "spring", "--out", "there.npz", "--runs", "2", "--frames", "3"]


def unfinished() -> list[str]:
    RunDirectory.create(Path("run"), {"source": "spring"}).close()
    return ["report", "run"]


def of_another_version() -> list[str]:
    RunDirectory.create(Path("run"), {"source": "spring"}).close()
    return ["resume", "run"]


def law(term: dict) -> Callable[[], list[str]]:
    def make() -> list[str]:
        Path("law.json").write_text(json.dumps({"terms": [term], "order": 2, "divides_by_mass": True}))
        return ["check", "law.json", "spring"]

    return make


def no_law() -> list[str]:
    Path("law.json").write_text("{not json")
    return ["check", "law.json", "spring"]


NAN, INF = float("nan"), float("inf")
SPRING = {"kind": "pair", "direction": "radial", "expression": "-2*(r - 1)", "constants": {}}

CASES = (
    Bad("missing file", said("discover", "nope.npz"), 3, ("nope.npz", "no such file")),
    Bad("a missing table", said("inspect", "foo.csv"), 3, ("foo.csv", "no such file")),
    Bad("a missing file in a folder", said("inspect", "data/foo"), 3, ("data/foo", "no such file")),
    Bad("a table without particles", text_file("bad.csv", "t,x,y\n0,1,2\n"), 3, ("bad.csv", "particle")),
    Bad("units of nothing", said("inspect", "free", "--units", "weight=kg"), 2, ("--units", "weight", "length")),
    Bad("units that are none", said("inspect", "free", "--units", "length"), 2, ("--units", "length=AU")),
    Bad("units of a mass", said("inspect", "solar-system", "--units", "length=kg"), 2, ("--units", "kg", "length")),
    Bad("unknown units", said("inspect", "free", "--units", "length=kms"), 2, ("--units", "kms", "Did you mean")),
    Bad("a directory", directory, 3, ("data.npz", "directory")),
    Bad("an empty file", text_file("bad.npz", ""), 3, ("bad.npz", "empty")),
    Bad("text as npz", text_file("bad.npz", "x y z\n1 2 3\n"), 3, ("bad.npz", "npz, h5|formats")),
    Bad("text as h5", text_file("bad.h5", "x y z\n1 2 3\n"), 3, ("bad.h5",)),
    Bad("half a file", truncated, 3, ("bad.npz",)),
    Bad("no positions", changed(positions=None), 3, ("bad.npz", "positions")),
    Bad("no times", changed(times=None), 3, ("bad.npz", "times")),
    Bad("NaN position", spoiled("positions", (1, 4, 2, 0), NAN), 3, ("run 1", "frame 4", "particle 2")),
    Bad("infinite velocity", spoiled("velocities", (3, 0, 1, 1), INF), 3, ("run 3", "frame 0", "particle 1")),
    Bad("NaN mass", spoiled("m", (2, 1), NAN), 3, ("m", "run 2", "particle 1")),
    Bad("negative mass", spoiled("m", (2, 1), -1.0), 3, ("m", "particle 1")),
    Bad("flat positions", changed(positions=np.zeros((4, 12))), 3, ("positions", "(4, 12)")),
    Bad("four dimensions", changed(positions=np.zeros((4, 12, 3, 4))), 3, ("positions",)),
    Bad("text for numbers", changed(positions=np.full((4, 12, 3, 2), "a")), 3, ("positions",)),
    Bad("objects", changed(positions=np.array([None, {}], dtype=object)), 3, ("positions",)),
    Bad("too short times", changed(times=np.arange(5.0)), 3, ("times", "5")),
    Bad("times that stand still", changed(times=np.zeros(FRAMES)), 3, ("times", "increas")),
    Bad("times that go back", spoiled("times", (6,), 0.0), 3, ("times", "frame 6")),
    Bad("velocities of another shape", changed(velocities=np.zeros((4, 12, 3, 3))), 3, ("velocities",)),
    Bad("a property of another shape", changed(m=np.ones((4, 7))), 3, ("m", "(4, 7)")),
    Bad("edges out of range", changed(edges=np.array([[0, 9]])), 3, ("edge 0", "particle 9")),
    Bad("a negative box", changed(box=np.array([-1.0, 1.0])), 3, ("box",)),
    Bad("two particles at one place", coincident, 3, ("run 2", "frame 5", "particle")),
    Bad(
        "one particle",
        changed(positions=motion()["positions"][:, :, :1], m=np.ones((4, 1))),
        3,
        ("particle",),
    ),
    Bad(
        "too few frames",
        changed(positions=motion()["positions"][:, :2], times=np.arange(2.0)),
        3,
        ("frames",),
    ),
    Bad("an external link", external_link, 3, ("bad.h5", "link")),
    Bad("unknown system", said("discover", "gravty"), 2, ("gravty", "gravity")),
    Bad("unknown engine", said("discover", "spring", "--engine", "eureqa"), 2, ("eureqa", "operon")),
    Bad("unknown option", said("discover", "spring", "--sede", "1"), 2, ("--sede",)),
    Bad("unknown command", said("discovr", "spring"), 2, ("discovr",)),
    Bad("no runs", said("discover", "spring", "--runs", "0"), 2, ("--runs",)),
    Bad("four-dimensional space", said("discover", "spring", "--dim", "4"), 2, ("--dim",)),
    Bad("third order", said("discover", "spring", "--order", "3"), 2, ("--order",)),
    Bad("no number", said("discover", "spring", "--seed", "one"), 2, ("--seed", "integer")),
    Bad("unknown strategy", said("discover", "spring", "--strategy", "l7"), 2, ("--strategy", "l7", "l1")),
    Bad("unknown node", said("discover", "spring", "--node", "gru"), 2, ("--node", "gru", "mlp")),
    Bad("a lonely particle", said("discover", "spring", "--particles", "1"), 2, ("particles", "2")),
    Bad("two suns", said("discover", "solar-system", "--runs", "2"), 2, ("runs", "solar-system")),
    Bad("no such module", said("discover", "no_such_module:Thing"), 2, ("no_such_module",)),
    Bad("no such name", simulator("def other(): pass\n"), 2, ("simulate", "mine.py")),
    Bad("no such file of code", said("discover", "no_such_file.py:Thing"), 3, ("no_such_file.py",)),
    Bad("code that fails", simulator("raise RuntimeError('not today')\n"), 3, ("mine.py", "not today")),
    Bad("no simulator", simulator("simulate = 3\n"), 3, ("mine.py",)),
    Bad(
        "a force of another shape",
        simulator("def simulate(positions, velocities, properties): return np.zeros(3)\n"),
        3,
        ("mine.py", "shape"),
    ),
    Bad(
        "a force that is NaN",
        simulator("def simulate(positions, velocities, properties): return positions * np.nan\n"),
        3,
        ("mine.py", "no finite number", "run 0", "frame 0", "particle 0"),
    ),
    Bad("an occupied directory", occupied, 6, ("here", "--out")),
    Bad("a directory under a file", under_a_file, 6, ("file/run", "--out")),
    Bad("a file that exists", existing_output, 6, ("there.npz", "exists")),
    Bad("another suffix", said("simulate", "spring", "--out", "x.csv", "--runs", "2"), 3, ("x.csv", ".npz")),
    Bad("no run", said("resume", "nowhere"), 3, ("nowhere", "no run directory")),
    Bad("an unfinished run", unfinished, 3, ("run", "resume")),
    Bad("a run of another version", of_another_version, 3, ("config.json",)),
    Bad("no law", no_law, 3, ("law.json", "JSON")),
    Bad("a formula of no kind", said("check", "sideways x: -r"), 2, ("sideways x", "pair radial")),
    Bad("a formula that is none", said("check", "-2*r*"), 3, ("not a formula",)),
    Bad("an option that is none", said("check", "-2*r", "--jsn"), 2, ("--jsn",)),
    Bad("a missing law alone", said("check", "absent.json"), 3, ("absent.json",)),
    Bad("a missing law", said("check", "absent.json", "spring"), 3, ("absent.json",)),
    Bad("a law sideways", law(SPRING | {"direction": "up"}), 3, ("law.json", "up", "radial")),
    Bad("a law that is code", law(SPRING | {"expression": "__import__('os').getcwd()"}), 3, ("law.json",)),
    Bad("a law that is endless", law(SPRING | {"expression": "-" * 9999 + "r"}), 3, ("law.json",)),
)


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.name)
def test_bad_input(bad, in_tmp):
    arguments = bad.make()
    before = tree(in_tmp)
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == bad.code, result.stderr
    assert "Traceback" not in result.output
    message = " ".join(result.stderr.split())
    for part in bad.says:
        assert any(p in message for p in part.split("|")), f"{part!r} is not in {message!r}"
    assert result.stdout == "", "errors go to standard error"
    made = {name for name in tree(in_tmp) - before if "__pycache__" not in name}
    assert not made, f"half a result: {made}"


def test_errors_show_under_quiet(in_tmp):
    result = CliRunner().invoke(app, ["discover", "nope.npz", "--quiet"])
    assert result.exit_code == 3 and "nope.npz" in result.stderr


def test_an_engine_that_cannot_run_is_found_out_before_anything_is_done(in_tmp, monkeypatch):
    monkeypatch.setenv("PATH", str(in_tmp))
    monkeypatch.setenv("PYTHON_JULIAPKG_PROJECT", str(in_tmp / "no-julia"))
    before = tree(in_tmp)
    result = CliRunner().invoke(app, ["discover", "spring", "--engine", "sparse", "--engine", "pysr"])
    assert result.exit_code == 4, result.output
    assert "Julia" in result.stderr and "doctor --install-julia" in result.stderr
    assert tree(in_tmp) == before


def test_a_locked_run_is_left_alone(in_tmp):
    with RunDirectory.create(Path("run"), {"source": "spring"}):
        result = CliRunner().invoke(app, ["resume", "run"])
    assert result.exit_code == 6
    assert f"process {os.getpid()}" in result.stderr


def test_a_full_disk_is_named(in_tmp, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(run_files.os, "fsync", full)
    result = CliRunner().invoke(app, ["discover", "spring", "--out", "run"])
    assert result.exit_code == 6
    assert "No space left" in result.stderr and "run" in result.stderr
    assert not Path("run", "config.json").exists()


def test_the_table_is_long_enough():
    assert len(CASES) >= 25
