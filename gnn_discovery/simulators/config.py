"""The config of a simulation: how many runs, frames, particles and dimensions, and the seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gnn_discovery.errors import UsageError, require_integer


class SimulationSize(NamedTuple):
    """A record of the size of a simulation.

    Attributes:
        runs: number R of runs.
        frames: number T of frames of each run.
        particles: number N of particles.
        dim: dimension D of space.
    """

    runs: int
    frames: int
    particles: int
    dim: int


@dataclass(frozen=True)
class SimulationConfig:
    """A frozen record of what is asked of a simulator; None leaves a choice to it.

    Attributes:
        runs: number of runs.
        frames: number of frames of each run.
        particles: number of particles.
        dim: dimension of space.
        seed: seed of all random numbers.
    """

    runs: int | None = None
    frames: int | None = None
    particles: int | None = None
    dim: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        where = type(self).__name__
        for name in ("runs", "frames", "particles", "dim"):
            require_integer(name, getattr(self, name), 1, where, optional=True)
        require_integer("seed", self.seed, 0, where)

    def resolve(self, where: str, default: SimulationSize, dims: Sequence[int] | None = None) -> SimulationSize:
        """Return the size that is asked for, with open choices filled in.

        Args:
            where: name of the system, for errors.
            default: the size that is made where the config leaves it open.
            dims: the dimensions of space that the system moves in; None allows any.

        Raises:
            UsageError: there are fewer than two frames or particles, or the system does not move in this dimension.
        """
        asked = (self.runs, self.frames, self.particles, self.dim)
        size = SimulationSize(*(have if want is None else want for want, have in zip(asked, default, strict=True)))
        for name, value in (("frames", size.frames), ("particles", size.particles)):
            if value < 2:
                raise UsageError(f"{name} is {value}", where=where, remedy="Ask for at least 2")
        if dims is not None and size.dim not in dims:
            offered = " or ".join(map(str, dims))
            raise UsageError(f"dim is {size.dim}", where=where, remedy=f"This system moves in {offered} dimensions")
        return size
