"""The base class of the built-in systems: a new system is a potential for one pair, and a time step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.simulators import SimulationConfig, SimulationSize
from gnn_discovery.simulators.compiled_integrator import integrate_compiled

SOFTENING = 0.01
"""The length that is added to the distance inside a potential: r' = r + 0.01 (not Plummer's form)."""

STEPS_PER_FRAME = 5
"""The number of steps of the paper from frame to frame."""

LawTerm = dict[str, Any]
"""A plain record of one term of a true law."""
Particle = Mapping[str, jax.Array]
"""The properties of one particle, by name."""


def law_term(kind: str, direction: str, expression: str) -> LawTerm:
    """Return a plain record of one term of a true law.

    Args:
        kind: "pair", "self" or "external".
        direction: the direction of the force, as "radial".
        expression: the formula of its size, with numbers and no named constants.
    """
    return {"kind": kind, "direction": direction, "expression": expression, "constants": {}}


class PairSystem(ABC):
    """A system of particles with m a = -grad(sum of potentials) - drag v, in units of its own (G = 1).

    Class attributes:
        step: time step of the paper; frames are ``STEPS_PER_FRAME`` steps apart.
        properties: names of the particles' properties: ``m``, or ``m`` and ``q``.
        runs, frames, particles: the size that is made where the config leaves it open.
        dims: dimensions of space that it moves in; the first is taken where the config leaves it open.
        drag: each particle feels the force -drag v.
        chain: only neighbours in the order of the particles interact.
        tolerance: tolerance of one integration step, absolute and relative.
    """

    step: ClassVar[float]
    properties: ClassVar[tuple[str, ...]] = ("m",)
    runs: ClassVar[int] = 1000
    frames: ClassVar[int] = 100
    particles: ClassVar[int] = 4
    dims: ClassVar[tuple[int, ...]] = (2, 3)
    drag: ClassVar[float] = 0.0
    chain: ClassVar[bool] = False
    tolerance: ClassVar[float] = 1e-10

    @abstractmethod
    def pair_potential(self, r: jax.Array, i: Particle, j: Particle) -> jax.Array:
        """Return the energy of one pair, a scalar.

        Args:
            r: distance of the two particles.
            i: properties of one of them; ``i["m"]`` is its mass.
            j: properties of the other.
        """

    def external_potential(self, x: jax.Array, i: Particle) -> jax.Array:
        """Return the energy of one particle in a field, a scalar; it is zero unless a system says otherwise.

        Args:
            x: (D) position of the particle.
            i: its properties.
        """
        return jnp.zeros(())

    @abstractmethod
    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        """Return the terms of m_i a_i, for the report alone."""

    def simulate(self, config: SimulationConfig) -> tuple[Trajectory, ...]:
        """Return runs with velocities and accelerations; a run does not depend on how many others are asked for."""
        default = SimulationSize(self.runs, self.frames, self.particles, self.dims[0])
        runs, frames, particles, dim = config.resolve(type(self).__name__, default, self.dims)
        x, v, properties = self.initial(np.random.default_rng(config.seed), runs, particles, dim)
        spacing = STEPS_PER_FRAME * self.step
        motion = integrate_compiled(
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
        """Return positions and velocities (R N D) from N(0, 1), and properties (R N): log-normal m, q = -1 or +1.

        Args:
            rng: the random generator.
            runs: number R of runs.
            particles: number N of particles.
            dim: dimension D of space.
        """
        drawn = rng.standard_normal((runs, particles, 2 * dim + 2))
        properties = {"m": np.exp(drawn[..., -1]), "q": np.where(drawn[..., -2] < 0, -1.0, 1.0)}
        kept = {name: properties[name] for name in self.properties}
        return drawn[..., :dim].copy(), drawn[..., dim : 2 * dim].copy(), kept

    def accelerations(self, x: jax.Array, v: jax.Array, properties: Mapping[str, jax.Array]) -> jax.Array:
        """Return the accelerations (N D L) of L runs side by side.

        Args:
            x: (N D L) positions.
            v: (N D L) velocities.
            properties: (N L) by name.
        """
        i, j = self._pairs(len(x))
        separation = x[i] - x[j]
        squared = (separation**2).sum(1)
        is_apart = squared > 0  # a pair at one place has no direction, hence no force
        r = jnp.sqrt(jnp.where(is_apart, squared, 1.0))
        first, second = ({name: p[k] for name, p in properties.items()} for k in (i, j))
        slope = jax.vmap(jax.vmap(jax.grad(self.pair_potential)))(r, first, second)
        pair = jnp.where(is_apart, -slope / r, 0.0)[:, None] * separation
        field = jax.vmap(jax.vmap(jax.grad(self.external_potential), (1, 0), 1))(x, properties)
        force: jax.Array = jnp.zeros_like(x).at[i].add(pair).at[j].add(-pair) - field - self.drag * v
        return force / properties["m"][:, None]

    def energy(
        self,
        positions: Float[np.ndarray, "... N D"],
        velocities: Float[np.ndarray, "... N D"],
        properties: Mapping[str, Float[np.ndarray, "... N"]],
    ) -> Float[np.ndarray, "..."]:
        """Return the kinetic plus potential energy of each instant.

        Args:
            positions: (... N D).
            velocities: (... N D).
            properties: (... N) by name.
        """
        i, j = self._pairs(positions.shape[-2])
        r = np.linalg.norm(positions[..., i, :] - positions[..., j, :], axis=-1)
        whole = {name: np.broadcast_to(p, velocities.shape[:-1]) for name, p in properties.items()}
        with jax.enable_x64(True):
            every = {name: jnp.asarray(p.ravel()) for name, p in whole.items()}
            first, second = ({name: jnp.asarray(p[..., k].ravel()) for name, p in whole.items()} for k in (i, j))
            flat = jnp.asarray(positions.reshape(-1, positions.shape[-1]))
            pair = np.asarray(jax.vmap(self.pair_potential)(jnp.asarray(r.ravel()), first, second))
            field = np.asarray(jax.vmap(self.external_potential)(flat, every))
        kinetic: np.ndarray = 0.5 * whole["m"] * (velocities**2).sum(-1)
        total: np.ndarray = (kinetic + field.reshape(kinetic.shape)).sum(-1) + pair.reshape(r.shape).sum(-1)
        return total

    def _pairs(self, particles: int) -> tuple[Int[np.ndarray, " E"], Int[np.ndarray, " E"]]:
        """Return the pairs that interact, each once."""
        if self.chain:
            return np.arange(particles - 1), np.arange(1, particles)
        return np.triu_indices(particles, 1)

    def _edges(self, particles: int) -> Int[np.ndarray, "E 2"] | None:
        """Return sender and receiver in both directions, where only some pairs interact."""
        if not self.chain:
            return None
        i, j = self._pairs(particles)
        return np.stack([np.concatenate([i, j]), np.concatenate([j, i])], axis=1)
