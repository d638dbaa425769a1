"""The system of Newton's gravity, the paper's "1/r^2"."""

from __future__ import annotations

import jax

from gnn_discovery.simulators import SimulationConfig
from gnn_discovery_simulations.pair_system import SOFTENING, LawTerm, PairSystem, Particle, law_term


class Gravity(PairSystem):
    """The system U = -m_i m_j / r'."""

    step = 0.001

    def pair_potential(self, r: jax.Array, i: Particle, j: Particle) -> jax.Array:
        return -i["m"] * j["m"] / (r + SOFTENING)

    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        return (law_term("pair", "radial", "-m_i*m_j/(r + 0.01)**2"),)
