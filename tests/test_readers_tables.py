"""Tables of tracks: names and units of columns, missing particles and frames; and files read in windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gnn_discovery.data.readers import read_trajectories, write_trajectories
from gnn_discovery.data.readers.frame_windows import FrameWindow, choose_windows
from gnn_discovery.data.trajectory import Trajectory, trajectory_fingerprint, validate_trajectory
from gnn_discovery.errors import DataError

FRAMES, PARTICLES = 40, 3


def motion(frames: int = FRAMES, seed: int = 0) -> Trajectory:
    rng = np.random.default_rng(seed)
    t = 0.25 * np.arange(frames)
    start, speed = rng.normal(size=(2, PARTICLES, 2))
    x = 5 * np.arange(PARTICLES)[:, None] + start + np.sin(speed * t[:, None, None])
    return validate_trajectory(
        Trajectory(x, t, velocities=speed * np.cos(speed * t[:, None, None]), properties={"m": [1, 2, 3]})
    )


def table(run: Trajectory, header: str = "t,id,x,y,vx,vy,m", delimiter: str = ",", order: int | None = None) -> str:
    rows = []
    for k, time in enumerate(run.times):
        for i in range(PARTICLES):
            cells = [time, i, *run.positions[k, i], *run.velocities[k, i], run.properties["m"][i]]
            rows.append(delimiter.join(repr(float(c)) if c is not i else str(i) for c in cells))
    if order is not None:
        np.random.default_rng(order).shuffle(rows)
    return "\n".join([header.replace(",", delimiter), *rows]) + "\n"


HEADERS = {
    "plain": ("t,id,x,y,vx,vy,m", ","),
    "semicolons": ("time;particle;x;y;vx;vy;mass".replace(";", ","), ";"),
    "tabs": ("Time,Track_ID,Pos_X,Pos_Y,Vel_X,Vel_Y,Mass", "\t"),
    "blanks": ("# t,id,x,y,vx,vy,m", " "),
    "units": ("t (s),id,x [mm],y [mm],vx,vy,m [g]", ","),
}


@pytest.mark.parametrize("case", HEADERS)
@pytest.mark.parametrize("order", [None, 1], ids=["sorted", "shuffled"])
def test_a_table_comes_back_to_the_bit(tmp_path, case, order):
    (tmp_path / "a.dat").write_text(table(motion(), *HEADERS[case], order))
    (run,) = read_trajectories(tmp_path / "a.dat")
    if case == "units":
        assert run.units == {"time": "s", "length": "mm", "m": "g"}
    assert trajectory_fingerprint([Trajectory(**{**vars(run), "units": {}})]) == trajectory_fingerprint([motion()])


def test_numpy_reads_the_same_numbers(tmp_path):
    (tmp_path / "a.csv").write_text(table(motion()))
    own = np.genfromtxt(tmp_path / "a.csv", delimiter=",", names=True)
    (run,) = read_trajectories(tmp_path / "a.csv")
    np.testing.assert_array_equal(run.positions[..., 1].ravel(), own["y"])


TRACKMATE = """LABEL,ID,TRACK_ID,QUALITY,POSITION_X,POSITION_Y,POSITION_Z,POSITION_T,FRAME
Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame
Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame
,,,(quality),(micron),(micron),(micron),(sec),
"""


def test_an_export_of_trackmate(tmp_path):
    rows = [
        f"ID{100 * i + k},{100 * i + k},{i},9.5,{5 * i + 0.1 * k},{k * k},0.0,{0.5 * k},{k}"
        for i in range(3)
        for k in range(8)
    ]
    (tmp_path / "spots.csv").write_text(TRACKMATE + "\n".join([*rows, "ID7,7,,1.0,0,0,0,0,0"]) + "\n")
    (run,) = read_trajectories(tmp_path / "spots.csv")
    assert run.positions.shape == (8, 3, 2) and run.positions[2, 1].tolist() == [5.2, 4.0]
    assert run.times.tolist() == [0.5 * k for k in range(8)]
    assert run.units["length"] == "micron" and run.units["time"] == "sec"


def test_names_and_runs(tmp_path):
    lines = ["run,frame,name,x,y,z,q"]
    for r in range(2):
        for k in range(6):
            lines += [f"{r},{k},{name},{k + j},{r},{k * j},{2 * j}" for j, name in enumerate(("Sun", "Earth"))]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    first, second = read_trajectories(tmp_path / "a.csv")
    assert first.names == ("Earth", "Sun") and first.properties["q"].tolist() == [2, 0]
    assert second.positions[3].tolist() == [[4, 1, 3], [3, 1, 0]] and first.units["time"] == "frame"


def without(rows: set[tuple[int, int]]) -> str:
    lines = table(motion()).splitlines()
    return "\n".join(lines[:1] + [s for n, s in enumerate(lines[1:]) if divmod(n, PARTICLES) not in rows])


def test_missing_particles_cut_the_motion_into_runs(tmp_path):
    (tmp_path / "a.csv").write_text(without({(10, 1), (11, 1), (30, 2)}))
    found = read_trajectories(tmp_path / "a.csv")
    whole = motion()
    assert [(len(run.times), run.positions.shape[1]) for run in found] == [(10, 3), (18, 3), (9, 3)]
    np.testing.assert_array_equal(found[1].positions, whole.positions[12:30])
    text = " ".join(found.notes)
    assert "1 in 2" in text and "2 in 1" in text and "3 runs" in text and "left out" in text


def test_missing_frames_cut_the_motion_into_runs(tmp_path):
    (tmp_path / "a.csv").write_text(without({(k, i) for k in (20, 21) for i in range(3)}))
    found = read_trajectories(tmp_path / "a.csv")
    assert [len(run.times) for run in found] == [20, 18]
    assert "4.75 to 5.5" in " ".join(found.notes)


def test_a_column_that_changes_is_no_property(tmp_path):
    lines = table(motion()).splitlines()
    (tmp_path / "a.csv").write_text("\n".join(f"{s},{'radius' if n == 0 else n}" for n, s in enumerate(lines)))
    found = read_trajectories(tmp_path / "a.csv")
    assert set(found[0].properties) == {"m"} and "left out: radius" in found.notes[0]


BAD = {
    "a word": (table(motion()).replace(",1,", ",1,oops", 1), ["line 3", "x", "oops"]),
    "a short row": (table(motion()) + "1,2,3\n", ["line 122", "3 columns"]),
    "no particle": ("t,x,y\n0,1,2\n", ["no column particle"]),
    "twice": (table(motion()) + "0.0,1,1,1,1,1,1\n", ["particle 1", "twice", "time 0"]),
    "never two": ("t,id,x,y\n0,0,1,1\n1,1,1,1\n", ["no 5 frames", "0 in 1"]),
    "only a header": ("t,id,x,y\n", ["no 5 frames"]),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_table_is_named_with_its_line(tmp_path, case):
    text, words = BAD[case]
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_trajectories(path)
    for word in [str(path), *words]:
        assert word in str(caught.value)


# windows


def test_windows_are_whole_runs_where_all_fits():
    assert choose_windows([5, 7], 8, 8 * 12) == ([FrameWindow(0, 0, 5), FrameWindow(1, 0, 7)], None)


def test_windows_are_spread_evenly_and_keep_to_the_budget():
    chosen, note = choose_windows([1_000_000], 100, 100 * 2400)
    assert [w.stop - w.start for w in chosen] == [200] * 12 and "12 windows of 200" in note and "1,000,000" in note
    starts = np.array([w.start for w in chosen])
    assert np.ptp(np.diff(starts)) <= 200 and starts[0] < 50_000 and starts[-1] > 900_000
    chosen, _ = choose_windows([50] * 1000, 1, 5000)
    assert len(chosen) == 100 and len({w.run for w in chosen}) == 100
    assert len(choose_windows([300], 10, 1)[0]) == 1


def long_table(path: Path) -> None:
    path.write_text(table(motion(2000), order=3))


def long_dump(path: Path) -> None:
    lines = []
    run = motion(2000)
    for k, time in enumerate(run.times):
        lines += ["ITEM: TIME", repr(float(time)), "ITEM: TIMESTEP", str(k), "ITEM: NUMBER OF ATOMS", "3"]
        lines += ["ITEM: BOX BOUNDS ff ff ff", "0 9", "0 9", "0 9", "ITEM: ATOMS id x y z vx vy vz mass"]
        for i in (2, 0, 1):
            (x, y), (u, v) = run.positions[k, i].tolist(), run.velocities[k, i].tolist()
            lines.append(f"{i} {x!r} {y!r} 0 {u!r} {v!r} 0 {i + 1}")
    path.write_text("\n".join(lines) + "\n")


def long_group(path: Path) -> None:
    write_trajectories(path, [motion(2000), motion(1999, seed=1)])


MAKE = {
    "a.npz": lambda path: write_trajectories(path, [motion(2000)]),
    "a.h5": lambda path: write_trajectories(path, [motion(2000)]),
    "groups.h5": long_group,
    "a.csv": long_table,
    "a.dump": long_dump,
}


@pytest.mark.parametrize("name", MAKE)
def test_what_exceeds_the_budget_is_read_in_windows(tmp_path, name):
    path, budget = tmp_path / name, 80_000
    MAKE[name](path)
    found, whole = read_trajectories(path, budget), {run.times.tobytes(): run for run in read_trajectories(path)}
    runs = list(whole.values())
    assert 2 <= len(found) <= 20 and sum(2 * 8 * run.positions.size for run in found) <= budget
    assert "windows of" in found.notes[0]
    for window in found:
        owner = next(r for r in runs if np.isin(window.positions[0], r.positions).all())
        start = int(np.searchsorted(owner.times, window.times[0]))
        part = slice(start, start + len(window.times))
        np.testing.assert_array_equal(window.times, owner.times[part])
        np.testing.assert_array_equal(window.positions, owner.positions[part])
        np.testing.assert_array_equal(window.velocities, owner.velocities[part])
        np.testing.assert_array_equal(window.properties["m"], owner.properties["m"])
    assert trajectory_fingerprint(read_trajectories(path, budget)) == trajectory_fingerprint(found)


@pytest.mark.parametrize("name", ["a.npz", "a.h5"])
def test_half_a_file_is_named_in_windows_too(tmp_path, name):
    path = tmp_path / name
    MAKE[name](path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=name):
        read_trajectories(path, 80_000)
