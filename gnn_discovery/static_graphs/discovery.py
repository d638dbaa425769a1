"""This module discovers the law of a static graph: it trains, distills, selects, and compares with other predictors."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria, criteria_from_dict
from gnn_discovery.errors import UsageError, require_integer, require_number
from gnn_discovery.gnn.training import TrainingProgress
from gnn_discovery.runs import enable_compilation_cache, package_versions
from gnn_discovery.selection.paired_comparison import standard_error_of_mean
from gnn_discovery.static_graphs.distillation import distill_node_laws
from gnn_discovery.static_graphs.node_law import NodeLaw
from gnn_discovery.static_graphs.node_network import NodeTrainingConfig, train_node_network
from gnn_discovery.static_graphs.selection import ScoredNodeLaw, select_node_law
from gnn_discovery.static_graphs.static_graph import NodeSplit, StaticGraph, split_nodes
from gnn_discovery.symbolic.search import EngineConfig, get_engine

ENGINE_TIME_LIMIT = 900.0
"""The engines may take so many seconds for all problems, so that their budget of evaluations ends a search first."""
NODE_LAW_ASSUMPTIONS = (
    "Neighbours add up: a target is a function of a sum over them, and of the node's own properties.",
    "A message depends on its sender and on the edge, and not on the receiver's properties.",
    "Errors are mean absolute ones on nodes that no part of the law was fitted to or selected by.",
    "The nodes of highest degree are out of distribution; they are chosen by their degree, not by their targets.",
)

NodeLawStatus = Literal["candidate", "inconclusive"]
Predictor = Literal["constant", "hand-made", "network", "law"]


@dataclass(frozen=True)
class NodeDiscoveryConfig:
    """All settings of `discover_node_law`, and of `open_graph` for a file.

    Attributes:
        seed: seed of every random choice.
        target: column that is to be explained; None for a generator.
        radius: distance within which nodes are neighbours; None for a generator.
        properties: columns that are properties; none takes all that hold numbers.
        box: side of a periodic cube; None takes what the file states.
        engines: symbolic engines by name.
        training: shape of the network and its training.
        regression: budget and operators of the engines.
        criteria: every number that decides something scientific.
    """

    seed: int = 0
    target: str | None = None
    radius: float | None = None
    properties: tuple[str, ...] = ()
    box: float | None = None
    engines: tuple[str, ...] = ("operon",)
    training: NodeTrainingConfig = field(default_factory=NodeTrainingConfig)
    regression: EngineConfig = field(default_factory=lambda: EngineConfig(time_limit=ENGINE_TIME_LIMIT))
    criteria: Criteria = DEFAULT_CRITERIA

    def __post_init__(self) -> None:
        where = type(self).__name__
        require_integer("seed", self.seed, 0, where)
        for name in ("radius", "box"):
            if getattr(self, name) is not None:
                require_number(name, getattr(self, name), 0.0, where, positive=True)
        if isinstance(self.engines, str) or not self.engines or len(set(self.engines)) < len(self.engines):
            remedy = 'Give names, each once, as in ("operon",)'
            raise UsageError(f"engines is {self.engines!r}", where=where, remedy=remedy)
        if isinstance(self.properties, str):
            remedy = 'Give names of columns, as in ("M",)'
            raise UsageError(f"properties is {self.properties!r}", where=where, remedy=remedy)

    def to_dict(self) -> dict[str, Any]:
        """Return the config as JSON can hold it."""
        return asdict(self)

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> NodeDiscoveryConfig:
        """Return the config that `to_dict` made ``plain`` of."""
        parts = {
            "properties": tuple(plain["properties"]),
            "engines": tuple(plain["engines"]),
            "training": NodeTrainingConfig(**plain["training"]),
            "regression": EngineConfig.from_dict(plain["regression"]),
            "criteria": criteria_from_dict(plain["criteria"]),
        }
        return NodeDiscoveryConfig(**{**plain, **parts})


@runtime_checkable
class NodeMonitor(Protocol):
    """A callback that receives the progress of `discover_node_law`."""

    def stage(self, name: str) -> None:
        """Receive the name of a stage that begins."""

    def training(self, progress: TrainingProgress) -> None:
        """Receive the progress of training after each chunk of steps."""

    def regression(self, done: float, count: int) -> None:
        """Receive the number of regression problems that are done, of ``count``."""


@dataclass(frozen=True)
class NodeDiscovery:
    """A frozen record of the law of a static graph and of its errors beside those of other predictors.

    Attributes:
        law: the selected law, with standard errors of its constants.
        errors: mean absolute error on the held-out nodes and on the dense ones, by predictor.
        r2: coefficient of determination of the law on the held-out nodes and on the dense ones.
        status: ``candidate`` where the law is no worse than the network, the hand-made formula and the constant, beyond
            ``verdict.node_n_sigma`` standard errors, on both; else ``inconclusive``.
        reason: a sentence on why.
        scoreboard: the cross-validated laws, the best first.
        split: nodes of each part.
        outcome: a sentence of each engine on how it ended.
        seconds: wall time by stage.
        seed: seed of every random choice.
        notes: sentences on where the numbers of the graph come from.
        sha256: fingerprint of the graph.
        criteria: the numbers that decided.
    """

    law: NodeLaw
    errors: Mapping[Predictor, tuple[float, float]]
    r2: tuple[float, float]
    status: NodeLawStatus
    reason: str
    scoreboard: tuple[ScoredNodeLaw, ...]
    split: NodeSplit
    outcome: str
    seconds: Mapping[str, float]
    seed: int
    notes: tuple[str, ...]
    sha256: str
    criteria: Criteria = field(default=DEFAULT_CRITERIA, repr=False)

    def to_json(self, source: str) -> dict[str, Any]:
        """Return discovery.json of a static graph; errors under ``fit`` are relative to those of the best constant."""

        def relative(predictor: Predictor) -> dict[str, float]:
            pairs = zip(_TEST_SETS, self.errors[predictor], self.errors["constant"], strict=True)
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
            "candidates": [
                {"complexity": s.law.complexity, "error": s.error, "text": str(s.law)} for s in self.scoreboard
            ],
            "assumptions": [*NODE_LAW_ASSUMPTIONS, *self.notes],
            "messages": {"engines": self.outcome},
            "criteria": asdict(self.criteria),
            "seconds": dict(self.seconds),
            "seed": self.seed,
            "versions": package_versions(),
            "data_sha256": self.sha256,
        }


_TEST_SETS = ("in_distribution", "out_of_distribution")


def discover_node_law(
    graph: StaticGraph, config: NodeDiscoveryConfig | None = None, monitor: NodeMonitor | None = None
) -> NodeDiscovery:
    """Discover a formula for the target of the nodes of ``graph``, and compare it with other predictors.

    Args:
        graph: nodes, edges and targets.
        config: settings; None takes the defaults.
        monitor: receives the progress.

    Raises:
        UsageError, DataError, EngineUnavailable, NoResult: see `gnn_discovery.errors`.
    """
    enable_compilation_cache()
    config = config or NodeDiscoveryConfig()
    criteria = config.criteria
    for engine in config.engines:
        get_engine(engine).available()
    seconds: dict[str, float] = {}

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        if monitor is not None:
            monitor.stage(name)
        start = time.perf_counter()
        yield
        seconds[name] = round(time.perf_counter() - start, 3)

    split = split_nodes(graph, config.seed, criteria=criteria)
    known_nodes = np.sort(np.concatenate([split.train, split.valid]))
    with stage("training"):
        report = monitor.training if monitor else None
        outputs = train_node_network(graph, split, config.training, config.seed, report)
    with stage("regression"):
        search = replace(config.regression, seed=config.seed, criteria=criteria.search)
        tell = monitor.regression if monitor else None
        laws, outcome = distill_node_laws(outputs, graph, split.train, config.engines, search, tell, criteria=criteria)
    with stage("refit"):
        law, scoreboard = select_node_law(laws, graph, known_nodes, config.seed, criteria=criteria)
    predictions: dict[Predictor, np.ndarray] = {
        "constant": np.full(len(graph.target), np.median(graph.target[known_nodes])),
        "hand-made": _linear_baseline(graph, split, criteria),
        "network": outputs.predicted,
        "law": law.predict(graph),
    }
    errors = {who: np.abs(values - graph.target) for who, values in predictions.items()}
    status, reason = _decide_status(errors, split, criteria)
    return NodeDiscovery(
        law=law,
        errors={who: (float(e[split.test].mean()), float(e[split.dense].mean())) for who, e in errors.items()},
        r2=(_r2(errors["law"], graph, split.test), _r2(errors["law"], graph, split.dense)),
        status=status,
        reason=reason,
        scoreboard=tuple(scoreboard),
        split=split,
        outcome=outcome,
        seconds=seconds,
        seed=config.seed,
        notes=graph.notes,
        sha256=graph.fingerprint(),
        criteria=criteria,
    )


def _r2(error: Float[np.ndarray, " N"], graph: StaticGraph, nodes: np.ndarray) -> float:
    """Return the coefficient of determination of a predictor with these absolute errors, on some nodes."""
    return float(1 - np.mean(error[nodes] ** 2) / np.var(graph.target[nodes]))


def _linear_baseline(graph: StaticGraph, split: NodeSplit, criteria: Criteria) -> Float[np.ndarray, " N"]:
    """Return the predictions of the hand-made formula, which is linear in what is around a node.

    Its inputs are the properties of the node, the number of neighbours and the sums of their properties. Neighbours
    within a fraction of the largest distance count; the fraction is the one that predicts ``split.valid`` best.
    """
    of_node = [np.ones(len(graph.target)), *graph.node_inputs.values()]
    of_sender = [np.ones(len(graph.senders)), *(p[graph.senders] for p in graph.properties.values())]
    r = graph.edge_features.get("r", np.zeros(len(graph.senders)))
    tried: list[tuple[float, np.ndarray]] = []
    for fraction in criteria.verdict.node_baseline_radii:
        sums = [graph.aggregate(values * (r <= fraction * r.max())) for values in of_sender]
        matrix = np.stack([*of_node, *sums], -1)
        coefficients = np.linalg.lstsq(matrix[split.train], graph.target[split.train], rcond=None)[0]
        predicted: np.ndarray = matrix @ coefficients
        tried.append((float(np.abs(predicted - graph.target)[split.valid].mean()), predicted))
    return min(tried, key=lambda one: one[0])[1]


def _decide_status(
    errors: Mapping[Predictor, Float[np.ndarray, " N"]], split: NodeSplit, criteria: Criteria
) -> tuple[NodeLawStatus, str]:
    """Return the status of the law and a sentence on why."""
    others: tuple[Predictor, ...] = ("network", "hand-made", "constant")

    def is_worse(other: Predictor, nodes: np.ndarray) -> bool:
        difference = errors["law"][nodes] - errors[other][nodes]
        return bool(difference.mean() > criteria.verdict.node_n_sigma * standard_error_of_mean(difference, ddof=0))

    for nodes, place in ((split.test, "on held-out nodes"), (split.dense, "on the densest nodes")):
        for other in others:
            if is_worse(other, nodes):
                return "inconclusive", f"the law has a larger error than the {other} {place}"
    ratio = errors["law"][split.dense].mean() / errors["network"][split.dense].mean()
    return (
        "candidate",
        f"the law predicts held-out nodes as well as the network, the densest with {ratio:.2f} of its error",
    )
