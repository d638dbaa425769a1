"""PairSystem: what the built-in systems share. A new system is a potential for one pair, and a time step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.simulators import SimulationConfig
from gnn_discovery_simulations.integrator import integrate_runs

SOFTENING = 0.01
"""Added to the distance inside the potential: r' = r + 0.01 (not Plummer's form)."""

STEPS_PER_FRAME = 5
"""Every fifth step is a frame."""

LawTerm = dict[str, Any]
Particle = Mapping[str, jax.Array]
"""The properties of one particle, by name."""


def law_term(kind: str, direction: str, expression: str) -> LawTerm:
    """A plain record of one term of a true law; numbers stand in the expression."""
    return {"kind": kind, "direction": direction, "expression": expression, "constants": {}}


class PairSystem(ABC):
    """Particles with m a = -grad(sum of potentials) - drag v, units of their own (G = 1).

    Class attributes:
        step: time step of the paper; frames are ``STEPS_PER_FRAME`` steps apart.
        properties: names of the particles' properties: ``m``, or ``m`` and ``q``.
        runs, frames, particles: what is made when the config leaves it open.
        drag: the force -drag v on each particle.
        chain: only neighbours in the order of the particles interact.
        tolerance: of one integration step, absolute and relative.
    """

    step: ClassVar[float]
    properties: ClassVar[tuple[str, ...]] = ("m",)
    runs: ClassVar[int] = 1000
    frames: ClassVar[int] = 100
    particles: ClassVar[int] = 4
    drag: ClassVar[float] = 0.0
    chain: ClassVar[bool] = False
    tolerance: ClassVar[float] = 1e-10

    @abstractmethod
    def pair_potential(self, r: jax.Array, i: Particle, j: Particle) -> jax.Array:
        """Energy of one pair at distance ``r``, a scalar; ``i["m"]`` is the mass of one of them."""

    def external_potential(self, x: jax.Array, i: Particle) -> jax.Array:
        """Energy of one particle at ``x`` (D) in a field; none unless a system says so."""
        return jnp.zeros(())

    @abstractmethod
    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        """The terms of m_i a_i, for the report alone."""

    def simulate(self, config: SimulationConfig) -> tuple[Trajectory, ...]:
        """Runs with velocities and accelerations; a run does not depend on how many others are asked for."""
        size = config.size(type(self).__name__, self.runs, self.frames, self.particles, (2, 3))
        runs, frames, particles, dim = size
        x, v, properties = self.initial(np.random.default_rng(config.seed), runs, particles, dim)
        spacing = STEPS_PER_FRAME * self.step
        motion = integrate_runs(
            self.accelerations, x, v, properties, spacing=spacing, frames=frames, tolerance=self.tolerance
        )
        times = spacing * np.arange(frames)
        edges = self._edges(particles)
        return tuple(
            Trajectory(
                positions=positions,
                times=times,
                velocities=velocities,
                accelerations=accelerations,
                properties={name: value[run] for name, value in properties.items()},
                edges=edges,
            )
            for run, (positions, velocities, accelerations) in enumerate(zip(*motion, strict=True))
        )

    def initial(
        self, rng: np.random.Generator, runs: int, particles: int, dim: int
    ) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Positions and velocities (R N D) and properties (R N): N(0, 1), log-normal m, q = -1 or +1."""
        drawn = rng.standard_normal((runs, particles, 2 * dim + 2))
        properties = {"m": np.exp(drawn[..., -1]), "q": np.where(drawn[..., -2] < 0, -1.0, 1.0)}
        kept = {name: properties[name] for name in self.properties}
        return drawn[..., :dim].copy(), drawn[..., dim : 2 * dim].copy(), kept

    def accelerations(self, x: jax.Array, v: jax.Array, properties: Mapping[str, jax.Array]) -> jax.Array:
        """Of L runs side by side: positions, velocities (N D L) and properties (N L) to (N D L)."""
        i, j = self._pairs(len(x))
        separation = x[i] - x[j]
        squared = (separation**2).sum(1)
        apart = squared > 0  # a pair at one place has no direction, hence no force
        r = jnp.sqrt(jnp.where(apart, squared, 1.0))
        first, second = ({name: p[k] for name, p in properties.items()} for k in (i, j))
        pull = jax.vmap(jax.vmap(jax.grad(self.pair_potential)))(r, first, second)
        pair = jnp.where(apart, -pull / r, 0.0)[:, None] * separation
        field = jax.vmap(jax.vmap(jax.grad(self.external_potential), (1, 0), 1))(x, properties)
        force = jnp.zeros_like(x).at[i].add(pair).at[j].add(-pair) - field - self.drag * v
        return force / properties["m"][:, None]

    def energy(
        self,
        positions: Float[np.ndarray, "... N D"],
        velocities: Float[np.ndarray, "... N D"],
        properties: Mapping[str, Float[np.ndarray, "... N"]],
    ) -> Float[np.ndarray, "..."]:
        """Kinetic plus potential energy of each instant."""
        i, j = self._pairs(positions.shape[-2])
        r = np.linalg.norm(positions[..., i, :] - positions[..., j, :], axis=-1)
        whole = {name: np.broadcast_to(p, velocities.shape[:-1]) for name, p in properties.items()}
        with jax.enable_x64(True):
            every = {name: jnp.asarray(p.ravel()) for name, p in whole.items()}
            first, second = ({name: jnp.asarray(p[..., k].ravel()) for name, p in whole.items()} for k in (i, j))
            places = jnp.asarray(positions.reshape(-1, positions.shape[-1]))
            pair = np.asarray(jax.vmap(self.pair_potential)(jnp.asarray(r.ravel()), first, second))
            field = np.asarray(jax.vmap(self.external_potential)(places, every))
        kinetic = 0.5 * whole["m"] * (velocities**2).sum(-1)
        return (kinetic + field.reshape(kinetic.shape)).sum(-1) + pair.reshape(r.shape).sum(-1)

    def _pairs(self, particles: int) -> tuple[Int[np.ndarray, " E"], Int[np.ndarray, " E"]]:
        """The pairs that interact, each once."""
        if self.chain:
            return np.arange(particles - 1), np.arange(1, particles)
        return np.triu_indices(particles, 1)

    def _edges(self, particles: int) -> Int[np.ndarray, "E 2"] | None:
        """Sender and receiver, both directions, where only some pairs interact."""
        if not self.chain:
            return None
        i, j = self._pairs(particles)
        return np.stack([np.concatenate([i, j]), np.concatenate([j, i])], axis=1)
