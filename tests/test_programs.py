"""Adapters to other people's programs: forces in closed form, what motion conserves, the conformance kit."""

from __future__ import annotations

import subprocess
import sys
from collections import namedtuple
from functools import cache

import jax
import numpy as np
import pytest
from gnn_discovery_simulations.programs import ase, jax_md, openmm, rebound
from gnn_discovery_simulations.programs.program import random_positions, thermal_velocities

from gnn_discovery.errors import UsageError
from gnn_discovery.laws.law import ForceLaw, Term
from gnn_discovery.simulators import SimulationConfig, check_simulator, resolve_simulator
from gnn_discovery.symbolic.expression import Expression

CONFIG = SimulationConfig(runs=2, frames=15, seed=4)
Documented = namedtuple("Documented", "system potential force")
"""Energy and force of a pair as the manual of the program has them; positive is repulsive."""


def lennard_jones(e: float, s: float) -> tuple:
    return (
        lambda r, m, n: 4 * e * ((s / r) ** 12 - (s / r) ** 6),
        lambda r, m, n: 24 * e * (2 * (s / r) ** 12 - (s / r) ** 6) / r,
    )


def gravity(r, m, n):
    return -m * n / r


def pull(r, m, n):
    return -m * n / r**2


def decay(r):
    return np.exp(-3.0 * (r - 1.1))


PROGRAMS = {
    "rebound-planets": Documented(rebound.Planets(), gravity, pull),
    "rebound-drag": Documented(rebound.DraggedPlanets(), gravity, pull),
    "openmm-pair": Documented(
        openmm.OpenMMBuckingham(),
        lambda r, m, n: 1.0177e6 * np.exp(-r / 0.0273) - 0.006143 / r**6,
        lambda r, m, n: 1.0177e6 / 0.0273 * np.exp(-r / 0.0273) - 6 * 0.006143 / r**7,
    ),
    "openmm-lennard-jones": Documented(openmm.OpenMMLennardJones(), *lennard_jones(0.997, 0.34)),
    "jaxmd-soft-spheres": Documented(
        jax_md.SoftSpheres(),
        lambda r, m, n: 5.0 * np.maximum(1 - r / 1.25, 0) ** 2,
        lambda r, m, n: 10.0 / 1.25 * np.maximum(1 - r / 1.25, 0),
    ),
    "jaxmd-morse": Documented(
        jax_md.Morse(),
        lambda r, m, n: 5.0 * (1 - decay(r)) ** 2 - 5.0,
        lambda r, m, n: -2 * 5.0 * 3.0 * (1 - decay(r)) * decay(r),
    ),
    "ase-lennard-jones": Documented(ase.AseLennardJones(), *lennard_jones(0.0104, 3.4)),
}


@cache
def made(name):
    return resolve_simulator(name).simulate(CONFIG)


def pairs(run):
    """Separations (T N N D), distances (T N N) with an infinite diagonal, masses of receiver and sender (N N)."""
    d = run.positions[:, :, None] - run.positions[:, None]
    if run.box is not None:
        d -= run.box * np.round(d / run.box)
    r = np.linalg.norm(d, axis=-1) + np.diag(np.full(d.shape[1], np.inf))
    return d, r, *np.meshgrid(run.properties["m"], run.properties["m"], indexing="ij")


@pytest.mark.parametrize("name", PROGRAMS)
def test_forces_are_those_of_the_manual(name):
    for run in made(name):
        d, r, m, n = pairs(run)
        within = r < (run.cutoff or np.inf)
        size = np.where(within, PROGRAMS[name].force(np.where(within, r, 1.0), m, n), 0.0)
        force = np.sum(np.where(within, size / r, 0.0)[..., None] * d, axis=2)
        if name == "rebound-drag":
            force -= 0.05 * run.properties["m"][:, None] * run.velocities
        found = run.accelerations * run.properties["m"][:, None]
        np.testing.assert_allclose(found, force, rtol=1e-9, atol=1e-11 * np.abs(force).max())


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != "rebound-drag"])
def test_energy_is_kept(name):
    """Of a force that is cut off the conserved energy is that of the potential shifted to nothing there."""
    potential = PROGRAMS[name].potential
    for run in made(name):
        _, r, m, n = pairs(run)
        within = r < (run.cutoff or np.inf)
        shift = 0.0 if run.cutoff is None else potential(run.cutoff, m, n)
        energy = np.where(within, potential(np.where(within, r, 1.0), m, n) - shift, 0.0).sum((1, 2)) / 2
        kinetic = 0.5 * (run.properties["m"] * (run.velocities**2).sum(-1)).sum(-1)
        total = energy + kinetic
        assert np.ptp(total) < (1e-9 if name == "rebound-planets" else 4e-3) * np.abs(energy).max()


