"""The Hamiltonian network (FlatHGN of Cranmer et al., arXiv 2006.11287): an energy, and the motion that follows.

H = sum_i H_self(x_i, p_i, properties_i) + sum_i<j H_pair(x_i - x_j, properties of both), with p = m v, and

    m_i dv_i/dt = -dH/dx_i,    dx_i/dt = dH/dp_i.

The message from j to i is -dH_pair/dx_i, a force: it needs no gauge. H_pair is the same from either end and depends on
the difference of positions alone, so that forces come in opposite pairs; energy and the sum of pair forces are
conserved, whatever is learnt. H_pair is determined up to what does not change with distance, H_self up to what does
not change with x and p.

With ``inputs="absolute"`` or ``"raw"``, as in the paper, H_pair sees positions and momenta of both ends.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from gnn_discovery.gnn.config import NetworkConfig
from gnn_discovery.gnn.graph import Features
from gnn_discovery.gnn.networks.base import GraphNetwork
from gnn_discovery.gnn.networks.layers import MLP, GatedMLP, unit_vectors
from gnn_discovery.gnn.networks.scales import Scales


class HamiltonianNetwork(GraphNetwork):
    """A network of a pair energy and a self energy, each a function with one output, and the motion that follows.

    Beside ``target`` its nodes hold ``velocity`` (N D), which is dH/dp. It has to see positions, velocities and target
    in units in which Hamilton's equations hold, see `gnn_discovery.data.dataset.CharacteristicScales.mechanical`.

    Args:
        config: the kind and shape of the network.
        scales: the units of its inputs and outputs.
        dim: the dimension D of space.
        particles: the number N of particles of a snapshot.
        rngs: the random generators of the initial weights.
        strength_gain: of no effect here; all kinds of networks are made from the same arguments.
    """

    def __init__(
        self, config: NetworkConfig, scales: Scales, dim: int, particles: int, *, rngs: nnx.Rngs, strength_gain: float
    ):
        super().__init__(config, scales, dim, particles, strength_gain)
        hidden, odd = [config.width] * config.depth, len(scales.properties) + dim
        relative = self.n_property_features + 2 + odd * (odd + 1) // 2
        n_pair_features = relative if config.inputs == "relative" else 2 * (2 * dim + self.n_property_features)
        # The names of the parameters keep their alphabetical order: sums over all parameters follow it.
        self.pair = GatedMLP(n_pair_features, 1, hidden, config, rngs)
        self.one_body = MLP([self.n_self_features, *hidden, 1], rngs, last_scale=0.1, activation=config.activation)
        n_kinetic_features = dim + 2 + self.n_property_features
        self.kinetic = None if config.inputs == "raw" else GatedMLP(n_kinetic_features, 1, hidden, config, rngs)

    def messages(self, edges: Features, sender: Features, receiver: Features, key: jax.Array | None = None) -> Features:
        """Return the forces (E D) of sender on receiver, and ``pair_velocity`` (E D), dH_pair/dp_i.

        Args:
            edges: features of the edges.
            sender: features of the node at which each edge begins.
            receiver: features of the node at which each edge ends.
            key: of no effect; nothing is random here.

        Returns:
            ``message`` in the unit of ``scales.force``, and ``pair_velocity``.
        """
        receiver, sender = self.with_momenta(receiver), self.with_momenta(sender)

        def energy(step: jax.Array, momentum: jax.Array) -> jax.Array:
            displaced = {**receiver, "position": receiver["position"] + step, "momentum": momentum}
            each = self.pair_energy(edges["separation"] + step, sender, displaced)
            return jnp.sum(each * edges["present"])

        no_step = jnp.zeros_like(edges["separation"])
        slope, pair_velocity = jax.grad(energy, (0, 1))(no_step, receiver["momentum"])
        return {"message": -slope / self.scales.force, "pair_velocity": pair_velocity}

    def motion(self, nodes: Features, received: Features) -> Features:
        """Return the right-hand sides of Hamilton's equations.

        Args:
            nodes: features of the nodes.
            received: ``message`` and ``pair_velocity`` (N D), summed over neighbours.

        Returns:
            ``target`` (N D), ``velocity`` (N D), and ``self`` (N D), the force of the self energy.
        """
        nodes = self.with_momenta(nodes)

        def energy(position: jax.Array, momentum: jax.Array) -> jax.Array:
            return jnp.sum(self.self_energy({**nodes, "position": position, "momentum": momentum}))

        slope, velocity = jax.grad(energy, (0, 1))(nodes["position"], nodes["momentum"])
        force = received["message"] * self.scales.force - slope
        mass = self.mass(nodes["properties"])
        return {"target": force / mass, "velocity": velocity + received["pair_velocity"], "self": -slope}

    def with_momenta(self, nodes: Features) -> Features:
        """Return the features of the nodes and ``momentum`` (N D), m v."""
        return {**nodes, "momentum": self.mass(nodes["properties"]) * nodes["velocity"]}

    def pair_energy(self, separation: jax.Array, sender: Features, receiver: Features) -> jax.Array:
        """Return the energy (E,) of each two particles, the same from either end.

        Args:
            separation: (E D) x_i - x_j, receiver minus sender.
            sender: features of particle j of each pair, with momenta.
            receiver: features of particle i of each pair, with momenta.
        """
        scale = self.scales.force * self.scales.length
        if self.config.inputs == "relative":
            return scale * self.pair(self.pair_features(separation, sender, receiver))[:, 0]
        ends = [self.absolute_features(receiver), self.absolute_features(sender)]
        forward, backward = (self.pair(jnp.concatenate(features, -1)) for features in (ends, ends[::-1]))
        return 0.5 * scale * (forward + backward)[:, 0]

    def self_energy(self, nodes: Features) -> jax.Array:
        """Return the energy (N,) of each particle alone; it depends on momenta, so that p^2/2m has to be learnt.

        Except for raw inputs it is a sum of two networks: one of momenta and properties alone, gated, since p and m
        span decades; and one of all features.
        """
        p, s = nodes["momentum"] / self.momentum_scale, self.scales
        energy = self.one_body(self.self_features({**nodes, "velocity": s.velocity * p}))
        if self.kinetic is not None:
            square = jnp.sum(p**2, -1, keepdims=True)
            size = [jnp.sqrt(square + 1e-30), 0.5 * jnp.log(square + 1e-6)]
            energy += self.kinetic(jnp.concatenate([p, *size, self.property_features(nodes)], -1))
        return self.momentum_scale * s.velocity * energy[:, 0]

    @property
    def momentum_scale(self) -> float | jax.Array:
        """Return the unit of momenta."""
        s = self.scales
        return s.velocity * (1.0 if s.mass is None else s.properties[s.mass])

    def pair_features(self, separation: jax.Array, sender: Features, receiver: Features) -> jax.Array:
        """Return r, log r, and symmetric combinations of the properties and of the direction u.

        The combinations are the sum of the properties, and all products of two of their differences and u: every
        function that is the same from either end is a function of these. Logarithms are subtracted where there are
        any, since squares of anything else span too many decades.

        Args:
            separation: (E D) x_i - x_j, receiver minus sender.
            sender: features of particle j of each pair.
            receiver: features of particle i of each pair.
        """
        s = self.scales
        received, sent = self.property_features(receiver), self.property_features(sender)
        r = jnp.sqrt(jnp.sum(separation**2, -1, keepdims=True) + 1e-30) / s.length
        count = len(s.properties)
        columns = [*(k for k in range(count) if not s.log[k]), *range(count, self.n_property_features)]
        odd = jnp.concatenate([(received - sent)[:, columns], unit_vectors(separation)], -1)
        first, second = np.triu_indices(odd.shape[-1])
        return jnp.concatenate([r, jnp.log(r + 1e-6), received + sent, odd[:, first] * odd[:, second]], -1)

    def absolute_features(self, nodes: Features) -> jax.Array:
        """Return position, momentum and properties of one end of a pair whose energy depends on positions."""
        position, momentum = nodes["position"] / self.scales.length, nodes["momentum"] / self.momentum_scale
        return jnp.concatenate([position, momentum, self.property_features(nodes)], -1)
