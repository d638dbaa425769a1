"""relate(): from a static graph to the formula of a node's target, and what it is worth."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from gnn_discovery.errors import UsageError
from gnn_discovery.gnn.training import TrainingProgress
from gnn_discovery.runs import package_versions
from gnn_discovery.static_graphs.distillation import distill_node_laws
from gnn_discovery.static_graphs.node_law import NodeLaw
from gnn_discovery.static_graphs.node_network import NodeTrainingConfig, train_node_network
from gnn_discovery.static_graphs.selection import ScoredNodeLaw, select_node_law
from gnn_discovery.static_graphs.static_graph import NodeSplit, StaticGraph, split_nodes
from gnn_discovery.symbolic.search import EngineConfig, get_engine

SHARES = (0.25, 0.5, 1.0)
"""Of the largest distance, within which the hand-made formula counts neighbours."""
ENGINE_TIME_LIMIT = 900.0
"""Seconds that engines may take for all problems: what a busy machine cuts short is no candidate."""
NODE_LAW_ASSUMPTIONS = (
    "Neighbours add up: a target is a function of a sum over them, and of the node's own properties.",
    "A message knows its sender and what lies between, not its receiver's properties.",
    "Errors are mean absolute ones on nodes that no part of the law was fitted to or chosen by.",
    "Out of distribution are the nodes with most links; they are chosen by these, not by their targets.",
)


@dataclass(frozen=True)
class NodeDiscoveryConfig:
    """All settings of `discover_node_law`, and of `open_graph` for a file."""

    seed: int = 0
    target: str | None = None
    radius: float | None = None
    properties: tuple[str, ...] = ()
    box: float | None = None
    engines: tuple[str, ...] = ("operon",)
    training: NodeTrainingConfig = field(default_factory=NodeTrainingConfig)
    regression: EngineConfig = field(default_factory=lambda: EngineConfig(time_limit=ENGINE_TIME_LIMIT))

    def __post_init__(self) -> None:
        if isinstance(self.engines, str) or not self.engines:
            raise UsageError(f"engines must be names, got {self.engines!r}", remedy='As in ("operon",)')

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> NodeDiscoveryConfig:
        regression = {**plain["regression"], "operators": tuple(plain["regression"]["operators"])}
        parts = {
            "properties": tuple(plain["properties"]),
            "engines": tuple(plain["engines"]),
            "training": NodeTrainingConfig(**plain["training"]),
            "regression": EngineConfig(**regression),
        }
        return NodeDiscoveryConfig(**{**plain, **parts})


@runtime_checkable
class NodeMonitor(Protocol):
    """Who is told how far it has come."""

    def stage(self, name: str) -> None: ...

    def training(self, progress: TrainingProgress) -> None: ...

    def regression(self, done: float, count: int) -> None: ...


@dataclass(frozen=True)
class NodeDiscovery:
    """The law, and mean absolute errors of it and of others: on held-out nodes, and on the dense ones.

    Attributes:
        errors: by who predicts, ``constant``, ``hand-made``, ``network``, ``law``.
        status: ``candidate`` where the law does better than the hand-made formula and no worse than the network, beyond
            twice the chance of the held-out nodes; else ``inconclusive``. ``reason`` says why.
    """

    law: NodeLaw
    errors: Mapping[str, tuple[float, float]]
    r2: tuple[float, float]
    status: str
    reason: str
    scored: tuple[ScoredNodeLaw, ...]
    parts: NodeSplit
    outcome: str
    seconds: Mapping[str, float]
    seed: int
    notes: tuple[str, ...]
    sha256: str

    def to_json(self, source: str) -> dict[str, Any]:
        """discovery.json of a static graph; errors of ``fit`` are relative to those of the best constant."""

        def relative(who: str) -> dict[str, float]:
            pairs = zip(_TEST_SETS, self.errors[who], self.errors["constant"], strict=True)
            return {place: error / constant for place, error, constant in pairs}

        r2 = dict(zip(_TEST_SETS, self.r2, strict=True))
        return {
            "schema_version": "1",
            "source": source,
            "particles": [],
            "law": self.law.to_dict(),
            "verdict": {"status": self.status, "match": None, "alternatives": [], "reason": self.reason, "checks": []},
            "fit": {"r2": r2, "network_error": relative("network"), "law_error": relative("law")},
            "errors": {who: dict(zip(_TEST_SETS, pair, strict=True)) for who, pair in self.errors.items()},
            "candidates": [{"complexity": s.law.complexity, "error": s.error, "text": str(s.law)} for s in self.scored],
            "assumptions": [*NODE_LAW_ASSUMPTIONS, *self.notes],
            "messages": {"engines": self.outcome},
            "seconds": dict(self.seconds),
            "seed": self.seed,
            "versions": package_versions(),
            "data_sha256": self.sha256,
        }


_TEST_SETS = ("in_distribution", "out_of_distribution")


def discover_node_law(
    graph: StaticGraph, config: NodeDiscoveryConfig | None = None, monitor: NodeMonitor | None = None
) -> NodeDiscovery:
    """Find a formula for the target of the nodes of ``graph``, and say what it is worth.

    Raises:
        UsageError, DataError, EngineUnavailable, NoResult: see `gnn_discovery.errors`.
    """
    config = config or NodeDiscoveryConfig()
    for engine in config.engines:
        get_engine(engine).available()
    seconds: dict[str, float] = {}

    @contextmanager
    def clock(name: str) -> Iterator[None]:
        if monitor is not None:
            monitor.stage(name)
        start = time.perf_counter()
        yield
        seconds[name] = round(time.perf_counter() - start, 3)

    parts = split_nodes(graph, config.seed)
    seen = np.sort(np.concatenate([parts.train, parts.valid]))
    with clock("training"):
        trained = train_node_network(graph, parts, config.training, config.seed, monitor.training if monitor else None)
    with clock("regression"):
        search = EngineConfig(**{**asdict(config.regression), "seed": config.seed})
        told = monitor.regression if monitor else None
        laws, outcome = distill_node_laws(trained, graph, parts.train, config.engines, search, told)
    with clock("refit"):
        law, scored = select_node_law(laws, graph, seen, config.seed)
    constant = np.full(len(graph.target), np.median(graph.target[seen]))
    said = {"constant": constant, "hand-made": _linear_baseline(graph, parts)}
    said |= {"network": trained.predicted, "law": law.predict(graph)}
    missed = {who: np.abs(values - graph.target) for who, values in said.items()}
    places = (parts.test, parts.dense)
    status, reason = _decide_status(missed, places)
    return NodeDiscovery(
        law=law,
        errors={who: (float(m[parts.test].mean()), float(m[parts.dense].mean())) for who, m in missed.items()},
        r2=tuple(float(1 - np.mean(missed["law"][p] ** 2) / np.var(graph.target[p])) for p in places),  # type: ignore[arg-type]
        status=status,
        reason=reason,
        scored=tuple(scored),
        parts=parts,
        outcome=outcome,
        seconds=seconds,
        seed=config.seed,
        notes=graph.notes,
        sha256=graph.fingerprint(),
    )


def _linear_baseline(graph: StaticGraph, parts: NodeSplit) -> np.ndarray:
    """What a first guess does: linear in the node's properties, the number of neighbours and the sums of theirs.

    Those within some part of the largest distance count, the part that predicts ``parts.valid`` best.
    """
    own = [np.ones(len(graph.target)), *graph.own.values()]
    sent = [np.ones(len(graph.senders)), *(p[graph.senders] for p in graph.properties.values())]
    r = graph.edge_features.get("r", np.zeros(len(graph.senders)))
    tries = []
    for share in SHARES:
        sums = [graph.gather(values * (r <= share * r.max())) for values in sent]
        matrix = np.stack([*own, *sums], -1)
        values = matrix @ np.linalg.lstsq(matrix[parts.train], graph.target[parts.train], rcond=None)[0]
        tries.append((float(np.abs(values - graph.target)[parts.valid].mean()), values))
    return min(tries, key=lambda one: one[0])[1]


def _decide_status(missed: Mapping[str, np.ndarray], places: tuple[np.ndarray, np.ndarray]) -> tuple[str, str]:
    """Whether the law may stand, and a sentence on why."""

    def worse(than: str, nodes: np.ndarray) -> bool:
        gap = missed["law"][nodes] - missed[than][nodes]
        return bool(gap.mean() > 2 * gap.std() / np.sqrt(len(gap)))

    for nodes, where in zip(places, ("on held-out nodes", "on the densest nodes"), strict=True):
        for other in ("network", "hand-made", "constant"):
            if worse(other, nodes):
                return "inconclusive", f"the law errs more than the {other} {where}"
    ratio = missed["law"][places[1]].mean() / missed["network"][places[1]].mean()
    return (
        "candidate",
        f"the law predicts held-out nodes as well as the network, the densest with {ratio:.2f} of its error",
    )
