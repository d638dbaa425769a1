"""The adapter to JAX MD: soft spheres in a periodic box, and Morse's potential, in float64.

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
    """A system of particles under one energy of ``jax_md.energy``, moved by ``simulate.nve``; masses between 1 and 4.

    Class attributes:
        temperature: temperature at the start, in units of energy.
        step: step of the integrator; frames are ``steps_per_frame`` steps apart.
        periodic: the cube at the start is a periodic box.
        volume: volume of the cube for each particle.
        min_distance: the least distance of two particles at the start.
    """

    extra = "jax-md"
    dims = (2, 3)
    temperature: ClassVar[float]
    step: ClassVar[float] = 0.002
    steps_per_frame: ClassVar[int] = 20
    periodic: ClassVar[bool] = False
    volume: ClassVar[float]
    min_distance: ClassVar[float]

    @abstractmethod
    def potential(self, displacement: Callable[..., Any]) -> Callable[..., Any]:
        """Return an energy of ``jax_md.energy`` for positions (N D)."""

    def run(self, rng: np.random.Generator, frames: int, particles: int, dim: int) -> Trajectory:
        self.import_program("jax_md")
        side = float((self.volume * particles) ** (1 / dim))
        positions = random_positions(rng, particles, dim, side, self.min_distance, self.periodic)
        masses = rng.uniform(1, 4, particles)
        velocities = thermal_velocities(rng, masses, self.temperature, dim)
        with jax.enable_x64(True):
            move = _mover(self, side if self.periodic else None, frames)
            motion = np.asarray(move(positions, velocities * masses[:, None], masses))
        return Trajectory(
            motion[:, 0],
            self.steps_per_frame * self.step * np.arange(frames),
            velocities=motion[:, 1],
            accelerations=motion[:, 2],
            properties={"m": masses},
            box=np.full(dim, side) if self.periodic else None,
        )


class SoftSpheres(JaxMDSystem):
    """The system U = epsilon/2 (1 - r/sigma)^2 where r < sigma, crowded in a periodic box."""

    particles = 12
    runs = 50
    frames = 50
    temperature = 0.3
    periodic = True
    volume = 1.3
    min_distance = 0.7
    sigma: ClassVar[float] = 1.25
    epsilon: ClassVar[float] = 10.0

    def potential(self, displacement: Callable[..., Any]) -> Callable[..., Any]:
        constants = _float64(sigma=self.sigma, epsilon=self.epsilon)
        energy: Callable[..., Any] = self.import_program("jax_md.energy").soft_sphere_pair(displacement, **constants)
        return energy

    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        inside = f"{self.epsilon / self.sigma**2!r}*({self.sigma!r} - r)"
        return (law_term("pair", "radial", f"Piecewise(({inside}, r < {self.sigma!r}), (0, True))"),)


class Morse(JaxMDSystem):
    """The system U = epsilon (1 - exp(-alpha (r - sigma)))^2 - epsilon, a cluster in free space."""

    temperature = 0.5
    volume = 1.5
    min_distance = 0.8
    sigma: ClassVar[float] = 1.1
    epsilon: ClassVar[float] = 5.0
    alpha: ClassVar[float] = 3.0

    def potential(self, displacement: Callable[..., Any]) -> Callable[..., Any]:
        constants = _float64(sigma=self.sigma, epsilon=self.epsilon, alpha=self.alpha)
        # the defaults switch the potential off between two and two and a half sigma
        ends = _float64(r_onset=50.0, r_cutoff=100.0)
        module = self.import_program("jax_md.energy")
        energy: Callable[..., Any] = module.morse_pair(displacement, **constants, **ends)
        return energy

    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        size, decay = 2 * self.epsilon * self.alpha, f"exp(-{self.alpha!r}*(r - {self.sigma!r}))"
        return (law_term("pair", "radial", f"-{size!r}*(1 - {decay})*{decay}"),)


def _float64(**constants: float) -> dict[str, jax.Array]:
    """Return the constants as arrays of float64; JAX MD makes a plain number one of float32."""
    return {name: jnp.asarray(value, jnp.float64) for name, value in constants.items()}


@cache
def _mover(system: JaxMDSystem, side: float | None, frames: int) -> Callable[..., jax.Array]:
    """Return a function of positions, momenta and masses that gives positions, velocities, accelerations (T 3 N D)."""
    space, simulate = system.import_program("jax_md.space"), system.import_program("jax_md.simulate")
    displacement, shift = space.free() if side is None else space.periodic(side)
    begin, step = simulate.nve(system.potential(displacement), shift, system.step)

    @jax.jit
    def move(positions: jax.Array, momenta: jax.Array, masses: jax.Array) -> jax.Array:
        state = begin(jax.random.key(0), positions, 0.0, mass=masses, momenta=momenta)

        def frame(state: Any, _: None) -> tuple[Any, jax.Array]:
            seen = jnp.stack([state.position, state.momentum / state.mass, state.force / state.mass])
            return jax.lax.fori_loop(0, system.steps_per_frame, lambda _, s: step(s), state), seen

        return jax.lax.scan(frame, state, None, frames)[1]

    return move