@pytest.mark.parametrize("name", [*PROGRAMS, "ase-emt"])
def test_the_contract_is_kept_and_the_precision_of_jax_left_alone(name):
    assert check_simulator(resolve_simulator(name), SimulationConfig(runs=2, frames=8, seed=1)) == ()
    assert not jax.config.jax_enable_x64


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_law_for_the_report_gives_the_accelerations(name):
    records = PROGRAMS[name].system.true_law(CONFIG)
    terms = tuple(Term(t["kind"], t["direction"], Expression.parse(t["expression"])) for t in records)
    law, run = ForceLaw(terms, divides_by_mass=True), made(name)[0]
    said = law.acceleration(run.positions, run.velocities, run.properties, box=run.box, cutoff=run.cutoff)
    np.testing.assert_allclose(said, run.accelerations, rtol=1e-9, atol=1e-11 * np.abs(said).max())


def test_what_is_asked_for_is_made():
    runs = resolve_simulator("rebound-planets").simulate(SimulationConfig(runs=3, frames=4, particles=3, dim=2))
    assert [run.positions.shape for run in runs] == [(4, 3, 2)] * 3
    alone = resolve_simulator("rebound-planets").simulate(SimulationConfig(runs=1, frames=4, particles=3, dim=2))
    np.testing.assert_array_equal(alone[0].positions, runs[0].positions)
    with pytest.raises(UsageError, match=r"dim is 2.*moves in 3"):
        resolve_simulator("openmm-pair").simulate(SimulationConfig(dim=2))
    with pytest.raises(UsageError, match="particles is 1"):
        resolve_simulator("jaxmd-morse").simulate(SimulationConfig(particles=1))


def test_copper_is_no_sum_over_pairs():
    """The force of one atom on another changes when a third comes near; under Lennard-Jones forces it does not."""
    from ase import Atoms

    def change(system, side):
        """Of the force on the first atom: what a third adds, less what it adds where the second is not."""
        places = side * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.0]])

        def force(*which):
            atoms = Atoms([system.element] * len(which), positions=places[list(which)], calculator=system.calculator())
            return atoms.get_forces()[0]

        return np.linalg.norm(force(0, 1, 2) - force(0, 1) - force(0, 2)) / np.linalg.norm(force(0, 1))

    assert change(ase.EMT(), 2.6) > 0.1
    assert change(ase.AseLennardJones(), 3.6) < 1e-12


def test_no_program_is_imported_before_it_is_asked_for():
    modules = ("rebound", "openmm", "jax_md", "ase")
    lines = [f"import gnn_discovery_simulations.programs.{name}" for name in modules]
    code = "; ".join(["import sys", *lines, f"print(sorted({set(modules)!r} & set(sys.modules)))"])
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("rebound-drag", "rebound", "rebound"),
        ("openmm-pair", "openmm", "openmm"),
        ("jaxmd-morse", "jax_md", "jax-md"),
        ("ase-emt", "ase", "ase"),
    ],
)
def test_a_program_that_is_not_there_is_named_with_what_installs_it(monkeypatch, name, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=rf"{module}.*pip install 'gnn-discovery\[{extra}\]'"):
        resolve_simulator(name).simulate(SimulationConfig(runs=1, frames=2))


@pytest.mark.parametrize("periodic", [False, True])
def test_starts_are_apart_and_at_rest_as_a_whole(periodic):
    rng = np.random.default_rng(0)
    x = random_positions(rng, 20, 3, 4.0, 1.0, periodic)
    d = x[:, None] - x
    d -= 4.0 * np.round(d / 4.0) * periodic
    assert (np.linalg.norm(d, axis=-1) + 9 * np.eye(20)).min() > 1.0
    m = rng.uniform(1, 5, 4000)
    v = thermal_velocities(rng, m, 0.7, 3)
    np.testing.assert_allclose(m @ v, 0, atol=1e-9)
    assert np.mean(m[:, None] * v**2) == pytest.approx(0.7, rel=0.03)
    with pytest.raises(UsageError, match="40 particles that are 1 apart do not fit"):
        random_positions(rng, 40, 2, 4.0, 1.0)
