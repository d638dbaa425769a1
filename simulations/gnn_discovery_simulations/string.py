"""The system of a string: each particle is tied to the next, and all fall."""

from __future__ import annotations

import jax
import numpy as np

from gnn_discovery.simulators import SimulationConfig
from gnn_discovery_simulations.pair_system import SOFTENING, LawTerm, PairSystem, Particle, law_term


class String(PairSystem):
    """The system U = (r' - 1)^2 between neighbours and m_i y_i for each particle (a uniform field, g = 1, along y).

    At the start the particles lie along x, about 1 apart, at rest in that direction, as in the paper's code.
    There all masses are 1 and the last particle feels no field; here masses are log-normal, as in the other
    systems, so that the motion distinguishes a weight from a constant force, and the field acts on all.
    """

    step = 0.01
    runs = 100
    particles = 30
    chain = True

    def pair_potential(self, r: jax.Array, i: Particle, j: Particle) -> jax.Array:
        return (r + SOFTENING - 1) ** 2

    def external_potential(self, x: jax.Array, i: Particle) -> jax.Array:
        return i["m"] * x[1]

    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        return (law_term("pair", "radial", "-2*(r - 0.99)"), law_term("external", "y", "-m_i"))

    def initial(
        self, rng: np.random.Generator, runs: int, particles: int, dim: int
    ) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        positions, velocities, properties = super().initial(rng, runs, particles, dim)
        positions[..., 0] = np.arange(particles) + 0.5 * positions[..., 0]
        velocities[..., 0] = 0.0
        return positions, velocities, properties
