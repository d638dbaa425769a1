"""The adapter to OpenMM: a pair force written by the user, and a Lennard-Jones fluid in a periodic box.

Eastman et al., PLOS Comput. Biol. 13, e1005659 (2017). The Reference platform, which is double precision throughout;
nm, ps, Da and kJ/mol, in which m a is the force.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.simulators import SimulationConfig
from gnn_discovery_simulations.pair_system import LawTerm, law_term
from gnn_discovery_simulations.programs.program import Program, random_positions, thermal_velocities

BOLTZMANN_KJ_PER_MOL_K = 8.314462618e-3
"""Boltzmann's constant in kJ/mol/K."""


class OpenMMSystem(Program):
    """A system of particles under one force of OpenMM, moved by velocity Verlet.

    Class attributes:
        temperature: temperature at the start, in K.
        step: step of the integrator in ps; frames are ``steps_per_frame`` steps apart.
        cutoff: cut-off in nm of a force that has one; then the box is periodic.
    """

    extra = "openmm"
    temperature: ClassVar[float] = 120.0
    step: ClassVar[float] = 0.002
    steps_per_frame: ClassVar[int] = 20
    cutoff: ClassVar[float | None] = None

    @abstractmethod
    def force(self, openmm: Any, particles: int) -> Any:
        """Return a ``Force`` of OpenMM.

        Args:
            openmm: the module.
            particles: number of particles.
        """

    @abstractmethod
    def start(self, rng: np.random.Generator, particles: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Return positions (N 3) in nm, masses (N,) in Da, and the side of the cube in nm.

        Args:
            rng: the random generator.
            particles: number N of particles.
        """

    def run(self, rng: np.random.Generator, frames: int, particles: int, dim: int) -> Trajectory:
        openmm, unit = self.import_program("openmm"), self.import_program("openmm.unit")
        positions, masses, side = self.start(rng, particles)
        system = openmm.System()
        for mass in masses:
            system.addParticle(mass)
        if self.cutoff is not None:
            system.setDefaultPeriodicBoxVectors(*(side * np.eye(3)))
        system.addForce(self.force(openmm, particles))
        integrator = _velocity_verlet(openmm, self.step)
        context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
        context.setPositions(positions)
        context.setVelocities(thermal_velocities(rng, masses, BOLTZMANN_KJ_PER_MOL_K * self.temperature, dim))
        quantities = (
            unit.nanometer,
            unit.nanometer / unit.picosecond,
            unit.kilojoule_per_mole / unit.nanometer,
        )
        motion = np.empty((3, frames, particles, 3))
        for frame in range(frames):
            state = context.getState(positions=True, velocities=True, forces=True)
            getters = (state.getPositions, state.getVelocities, state.getForces)
            for k, (get, quantity) in enumerate(zip(getters, quantities, strict=True)):
                motion[k, frame] = get(asNumpy=True).value_in_unit(quantity)
            integrator.step(self.steps_per_frame)
        return Trajectory(
            motion[0],
            self.steps_per_frame * self.step * np.arange(frames),
            velocities=motion[1],
            accelerations=motion[2] / masses[:, None],
            properties={"m": masses},
            box=None if self.cutoff is None else np.full(3, side),
            cutoff=self.cutoff,
            units={"length": "nm", "time": "ps", "m": "Da"},
        )


class OpenMMBuckingham(OpenMMSystem):
    """A system with Buckingham's potential A exp(-r/L) - C/r^6 as a CustomNonbondedForce.

    It acts between noble gas atoms of many masses. The constants are those of argon (R. A. Buckingham, Proc. R. Soc. A
    168, 264, 1938), without a cut-off.
    """

    runs = 60
    frames = 60
    strength: ClassVar[float] = 1.0177e6
    length: ClassVar[float] = 0.0273
    dispersion: ClassVar[float] = 0.006143

    def force(self, openmm: Any, particles: int) -> Any:
        force = openmm.CustomNonbondedForce("A*exp(-r/L) - C/r^6")
        for name, value in (("A", self.strength), ("L", self.length), ("C", self.dispersion)):
            force.addGlobalParameter(name, value)
        for _ in range(particles):
            force.addParticle([])
        force.setNonbondedMethod(force.NoCutoff)
        return force

    def start(self, rng: np.random.Generator, particles: int) -> tuple[np.ndarray, np.ndarray, float]:
        side = 0.45 * particles ** (1 / 3)
        return random_positions(rng, particles, 3, side, 0.33), rng.uniform(20, 130, particles), side

    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        repulsion = f"{self.strength / self.length!r}*exp(-r/{self.length!r})"
        return (law_term("pair", "radial", f"{repulsion} - {6 * self.dispersion!r}/r**7"),)


class OpenMMLennardJones(OpenMMSystem):
    """A fluid of argon as a NonbondedForce, at a third of the density of the liquid; the force ends at the cut-off."""

    runs = 40
    frames = 25
    particles = 32
    temperature = 200.0
    steps_per_frame = 15
    cutoff = 0.75
    sigma: ClassVar[float] = 0.34
    epsilon: ClassVar[float] = 0.997
    density: ClassVar[float] = 9.3
    """The number of atoms in a cubic nanometre."""

    def force(self, openmm: Any, particles: int) -> Any:
        force = openmm.NonbondedForce()
        for _ in range(particles):
            force.addParticle(0.0, self.sigma, self.epsilon)
        force.setNonbondedMethod(force.CutoffPeriodic)
        force.setCutoffDistance(self.cutoff)
        return force

    def start(self, rng: np.random.Generator, particles: int) -> tuple[np.ndarray, np.ndarray, float]:
        assert self.cutoff is not None
        side = max((particles / self.density) ** (1 / 3), 2 * self.cutoff)
        positions = random_positions(rng, particles, 3, side, 0.9 * self.sigma, periodic=True)
        return positions, np.full(particles, 39.948), side

    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        size = 24 * self.epsilon
        return (law_term("pair", "radial", f"{2 * size * self.sigma**12!r}/r**13 - {size * self.sigma**6!r}/r**7"),)


def _velocity_verlet(openmm: Any, step: float) -> Any:
    """Return a velocity Verlet integrator; the velocities of OpenMM's own Verlet integrator are half a step behind."""
    integrator = openmm.CustomIntegrator(step)
    integrator.addUpdateContextState()
    integrator.addComputePerDof("v", "v + 0.5*dt*f/m")
    integrator.addComputePerDof("x", "x + dt*v")
    integrator.addComputePerDof("v", "v + 0.5*dt*f/m")
    return integrator
