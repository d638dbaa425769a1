"""The adapter to REBOUND: planets around a star, integrated by IAS15, with and without an additional force.

Rein and Liu, A&A 537, A128 (2012); Rein and Spiegel, MNRAS 446, 1424 (2015). G = 1: AU, solar masses, years/2pi.
"""

from __future__ import annotations

import ctypes
from typing import Any, ClassVar

import numpy as np

from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.simulators import SimulationConfig
from gnn_discovery_simulations.pair_system import LawTerm, law_term
from gnn_discovery_simulations.programs.program import Program


class Planets(Program):
    """A star and planets of 1 to 30 Jupiters on orbits of their own in each run; softening 0.

    Class attributes:
        drag: every body has the acceleration -drag v, which REBOUND gets from a callback in Python.
        spacing: time between frames; the innermost period is about 2.
    """

    extra = "rebound"
    particles = 5
    dims = (3, 2)
    drag: ClassVar[float] = 0.0
    spacing: ClassVar[float] = 0.2

    def run(self, rng: np.random.Generator, frames: int, particles: int, dim: int) -> Trajectory:
        """Return one run from random orbits.

        Args:
            rng: the random generator.
            frames: number T of frames.
            particles: number N of bodies, the star included.
            dim: dimension D of space.
        """
        rebound = self.import_program("rebound")
        simulation = rebound.Simulation()
        simulation.integrator = "ias15"
        self._add_bodies(simulation, rng, particles, dim)
        if self.drag:
            simulation.additional_forces = self._brake
            simulation.force_is_velocity_dependent = 1
        times = self.spacing * np.arange(frames)
        motion = np.array([_read(rebound, simulation, time) for time in times])[..., :dim]
        return Trajectory(
            motion[:, 0],
            times,
            velocities=motion[:, 1],
            accelerations=motion[:, 2],
            properties={"m": np.array([body.m for body in simulation.particles])},
            units={"length": "AU", "time": "yr/(2*pi)", "m": "M_sun"},
        )

    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        return (law_term("pair", "radial", "-m_i*m_j/r**2"),)

    def _add_bodies(self, simulation: Any, rng: np.random.Generator, particles: int, dim: int) -> None:
        """Add bodies with random masses and orbits, each a fifth to a half wider than the last, about their centre."""
        simulation.add(m=rng.lognormal(0.0, 0.3))
        axis = 0.5
        for _ in range(particles - 1):
            angles = rng.uniform(0, 2 * np.pi, 3)
            simulation.add(
                m=10 ** rng.uniform(-3, -1.5),
                a=axis,
                e=rng.uniform(0, 0.3),
                inc=rng.rayleigh(0.1) if dim == 3 else 0.0,
                Omega=angles[0] if dim == 3 else 0.0,
                omega=angles[1],
                f=angles[2],
                primary=simulation.particles[0],
            )
            axis *= rng.uniform(1.2, 1.5)
        simulation.move_to_com()

    def _brake(self, pointer: Any) -> None:
        for body in pointer.contents.particles:
            body.ax -= self.drag * body.vx
            body.ay -= self.drag * body.vy
            body.az -= self.drag * body.vz


class DraggedPlanets(Planets):
    """The planets of `Planets` in a gas at rest, which slows every body by -0.05 v."""

    runs = 50
    frames = 60
    spacing = 0.1
    drag = 0.05

    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        return (*super().true_law(config), law_term("self", "velocity", "-0.05*m_i"))


def _read(rebound: Any, simulation: Any, time: float) -> list[list[tuple[float, ...]]]:
    """Return positions, velocities and accelerations at ``time``, the last evaluated at that instant."""
    simulation.integrate(time)
    rebound.clibrebound.reb_simulation_update_acceleration(ctypes.byref(simulation))
    bodies = simulation.particles
    return [
        [(b.x, b.y, b.z) for b in bodies],
        [(b.vx, b.vy, b.vz) for b in bodies],
        [(b.ax, b.ay, b.az) for b in bodies],
    ]
