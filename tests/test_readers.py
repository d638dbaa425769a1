"""Trajectory files: round trips, damage, and refused content."""

import io
import zipfile
from importlib.metadata import EntryPoint
from pathlib import Path

import h5py
import numpy as np
import pytest

from gnn_discovery.data.readers import read_trajectories, reader_plugins, trajectory_files, write_trajectories
from gnn_discovery.data.readers.hdf5 import Hdf5Reader
from gnn_discovery.data.readers.npz import NpzReader
from gnn_discovery.data.trajectory import Trajectory, trajectory_fingerprint, validate_trajectory
from gnn_discovery.errors import DataError, StorageError


class Careless:
    """A plug-in that fails on every file."""

    name = "careless"

    def sniff(self, path):
        raise ValueError("not my file")


class Broken:
    """A plug-in that cannot be made."""

    def __init__(self):
        raise RuntimeError("no such library")


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """The readers as the package registers them, and a broken plug-in beside them."""
    points = [
        EntryPoint("npz", "gnn_discovery.data.readers.npz:NpzReader", trajectory_files.READER_GROUP),
        EntryPoint("hdf5", "gnn_discovery.data.readers.hdf5:Hdf5Reader", trajectory_files.READER_GROUP),
        EntryPoint("careless", f"{__name__}:Careless", trajectory_files.READER_GROUP),
        EntryPoint("broken", f"{__name__}:Broken", trajectory_files.READER_GROUP),
    ]
    monkeypatch.setattr(trajectory_files, "entry_points", lambda group: points)


def runs(count=3, frames=7, particles=3, dim=2, seed=0, **more) -> list[Trajectory]:
    rng = np.random.default_rng(seed)
    return [
        validate_trajectory(
            Trajectory(
                positions=rng.normal(size=(frames, particles, dim)),
                times=np.cumsum(rng.uniform(0.1, 1, frames)),
                velocities=rng.normal(size=(frames, particles, dim)),
                properties={"m": rng.lognormal(size=particles), "file": rng.normal(size=particles)},
                **more,
            )
        )
        for _ in range(count)
    ]


FULL = {
    "box": np.array([9.0, 1e-3]),
    "cutoff": 1e-4,
    "edges": np.array([[0, 1], [1, 2]]),
    "names": ("Sun", "Erde", "Mönd"),
    "units": {"length": "AU", "m": "kg"},
}


@pytest.mark.parametrize("suffix", ["npz", "h5"])
@pytest.mark.parametrize("more", [{}, FULL, {"edges": np.zeros((0, 2), int)}], ids=["bare", "full", "no pairs"])
def test_round_trip_keeps_every_bit(tmp_path, suffix, more):
    before = runs(**more)
    write_trajectories(tmp_path / f"a.{suffix}", before)
    after = read_trajectories(tmp_path / f"a.{suffix}")
    assert trajectory_fingerprint(after) == trajectory_fingerprint(before)
    assert [run.names for run in after] == [run.names for run in before]
    assert after[0].accelerations is None
    assert np.array_equal(after[1].positions, before[1].positions)
    assert [p.name for p in tmp_path.iterdir()] == [f"a.{suffix}"]  # nothing temporary is left


def test_runs_of_unequal_length_and_number_keep_their_order_in_groups(tmp_path):
    before = [runs(1, frames=4 + i, particles=2 + i % 3, seed=i)[0] for i in range(12)]
    write_trajectories(tmp_path / "a.h5", before)
    assert trajectory_fingerprint(read_trajectories(tmp_path / "a.h5")) == trajectory_fingerprint(before)
    with pytest.raises(DataError, match=r"\.h5"):
        write_trajectories(tmp_path / "a.npz", before)


@pytest.mark.parametrize("suffix", ["npz", "h5"])
def test_same_data_same_file(tmp_path, suffix):
    for name in "ab":
        write_trajectories(tmp_path / f"{name}.{suffix}", runs())
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", ["npz", "h5"])
@pytest.mark.parametrize("equal", [True, False])
def test_a_flipped_byte_is_never_read_as_data(tmp_path, suffix, equal):
    if suffix == "npz" and not equal:
        pytest.skip("unequal runs go to .h5")
    before = runs() if equal else [*runs(1, frames=5), *runs(1, frames=6)]
    path = tmp_path / f"a.{suffix}"
    write_trajectories(path, before)
    good, expected = path.read_bytes(), trajectory_fingerprint(before)
    detected = 0
    for place in np.random.default_rng(0).choice(len(good), 100, replace=False):
        bad = bytearray(good)
        bad[place] ^= 0xFF
        path.write_bytes(bytes(bad))
        try:
            assert trajectory_fingerprint(read_trajectories(path)) == expected  # a byte that holds nothing
        except DataError as error:
            assert str(path) in str(error)
            detected += 1
    assert detected > 10


