"""The system without interaction."""

from __future__ import annotations

import jax

from gnn_discovery.simulators import SimulationConfig
from gnn_discovery_simulations.pair_system import LawTerm, PairSystem, Particle


class Free(PairSystem):
    """The system of straight lines, in which nothing is to be found."""

    step = 0.01

    def pair_potential(self, r: jax.Array, i: Particle, j: Particle) -> jax.Array:
        return 0.0 * r

    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        return ()
