"""First-order motion for `frozen.py`: point vortices in the plane, v_i = sum_j K circulation_j / r, transverse."""

from __future__ import annotations

import numpy as np

from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.simulators import SimulationConfig


class Vortices:
    """Runs of four vortices; velocities are those of the law, exact."""

    def simulate(self, config: SimulationConfig) -> list[Trajectory]:
        """30 runs of 60 frames, by steps of the classical Runge-Kutta method."""
        rng = np.random.default_rng(config.seed)
        runs = []
        for _ in range(30):
            x = rng.normal(size=(4, 2))
            strength = rng.uniform(0.5, 2.0, 4)
            frames = []
            for _ in range(60):
                frames.append(x)
                for _ in range(10):
                    x = _step(x, strength, 0.002)
            positions = np.array(frames)
            velocities = np.array([_velocity(x, strength) for x in positions])
            times = 0.02 * np.arange(60)
            runs.append(
                Trajectory(
                    times=times, positions=positions, velocities=velocities, properties={"circulation": strength}
                )
            )
        return runs

    def order(self, config: SimulationConfig) -> int:
        """The equation of motion is of the first order."""
        return 1


def _velocity(x: np.ndarray, strength: np.ndarray) -> np.ndarray:
    apart = x[:, None] - x[None]
    r2 = (apart**2).sum(-1) + np.eye(len(x))
    turned = np.stack([-apart[..., 1], apart[..., 0]], axis=-1)
    return (strength[None, :, None] * turned / (2 * np.pi * r2[..., None])).sum(axis=1)


def _step(x: np.ndarray, strength: np.ndarray, dt: float) -> np.ndarray:
    a = _velocity(x, strength)
    b = _velocity(x + dt / 2 * a, strength)
    c = _velocity(x + dt / 2 * b, strength)
    d = _velocity(x + dt * c, strength)
    return x + dt / 6 * (a + 2 * b + 2 * c + d)
