"""The system of gravity in two dimensions, the paper's "1/r"."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gnn_discovery.simulators import SimulationConfig
from gnn_discovery_simulations.pair_system import SOFTENING, LawTerm, PairSystem, Particle, law_term


class LogGravity(PairSystem):
    """The system U = m_i m_j log r', with a force of 1/r' in any dimension."""

    step = 0.005

    def pair_potential(self, r: jax.Array, i: Particle, j: Particle) -> jax.Array:
        return i["m"] * j["m"] * jnp.log(r + SOFTENING)

    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        return (law_term("pair", "radial", "-m_i*m_j/(r + 0.01)"),)