@pytest.mark.parametrize("suffix", ["npz", "h5"])
def test_every_truncation_is_an_error(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    write_trajectories(path, runs())
    good = path.read_bytes()
    for length in np.linspace(1, len(good) - 1, 40).astype(int):
        path.write_bytes(good[:length])
        with pytest.raises(DataError) as caught:
            read_trajectories(path)
        assert str(path) in str(caught.value)


def test_one_run_needs_no_leading_axis_and_other_types_become_float64(tmp_path):
    one = runs(1)[0]
    np.savez(
        tmp_path / "a.npz",
        positions=one.positions.astype(">f4"),
        times=np.arange(7),
        type=np.array([1, 2, 1], dtype=np.int8),
    )
    (run,) = read_trajectories(tmp_path / "a.npz")
    assert run.positions.dtype == np.float64 and run.positions.dtype.isnative
    assert np.array_equal(run.positions, one.positions.astype(np.float32))
    assert np.array_equal(run.properties["type"], [1.0, 2.0, 1.0])


def test_properties_and_times_may_be_shared_by_all_runs_or_given_for_each(tmp_path):
    x = np.random.default_rng(0).normal(size=(2, 4, 3, 2))
    np.savez(tmp_path / "a.npz", positions=x, times=np.arange(4.0), m=[1, 2, 3], q=np.arange(6.0).reshape(2, 3))
    first, second = read_trajectories(tmp_path / "a.npz")
    assert np.array_equal(first.properties["m"], second.properties["m"])
    assert second.properties["q"].tolist() == [3.0, 4.0, 5.0]
    assert np.array_equal(first.times, second.times)


def npz(path: Path, **changes: object) -> None:
    arrays: dict[str, object] = {"positions": runs(1)[0].positions[None], "times": np.arange(7.0), **changes}
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None}, allow_pickle=True)


def entry(value: float, frame: int = 4, particle: int = 2) -> np.ndarray:
    x = np.random.default_rng(0).normal(size=(2, 7, 3, 2))
    x[1, frame, particle, 0] = value
    return x


def h5(path: Path, fill) -> None:
    with h5py.File(path, "w") as file:
        file["positions"], file["times"] = runs(1)[0].positions[None], np.arange(7.0)
        fill(file)


def bare_npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.ones(3))


def external(file) -> None:
    file["m"] = h5py.ExternalLink("other.h5", "/m")


def external_storage(file) -> None:
    file.create_dataset("m", (3,), "f8", external=[("/etc/hostname", 0, 24)])


def virtual(file) -> None:
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "m", (3,))
    file.create_virtual_dataset("m", layout)


def huge_npz(path: Path) -> None:
    npz(path)
    header = io.BytesIO()
    shape = (10**6, 10**6, 3)
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("velocities.npy", header.getvalue())


def absent_chunks(file) -> None:
    file.create_dataset("m", (1, 3), "f8", chunks=(1, 1))[0, 0] = 1.0


def groups(path: Path, *fills) -> None:
    with h5py.File(path, "w") as file:
        for index, fill in enumerate(fills):
            group = file.create_group(f"run_{index}")
            group["positions"], group["times"] = runs(1)[0].positions, np.arange(7.0)
            fill(group)


def replaced(name, value):
    def fill(group) -> None:
        del group[name]
        group[name] = value

    return fill


def nothing(group) -> None: ...


def pair_at_one_place() -> np.ndarray:
    x = entry(0.0)
    x[1, 5, 0] = x[1, 5, 2]
    return x


