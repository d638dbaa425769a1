"""The simulator of runs that exist already: a list of them, or a function that yields them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.simulators.config import SimulationConfig


@dataclass(frozen=True)
class TrajectorySource:
    """A simulator whose runs a function makes.

    Attributes:
        make: returns the runs.
        recorded: the motion is given, and the config has no effect.
    """

    make: Callable[[SimulationConfig], Iterable[Trajectory]]
    recorded: bool = False

    def simulate(self, config: SimulationConfig) -> tuple[Trajectory, ...]:
        """Return all runs."""
        return tuple(self.make(config))
