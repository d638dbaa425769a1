"""StaticGraph: nodes with properties, one of which is to be explained by those of the nodes that it has links with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from gnn_discovery.errors import DataError, UsageError

HELD_OUT = 0.15
"""Share of the blocks that is kept to choose by, and as many to report on."""
DENSE = 0.1
"""Share of the nodes, those with most links, that is kept out of all of these."""
BLOCKS = 4
"""Blocks along each side of space."""
MAX_PAIRS = 10_000_000
"""More than these do not fit into the memory of a small computer."""


@dataclass(frozen=True)
class StaticGraph:
    """Any graph: what a node is, what lies between two of them, and the number that each node is to be explained by.

    Attributes:
        target: (N,) what is to be explained; ``label`` is its name.
        properties: of the nodes, by name (N,).
        senders, receivers: (E,) ends of each link; a receiver is explained by its senders.
        between: what a link knows of its ends, by name (E,): ``r``, the distance, where nodes have places.
        block: (N,) nodes that are held out together, since neighbours are alike.
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
    def inputs(self) -> dict[str, Float[np.ndarray, " E"]]:
        """What a message is made of: what lies between, and the properties of the sender with suffix ``_j``."""
        return {**self.edge_features, **{f"{name}_j": p[self.senders] for name, p in self.properties.items()}}

    @property
    def own(self) -> dict[str, Float[np.ndarray, " N"]]:
        """What a node knows of itself: its properties with suffix ``_i``."""
        return {f"{name}_i": p for name, p in self.properties.items()}

    @property
    def in_degree(self) -> Int[np.ndarray, " N"]:
        """Number of senders of each node."""
        return np.bincount(self.receivers, minlength=len(self.target))

    def gather(self, messages: Float[np.ndarray, " E"]) -> Float[np.ndarray, " N"]:
        """The sum of the messages to each node."""
        return np.bincount(self.receivers, messages, len(self.target))

    def to(self, nodes: np.ndarray) -> StaticGraph:
        """The same graph with the links to ``nodes`` alone: what is needed to predict those."""
        kept = np.isin(self.receivers, nodes)
        between = {name: values[kept] for name, values in self.edge_features.items()}
        return replace(self, senders=self.senders[kept], receivers=self.receivers[kept], edge_features=between)

    @property
    def units(self) -> dict[str, float]:
        """A power of two near the typical size of each column of numbers, the target's under its label."""
        columns = {**self.edge_features, **self.properties, self.label: self.target - np.median(self.target)}
        sizes = {name: np.median(np.abs(values[values != 0])) for name, values in columns.items() if values.any()}
        return {name: float(2.0 ** np.round(np.log2(size))) for name, size in sizes.items()}

    def rescaled(self, units: Mapping[str, float]) -> StaticGraph:
        """The same graph in other units."""
        by = lambda columns: {name: values / units.get(name, 1.0) for name, values in columns.items()}  # noqa: E731
        target = self.target / units.get(self.label, 1.0)
        return replace(self, target=target, properties=by(self.properties), edge_features=by(self.edge_features))

    def fingerprint(self) -> str:
        """SHA-256 of all that the graph holds."""
        digest = hashlib.sha256(repr(sorted(self.properties)).encode())
        columns = [self.properties[name] for name in sorted(self.properties)]
        for array in (self.target, *columns, *(self.edge_features[name] for name in sorted(self.edge_features))):
            digest.update(np.ascontiguousarray(array, "<f8").tobytes())
        for index in (self.senders, self.receivers):
            digest.update(np.ascontiguousarray(index, "<i8").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class NodeSplit:
    """Indices of nodes: to train on, to stop and choose by, to report on, and the dense ones that are kept out."""

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
) -> StaticGraph:
    """The graph of nodes at ``positions`` (N D) in which all closer than ``radius`` are linked.

    Args:
        box: (D,) sides of a periodic space.

    Raises:
        DataError: arrays that are not of one length or not finite, names that no formula can hold, too few nodes or
            links or too many of these, nodes outside of the box, two at one place.
        UsageError: a radius that is no length, or beyond half of the box.
    """
    from scipy.spatial import cKDTree

    positions, target = np.asarray(positions, float), np.asarray(target, float)
    columns = {name: np.asarray(values, float) for name, values in properties.items()}
    _check_nodes(positions, target, columns, where)
    if not radius > 0 or (box is not None and radius >= np.min(box) / 2):
        least = "" if box is None else f" and below half of the box, {np.min(box) / 2:g}"
        raise UsageError(f"the radius is {radius:g}", where=where, remedy=f"Give one above zero{least}")
    if box is not None:
        _check_box(positions, np.asarray(box, float), where)
    low = positions.min(0) if box is None else np.zeros(positions.shape[1])
    span = np.maximum(np.ptp(positions, 0), 1e-300) if box is None else np.asarray(box, float)
    placed = positions - low if box is None else np.mod(positions, span)
    tree = cKDTree(placed, boxsize=None if box is None else span)
    count = (tree.count_neighbors(tree, radius) - len(target)) // 2
    if count < len(target):
        raise DataError(
            f"only {count} pairs closer than {radius:g}", where=where, remedy="Give a larger radius, or more nodes"
        )
    if count > MAX_PAIRS:
        remedy = f"Give a smaller radius, for at most {MAX_PAIRS:,}, and check its unit"
        raise DataError(f"{count:,} pairs closer than {radius:g} are too many", where=where, remedy=remedy)
    pairs = tree.query_pairs(radius, output_type="ndarray").astype(np.int64)
    gap = placed[pairs[:, 0]] - placed[pairs[:, 1]]
    r = np.linalg.norm(gap if box is None else gap - span * np.round(gap / span), axis=-1)
    if not r.all():
        one, other = pairs[int(np.argmin(r))]
        raise DataError(f"nodes {one} and {other} are at one place", where=where, remedy="Leave one of them out")
    cell = np.minimum((placed / span * BLOCKS).astype(np.int64), BLOCKS - 1)
    block = cell @ BLOCKS ** np.arange(positions.shape[1])
    senders, receivers = np.concatenate([pairs, pairs[:, ::-1]]).T
    return StaticGraph(target, columns, senders, receivers, {"r": np.tile(r, 2)}, block, label, notes)


