"""Simulator: what makes runs, built-in or a user's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from gnn_discovery.trajectory import Trajectory


@dataclass(frozen=True)
class SimulationConfig:
    """What is asked of a simulator; None leaves a choice to it."""

    runs: int | None = None
    frames: int | None = None
    particles: int | None = None
    dim: int | None = None
    seed: int = 0


@runtime_checkable
class Simulator(Protocol):
    """Anything that makes runs. Called once a discovery, before anything else.

    Three attributes are looked for and need not be there. ``recorded = True`` says that the motion is given
    and the seed has no say. ``true_law(config)`` gives the terms of the law as plain records (``kind``,
    ``direction``, ``expression``, ``constants``), ``reference_properties()`` accepted values (N,) of what is
    to be inferred, by name; the report alone asks for them.
    """

    def simulate(self, config: SimulationConfig) -> Sequence[Trajectory]:
        """The runs; the same config gives the same runs."""
        ...
