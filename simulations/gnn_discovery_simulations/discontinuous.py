"""The system of springs that pull only beyond a threshold."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gnn_discovery.simulators import SimulationConfig
from gnn_discovery_simulations.pair_system import SOFTENING, LawTerm, PairSystem, Particle, law_term


class Discontinuous(PairSystem):
    """The system without a force for r' < 2, and with that of the spring (r' - 1)^2 beyond.

    The constant makes the potential continuous; the force jumps by 2 at the threshold.
    """

    step = 0.01
    tolerance = 1e-9  # steps become ever shorter at each jump of the force

    def pair_potential(self, r: jax.Array, i: Particle, j: Particle) -> jax.Array:
        return jnp.where(r + SOFTENING < 2, 0.0, (r + SOFTENING - 1) ** 2 - 1)

    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        return (law_term("pair", "radial", "Piecewise((0, r < 1.99), (-2*(r - 0.99), True))"),)
