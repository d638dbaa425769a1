"""The system of charge and gravity together."""

from __future__ import annotations

import jax

from gnn_discovery.simulators import SimulationConfig
from gnn_discovery_simulations.pair_system import SOFTENING, LawTerm, PairSystem, Particle, law_term


class Superposition(PairSystem):
    """The system U = (q_i q_j - m_i m_j) / r'."""

    step = 0.001
    properties = ("m", "q")

    def pair_potential(self, r: jax.Array, i: Particle, j: Particle) -> jax.Array:
        return (i["q"] * j["q"] - i["m"] * j["m"]) / (r + SOFTENING)

    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        return (
            law_term("pair", "radial", "q_i*q_j/(r + 0.01)**2"),
            law_term("pair", "radial", "-m_i*m_j/(r + 0.01)**2"),
        )
