"""The system of springs between all pairs, and friction on each particle."""

from __future__ import annotations

import jax

from gnn_discovery.simulators import SimulationConfig
from gnn_discovery_simulations.pair_system import SOFTENING, LawTerm, PairSystem, Particle, law_term


class Damped(PairSystem):
    """The system U = (r' - 1)^2, with the force -v_i on each particle.

    The paper's table prints the friction as a part of the potential, r_1 . v_1 / n in each pair; its code
    thereby damps particle i by (n - 1 - i)/n, by its place in the list. Here all particles are damped alike.
    """

    step = 0.02
    drag = 1.0

    def pair_potential(self, r: jax.Array, i: Particle, j: Particle) -> jax.Array:
        return (r + SOFTENING - 1) ** 2

    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        return (
            law_term("pair", "radial", "-2*(r - 0.99)"),
            law_term("self", "velocity", "-1"),
        )
