"""What one cell does, in a process of its own: a network and all that is said of it, or a regression without one.

Only here, when all is found, is it held against the true law of the system.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from gnn_discovery import pipeline
from gnn_discovery.errors import GnnDiscoveryError
from gnn_discovery.law import ForceLaw
from gnn_discovery.law.evaluate import pair_force, predict
from gnn_discovery.law.text import from_dict
from gnn_discovery.messages import Messages, read_messages
from gnn_discovery.pipeline import DiscoverConfig, Keep, Reading
from gnn_discovery.pipeline.steps import settle
from gnn_discovery.replication.baseline import laws_without_network
from gnn_discovery.replication.energies import learnt_energies
from gnn_discovery.replication.raw import fitted_r2, regress
from gnn_discovery.replication.recipes import configure
from gnn_discovery.replication.recovery import Recovery, recover
from gnn_discovery.replication.shifted import error, mean_error, shifted
from gnn_discovery.report import direct_r2
from gnn_discovery.simulator import SimulationConfig
from gnn_discovery.snapshots import Split
from gnn_discovery.training import Trained
from gnn_discovery.training import predict as network_predict

Figures = dict[str, Any]
FAILURES = (GnnDiscoveryError, np.linalg.LinAlgError)


@dataclass(frozen=True)
class Case:
    """Motion of a built-in system, and the plain terms of its true law."""

    system: str
    config: DiscoverConfig
    data: Split
    terms: Sequence[Mapping[str, Any]]

    @property
    def truth(self) -> ForceLaw:
        return from_dict({"terms": self.terms, "divides_by_mass": True})

    def scored(self, law: ForceLaw) -> Figures:
        """The law in text, and how it stands against the true one."""
        return {"law": str(law), **asdict(recover(law, self.terms, self.data.train))}


def begin(system: str, config: DiscoverConfig) -> Case:
    """The motion of ``system``, whole runs held apart."""
    source = pipeline.load(system, config.simulation)
    return Case(system, config, pipeline.observe(source, config), source.simulator.true_law(config.simulation))


def network(
    system: str, dim: int, particles: int, seed: int, runs: int, strategy: str, recipe: str, budget: float
) -> Figures:
    """One network: its messages (table 1), its predictions (table 3), its law (table 5), and both elsewhere."""
    start = time.perf_counter()
    simulation = SimulationConfig(runs, None, particles, dim, seed)
    case = begin(system, configure(recipe, strategy, budget=budget, simulation=simulation, seed=seed))
    begun = time.perf_counter()
    trained = pipeline.network("network", case.data, case.config, Keep(None))
    seconds = {"motion": begun - start, "training": time.perf_counter() - begun}
    messages = read_messages(trained, case.data.test, seed=seed)
    law, found = _raw_formula(case, messages) if recipe == "paper" else _law(case, trained)
    figures = {
        "messages": _described(messages, case.truth),
        "prediction": mean_error(network_predict(trained, case.data.test), case.data.test),
        "law": found,
        "shifted": _shifted(case, trained, law),
        "energies": learnt_energies(pipeline.energies(trained, case.data, case.config), case.terms, case.data.train),
        "steps": int(trained.history[-1, 0]),
    }
    seconds["all"] = time.perf_counter() - start
    return {**figures, "seconds": {name: round(value, 1) for name, value in seconds.items()}}


def accelerations(system: str, dim: int, particles: int, seed: int, runs: int) -> Figures:
    """The law that the same regression finds in the observed accelerations, with no network."""
    case = begin(system, DiscoverConfig(seed=seed, simulation=SimulationConfig(runs, None, particles, dim, seed)))
    try:
        first, chosen = laws_without_network(case.data, case.config)
    except FAILURES as failure:
        return _nothing(failure)
    return {**case.scored(chosen), "before_refit": case.scored(first)}


def _law(case: Case, trained: Trained) -> tuple[ForceLaw | None, Figures]:
    """Our way, contributions and a refit on the motion: the law that has not seen held-out runs, and the final one."""
    data, config = case.data, case.config
    try:
        reading = Reading(read_messages(trained, data.train, seed=config.seed), {})
        candidates = pipeline.distill(reading, data, config).laws
        law = pipeline.choose(candidates, data, config).law
        final = settle(law, data, config)
    except FAILURES as failure:
        return None, _nothing(failure)
    return law, {**case.scored(final), "before_refit": case.scored(candidates[0])}


def _raw_formula(case: Case, messages: Messages) -> tuple[None, Figures]:
    """The paper's way, regression on the strongest raw component: a formula, and no law of motion yet."""
    config = replace(case.config.regression, seed=case.config.seed)
    try:
        found = regress(messages.raw, messages.pair, case.truth, case.config.engines[0], config)
    except FAILURES as failure:
        return None, _nothing(failure)
    scored = {"law": found.text, **asdict(Recovery(found.recovered, found.why, None, 0.0))}
    return None, {**scored, "before_refit": scored}


def _nothing(failure: Exception) -> Figures:
    return {"law": None, **asdict(Recovery(False, str(failure), None, 0.0)), "before_refit": None}


def _described(messages: Messages, truth: ForceLaw) -> Figures:
    """Table 1: the raw messages fitted, and the pair contributions as they are."""
    force = pair_force(truth, messages.pair)
    trimmed, whole = direct_r2(messages.pair.contributions, force)
    return {
        "fitted_r2": fitted_r2(messages.raw, force),
        "direct_r2_trimmed": trimmed,
        "direct_r2_all": whole,
        "components": messages.alive,
        "gauge": messages.gauge,
    }


def _shifted(case: Case, trained: Trained, law: ForceLaw | None) -> Figures:
    """Mean error over mean acceleration of network and law, on held-out runs and out of distribution."""
    parts = {"held out": case.data.test, **shifted(case.system, case.config, case.data.test, case.truth)}
    return {
        name: {
            "network": error(network_predict(trained, part), part),
            "law": None if law is None else error(predict(law, part), part),
        }
        for name, part in parts.items()
    }
