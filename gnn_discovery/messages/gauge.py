"""Gauge fixing: read the contribution of each neighbour from a network, in physical units.

With a fixed node function the message is the force. With an MLP as node function phi,

    a_i = phi(sum_j message_ij, v_i, properties_i),

a message is defined only up to a map that phi undoes: this is the gauge freedom. The contribution of the edge ij to
the force on i is therefore read in three ways, the three gauges. With M_i = sum_j message_ij and the force map
F(M) = m_i phi(M, v_i, properties_i) they are:

* ``linear``: the Jacobian of F at M_i, times the message, (dF/dM)(M_i) message_ij;
* ``odd``: half the change of the force when neighbour j is mirrored through i,
  (F(M_i) - F(M_i - message_ij + message_ij')) / 2, which supposes a force that is odd in the separation;
* ``two_body``: the force F(message_ij) that the network predicts for i with j as its only neighbour.

Where F is linear and the force odd, all three agree; their difference is kept as evidence. The gauge is kept whose
sum over neighbours comes nearest to the observed force, by the additivity error

    median |m_i a_i - self force - sum_j contribution_ij| / (typical force + |m_i a_i|).

Cranmer et al. 2020 (arXiv 2006.11287), section 3, read messages as forces up to a linear map, the case of a linear
phi. Nothing here uses the true law.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset
from gnn_discovery.gnn.graph import GraphData, equal_batches, whole_graph
from gnn_discovery.gnn.networks import GraphNetwork, jit_with_network
from gnn_discovery.gnn.training import TrainedNetwork, predict_target
from gnn_discovery.messages.table import MessageTable

READ_AT_ONCE = 256
"""Messages of so many snapshots are read at a time, or of fewer where there are not as many."""


@dataclass(frozen=True)
class Messages:
    """A frozen record of the contributions that were read from a network, and of how well they add up.

    Attributes:
        pair: Contributions of the neighbours.
        self_force: Contributions of each particle to the force on itself.
        raw: The message (K M) of each row of ``pair``, before the gauge is fixed.
        spectrum: Share (M,) of each component in the variance of the raw messages, descending.
        n_active_components: Number of components whose variance exceeds the fraction
            `VisibilityCriteria.active_component_min_variance_ratio` of the largest one.
        gauge: Name of the gauge that was kept.
        gauge_differences: Median relative difference of each other gauge from the one that was kept, by its name.
        additivity_error: Median relative difference of the sum of the contributions from the observed force.
    """

    pair: MessageTable
    self_force: MessageTable
    raw: np.ndarray
    spectrum: np.ndarray
    n_active_components: int
    gauge: str
    gauge_differences: Mapping[str, float]
    additivity_error: float


def read_messages(
    trained: TrainedNetwork,
    dataset: Dataset,
    rows: int | None = None,
    seed: int = 0,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> Messages:
    """Read the contributions of a network at the pairs of some snapshots, in the gauge that adds up best.

    Args:
        trained: A trained network.
        dataset: Snapshots (S N D); whole snapshots of it are drawn at random.
        rows: Number of pairs to read at most; None stands for `VisibilityCriteria.message_row_limit`.
        seed: Seed of the draw.
        criteria: Criteria that decide; those of visibility are used.

    Returns:
        The contributions in the units of ``dataset``.
    """
    rows = criteria.visibility.message_row_limit if rows is None else rows
    edges = max(1, len(dataset.senders))
    count = min(len(dataset.positions), max(1, rows // edges))
    drawn = np.sort(np.random.default_rng(seed).permutation(len(dataset.positions))[:count])
    sample = dataset.select(drawn)
    raw, readings, self_force = _gauge_readings(trained, sample)
    shape = (count, edges, sample.dim)
    size = np.linalg.norm(sample.force, axis=-1)
    scale = trained.force_scale
    sums = {name: sum_over_neighbours(reading.reshape(shape), sample) for name, reading in readings.items()}
    errors = {
        name: float(
            np.median((np.linalg.norm(sample.force - self_force - total, axis=-1) / (scale + size))[sample.present])
        )
        for name, total in sums.items()
    }
    best = min(errors, key=errors.__getitem__)
    kept = readings[best]
    if trained.config.node == "mlp":
        whole = sample.force if len(readings) == 1 else _predicted_force(trained, sample)
        self_force = whole - sums[best]
    strength = trained.network.strength
    strengths = None if strength is None else np.asarray(trained.network.source_strengths(), float)
    pair_table, self_table = message_tables(sample, kept, self_force, scale, strengths)
    present = np.flatnonzero(sample.pair_present().reshape(-1))
    kept_size = np.linalg.norm(kept[present], axis=-1)
    reference = kept_size + criteria.visibility.gauge_comparison_force_floor * pair_table.total
    differences = {
        name: float(np.median(np.linalg.norm((reading - kept)[present], axis=-1) / reference))
        for name, reading in readings.items()
        if name != best
    }
    spectrum, n_active = variance_spectrum(raw[present], criteria=criteria)
    return Messages(pair_table, self_table, raw[present], spectrum, n_active, best, differences, errors[best])


def variance_spectrum(raw: np.ndarray, *, criteria: Criteria = DEFAULT_CRITERIA) -> tuple[np.ndarray, int]:
    """Return the share of each message component in the variance, descending, and the number of active components.

    Args:
        raw: Messages (K M) in any gauge.
        criteria: Criteria that decide; those of visibility are used.

    Returns:
        The shares (M,), and the number of components whose variance exceeds
        `VisibilityCriteria.active_component_min_variance_ratio` of the largest one.
    """
    variance = np.sort(np.var(raw, axis=0))[::-1]
    share = variance / max(variance.sum(), 1e-300)
    return share, int(np.sum(share > criteria.visibility.active_component_min_variance_ratio * share[0]))


def message_tables(
    sample: Dataset, pair: np.ndarray, self_force: np.ndarray, scale: np.ndarray, strengths: np.ndarray | None = None
) -> tuple[MessageTable, MessageTable]:
    """Return contributions as a pair table and a self table, without the rows of absent particles.

    Args:
        sample: The snapshots (S N D) with E edges at which the contributions were read.
        pair: Contributions of the pairs (S*E D), in units of force.
        self_force: Contributions of each particle to itself (S N D), in units of force.
        scale: Typical force on each particle (N,).
        strengths: Source strength of each particle (N,), which is then entered as ``m_j``.
    """
    count, r, s = len(sample.run), sample.receivers, sample.senders
    total = np.linalg.norm(sample.force, axis=-1) + scale
    properties = {
        f"{name}_{suffix}": values[:, ends].reshape(-1)
        for name, values in sample.properties.items()
        for suffix, ends in (("i", r), ("j", s))
    }
    if strengths is not None:
        properties["m_j"] = np.tile(strengths[s], count)
    pair_table = MessageTable(
        "pair",
        sample.separation().reshape(-1, sample.dim),
        (sample.velocities[:, r] - sample.velocities[:, s]).reshape(-1, sample.dim),
        properties,
        np.tile(r, count),
        np.tile(s, count),
        pair,
        total[:, r].reshape(-1),
    ).select(np.flatnonzero(sample.pair_present().reshape(-1)))
    present = np.nonzero(sample.present)
    self_table = MessageTable(
        "self",
        sample.positions[present],
        sample.velocities[present],
        {f"{name}_i": values[present] for name, values in sample.properties.items()},
        present[1],
        present[1],
        self_force[present],
        total[present],
    )
    return pair_table, self_table


def sum_over_neighbours(contributions: np.ndarray, sample: Dataset) -> np.ndarray:
    """Return the sum (S N D) over the senders of each receiver.

    Args:
        contributions: Contributions of the edges (S E D), zero where a particle is absent.
        sample: The snapshots whose edges these are.
    """
    out = np.zeros(sample.positions.shape)
    for edge, receiver in enumerate(sample.receivers):
        out[:, receiver] += contributions[:, edge]
    return out


def _predicted_force(trained: TrainedNetwork, sample: Dataset) -> np.ndarray:
    """Return the force (S N D) that the network predicts, the target times the mass."""
    target = predict_target(trained, sample)
    return target * sample.properties["m"][..., None] if sample.has_mass else target


def _gauge_readings(trained: TrainedNetwork, sample: Dataset) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Return raw messages (S*E M), contributions in each gauge (S*E D), and the self force (S N D)."""
    force_unit, snapshots = trained.natural_units.force, len(sample.positions)
    read = jit_with_network(trained.network, _read_snapshots)
    edges, particles = len(sample.senders), sample.positions.shape[1]
    raw, own = [], []
    readings: dict[str, list[np.ndarray]] = {}
    for part, count in equal_batches(trained.graph_data(sample), min(READ_AT_ONCE, _next_power_of_two(snapshots))):
        messages, by_gauge, self_force = read(part)
        raw.append(np.asarray(messages, float)[: count * edges])
        own.append(np.asarray(self_force, float)[: count * particles])
        for name, reading in by_gauge.items():
            readings.setdefault(name, []).append(np.asarray(reading, float)[: count * edges])
    return (
        np.concatenate(raw),
        {name: np.concatenate(parts) * force_unit for name, parts in readings.items()},
        np.concatenate(own).reshape(sample.positions.shape) * force_unit,
    )


