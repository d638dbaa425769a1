"""Energies of a Hamiltonian network: that of a pair by its distance, that of a particle by its momentum.

The network is the FlatHGN of Cranmer et al. 2020 (arXiv 2006.11287); its Hamiltonian is a sum of self energies and
pair energies. An energy has a gauge: whatever does not change with the motion, such as a function of masses alone,
may be added to it. The gauge is fixed here by two references: a pair energy is counted from that of the same pair at
a typical distance, and a self energy from that of the same particle at rest at the same place.
"""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset, robust_scale, subsample_dataset
from gnn_discovery.gnn.graph import Graph, batch_graph
from gnn_discovery.gnn.networks import HamiltonianNetwork, jit_with_network
from gnn_discovery.gnn.training import TrainedNetwork
from gnn_discovery.messages.gauge import message_tables
from gnn_discovery.messages.table import MessageTable


def read_energies(
    trained: TrainedNetwork,
    dataset: Dataset,
    rows: int | None = None,
    seed: int = 0,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> tuple[MessageTable, MessageTable]:
    """Read pair energies and self energies, each written as a vector, so that they can be distilled as forces are.

    The norm of the vector is the energy; its direction is x_i - x_j for a pair and the momentum for a particle. The
    momentum stands in the place of the velocity in both tables.

    Args:
        trained: A trained Hamiltonian network.
        dataset: Snapshots (S N D); whole snapshots of it are drawn at random.
        rows: Number of pairs to read at most; None stands for `VisibilityCriteria.message_row_limit`.
        seed: Seed of the draw.
        criteria: Criteria that decide; those of visibility and the robust scale of estimation are used.

    Returns:
        The pair table and the self table, in the unit of energy of ``dataset``.
    """
    rows = criteria.visibility.message_row_limit if rows is None else rows
    sample = subsample_dataset(dataset, max(1, rows // max(1, len(dataset.senders))), seed)
    natural, distances = trained.natural_units, np.linalg.norm(sample.separation(), axis=-1)
    typical_distance = float(np.median(distances[sample.pair_present()])) / natural.length
    graph = jax.jit(batch_graph)(trained.graph_data(sample), jnp.arange(len(sample.run)))
    pair_energy, self_energy = (
        np.asarray(energy, float) * natural.force * natural.length
        for energy in jit_with_network(trained.network, _read_graph)(graph, jnp.asarray(typical_distance, jnp.float32))
    )
    momentum = sample.velocities * (sample.properties["m"][..., None] if sample.has_mass else 1.0)
    pair_direction = sample.separation() / distances[..., None]
    momentum_direction = momentum / np.maximum(np.linalg.norm(momentum, axis=-1, keepdims=True), 1e-300)
    pair_table, self_table = message_tables(
        replace(sample, velocities=momentum),
        pair_energy[:, None] * pair_direction.reshape(-1, sample.dim),
        self_energy.reshape(sample.present.shape)[..., None] * momentum_direction,
        trained.force_scale,
    )
    return _with_energy_scale(pair_table, criteria), _with_energy_scale(self_table, criteria)


def _with_energy_scale(table: MessageTable, criteria: Criteria) -> MessageTable:
    """Return the table with ``total`` replaced by the size of each energy plus the typical one."""
    size = np.linalg.norm(table.contributions, axis=-1)
    return replace(table, total=size + robust_scale(size, criteria=criteria))


def _read_graph(
    net: HamiltonianNetwork, graph: Graph, typical_distance: Float[jax.Array, ""]
) -> tuple[jax.Array, jax.Array]:
    """Return the energies of pairs and particles, in the unit of the network; a pair far apart has none."""
    nodes, separation = net.with_momenta(graph.nodes), graph.edges["separation"]

    def at(ends: jax.Array) -> dict[str, jax.Array]:
        return {name: values[ends] for name, values in nodes.items()}

    receiver, sender = at(graph.receivers), at(graph.senders)
    reference = separation * typical_distance / jnp.linalg.norm(separation, axis=-1, keepdims=True)
    moved = {**receiver, "position": receiver["position"] + reference - separation}
    at_rest = {**nodes, "momentum": jnp.zeros_like(nodes["momentum"])}
    pair = net.pair_energy(separation, sender, receiver) - net.pair_energy(reference, sender, moved)
    return pair, net.self_energy(nodes) - net.self_energy(at_rest)
