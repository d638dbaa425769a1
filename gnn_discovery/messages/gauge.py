"""The gauge: contributions in physical units, read from the network and never from the truth.

With a fixed node function the message is the force. With an MLP a message is fixed only up to a map that the node
function undoes, so the contribution of edge ij to a_i is read in three ways, each times m_i:

* ``linear``: the Jacobian of the node function at the real sum of messages, times the message;
* ``odd``: half the change of a_i when neighbour j is mirrored through i (supposes a force odd in the separation);
* ``two_body``: the acceleration the network predicts for i with j as its only neighbour.

Where the three agree, that is evidence; the one whose sum comes nearest to the observed force is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.gnn.graph import Graph, batch_graph
from gnn_discovery.gnn.networks import GraphNetwork, jit_with_network
from gnn_discovery.gnn.training import TrainedNetwork, predict_target
from gnn_discovery.messages.table import MessageTable


@dataclass(frozen=True)
class Messages:
    """What was read from the network.

    Attributes:
        pair, own: the contributions of neighbours, and of each particle to itself.
        raw: (K M) the message of each row of ``pair``, as it is.
        spectrum: (M,) share of the variance of each raw message component, descending.
        alive: components with more than a thousandth of the largest variance.
        gauge: the reading that was kept.
        agreement: median relative difference of each other reading from it.
        additivity: median of |m a - sum of contributions| / |m a| over held-out particles.
    """

    pair: MessageTable
    own: MessageTable
    raw: np.ndarray
    spectrum: np.ndarray
    n_active_components: int
    gauge: str
    agreement: Mapping[str, float]
    additivity: float


def read_messages(trained: TrainedNetwork, snapshots: Dataset, rows: int = 20000, seed: int = 0) -> Messages:
    """Contributions at up to ``rows`` pairs of ``snapshots`` (whole snapshots are taken)."""
    edges = max(1, len(snapshots.senders))
    count = min(len(snapshots.positions), max(1, rows // edges))
    pick = np.sort(np.random.default_rng(seed).permutation(len(snapshots.positions))[:count])
    sample = snapshots.select(pick)
    raw, readings, own = _gauge_readings(trained, sample)
    shape = (count, edges, sample.dim)
    size = np.linalg.norm(sample.force, axis=-1)
    scale = trained.force_scale
    sums = {k: sum_over_neighbours(v.reshape(shape), sample) for k, v in readings.items()}
    errors = {
        k: float(np.median((np.linalg.norm(sample.force - own - s, axis=-1) / (scale + size))[sample.present]))
        for k, s in sums.items()
    }
    best = min(errors, key=errors.__getitem__)
    kept = readings[best]
    if trained.config.node == "mlp":
        own = sample.force - sums[best] if len(readings) == 1 else _predicted_force(trained, sample) - sums[best]
    strength = trained.network.strength
    values = None if strength is None else np.asarray(trained.network.source_strengths(), float)
    pair, mine = message_tables(sample, kept, own, scale, values)
    here = np.flatnonzero(sample.pair_present().reshape(-1))
    seen = np.linalg.norm(kept[here], axis=-1) + 0.1 * pair.total
    difference = {
        k: float(np.median(np.linalg.norm((v - kept)[here], axis=-1) / seen)) for k, v in readings.items() if k != best
    }
    return Messages(pair, mine, raw[here], *variance_spectrum(raw[here]), best, difference, errors[best])


def variance_spectrum(raw: np.ndarray) -> tuple[np.ndarray, int]:
    """Of raw messages (K M) the spectrum, and how many components are alive, see `Messages`."""
    variance = np.sort(np.var(raw, axis=0))[::-1]
    share = variance / max(variance.sum(), 1e-300)
    return share, int(np.sum(share > 1e-3 * share[0]))


def message_tables(
    sample: Dataset, pair: np.ndarray, own: np.ndarray, scale: np.ndarray, strengths: np.ndarray | None = None
) -> tuple[MessageTable, MessageTable]:
    """Contributions of pairs (S*E D) and of each particle to itself (S N D) as tables, of those that are there.

    Args:
        scale: (N,) typical force on each particle.
        strengths: (N,) of each particle as a source, which then stand there as ``m_j``.
    """
    count, r, s = len(sample.run), sample.receivers, sample.senders
    total = np.linalg.norm(sample.force, axis=-1) + scale
    properties = {
        f"{k}_{end}": v[:, e].reshape(-1) for k, v in sample.properties.items() for end, e in (("i", r), ("j", s))
    }
    if strengths is not None:
        properties["m_j"] = np.tile(strengths[s], count)
    here = np.flatnonzero(sample.pair_present().reshape(-1))
    pairs = MessageTable(
        "pair",
        sample.separation().reshape(-1, sample.dim),
        (sample.velocities[:, r] - sample.velocities[:, s]).reshape(-1, sample.dim),
        properties,
        np.tile(r, count),
        np.tile(s, count),
        pair,
        total[:, r].reshape(-1),
    ).select(here)
    alone = np.nonzero(sample.present)
    mine = MessageTable(
        "self",
        sample.positions[alone],
        sample.velocities[alone],
        {f"{k}_i": v[alone] for k, v in sample.properties.items()},
        alone[1],
        alone[1],
        own[alone],
        total[alone],
    )
    return pairs, mine


def sum_over_neighbours(contributions: np.ndarray, sample: Dataset) -> np.ndarray:
    """Sum over neighbours: (S E D) to (S N D)."""
    out = np.zeros(sample.positions.shape)
    for edge, receiver in enumerate(sample.receivers):
        out[:, receiver] += contributions[:, edge]
    return out


def _predicted_force(trained: TrainedNetwork, sample: Dataset) -> np.ndarray:
    target = predict_target(trained, sample)
    return target * sample.properties["m"][..., None] if sample.has_mass else target


def _gauge_readings(trained: TrainedNetwork, sample: Dataset) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Raw messages (K M), contributions by each reading (K D), and the self force (S N D)."""
    network, force_unit = trained.network, trained.natural_units.force
    graph = batch_graph(trained.seen(sample), jnp.arange(len(sample.positions)))

    def read(net: GraphNetwork, graph: Graph) -> tuple[jax.Array, dict[str, jax.Array], jax.Array]:
        out = net(graph)
        message, scale = out.edges["message"], net.scales.force
        if net.node is None:
            return message, {net.config.node: message * scale}, out.nodes["self"]
        take = lambda ends: jax.tree.map(lambda a: a[ends], graph.nodes)  # noqa: E731
        receiver, sender = take(graph.receivers), take(graph.senders)
        total = jax.ops.segment_sum(message, graph.receivers, graph.nodes["position"].shape[0])[graph.receivers]
        force = lambda t: net.motion(receiver, {"message": t})["target"] * net.mass(receiver["properties"])  # noqa: E731
        opposite = {
            **sender,
            "position": 2 * receiver["position"] - sender["position"],
            "velocity": 2 * receiver["velocity"] - sender["velocity"],
        }
        edges = {**graph.edges, "separation": -graph.edges["separation"]}
        mirrored = net.messages(edges, opposite, receiver, None)["message"]
        readings = {
            "linear": jax.jvp(force, (total,), (message,))[1],
            "odd": 0.5 * (force(total) - force(total - message + mirrored)),
            "two_body": force(message),
        }
        return message, readings, out.nodes["self"]

    raw, readings, own = jit_with_network(network, read)(graph)
    return (
        np.asarray(raw, float),
        {k: np.asarray(v, float) * force_unit for k, v in readings.items()},
        np.asarray(own, float).reshape(sample.positions.shape) * force_unit,
    )
