"""Files of other programs, written by them and held against their own readers; units, damage."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from gnn_discovery.data.readers import read_trajectories
from gnn_discovery.errors import DataError

FRAMES, PARTICLES = 12, 5


def lattice(seed: int = 0, frames: int = FRAMES) -> np.ndarray:
    """Smooth motion about places far from each other, (T N 3)."""
    rng = np.random.default_rng(seed)
    start, speed, phase = rng.normal(size=(3, 1, PARTICLES, 3))
    t = 0.1 * np.arange(frames)[:, None, None]
    return 4 + 3 * np.eye(PARTICLES, 3)[None] + 0.3 * start + 0.2 * np.sin(speed * t + phase)


def equal(ours: np.ndarray, theirs: list) -> None:
    np.testing.assert_array_equal(ours, np.array(theirs, dtype=np.float64))


# extended XYZ and ASE


def atoms(box: bool = True, momenta: bool = True):
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator

    rng = np.random.default_rng(3)
    found = []
    for k, x in enumerate(lattice()):
        one = Atoms("ArKrXeArKr", positions=x, cell=[20.0, 21.0, 22.0], pbc=box)
        if momenta:
            v = (lattice(frames=FRAMES + 1)[k + 1] - x) / 0.7
            one.set_velocities(v)
        one.calc = SinglePointCalculator(one, forces=rng.normal(size=(PARTICLES, 3)), energy=1.0)
        found.append(one)
    return found


@pytest.mark.parametrize("name", ["a.extxyz", "a.traj", "no_suffix"])
def test_what_ase_writes_is_read_as_ase_reads_it(tmp_path, name):
    import ase.io

    path = tmp_path / name
    ase.io.write(path, atoms(momenta=False), format="traj" if name == "a.traj" else "extxyz")
    found = read_trajectories(path)
    (run,) = found
    theirs = ase.io.read(path, index=":", format="traj" if name == "a.traj" else "extxyz")
    equal(run.positions, [a.positions for a in theirs])
    equal(run.accelerations, [a.get_forces() / a.get_masses()[:, None] for a in theirs])
    equal(run.properties["m"], theirs[0].get_masses())
    equal(run.box, [20.0, 21.0, 22.0])
    assert found.format == "xyz" and run.units["length"] == "Å"


def test_a_frame_of_ase_lasts_as_long_as_the_velocities_tell(tmp_path):
    import ase.io
    from ase import Atoms

    path, step, t = tmp_path / "a.extxyz", 0.05, 0.05 * np.arange(60)
    moving = []
    for now in t:
        x = [[10 + np.cos(now), 10 + np.sin(now), 5], [10 - np.cos(now), 10 - np.sin(now), 5.0]]
        one = Atoms("Ar2", positions=x)
        one.set_velocities([[-np.sin(now), np.cos(now), 0], [np.sin(now), -np.cos(now), 0]])
        moving.append(one)
    ase.io.write(path, moving)
    (run,) = read_trajectories(path)
    assert run.positions.shape == (60, 2, 2)  # a plane
    np.testing.assert_allclose(np.diff(run.times), step, rtol=1e-6)
    equal(run.velocities, [a.get_velocities()[:, :2] for a in ase.io.read(path, index=":")])


@pytest.mark.parametrize("cell, pbc, says", [([[9, 1, 0], [0, 9, 0], [0, 0, 9]], True, "orthogonal"),
                                             ([9, 9, 9], [True, True, False], "along x, y only")])  # fmt: skip
def test_a_box_that_is_no_box_of_ours_is_refused(tmp_path, cell, pbc, says):
    import ase.io

    path = tmp_path / "a.extxyz"
    frames = atoms()
    for one in frames:
        one.set_cell(cell)
        one.set_pbc(pbc)
    ase.io.write(path, frames)
    with pytest.raises(DataError, match=says):
        read_trajectories(path)


# GROMACS, AMBER, CHARMM by MDAnalysis


PSF = """PSF

       1 !NTITLE
 REMARKS masses and charges

       5 !NATOM
       1 A    1    NOB  AR   AR     0.500000       39.9480           0
       2 A    2    NOB  KR   KR    -0.500000       83.7980           0
       3 A    3    NOB  XE   XE     0.000000      131.2930           0
       4 A    4    NOB  AR   AR     0.250000       39.9480           0
       5 A    5    NOB  KR   KR    -0.250000       83.7980           0