BAD = {
    "missing": ("a.npz", lambda p: None, ["no such file"]),
    "directory": ("a.npz", lambda p: p.mkdir(), ["directory"]),
    "empty": ("a.npz", lambda p: p.touch(), ["empty"]),
    "text": (
        "a.npz",
        lambda p: p.write_text("x,y\n1,2\n"),
        ["no trajectory", "npz", "hdf5", "no such library"],
    ),
    "bare npy": ("a.npz", bare_npy, ["no trajectory"]),
    "no positions": ("a.npz", lambda p: npz(p, positions=None, x=np.ones(3)), ["positions", "times, x"]),
    "no times": ("a.npz", lambda p: npz(p, times=None), ["'times'"]),
    "rank of positions": ("a.npz", lambda p: npz(p, positions=np.ones((7, 3))), ["(7, 3)", "(R T N D)"]),
    "no frames": ("a.npz", lambda p: npz(p, positions=np.ones((1, 0, 3, 2))), ["(1, 0, 3, 2)"]),
    "five dimensions": ("a.npz", lambda p: npz(p, positions=np.ones((1, 7, 3, 5))), ["5 dimensions"]),
    "times too short": ("a.npz", lambda p: npz(p, times=np.arange(6.0)), ["'times'", "(6,)"]),
    "velocities": (
        "a.npz",
        lambda p: npz(p, velocities=np.ones((1, 7, 2, 2))),
        ["'velocities'", "(1, 7, 2, 2)"],
    ),
    "unknown rank": ("a.npz", lambda p: npz(p, m=np.ones((2, 2, 2))), ["'m'", "(2, 2, 2)", "(1, 3) or (3,)"]),
    "objects": ("a.npz", lambda p: npz(p, m=np.array([1, None, 2])), ["'m'", "object"]),
    "text property": ("a.npz", lambda p: npz(p, m=np.array(["a", "b", "c"])), ["'m'", "real numbers"]),
    "complex": ("a.npz", lambda p: npz(p, q=np.ones(3) * 1j), ["'q'", "complex"]),
    "absurd size": ("a.npz", huge_npz, ["'velocities'", "memory"]),
    "NaN": ("a.npz", lambda p: npz(p, positions=entry(np.nan)), ["run 1", "frame 4", "particle 2", "nan"]),
    "infinite": (
        "a.npz",
        lambda p: npz(p, positions=entry(0.0), velocities=entry(-np.inf)),
        ["run 1", "velocity", "frame 4", "particle 2", "-inf"],
    ),
    "one place": (
        "a.npz",
        lambda p: npz(p, positions=pair_at_one_place()),
        ["run 1", "particle 0 and particle 2", "one place", "frame 5"],
    ),
    "times go back": (
        "a.npz",
        lambda p: npz(p, times=[0, 1, 2, 3, 3, 4, 5]),
        ["run 0", "frame 4", "3, after 3"],
    ),
    "one particle": ("a.npz", lambda p: npz(p, positions=np.ones((7, 1, 2))), ["run 0", "one particle"]),
    "negative mass": ("a.npz", lambda p: npz(p, m=[1, -2, 3]), ["run 0", "m of particle 1", "-2.0"]),
    "box": ("a.npz", lambda p: npz(p, box=[1.0, 0.0]), ["box", "[1.0, 0.0]"]),
    "edge": ("a.npz", lambda p: npz(p, edges=[[0, 1], [1, 3]]), ["edge 1", "particle 3", "of 3"]),
    "names": ("a.npz", lambda p: npz(p, names=["a", "b"]), ["2 different names", "3 particles"]),
    "units": ("a.npz", lambda p: npz(p, units=["m", "s"]), ["units", "(2,)"]),
    "property name": ("a.npz", lambda p: npz(p, **{"m*2": np.ones(3)}), ["'m*2'"]),
    "external link": ("a.h5", lambda p: h5(p, external), ["'m'", "link"]),
    "external storage": ("a.h5", lambda p: h5(p, external_storage), ["'m'", "another file"]),
    "virtual": ("a.h5", lambda p: h5(p, virtual), ["'m'", "virtual"]),
    "incomplete": ("a.h5", lambda p: h5(p, absent_chunks), ["'m'", "incomplete"]),
    "huge h5": (
        "a.h5",
        lambda p: h5(p, lambda f: f.create_dataset("m", (10**9, 10**6), "f8")),
        ["'m'", "memory"],
    ),
    "NaN in a group": (
        "a.h5",
        lambda p: groups(p, nothing, replaced("positions", entry(np.nan)[1])),
        ["run 1", "run_1", "frame 4", "particle 2"],
    ),
    "runs in a group": (
        "a.h5",
        lambda p: groups(p, replaced("positions", entry(0.0))),
        ["run 0", "run_0", "holds 2 runs"],
    ),
    "nested groups": (
        "a.h5",
        lambda p: groups(p, lambda g: g.create_group("more")),
        ["run_0", "groups within"],
    ),
    "h5 without data": ("a.h5", lambda p: h5py.File(p, "w").close(), ["positions"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_named_with_what_to_do(tmp_path, case):
    name, make, words = BAD[case]
    path = tmp_path / name
    make(path)
    with pytest.raises(DataError) as caught:
        read_trajectories(path)
    assert caught.value.exit_code == 3
    assert caught.value.remedy
    for word in [str(path), *words]:
        assert word in str(caught.value)


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    write_trajectories(path, runs())
    old = path.read_bytes()
    with pytest.raises(StorageError, match="no/such") as caught:
        write_trajectories(tmp_path / "no" / "such" / "a.npz", runs())
    assert caught.value.exit_code == 6

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(h5py.Group, "create_dataset", full)
    with pytest.raises(StorageError, match="No space left"):
        write_trajectories(path, runs(seed=1))
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_a_broken_plug_in_is_listed_and_harms_no_other():
    found = {plugin.name: plugin for plugin in reader_plugins()}
    assert found["broken"].reader is None and "no such library" in found["broken"].error
    assert isinstance(found["npz"].reader, NpzReader) and isinstance(found["hdf5"].reader, Hdf5Reader)
