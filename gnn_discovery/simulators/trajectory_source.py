"""Runs that a function yields or a list holds, as a simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.simulators.protocol import SimulationConfig


@dataclass(frozen=True)
class TrajectorySource:
    """Runs out of ``make(config)``.

    Attributes:
        recorded: the motion is given; the config has no say.
    """

    make: Callable[[SimulationConfig], Iterable[Trajectory]]
    recorded: bool = False

    def simulate(self, config: SimulationConfig) -> tuple[Trajectory, ...]:
        """All of them."""
        return tuple(self.make(config))
