"""The energies of a Hamiltonian network: of a pair by its distance, of a particle by its momentum.

An energy has a gauge, all that does not change with the motion, such as a function of masses alone. It is fixed here: a
pair energy is counted from that of the same pair at a typical distance, a self energy from that of the same particle
at rest where it is.
"""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from gnn_discovery.data.dataset import Dataset, robust_scale, subsample_dataset
from gnn_discovery.gnn.graph import Graph, batch_graph
from gnn_discovery.gnn.networks import HamiltonianNetwork, jit_with_network
from gnn_discovery.gnn.training import TrainedNetwork
from gnn_discovery.messages.gauge import message_tables
from gnn_discovery.messages.table import MessageTable


def read_energies(
    trained: TrainedNetwork, snapshots: Dataset, rows: int = 20000, seed: int = 0
) -> tuple[MessageTable, MessageTable]:
    """Pair and self energies at up to ``rows`` pairs of ``snapshots``, each written as a vector of that size: along
    x_i - x_j and along the momentum, which stands in the place of the velocity. So they can be distilled as forces are.
    """
    sample = subsample_dataset(snapshots, max(1, rows // max(1, len(snapshots.senders))), seed)
    natural, distances = trained.natural_units, np.linalg.norm(sample.separation(), axis=-1)
    usual = float(np.median(distances[sample.pair_present()])) / natural.length

    def read(net: HamiltonianNetwork, graph: Graph) -> tuple[jax.Array, jax.Array]:
        nodes, here = net.with_momenta(graph.nodes), graph.edges["separation"]
        take = lambda ends: jax.tree.map(lambda a: a[ends], nodes)  # noqa: E731
        receiver, sender = take(graph.receivers), take(graph.senders)
        there = here * usual / jnp.linalg.norm(here, axis=-1, keepdims=True)
        moved = {**receiver, "position": receiver["position"] + there - here}
        rest = {**nodes, "momentum": jnp.zeros_like(nodes["momentum"])}
        pair = net.pair_energy(here, sender, receiver) - net.pair_energy(there, sender, moved)
        return pair, net.self_energy(nodes) - net.self_energy(rest)

    graph = batch_graph(trained.seen(sample), jnp.arange(len(sample.run)))
    pair, own = (
        np.asarray(e, float) * natural.force * natural.length for e in jit_with_network(trained.network, read)(graph)
    )
    momentum = sample.velocities * (sample.properties["m"][..., None] if sample.has_mass else 1.0)
    along = sample.separation() / distances[..., None]
    ahead = momentum / np.maximum(np.linalg.norm(momentum, axis=-1, keepdims=True), 1e-300)
    pairs, alone = message_tables(
        replace(sample, velocities=momentum),
        pair[:, None] * along.reshape(-1, sample.dim),
        own.reshape(sample.present.shape)[..., None] * ahead,
        trained.force_scale,
    )
    return _with_energy_scale(pairs), _with_energy_scale(alone)


def _with_energy_scale(table: MessageTable) -> MessageTable:
    """The table with what an energy is seen against: its size, and the typical one."""
    size = np.linalg.norm(table.contributions, axis=-1)
    return replace(table, total=size + robust_scale(size))
