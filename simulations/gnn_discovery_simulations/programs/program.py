"""Program: what the adapters share. A new one says how one run is made, and what law its program documents."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import UsageError
from gnn_discovery.simulators import SimulationConfig

MAX_PLACEMENT_ATTEMPTS = 10_000
"""Places that are drawn for one particle before its start counts as too crowded."""


class Program(ABC):
    """Runs made by somebody else's program.

    Class attributes:
        extra: of this package, which installs the program.
        runs, frames, particles: what is made when the config leaves it open.
        dims: dimensions of space that the program moves in; the first is taken when the config leaves it open.
    """

    extra: ClassVar[str]
    runs: ClassVar[int] = 100
    frames: ClassVar[int] = 100
    particles: ClassVar[int] = 6
    dims: ClassVar[tuple[int, ...]] = (3,)

    @abstractmethod
    def run(self, rng: np.random.Generator, frames: int, particles: int, dim: int) -> Trajectory:
        """One run from a random start."""

    @abstractmethod
    def true_law(self, config: SimulationConfig) -> tuple[dict[str, Any], ...]:
        """The terms of m_i a_i that the program documents, for the report alone."""

    def simulate(self, config: SimulationConfig) -> tuple[Trajectory, ...]:
        """Runs with velocities and accelerations; a run does not depend on how many others are asked for."""
        size = config.size(type(self).__name__, self.runs, self.frames, self.particles, self.dims)
        runs, frames, particles, dim = size
        return tuple(self.run(np.random.default_rng([config.seed, k]), frames, particles, dim) for k in range(runs))

    def use(self, module: str) -> Any:
        """A module of the program.

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
    rng: np.random.Generator, particles: int, dim: int, side: float, apart: float, periodic: bool = False
) -> np.ndarray:
    """(N D) places in a cube of that side, drawn one after the other, no two nearer than ``apart``."""
    places = np.zeros((0, dim))
    for _ in range(particles):
        for _ in range(MAX_PLACEMENT_ATTEMPTS):
            place = side * rng.uniform(size=dim)
            away = places - place
            if periodic:
                away -= side * np.round(away / side)
            if (np.sum(away**2, axis=1) > apart**2).all():
                break
        else:
            raise UsageError(
                f"{particles} particles that are {apart:g} apart do not fit into a cube of side {side:g}",
                remedy="Ask for fewer",
            )
        places = np.concatenate([places, place[None]])
    return places


def thermal_velocities(rng: np.random.Generator, masses: np.ndarray, temperature: float, dim: int) -> np.ndarray:
    """(N D) velocities of Maxwell's distribution, ``temperature`` in units of energy, the whole at rest."""
    velocities = rng.standard_normal((len(masses), dim)) * np.sqrt(temperature / masses)[:, None]
    return velocities - masses @ velocities / masses.sum()
