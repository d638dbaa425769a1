"""The Hamiltonian network (FlatHGN of Cranmer et al., arXiv 2006.11287): an energy, and the motion that follows.

H = sum_i H_self(x_i, p_i, properties_i) + sum_i<j H_pair(x_i - x_j, properties of both), with p = m v, and

    m_i dv_i/dt = -dH/dx_i,    dx_i/dt = dH/dp_i.

The message from j to i is -dH_pair/dx_i, a force: it needs no gauge. H_pair is the same from either end and depends on
the difference of places alone, so that forces come in opposite pairs; whatever is learnt, energy and the sum of pair
forces are conserved. Of H_pair only what changes with distance can be known, of H_self what changes with x and p.

With ``inputs="absolute"`` or ``"raw"``, as in the paper, H_pair sees places and momenta of both ends.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from gnn_discovery.gnn.networks.base import GraphNetwork
from gnn_discovery.gnn.networks.config import NetworkConfig
from gnn_discovery.gnn.networks.layers import MLP, GatedMLP, unit_vectors
from gnn_discovery.gnn.networks.scales import Scales


class HamiltonianNetwork(GraphNetwork):
    """A pair energy and a self energy, each a function with one output, and the motion that follows.

    Beside ``target`` its nodes hold ``velocity`` (N D), which is dH/dp. It has to see positions, velocities and target
    in units in which Hamilton's equations hold, see `gnn_discovery.data.dataset.CharacteristicScales.mechanical`.
    """

    def __init__(self, config: NetworkConfig, scales: Scales, dim: int, particles: int, *, rngs: nnx.Rngs):
        super().__init__(config, scales, dim, particles)
        hidden, ends = [config.width] * config.depth, len(scales.properties) + dim
        relative = self.n_property_features + 2 + ends * (ends + 1) // 2
        pair = relative if config.inputs == "relative" else 2 * (2 * dim + self.n_property_features)
        self.pair = GatedMLP(pair, 1, hidden, config, rngs)
        self.own = MLP([self.n_self_features, *hidden, 1], rngs, last=0.1, activation=config.activation)
        moving = dim + 2 + self.n_property_features
        self.kinetic = None if config.inputs == "raw" else GatedMLP(moving, 1, hidden, config, rngs)

    def messages(self, edges: dict, sender: dict, receiver: dict, key: jax.Array | None = None) -> dict:
        """Forces (E D) of sender on receiver, in the unit of ``scales.force``, and ``drift`` (E D), dH_pair/dp_i."""
        receiver, sender = self.with_momenta(receiver), self.with_momenta(sender)

        def energy(step: jax.Array, momentum: jax.Array) -> jax.Array:
            there = {**receiver, "position": receiver["position"] + step, "momentum": momentum}
            each = self.pair_energy(edges["separation"] + step, sender, there)
            return jnp.sum(each * edges["present"])

        still = jnp.zeros_like(edges["separation"])
        slope, drift = jax.grad(energy, (0, 1))(still, receiver["momentum"])
        return {"message": -slope / self.scales.force, "drift": drift}

    def motion(self, nodes: dict, received: dict) -> dict:
        """Hamilton's equations: target (N D), velocity (N D), and the force of the self energy (N D)."""
        nodes = self.with_momenta(nodes)

        def energy(position: jax.Array, momentum: jax.Array) -> jax.Array:
            return jnp.sum(self.self_energy({**nodes, "position": position, "momentum": momentum}))

        slope, velocity = jax.grad(energy, (0, 1))(nodes["position"], nodes["momentum"])
        force = received["message"] * self.scales.force - slope
        mass = self.mass(nodes["properties"])
        return {"target": force / mass, "velocity": velocity + received["drift"], "self": -slope}

    def with_momenta(self, nodes: dict) -> dict:
        return {**nodes, "momentum": self.mass(nodes["properties"]) * nodes["velocity"]}

    def pair_energy(self, separation: jax.Array, sender: dict, receiver: dict) -> jax.Array:
        """(E,) energy of each two particles, the same from either end."""
        scale = self.scales.force * self.scales.length
        if self.config.inputs == "relative":
            return scale * self.pair(self.pair_features(separation, sender, receiver))[:, 0]
        ends = [self.absolute_features(receiver), self.absolute_features(sender)]
        there, back = (self.pair(jnp.concatenate(some, -1)) for some in (ends, ends[::-1]))
        return 0.5 * scale * (there + back)[:, 0]

    def self_energy(self, nodes: dict) -> jax.Array:
        """(N,) energy of each particle alone; of momenta, so that p^2/2m has to be learnt.

        But for raw inputs it is a sum: over decades of p and m, gated and without places, and whatever else there is.
        """
        p, s = nodes["momentum"] / self.momentum_scale, self.scales
        said = self.own(self.self_features({**nodes, "velocity": s.velocity * p}))
        if self.kinetic is not None:
            square = jnp.sum(p**2, -1, keepdims=True)
            size = [jnp.sqrt(square + 1e-30), 0.5 * jnp.log(square + 1e-6)]
            said += self.kinetic(jnp.concatenate([p, *size, self.property_features(nodes)], -1))
        return self.momentum_scale * s.velocity * said[:, 0]

    @property
    def momentum_scale(self) -> float:
        s = self.scales
        return s.velocity * (1.0 if s.mass is None else s.properties[s.mass])

    def pair_features(self, separation: jax.Array, sender: dict, receiver: dict) -> jax.Array:
        """r, and what is the same from either end of the properties and the direction u: the sum of the properties,
        and all products of two of their differences and u. Every symmetric function is a function of these.

        Differences are those of logarithms where there are any: squares of anything else span too much.
        """
        s = self.scales
        mine, other = self.property_features(receiver), self.property_features(sender)
        r = jnp.sqrt(jnp.sum(separation**2, -1, keepdims=True) + 1e-30) / s.length
        count = len(s.properties)
        once = [*(k for k in range(count) if not s.log[k]), *range(count, self.n_property_features)]
        odd = jnp.concatenate([(mine - other)[:, once], unit_vectors(separation)], -1)
        rows, columns = np.triu_indices(odd.shape[-1])
        return jnp.concatenate([r, jnp.log(r + 1e-6), mine + other, odd[:, rows] * odd[:, columns]], -1)

    def absolute_features(self, nodes: dict) -> jax.Array:
        """One end of a pair that is seen with absolute places."""
        place, momentum = nodes["position"] / self.scales.length, nodes["momentum"] / self.momentum_scale
        return jnp.concatenate([place, momentum, self.property_features(nodes)], -1)
