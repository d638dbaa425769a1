"""Simulator: the door through which motion comes in, built-in or a user's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gnn_discovery.trajectory import Trajectory


@dataclass(frozen=True)
class SimulationConfig:
    """What is asked of a simulator; None leaves a choice to it."""

    runs: int | None = None
    frames: int | None = None
    particles: int | None = None
    dim: int | None = None
    seed: int = 0


class Simulator(Protocol):
    """Anything that makes runs. Called once a discovery, before anything else."""

    def simulate(self, config: SimulationConfig) -> Sequence[Trajectory]:
        """The runs; the same config gives the same runs."""
        ...
