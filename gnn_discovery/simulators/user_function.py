"""The simulator of a bare function: accelerations, a potential, or the velocities of a first-order law."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.simulators.config import SimulationConfig, SimulationSize
from gnn_discovery.simulators.function_dynamics import FunctionDynamics, interpret_function
from gnn_discovery.simulators.initial_conditions import (
    InitialConditionSampler,
    draw_initial_conditions,
    normal_initial_conditions,
)
from gnn_discovery.simulators.integrator import AdaptiveIntegrator
from gnn_discovery.types import Order

DEFAULT_SIZE = SimulationSize(runs=500, frames=100, particles=4, dim=2)
"""The size of a simulation of a bare function where the config leaves it open."""


@dataclass(frozen=True)
class FunctionSimulator:
    """A simulator that moves particles from random initial conditions by a bare function.

    The function is one of three, told apart by its arguments and by the shape of its result:

    * ``accelerations(positions, velocities, properties)`` gives (R N D);
    * ``potential(positions, properties)`` gives (R,), the energy of each run: the acceleration is minus its gradient
      over ``m``. The gradient is taken by jax where the function is written in ``jax.numpy``, else by differences;
    * ``velocities(positions, properties)`` gives (R N D), for a law of first order.

    Positions and velocities are float64 arrays (R N D), R runs side by side, and properties a mapping
    name -> (R N). Velocities and accelerations are observed.

    Attributes:
        function: the user's function.
        name: its name, for messages.
        spacing: time between frames.
        initial: a function ``initial(rng, runs, particles, dim)`` that gives the initial positions and velocities
            (R N D), and properties (R N) by name; by default all are N(0, 1), and ``m`` is log-normal.
        default_size: runs, frames, particles and dimensions that are made where the config leaves them open.
        min_frames: a run that ended after fewer frames is left out, since nothing can be learnt from it.
    """

    function: Callable[..., Any]
    name: str = "function"
    spacing: float = 0.01
    initial: InitialConditionSampler = normal_initial_conditions
    default_size: SimulationSize = DEFAULT_SIZE
    min_frames: int = 3

    def simulate(self, config: SimulationConfig) -> tuple[Trajectory, ...]:
        """Return the runs; one ends early where particles meet and the force has no bound.

        Raises:
            UsageError: a number of the config is out of range.
            DataError: a function fails, or returns another shape or no finite number; run, frame and particle are
                named.
        """
        x, v, properties = draw_initial_conditions(self.initial, config, self.default_size, self.name)
        dynamics = interpret_function(self.function, self.name, x, properties)

        def derivative(state: np.ndarray, runs: np.ndarray, place: str) -> np.ndarray:
            of_runs = {name: values[runs] for name, values in properties.items()}
            rate = dynamics.rate(state[:, 0], state[:, -1], of_runs, place)
            return np.concatenate([state[:, 1:], rate[:, None]], axis=1)

        frames = self.default_size.frames if config.frames is None else config.frames
        start = np.stack([x, v][: dynamics.order], axis=1)
        states, counts = AdaptiveIntegrator(derivative, self.name, start, frames, self.spacing).integrate()
        times = self.spacing * np.arange(frames)
        return tuple(
            Trajectory(
                positions=run[:count, 0],
                times=times[:count],
                velocities=run[:count, 1],
                accelerations=run[:count, 2] if dynamics.order == 2 else None,
                properties={name: values[k] for name, values in properties.items()},
            )
            for k, (run, count) in enumerate(zip(states, counts, strict=True))
            if count >= min(self.min_frames, frames)
        )

    def order(self, config: SimulationConfig) -> Order:
        """Return the order of the equation of motion: 1 where the function gives velocities."""
        return self.equation_of_motion(config).order

    def equation_of_motion(self, config: SimulationConfig) -> FunctionDynamics:
        """Return the equation of motion that the function states, tried at the initial conditions of two runs."""
        small = SimulationConfig(2, None, config.particles, config.dim, config.seed)
        x, _, properties = draw_initial_conditions(self.initial, small, self.default_size, self.name)
        return interpret_function(self.function, self.name, x, properties)
