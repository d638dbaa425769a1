"""A bare function as a simulator: accelerations, a potential, or the velocities of a first-order law."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.simulators.equation_of_motion import EquationOfMotion, interpret_function
from gnn_discovery.simulators.initial_conditions import (
    DEFAULT_FRAMES,
    InitialConditionSampler,
    draw_initial_conditions,
    normal_initial_conditions,
)
from gnn_discovery.simulators.integrator import AdaptiveIntegrator
from gnn_discovery.simulators.protocol import SimulationConfig
from gnn_discovery.types import Order

MIN_FRAMES = 3
"""Frames of a run that ended early, from which something can be learnt."""


@dataclass(frozen=True)
class FunctionSimulator:
    """Runs of a bare function from random starts.

    The function is one of three, told apart by its arguments and by the shape of what it gives:

    * ``accelerations(positions, velocities, properties)`` gives (R N D);
    * ``potential(positions, properties)`` gives (R,), the energy of each run: the acceleration is minus its slope over
      ``m``. The slope is taken by jax where the function is written in ``jax.numpy``, else by differences;
    * ``velocities(positions, properties)`` gives (R N D), for a law of first order.

    Positions and velocities are float64 arrays (R N D), R runs side by side, and properties a mapping
    name -> (R N). Velocities and accelerations are observed.

    Attributes:
        name: as the user gave it, for messages.
        spacing: time between frames.
        initial: where the runs start, a function ``initial(rng, runs, particles, dim)`` that gives positions and
            velocities (R N D), and properties (R N) by name; by default all N(0, 1), and a log-normal ``m``.
    """

    function: Callable[..., Any]
    name: str = "function"
    spacing: float = 0.01
    initial: InitialConditionSampler = normal_initial_conditions

    def simulate(self, config: SimulationConfig) -> tuple[Trajectory, ...]:
        """By default 500 runs of 100 frames, 4 particles in 2D. A run ends where particles meet and the force has no
        bound; one of fewer than three frames is left out.

        Raises:
            UsageError: a number out of range.
            DataError: a function fails, gives another shape, or no number; run, frame, particle are named.
        """
        x, v, properties = draw_initial_conditions(self.initial, config, self.name)
        law = interpret_function(self.function, self.name, x, properties)

        def slope(state: np.ndarray, runs: np.ndarray, place: str) -> np.ndarray:
            here = {name: values[runs] for name, values in properties.items()}
            rate = law.rate(state[:, 0], state[:, -1], here, place)
            return np.concatenate([state[:, 1:], rate[:, None]], axis=1)

        frames = DEFAULT_FRAMES if config.frames is None else config.frames
        state = np.stack([x, v][: law.order], axis=1)
        motion, ends = AdaptiveIntegrator(slope, self.name, state, frames, self.spacing).integrate()
        times = self.spacing * np.arange(frames)
        return tuple(
            Trajectory(
                positions=run[:end, 0],
                times=times[:end],
                velocities=run[:end, 1],
                accelerations=run[:end, 2] if law.order == 2 else None,
                properties={name: values[k] for name, values in properties.items()},
            )
            for k, (run, end) in enumerate(zip(motion, ends, strict=True))
            if end >= min(MIN_FRAMES, frames)
        )

    def order(self, config: SimulationConfig) -> Order:
        """Of the equation of motion: 1 where the function gives velocities."""
        return self.equation_of_motion(config).order

    def equation_of_motion(self, config: SimulationConfig) -> EquationOfMotion:
        """What the function says of motion, asked where two runs start."""
        few = SimulationConfig(2, None, config.particles, config.dim, config.seed)
        x, _, properties = draw_initial_conditions(self.initial, few, self.name)
        return interpret_function(self.function, self.name, x, properties)