def _next_power_of_two(count: int) -> int:
    return 1 << (count - 1).bit_length()


def _read_snapshots(net: GraphNetwork, data: GraphData) -> tuple[jax.Array, dict[str, jax.Array], jax.Array]:
    """Return raw messages, contributions in each gauge and self forces, in the unit of the network."""
    graph = whole_graph(data)
    out = net(graph)
    message, scale = out.edges["message"], net.scales.force
    if net.node is None:
        return message, {net.config.node: message * scale}, out.nodes["self"]

    def at(ends: jax.Array) -> dict[str, jax.Array]:
        return {name: values[ends] for name, values in graph.nodes.items()}

    def force(total: jax.Array) -> jax.Array:
        predicted: jax.Array = net.motion(receiver, {"message": total})["target"]
        return predicted * net.mass(receiver["properties"])

    receiver, sender = at(graph.receivers), at(graph.senders)
    total = jax.ops.segment_sum(message, graph.receivers, graph.nodes["position"].shape[0])[graph.receivers]
    mirrored_sender = {
        **sender,
        "position": 2 * receiver["position"] - sender["position"],
        "velocity": 2 * receiver["velocity"] - sender["velocity"],
    }
    edges = {**graph.edges, "separation": -graph.edges["separation"]}
    mirrored = net.messages(edges, mirrored_sender, receiver, None)["message"]
    readings = {
        "linear": jax.jvp(force, (total,), (message,))[1],
        "odd": 0.5 * (force(total) - force(total - message + mirrored)),
        "two_body": force(message),
    }
    return message, readings, out.nodes["self"]
