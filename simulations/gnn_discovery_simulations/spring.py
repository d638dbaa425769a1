"""The system of springs between all pairs."""

from __future__ import annotations

import jax

from gnn_discovery.simulators import SimulationConfig
from gnn_discovery_simulations.pair_system import SOFTENING, LawTerm, PairSystem, Particle, law_term


class Spring(PairSystem):
    """The system U = (r' - 1)^2: rest length 1, stiffness 2."""

    step = 0.01

    def pair_potential(self, r: jax.Array, i: Particle, j: Particle) -> jax.Array:
        return (r + SOFTENING - 1) ** 2

    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        return (law_term("pair", "radial", "-2*(r - 0.99)"),)