"""


def universe():
    import MDAnalysis as mda

    made = mda.Universe.empty(PARTICLES, n_residues=PARTICLES, atom_resindex=range(PARTICLES), trajectory=True)
    made.add_TopologyAttr("names", ["AR", "KR", "XE", "AR", "KR"])
    made.add_TopologyAttr("resnames", ["NOB"] * PARTICLES)
    made.add_TopologyAttr("resids", range(1, PARTICLES + 1))
    made.dimensions = [30.0, 31.0, 32.0, 90, 90, 90]
    return made


def trajectory(path: Path) -> None:
    """Frames of MDAnalysis, with velocities and forces in .trr, and a topology beside them."""
    import MDAnalysis as mda

    path.with_suffix(".psf").write_text(PSF)
    made = universe()
    with mda.Writer(str(path), PARTICLES, **({"multiframe": True} if path.suffix == ".pdb" else {"dt": 0.1})) as writer:
        for k, x in enumerate(lattice()):
            ts = made.trajectory.ts
            ts.positions, ts.frame, ts.time = x, k, 0.1 * k
            if path.suffix == ".trr":
                ts.velocities, ts.forces = np.sin(x), np.cos(x)
            writer.write(made.atoms)


@pytest.mark.parametrize("suffix", ["xtc", "trr", "dcd", "nc", "pdb"])
@pytest.mark.filterwarnings("ignore")
def test_what_mdanalysis_writes_is_read_as_it_reads_it(tmp_path, suffix):
    import MDAnalysis as mda

    path, moves = tmp_path / f"a.{suffix}", suffix == "trr"
    trajectory(path)
    found = read_trajectories(path)
    (run,) = found
    theirs = mda.Universe(str(path if suffix == "pdb" else tmp_path / "a.psf"), str(path), to_guess=())
    equal(run.positions, [ts.positions.copy() for ts in theirs.trajectory])
    equal(run.times, [ts.time for ts in theirs.trajectory])
    size = theirs.trajectory[0].dimensions
    assert (run.box is None) == (size is None) and (size is None or run.box.tolist() == size[:3].tolist())
    if moves:
        equal(run.velocities, [ts.velocities.copy() for ts in theirs.trajectory])
        m = theirs.atoms.masses[:, None]
        np.testing.assert_allclose(run.accelerations, [100 * ts.forces / m for ts in theirs.trajectory], rtol=1e-6)
    theirs.trajectory.close()
    if suffix == "pdb":
        assert not run.properties and "no masses" in found.notes[0]
    else:
        equal(run.properties["m"], theirs.atoms.masses)
        equal(run.properties["q"], theirs.atoms.charges)
    assert run.units["length"] == "Å" and run.units["time"] == "ps"


@pytest.mark.filterwarnings("ignore")
def test_a_trajectory_needs_its_topology_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "a.xtc"
    trajectory(path)
    (tmp_path / "a.psf").unlink()
    with pytest.raises(DataError, match=r"a\.tpr, a\.prmtop"):
        read_trajectories(path)
    universe().atoms.write(tmp_path / "a.gro")
    read_trajectories(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.gro", "a.xtc"]
    with pytest.raises(DataError, match=r"one frame.*a\.xtc"):
        read_trajectories(tmp_path / "a.gro")


# H5MD


H5MD_UNITS = {"lengthunit": "Angstrom", "timeunit": "ps", "velocityunit": "Angstrom/ps", "forceunit": None}


@pytest.mark.filterwarnings("ignore")
def test_what_mdanalysis_writes_as_h5md_comes_back(tmp_path):
    import MDAnalysis as mda

    path, made = tmp_path / "a.h5md", universe()
    made.trajectory.ts.has_velocities = True
    with mda.Writer(str(path), PARTICLES, n_frames=FRAMES, forces=False, **H5MD_UNITS) as writer:
        for k, x in enumerate(lattice()):
            ts = made.trajectory.ts
            ts.positions, ts.velocities, ts.time, ts.frame, ts.data["step"] = x, np.cos(x), 0.1 * k, k, k
            writer.write(made.atoms)
    (run,) = read_trajectories(path)
    theirs = mda.coordinates.H5MD.H5MDReader(str(path), convert_units=False)
    equal(run.positions, [ts.positions.copy() for ts in theirs])
    equal(run.velocities, [ts.velocities.copy() for ts in theirs])
    equal(run.times, [ts.time for ts in theirs])
    equal(run.box, [30.0, 31.0, 32.0])
    assert run.units == {"length": "Angstrom", "time": "ps"}


def h5md(path: Path, link: bool = False, order: np.ndarray | None = None) -> np.ndarray:
    """By the specification, with fixed and timed elements; positions in the order of the particles."""
    x = lattice()
    order = np.tile(np.arange(PARTICLES), (FRAMES, 1)) if order is None else order
    with h5py.File(path, "w") as file:
        file.create_group("h5md").attrs["version"] = [1, 1]
        group = file.create_group("particles/all")
        timed = {"position": np.take_along_axis(x, order[..., None], 1), "id": order, "mass": order + 1.0}
        for name, value in timed.items():
            element = group.create_group(name)
            element["value"] = value
            element["step"], element["time"] = 5, 0.25  # the distance of frames
        group["position/value"].attrs["unit"], group["position/time"].attrs["unit"] = "nm", "ps"
        group["charge"] = np.ones(PARTICLES)
        box = group.create_group("box")
        box.attrs["dimension"], box.attrs["boundary"] = 3, np.array([b"periodic"] * 3)
        box["edges"] = [10.0, 11.0, 12.0]
        if link:
            group["velocity"] = h5py.ExternalLink("other.h5", "/v")
    return x


def test_h5md_by_its_specification_sorted_by_id(tmp_path):
    order = np.array([np.random.default_rng(k).permutation(PARTICLES) for k in range(FRAMES)])
    x = h5md(tmp_path / "a.h5", order=order)
    (run,) = read_trajectories(tmp_path / "a.h5")
    equal(run.positions, x)
    equal(run.times, 0.25 * np.arange(FRAMES))
    assert run.units == {"length": "nm", "time": "ps"} and run.box.tolist() == [10, 11, 12]
    assert run.properties["m"].tolist() == [1, 2, 3, 4, 5] and run.properties["q"].tolist() == [1] * 5


def test_links_in_h5md_are_refused(tmp_path):
    h5md(tmp_path / "a.h5", link=True)
    with pytest.raises(DataError, match=r"a\.h5.*link"):
        read_trajectories(tmp_path / "a.h5")


# REBOUND and ephemerides


def archive(path: Path, massless: bool = False) -> None:
    import rebound

    sim = rebound.Simulation()
    sim.units = ("AU", "yr", "Msun")
    sim.integrator = "whfast"
    sim.dt = 0.01
    sim.add(m=1.0, name="sun")
    sim.add(m=1e-3, a=1.0, e=0.1, inc=0.1, name="b")
    sim.add(m=0.0 if massless else 1e-4, a=2.0, name="a")
    sim.move_to_com()
    sim.save_to_file(str(path), step=3)
    sim.integrate(1.0)


def test_an_archive_is_read_as_rebound_reads_it(tmp_path):
    import rebound

    path = tmp_path / "a.bin"
    archive(path)
    (run,) = read_trajectories(path)
    own = list(rebound.Simulationarchive(str(path)))
    order = [2, 1, 0]  # a, b, sun
    equal(run.positions, [[s.particles[k].xyz for k in order] for s in own])
    equal(run.velocities, [[s.particles[k].vxyz for k in order] for s in own])
    equal(run.times, [s.t for s in own])
    assert run.names == ("a", "b", "sun") and run.properties["m"].tolist() == [1e-4, 1e-3, 1.0]
    assert run.units == {"length": "AU", "time": "yr", "m": "M_sun"}


def test_a_massless_body_makes_the_mass_a_property(tmp_path):
    archive(tmp_path / "a.bin", massless=True)
    found = read_trajectories(tmp_path / "a.bin")
    assert found[0].properties["mass"].tolist() == [0.0, 1e-3, 1.0] and "m" not in found[0].properties
    assert "masses are zero" in found.notes[0]


def kernel(path: Path) -> None:
    """A small SPK kernel of type 2: Chebyshev polynomials over 40 days for six bodies."""
    from jplephem.daf import DAF, FTPSTR

    rng = np.random.default_rng(4)
    daf_record = bytearray(1024)
    daf_record[:8], daf_record[8:16] = b"DAF/SPK ", np.array([2, 6], "<i4").tobytes()
    daf_record[16:76] = b"test".ljust(60)
    daf_record[76:88] = np.array([2, 2, 641 - 256], "<i4").tobytes()
    daf_record[88:96], daf_record[699 : 699 + len(FTPSTR)] = b"LTL-IEEE", FTPSTR
    path.write_bytes(bytes(daf_record) + np.zeros(128).tobytes() + b" " * 1024)
    with path.open("r+b") as file:
        daf = DAF(file)
        for target, center in {10: 0, 3: 0, 4: 0, 399: 3, 301: 3, 5: 0}.items():
            records, interval = 5, 8 * 86400.0
            rows = []
            for k in range(records):
                series = rng.normal(size=(3, 7)) * 10.0 ** -np.arange(7) * (1e8 if center == 0 else 1e5)
                rows.append(np.r_[(k + 0.5) * interval, interval / 2, series.ravel()])
            data = np.r_[np.concatenate(rows), 0.0, interval, len(rows[0]), records]
            daf.add_array(b"segment", (0.0, records * interval, target, center, 1, 2), data)


def test_an_ephemeris_is_read_as_jplephem_reads_it(tmp_path):
    from jplephem.spk import SPK

    path = tmp_path / "a.bsp"
    kernel(path)
    (run,) = read_trajectories(path)
    assert run.names == ("Mars Barycenter", "Jupiter Barycenter", "Sun", "Moon", "Earth")
    assert run.positions.shape == (41, 5, 3) and run.units == {"length": "km", "time": "day"}
    equal(run.times, 2451545.0 + np.arange(41))
    with SPK.open(str(path)) as spk:
        (emb, vemb), (earth, vearth) = (spk[p].compute_and_differentiate(run.times) for p in ((0, 3), (3, 399)))
        equal(run.positions[:, 4], (emb + earth).T)
        equal(run.velocities[:, 4], (vemb + vearth).T)
        equal(run.positions[:, 2], spk[0, 10].compute(run.times).T)


# damage

MADE = {
    "a.extxyz": lambda p: __import__("ase.io").io.write(p, atoms()),
    "a.traj": lambda p: __import__("ase.io").io.write(p, atoms()),
    **{f"a.{suffix}": trajectory for suffix in ("xtc", "trr", "dcd", "nc", "pdb")},
    "a.h5": h5md,
    "a.bin": archive,
    "a.bsp": kernel,
}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.filterwarnings("ignore")
def test_half_a_file_is_named(tmp_path, name):
    path = tmp_path / name
    MADE[name](path)
    whole = path.read_bytes()
    read_trajectories(path)
    for share in (0.31, 0.53, 0.97):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(DataError) as caught:
            read_trajectories(path)
        assert str(path) in str(caught.value) and caught.value.remedy


@pytest.mark.parametrize("name", MADE)
@pytest.mark.filterwarnings("ignore")
def test_a_small_budget_gives_a_window_of_the_same_motion(tmp_path, name):
    path = tmp_path / name
    MADE[name](path)
    (whole,), found = read_trajectories(path), read_trajectories(path, 1000 if name == "a.h5" else 2600)
    (part,) = found
    frames = slice((start := whole.times.tolist().index(part.times[0])), start + len(part.times))
    assert 5 <= len(part.times) < len(whole.times) and "in the middle" in found.notes[0]
    equal(part.positions, whole.positions[frames])
    equal(part.times, whole.times[frames])
    assert part.properties.keys() == whole.properties.keys()


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a.bsp"
    kernel(path)
    monkeypatch.setitem(sys.modules, "jplephem.spk", None)
    with pytest.raises(DataError, match=r"gnn-discovery\[ephemeris\]"):
        read_trajectories(path)
