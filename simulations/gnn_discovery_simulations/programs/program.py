"""The base class of the adapters: a new one says how one run is made, and what law its program documents."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import UsageError
from gnn_discovery.simulators import SimulationConfig, SimulationSize

MAX_PLACEMENT_ATTEMPTS = 10_000
"""The number of positions that are drawn for one particle before the cube counts as too crowded."""


class Program(ABC):
    """A simulator whose runs another program makes.

    Class attributes:
        extra: the extra of this package that installs the program.
        runs, frames, particles: the size that is made where the config leaves it open.
        dims: dimensions of space that the program moves in; the first is taken where the config leaves it open.
    """

    extra: ClassVar[str]
    runs: ClassVar[int] = 100
    frames: ClassVar[int] = 100
    particles: ClassVar[int] = 6
    dims: ClassVar[tuple[int, ...]] = (3,)

    @abstractmethod
    def run(self, rng: np.random.Generator, frames: int, particles: int, dim: int) -> Trajectory:
        """Return one run from random initial conditions.

        Args:
            rng: the random generator.
            frames: number T of frames.
            particles: number N of particles.
            dim: dimension D of space.
        """

    @abstractmethod
    def true_law(self, config: SimulationConfig) -> tuple[dict[str, Any], ...]:
        """Return the terms of m_i a_i that the program documents, for the report alone."""

    def simulate(self, config: SimulationConfig) -> tuple[Trajectory, ...]:
        """Return runs with velocities and accelerations; a run does not depend on how many others are asked for."""
        default = SimulationSize(self.runs, self.frames, self.particles, self.dims[0])
        runs, frames, particles, dim = config.resolve(type(self).__name__, default, self.dims)
        return tuple(self.run(np.random.default_rng([config.seed, k]), frames, particles, dim) for k in range(runs))

    def import_program(self, module: str) -> Any:
        """Return a module of the program.

        Raises:
            UsageError: the program is not installed.
        """
        try:
            return importlib.import_module(module)
        except ImportError as error:
            raise UsageError(
                f"{module} cannot be imported ({error})",
                where=type(self).__name__,
                remedy=f"pip install 'gnn-discovery[{self.extra}]'",
            ) from None


def random_positions(
    rng: np.random.Generator, particles: int, dim: int, side: float, min_distance: float, periodic: bool = False
) -> np.ndarray:
    """Return random positions (N D) in a cube, drawn one after the other, with no two of them close.

    Args:
        rng: the random generator.
        particles: number N of particles.
        dim: dimension D of space.
        side: side of the cube.
        min_distance: least distance between two particles.
        periodic: measure distances to the nearest image.

    Raises:
        UsageError: the cube is too crowded.
    """
    positions = np.zeros((0, dim))
    for _ in range(particles):
        for _ in range(MAX_PLACEMENT_ATTEMPTS):
            position = side * rng.uniform(size=dim)
            separation = positions - position
            if periodic:
                separation -= side * np.round(separation / side)
            if (np.sum(separation**2, axis=1) > min_distance**2).all():
                break
        else:
            raise UsageError(
                f"{particles} particles that are {min_distance:g} apart do not fit into a cube of side {side:g}",
                remedy="Ask for fewer",
            )
        positions = np.concatenate([positions, position[None]])
    return positions


def thermal_velocities(rng: np.random.Generator, masses: np.ndarray, temperature: float, dim: int) -> np.ndarray:
    """Return velocities (N D) of Maxwell's distribution, with the centre of mass at rest.

    Args:
        rng: the random generator.
        masses: (N,).
        temperature: the temperature in units of energy.
        dim: dimension D of space.
    """
    velocities: np.ndarray = rng.standard_normal((len(masses), dim)) * np.sqrt(temperature / masses)[:, None]
    velocities -= masses @ velocities / masses.sum()
    return velocities
