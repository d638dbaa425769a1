"""This module defines static graphs: nodes with properties, one of which is explained by those of their neighbours."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.errors import DataError, UsageError


@dataclass(frozen=True)
class StaticGraph:
    """A frozen record of a directed graph, and of the number of each node that is to be explained.

    Attributes:
        target: (N,) number of each node that is to be explained.
        properties: (N,) properties of the nodes, by name.
        senders: (E,) index of the node that sends the message of each edge.
        receivers: (E,) index of the node that receives it; a receiver is explained by its senders.
        edge_features: (E,) features of the edges, by name; ``r`` is the distance where nodes have positions.
        block: (N,) label of the group of nodes that are held out together, because neighbours are correlated.
        label: name of the target.
        notes: sentences on where the numbers come from.
    """

    target: Float[np.ndarray, " N"]
    properties: Mapping[str, Float[np.ndarray, " N"]]
    senders: Int[np.ndarray, " E"]
    receivers: Int[np.ndarray, " E"]
    edge_features: Mapping[str, Float[np.ndarray, " E"]]
    block: Int[np.ndarray, " N"]
    label: str = "target"
    notes: tuple[str, ...] = ()

    @property
    def message_inputs(self) -> dict[str, Float[np.ndarray, " E"]]:
        """Return the inputs of a message: edge features, and properties of the sender with the suffix ``_j``."""
        return {**self.edge_features, **{f"{name}_j": p[self.senders] for name, p in self.properties.items()}}

    @property
    def node_inputs(self) -> dict[str, Float[np.ndarray, " N"]]:
        """Return the inputs of the node function beside the messages: properties with the suffix ``_i``."""
        return {f"{name}_i": p for name, p in self.properties.items()}

    @property
    def in_degree(self) -> Int[np.ndarray, " N"]:
        """Return the number of senders of each node."""
        return np.bincount(self.receivers, minlength=len(self.target))

    def aggregate(self, messages: Float[np.ndarray, " E"]) -> Float[np.ndarray, " N"]:
        """Return the sum of the messages that each node receives."""
        return np.bincount(self.receivers, messages, len(self.target))

    def edges_to(self, nodes: np.ndarray) -> StaticGraph:
        """Return the same nodes with the edges to ``nodes`` alone, which are enough to predict these."""
        kept = np.isin(self.receivers, nodes)
        features = {name: values[kept] for name, values in self.edge_features.items()}
        return replace(self, senders=self.senders[kept], receivers=self.receivers[kept], edge_features=features)

    @property
    def natural_units(self) -> dict[str, float]:
        """Return for each column a power of two near its median magnitude; the target's is under its label."""
        columns = {**self.edge_features, **self.properties, self.label: self.target - np.median(self.target)}
        sizes = {name: np.median(np.abs(values[values != 0])) for name, values in columns.items() if values.any()}
        return {name: float(2.0 ** np.round(np.log2(size))) for name, size in sizes.items()}

    def rescaled(self, units: Mapping[str, float]) -> StaticGraph:
        """Return the same graph with each column divided by its unit; a column without one stays."""

        def divided(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {name: values / units.get(name, 1.0) for name, values in columns.items()}

        target = self.target / units.get(self.label, 1.0)
        properties, features = divided(self.properties), divided(self.edge_features)
        return replace(self, target=target, properties=properties, edge_features=features)

    def fingerprint(self) -> str:
        """Return the SHA-256 of all numbers and of the names of the properties."""
        digest = hashlib.sha256(repr(sorted(self.properties)).encode())
        columns = [self.properties[name] for name in sorted(self.properties)]
        for array in (self.target, *columns, *(self.edge_features[name] for name in sorted(self.edge_features))):
            digest.update(np.ascontiguousarray(array, "<f8").tobytes())
        for index in (self.senders, self.receivers):
            digest.update(np.ascontiguousarray(index, "<i8").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class NodeSplit:
    """A frozen record of the indices of the nodes in each part of a static graph.

    Attributes:
        train: nodes that the network is trained on.
        valid: held-out nodes by which training stops; laws are selected on both.
        test: held-out nodes on which errors are reported.
        dense: nodes of highest degree, which are out of distribution.
    """

    train: Int[np.ndarray, " _"]
    valid: Int[np.ndarray, " _"]
    test: Int[np.ndarray, " _"]
    dense: Int[np.ndarray, " _"]


def radius_graph(
    positions: np.ndarray,
    target: np.ndarray,
    properties: Mapping[str, np.ndarray],
    radius: float,
    *,
    box: np.ndarray | None = None,
    label: str = "target",
    notes: tuple[str, ...] = (),
    where: str = "graph",
    max_pairs: int = 10_000_000,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> StaticGraph:
    """Return the graph in which all nodes closer than ``radius`` have an edge in both directions.

    Args:
        positions: (N D) positions of the nodes, D at most 3.
        target: (N,) number of each node that is to be explained.
        properties: (N,) properties of the nodes, by name.
        radius: largest distance of neighbours, in the unit of the positions.
        box: (D,) sides of a periodic space.
        label: name of the target.
        notes: sentences on where the numbers come from.
        where: name of the source, for messages of errors.
        max_pairs: number of pairs above which they do not fit into the memory of a small computer.
        criteria: ``estimation.node_blocks_per_axis`` is used.

    Raises:
        DataError: arrays differ in length or are not finite, a name cannot stand in a formula, there are too few nodes
            or pairs or too many pairs, nodes lie outside the box, or two nodes have one position.
        UsageError: the radius is not positive, or not below half of the box.
    """
    from scipy.spatial import cKDTree

    positions, target = np.asarray(positions, float), np.asarray(target, float)
    columns = {name: np.asarray(values, float) for name, values in properties.items()}
    _check_nodes(positions, target, columns, where)
    if not radius > 0 or (box is not None and radius >= np.min(box) / 2):
        bound = "" if box is None else f" and below half of the box, {np.min(box) / 2:g}"
        raise UsageError(f"the radius is {radius:g}", where=where, remedy=f"Give one above zero{bound}")
    if box is not None:
        _check_box(positions, np.asarray(box, float), where)
    low = positions.min(0) if box is None else np.zeros(positions.shape[1])
    span = np.maximum(np.ptp(positions, 0), 1e-300) if box is None else np.asarray(box, float)
    placed = positions - low if box is None else np.mod(positions, span)
    tree = cKDTree(placed, boxsize=None if box is None else span)
    count = (tree.count_neighbors(tree, radius) - len(target)) // 2
    if count < len(target):
        raise DataError(
            f"there are only {count} pairs closer than {radius:g}",
            where=where,
            remedy="Give a larger radius, or more nodes",
        )
    if count > max_pairs:
        remedy = f"Give a smaller radius, for at most {max_pairs:,}, and check its unit"
        raise DataError(f"{count:,} pairs closer than {radius:g} are too many", where=where, remedy=remedy)
    pairs = tree.query_pairs(radius, output_type="ndarray").astype(np.int64)
    separation = placed[pairs[:, 0]] - placed[pairs[:, 1]]
    nearest_image = separation if box is None else separation - span * np.round(separation / span)
    r = np.linalg.norm(nearest_image, axis=-1)
    if not r.all():
        one, other = pairs[int(np.argmin(r))]
        raise DataError(f"nodes {one} and {other} have one position", where=where, remedy="Leave one of them out")
    n_blocks = criteria.estimation.node_blocks_per_axis
    cell = np.minimum((placed / span * n_blocks).astype(np.int64), n_blocks - 1)
    block = cell @ n_blocks ** np.arange(positions.shape[1])
    senders, receivers = np.concatenate([pairs, pairs[:, ::-1]]).T
    return StaticGraph(target, columns, senders, receivers, {"r": np.tile(r, 2)}, block, label, notes)


def split_nodes(graph: StaticGraph, seed: int = 0, *, criteria: Criteria = DEFAULT_CRITERIA) -> NodeSplit:
    """Split the nodes by blocks, with the nodes of highest degree kept out of all parts.

    The nodes that are kept out are chosen by their degree and never by the target: a choice by a target that scatters
    would bias the law that the other nodes show.

    Args:
        graph: nodes with blocks.
        seed: seed of the choice of blocks.
        criteria: the stage ``estimation`` is used.

    Raises:
        DataError: there are fewer than ``estimation.node_min_blocks`` blocks.
    """
    limits = criteria.estimation
    blocks = np.random.default_rng(seed).permutation(np.unique(graph.block))
    if len(blocks) < limits.node_min_blocks:
        remedy = f"Give at least {limits.node_min_blocks} blocks"
        raise DataError(f"{len(blocks)} blocks of nodes are too few to hold some out", remedy=remedy)
    dense = graph.in_degree > np.quantile(graph.in_degree, 1 - limits.node_dense_fraction)
    held_out = max(1, round(limits.node_held_out_fraction * len(blocks)))

    def nodes_of(some: np.ndarray) -> np.ndarray:
        return np.flatnonzero(np.isin(graph.block, some) & ~dense)

    return NodeSplit(
        train=nodes_of(blocks[2 * held_out :]),
        valid=nodes_of(blocks[:held_out]),
        test=nodes_of(blocks[held_out : 2 * held_out]),
        dense=np.flatnonzero(dense),
    )


def _check_nodes(
    positions: np.ndarray, target: np.ndarray, columns: Mapping[str, np.ndarray], where: str, min_nodes: int = 100
) -> None:
    """Raise a DataError where arrays differ in length or are not finite, or a name cannot stand in a formula."""
    if positions.ndim != 2 or not 1 <= positions.shape[1] <= 3 or len(positions) < min_nodes:
        remedy = f"Give (N D), with N at least {min_nodes} and D at most 3"
        raise DataError(f"the positions are {positions.shape}", where=where, remedy=remedy)
    for name, values in {"target": target, **columns}.items():
        if values.shape != target.shape or len(values) != len(positions):
            raise DataError(
                f"{name} is {values.shape}, the positions are {positions.shape}", where=where, remedy="Give (N,)"
            )
        if name != "target" and not (name.isidentifier() and name.isascii()):
            raise DataError(
                f"{name!r} cannot stand in a formula", where=where, remedy="Use letters, digits and _ in a name"
            )
    for name, values in {"positions": positions, "target": target, **columns}.items():
        if not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0, 0])
            raise DataError(f"{name} of node {row} is not finite", where=where, remedy="Leave the node out")


def _check_box(positions: np.ndarray, box: np.ndarray, where: str) -> None:
    """Raise a DataError where positions extend over more than the box; its corner may lie anywhere."""
    if box.shape != positions.shape[1:] or not (np.isfinite(box) & (box > 0)).all():
        remedy = f"Give {positions.shape[1]} sides above zero"
        raise DataError(f"the box is {box.tolist()}", where=where, remedy=remedy)
    extent = np.ptp(positions, axis=0)
    if (extent > box).any():
        axis = int(np.argmax(extent / box))
        raise DataError(
            f"positions extend over {extent[axis]:g} along axis {axis}, the box over {box[axis]:g}",
            where=where,
            remedy="Give box, positions and radius in one unit",
        )
