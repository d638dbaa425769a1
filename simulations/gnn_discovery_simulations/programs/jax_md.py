"""JAX MD: soft spheres in a periodic box, and Morse's potential, in float64.

Schoenholz and Cubuk, NeurIPS 2020 (arXiv 1912.04232). Units of their own.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.simulators import SimulationConfig
from gnn_discovery_simulations.pair_system import LawTerm, law_term
from gnn_discovery_simulations.programs.program import Program, random_positions, thermal_velocities


class JaxMDSystem(Program):
    """Particles under one energy of ``jax_md.energy``, moved by ``simulate.nve``; masses between 1 and 4.

    Class attributes:
        temperature: of the start, in units of energy.
        step: of the integrator; frames are ``kept`` steps apart.
        periodic: whether the cube of the start is a periodic box.
        volume: of the cube for each particle.
        apart: the least distance of two particles at the start.
    """

    extra = "jax-md"
    dims = (2, 3)
    temperature: ClassVar[float]
    step: ClassVar[float] = 0.002
    kept: ClassVar[int] = 20
    periodic: ClassVar[bool] = False
    volume: ClassVar[float]
    apart: ClassVar[float]

    @abstractmethod
    def potential(self, displacement: Callable[..., Any]) -> Callable[..., Any]:
        """An energy of ``jax_md.energy`` for places (N D)."""

    def run(self, rng: np.random.Generator, frames: int, particles: int, dim: int) -> Trajectory:
        self.use("jax_md")
        side = float((self.volume * particles) ** (1 / dim))
        places = random_positions(rng, particles, dim, side, self.apart, self.periodic)
        masses = rng.uniform(1, 4, particles)
        velocities = thermal_velocities(rng, masses, self.temperature, dim)
        with jax.enable_x64(True):
            move = _mover(self, side if self.periodic else None, frames)
            motion = np.asarray(move(places, velocities * masses[:, None], masses))
        return Trajectory(
            motion[:, 0],
            self.kept * self.step * np.arange(frames),
            velocities=motion[:, 1],
            accelerations=motion[:, 2],
            properties={"m": masses},
            box=np.full(dim, side) if self.periodic else None,
        )


class SoftSpheres(JaxMDSystem):
    """U = epsilon/2 (1 - r/sigma)^2 where r < sigma, crowded in a periodic box."""

    particles = 12
    runs = 50
    frames = 50
    temperature = 0.3
    periodic = True
    volume = 1.3
    apart = 0.7
    sigma: ClassVar[float] = 1.25
    epsilon: ClassVar[float] = 10.0

    def potential(self, displacement: Callable[..., Any]) -> Callable[..., Any]:
        made = self.use("jax_md.energy").soft_sphere_pair(displacement, **_wide(sigma=self.sigma, epsilon=self.epsilon))
        return made

    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        inside = f"{self.epsilon / self.sigma**2!r}*({self.sigma!r} - r)"
        return (law_term("pair", "radial", f"Piecewise(({inside}, r < {self.sigma!r}), (0, True))"),)


class Morse(JaxMDSystem):
    """U = epsilon (1 - exp(-alpha (r - sigma)))^2 - epsilon, a cluster in free space."""

    temperature = 0.5
    volume = 1.5
    apart = 0.8
    sigma: ClassVar[float] = 1.1
    epsilon: ClassVar[float] = 5.0
    alpha: ClassVar[float] = 3.0

    def potential(self, displacement: Callable[..., Any]) -> Callable[..., Any]:
        constants = _wide(sigma=self.sigma, epsilon=self.epsilon, alpha=self.alpha)
        # the defaults take the potential to nothing between two and two and a half sigma
        ends = _wide(r_onset=50.0, r_cutoff=100.0)
        made = self.use("jax_md.energy").morse_pair(displacement, **constants, **ends)
        return made

    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        size, decay = 2 * self.epsilon * self.alpha, f"exp(-{self.alpha!r}*(r - {self.sigma!r}))"
        return (law_term("pair", "radial", f"-{size!r}*(1 - {decay})*{decay}"),)


def _wide(**constants: float) -> dict[str, jax.Array]:
    """The constants as arrays of float64; JAX MD makes a plain number one of float32."""
    return {name: jnp.asarray(value, jnp.float64) for name, value in constants.items()}


@cache
def _mover(system: JaxMDSystem, side: float | None, frames: int) -> Callable[..., jax.Array]:
    """Places, momenta and masses to (T 3 N D): places, velocities and accelerations. Compiled once for a size."""
    space, simulate = system.use("jax_md.space"), system.use("jax_md.simulate")
    displacement, shift = space.free() if side is None else space.periodic(side)
    begin, step = simulate.nve(system.potential(displacement), shift, system.step)

    @jax.jit
    def move(places: jax.Array, momenta: jax.Array, masses: jax.Array) -> jax.Array:
        state = begin(jax.random.key(0), places, 0.0, mass=masses, momenta=momenta)

        def frame(state: Any, _: None) -> tuple[Any, jax.Array]:
            seen = jnp.stack([state.position, state.momentum / state.mass, state.force / state.mass])
            return jax.lax.fori_loop(0, system.kept, lambda _, s: step(s), state), seen

        return jax.lax.scan(frame, state, None, frames)[1]

    return move
