"""The system of Coulomb's law between charges of either sign."""

from __future__ import annotations

import jax

from gnn_discovery.simulators import SimulationConfig
from gnn_discovery_simulations.pair_system import SOFTENING, LawTerm, PairSystem, Particle, law_term


class Charge(PairSystem):
    """The system U = q_i q_j / r', with q = -1 or +1."""

    step = 0.001
    properties = ("m", "q")

    def pair_potential(self, r: jax.Array, i: Particle, j: Particle) -> jax.Array:
        return i["q"] * j["q"] / (r + SOFTENING)

    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        return (law_term("pair", "radial", "q_i*q_j/(r + 0.01)**2"),)
