"""Simulator: what makes runs, built-in or a user's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from gnn_discovery.data.trajectory import Trajectory, validate_trajectory
from gnn_discovery.errors import DataError, GnnDiscoveryError, UsageError
from gnn_discovery.simulators.user_errors import describe_error


@dataclass(frozen=True)
class SimulationConfig:
    """What is asked of a simulator; None leaves a choice to it."""

    runs: int | None = None
    frames: int | None = None
    particles: int | None = None
    dim: int | None = None
    seed: int = 0

    def size(
        self, where: str, runs: int, frames: int, particles: int, dims: Sequence[int]
    ) -> tuple[int, int, int, int]:
        """Runs, frames, particles and dimension, what is left open filled in; of ``dims`` the first.

        Raises:
            UsageError: a number out of range, or a dimension that ``where`` does not move in.
        """
        asked = {
            "runs": (runs if self.runs is None else self.runs, 1),
            "frames": (frames if self.frames is None else self.frames, 2),
            "particles": (particles if self.particles is None else self.particles, 2),
            "seed": (self.seed, 0),
        }
        for name, (value, least) in asked.items():
            if value < least:
                raise UsageError(f"{name} is {value}", where=where, remedy=f"At least {least}")
        dim = dims[0] if self.dim is None else self.dim
        if dim not in dims:
            offered = " or ".join(map(str, dims))
            raise UsageError(f"dim is {dim}", where=where, remedy=f"This system moves in {offered} dimensions")
        return asked["runs"][0], asked["frames"][0], asked["particles"][0], dim


@runtime_checkable
class Simulator(Protocol):
    """Anything that makes runs. Called once a discovery, before anything else.

    Some attributes are looked for and need not be there. ``recorded = True`` says that the motion is given
    and the seed has no say. ``order(config)`` gives the order of the equation of motion, which must then be the one
    asked for. ``energy(positions, velocities, properties)`` gives the energy (T,) of each instant of a run, from
    (T N D), (T N D) and a mapping name -> (T N); it may be lost in the course of a run, but not gained.
    ``true_law(config)`` gives the terms of the law as plain records (``kind``, ``direction``, ``expression``,
    ``constants``), ``reference_properties()`` accepted values (N,) of what is to be inferred, by name; the report
    alone asks for these two.
    """

    def simulate(self, config: SimulationConfig) -> Sequence[Trajectory]:
        """The runs; the same config gives the same runs."""
        ...


def run_simulator(simulator: Simulator, config: SimulationConfig, where: str) -> tuple[Trajectory, ...]:
    """The runs of ``simulator``, checked.

    Raises:
        DataError: it fails, makes no run, or what it makes is no motion.
    """
    try:
        made = tuple(simulator.simulate(config))
    except GnnDiscoveryError:
        raise
    except Exception as error:  # the simulator is somebody's own and may fail in any way
        raise DataError(f"simulate fails: {describe_error(error)}", where=where, remedy=_REMEDY) from error
    if not made:
        raise DataError("makes no run", where=where, remedy="Yield at least one Trajectory")
    for k, run in enumerate(made):
        if not isinstance(run, Trajectory):
            raise DataError(
                f"run {k} is a {type(run).__name__}, no Trajectory",
                where=where,
                remedy="Yield gnn_discovery.Trajectory(positions, times, ...), one for each run",
            )
    return tuple(validate_trajectory(run, f"{where}, run {k}") for k, run in enumerate(made))


_REMEDY = (
    "It is called as simulate(config); runs, frames, particles and dim of the config are None where the choice is left "
    "to the simulator"
)
