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
from gnn_discovery.data.dataset import Split
from gnn_discovery.errors import GnnDiscoveryError
from gnn_discovery.gnn.training import TrainedNetwork
from gnn_discovery.gnn.training import predict_target as network_predict
from gnn_discovery.laws.evaluate import law_pair_force, predict_with_law
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.serialisation import from_dict
from gnn_discovery.messages.gauge import Messages, read_messages
from gnn_discovery.pipeline import DiscoverConfig, MessageReadout, RunCache
from gnn_discovery.pipeline.stages import estimate_constants
from gnn_discovery.report import direct_r2
from gnn_discovery.simulators import SimulationConfig
from gnn_discovery_replication.distribution_shift import (
    mean_acceleration_error,
    normalised_mean_error,
    shifted_test_sets,
)
from gnn_discovery_replication.energy_recovery import score_energies
from gnn_discovery_replication.no_network_baseline import laws_without_network
from gnn_discovery_replication.raw_messages import linear_fit_r2, regress_raw_component
from gnn_discovery_replication.recipes import recipe_config
from gnn_discovery_replication.recovery import Recovery, assess_recovery

Figures = dict[str, Any]
EXPECTED_FAILURES = (GnnDiscoveryError, np.linalg.LinAlgError)


@dataclass(frozen=True)
class ReplicationCase:
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
        return {"law": str(law), **asdict(assess_recovery(law, self.terms, self.data.train))}


def prepare_case(system: str, config: DiscoverConfig) -> ReplicationCase:
    """The motion of ``system``, whole runs held apart."""
    source = pipeline.load_motion(system, config.simulation)
    return ReplicationCase(
        system, config, pipeline.prepare_dataset(source, config), source.simulator.true_law(config.simulation)
    )


def network_cell(
    system: str, dim: int, particles: int, seed: int, runs: int, strategy: str, recipe: str, budget: float
) -> Figures:
    """One network: its messages (table 1), its predictions (table 3), its law (table 5), and both elsewhere."""
    start = time.perf_counter()
    simulation = SimulationConfig(runs, None, particles, dim, seed)
    case = prepare_case(system, recipe_config(recipe, strategy, budget=budget, simulation=simulation, seed=seed))
    begun = time.perf_counter()
    trained = pipeline.train_with_restarts("network", case.data, case.config, RunCache(None))
    seconds = {"motion": begun - start, "training": time.perf_counter() - begun}
    messages = read_messages(trained, case.data.test, seed=seed)
    law, found = _raw_component_formula(case, messages) if recipe == "paper" else _distilled_law(case, trained)
    figures = {
        "messages": _message_figures(messages, case.truth),
        "prediction": mean_acceleration_error(network_predict(trained, case.data.test), case.data.test),
        "law": found,
        "shifted": _errors_by_test_set(case, trained, law),
        "energies": score_energies(
            pipeline.distill_network_energies(trained, case.data, case.config), case.terms, case.data.train
        ),
        "steps": int(trained.history[-1, 0]),
    }
    seconds["all"] = time.perf_counter() - start
    return {**figures, "seconds": {name: round(value, 1) for name, value in seconds.items()}}


def accelerations(system: str, dim: int, particles: int, seed: int, runs: int) -> Figures:
    """The law that the same regression finds in the observed accelerations, with no network."""
    case = prepare_case(
        system, DiscoverConfig(seed=seed, simulation=SimulationConfig(runs, None, particles, dim, seed))
    )
    try:
        first, chosen = laws_without_network(case.data, case.config)
    except EXPECTED_FAILURES as failure:
        return _no_law(failure)
    return {**case.scored(chosen), "before_refit": case.scored(first)}


def _distilled_law(case: ReplicationCase, trained: TrainedNetwork) -> tuple[ForceLaw | None, Figures]:
    """Our way, contributions and a refit on the motion: the law that has not seen held-out runs, and the final one."""
    data, config = case.data, case.config
    try:
        reading = MessageReadout(read_messages(trained, data.train, seed=config.seed), {})
        candidates = pipeline.distill_candidates(reading, data, config).laws
        law = pipeline.select(candidates, data, config).law
        final = estimate_constants(law, data, config)
    except EXPECTED_FAILURES as failure:
        return None, _no_law(failure)
    return law, {**case.scored(final), "before_refit": case.scored(candidates[0])}


def _raw_component_formula(case: ReplicationCase, messages: Messages) -> tuple[None, Figures]:
    """The paper's way, regression on the strongest raw component: a formula, and no law of motion yet."""
    config = replace(case.config.regression, seed=case.config.seed)
    try:
        found = regress_raw_component(messages.raw, messages.pair, case.truth, case.config.engines[0], config)
    except EXPECTED_FAILURES as failure:
        return None, _no_law(failure)
    scored = {"law": found.text, **asdict(Recovery(found.recovered, found.why, None, 0.0))}
    return None, {**scored, "before_refit": scored}


def _no_law(failure: Exception) -> Figures:
    return {"law": None, **asdict(Recovery(False, str(failure), None, 0.0)), "before_refit": None}


def _message_figures(messages: Messages, truth: ForceLaw) -> Figures:
    """Table 1: the raw messages fitted, and the pair contributions as they are."""
    force = law_pair_force(truth, messages.pair)
    trimmed, whole = direct_r2(messages.pair.contributions, force)
    return {
        "fitted_r2": linear_fit_r2(messages.raw, force),
        "direct_r2_trimmed": trimmed,
        "direct_r2_all": whole,
        "components": messages.n_active_components,
        "gauge": messages.gauge,
    }


def _errors_by_test_set(case: ReplicationCase, trained: TrainedNetwork, law: ForceLaw | None) -> Figures:
    """Mean error over mean acceleration of network and law, on held-out runs and out of distribution."""
    parts = {"held out": case.data.test, **shifted_test_sets(case.system, case.config, case.data.test, case.truth)}
    return {
        name: {
            "network": normalised_mean_error(network_predict(trained, part), part),
            "law": None if law is None else normalised_mean_error(predict_with_law(law, part), part),
        }
        for name, part in parts.items()
    }