def split_nodes(graph: StaticGraph, seed: int = 0) -> NodeSplit:
    """Blocks set apart, and the nodes with most links kept out of all of them.

    What is kept out is chosen by what a node is explained from, never by the target: a choice by a target that
    scatters would bend what the rest says.

    Raises:
        DataError: fewer than six blocks.
    """
    blocks = np.random.default_rng(seed).permutation(np.unique(graph.block))
    if len(blocks) < 6:
        raise DataError(f"{len(blocks)} blocks of nodes are too few to hold some out", remedy="Give six blocks or more")
    crowded = graph.in_degree > np.quantile(graph.in_degree, 1 - DENSE)
    held = max(1, round(HELD_OUT * len(blocks)))

    def of(some: np.ndarray) -> np.ndarray:
        return np.flatnonzero(np.isin(graph.block, some) & ~crowded)

    return NodeSplit(of(blocks[2 * held :]), of(blocks[:held]), of(blocks[held : 2 * held]), np.flatnonzero(crowded))


def _check_nodes(positions: np.ndarray, target: np.ndarray, columns: Mapping[str, np.ndarray], where: str) -> None:
    if positions.ndim != 2 or not 1 <= positions.shape[1] <= 3 or len(positions) < 100:
        raise DataError(f"positions are {positions.shape}", where=where, remedy="Give (N D), N at least 100")
    for name, values in {"target": target, **columns}.items():
        if values.shape != target.shape or len(values) != len(positions):
            raise DataError(f"{name} is {values.shape}, positions {positions.shape}", where=where, remedy="Give (N,)")
        if name != "target" and not (name.isidentifier() and name.isascii()):
            raise DataError(f"{name!r} is no name in a formula", where=where, remedy="Letters, digits and _")
    for name, values in {"positions": positions, "target": target, **columns}.items():
        if not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0, 0])
            raise DataError(f"{name} of node {row} is not finite", where=where, remedy="Leave the node out")


def _check_box(positions: np.ndarray, box: np.ndarray, where: str) -> None:
    """Places may begin anywhere, at 0 or at minus half of the box; they may not reach over more than it."""
    if box.shape != positions.shape[1:] or not (np.isfinite(box) & (box > 0)).all():
        raise DataError(f"the box is {box.tolist()}", where=where, remedy=f"Give {positions.shape[1]} sides above zero")
    wide = np.ptp(positions, axis=0)
    if (wide > box).any():
        axis = int(np.argmax(wide / box))
        raise DataError(
            f"places reach over {wide[axis]:g} along axis {axis}, the box over {box[axis]:g}",
            where=where,
            remedy="Give box, places and radius in one unit",
        )
