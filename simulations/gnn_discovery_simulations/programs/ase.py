"""The adapter to ASE: argon under Lennard-Jones forces, and copper in the effective medium theory.

Hjorth Larsen et al., J. Phys.: Condens. Matter 29, 273002 (2017). Angstrom, eV and u; the unit of time
follows. The effective medium theory is no sum over pairs.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.simulators import SimulationConfig
from gnn_discovery_simulations.pair_system import LawTerm, law_term
from gnn_discovery_simulations.programs.program import Program, random_positions, thermal_velocities

BOLTZMANN_EV_PER_K = 8.617333262e-5
"""Boltzmann's constant in eV/K."""

FEMTOSECOND = 0.09822694788464063
"""One femtosecond in ASE's unit of time, Angstrom sqrt(u/eV)."""


class AseSystem(Program):
    """A cluster under one calculator of ASE, moved by ``VelocityVerlet``.

    Class attributes:
        element: chemical element of all atoms.
        spacing: side of the cube at the start for one atom, in Angstrom.
        min_distance: least distance of two atoms at the start, in Angstrom.
        temperature: temperature at the start, in K.
        step: step of the integrator in fs; frames are ``steps_per_frame`` steps apart.
    """

    extra = "ase"
    runs = 60
    frames = 50
    element: ClassVar[str]
    spacing: ClassVar[float]
    min_distance: ClassVar[float]
    temperature: ClassVar[float]
    step: ClassVar[float]
    steps_per_frame: ClassVar[int] = 5

    @abstractmethod
    def calculator(self) -> Any:
        """Return the calculator of ASE that gives the forces."""

    def run(self, rng: np.random.Generator, frames: int, particles: int, dim: int) -> Trajectory:
        ase, verlet = self.import_program("ase"), self.import_program("ase.md.verlet")
        positions = random_positions(rng, particles, 3, self.spacing * particles ** (1 / 3), self.min_distance)
        atoms = ase.Atoms([self.element] * particles, positions=positions, calculator=self.calculator())
        masses = atoms.get_masses()
        atoms.set_velocities(thermal_velocities(rng, masses, BOLTZMANN_EV_PER_K * self.temperature, dim))
        dynamics = verlet.VelocityVerlet(atoms, timestep=self.step * FEMTOSECOND)
        motion = np.empty((3, frames, particles, 3))
        for frame in range(frames):
            if frame:
                dynamics.run(self.steps_per_frame)
            motion[:, frame] = atoms.get_positions(), atoms.get_velocities(), atoms.get_forces()
        return Trajectory(
            motion[0],
            self.steps_per_frame * self.step * FEMTOSECOND * np.arange(frames),
            velocities=motion[1],
            accelerations=motion[2] / masses[:, None],
            properties={"m": masses},
            units={"length": "Angstrom", "time": "Angstrom*(u/eV)^0.5", "m": "u"},
        )


class AseLennardJones(AseSystem):
    """A cluster of argon, with a cut-off that no pair reaches."""

    element = "Ar"
    spacing = 4.5
    min_distance = 3.2
    temperature = 60.0
    step = 5.0
    steps_per_frame = 10
    sigma: ClassVar[float] = 3.4
    epsilon: ClassVar[float] = 0.0104

    def calculator(self) -> Any:
        return self.import_program("ase.calculators.lj").LennardJones(sigma=self.sigma, epsilon=self.epsilon, rc=200.0)

    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        size = 24 * self.epsilon
        return (law_term("pair", "radial", f"{2 * size * self.sigma**12!r}/r**13 - {size * self.sigma**6!r}/r**7"),)


class EMT(AseSystem):
    """A cluster of copper in the effective medium theory of Jacobsen, Stoltze and Norskov, Surf. Sci. 366, 394 (1996).

    The energy of an atom is a function of the density that its neighbours make together: a many-body potential.
    """

    runs = 50
    frames = 40
    particles = 6
    element = "Cu"
    spacing = 2.6
    min_distance = 2.3
    temperature = 600.0
    step = 2.0

    def calculator(self) -> Any:
        return self.import_program("ase.calculators.emt").EMT()

    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        """Return no terms, since the law is no sum of pair forces."""
        return ()
