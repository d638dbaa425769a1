"""Run one cell, in a separate process: a network and all that is measured of it, or a regression without a network.

The true law of the system is looked at here, when all is found, and nowhere before.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from gnn_discovery import pipeline
from gnn_discovery.errors import GnnDiscoveryError
from gnn_discovery.gnn.training import TrainedNetwork, predict_target
from gnn_discovery.laws.evaluate import law_pair_force, predict_with_law
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.serialisation import from_dict
from gnn_discovery.messages.gauge import Messages, read_messages
from gnn_discovery.pipeline import DiscoverConfig, PreparedMotion, Session
from gnn_discovery.pipeline.stages import distill_network_energies
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
"""Plain values by name, as a cell keeps them in JSON."""
EXPECTED_FAILURES = (GnnDiscoveryError, np.linalg.LinAlgError)


@dataclass(frozen=True)
class ReplicationCase:
    """Motion of a built-in system, and its true law.

    Attributes:
        system: name of the system.
        session: settings of network, regression and motion; nothing is kept in a run directory.
        motion: the motion, whole runs held apart.
        terms: plain records of the true law, the force on i.
    """

    system: str
    session: Session
    motion: PreparedMotion
    terms: Sequence[Mapping[str, Any]]

    @property
    def truth(self) -> ForceLaw:
        """Return the true law."""
        return from_dict({"terms": self.terms, "divides_by_mass": True})

    def scored(self, law: ForceLaw) -> Figures:
        """Return the law in text, and its comparison with the true one."""
        return {"law": str(law), **asdict(assess_recovery(law, self.terms, self.motion.dataset.train))}


def prepare_case(system: str, config: DiscoverConfig) -> ReplicationCase:
    """Simulate the motion of ``system`` with the settings of ``config``, and hold whole runs apart."""
    session = Session(config)
    motion = pipeline.prepare_motion(system, session)
    assert motion.recording is not None
    return ReplicationCase(system, session, motion, motion.recording.simulator.true_law(session.config.simulation))


def network(
    system: str, dim: int, particles: int, seed: int, runs: int, strategy: str, recipe: str, budget: float
) -> Figures:
    """Train one network and measure messages (table 1), predictions (table 3), law (table 5), and both out of range.

    Args:
        system: name of a built-in system.
        dim: dimensions of space.
        particles: particles of each run.
        seed: seed of data, network and regression.
        runs: number of runs.
        strategy: name of a strategy of `recipes.NETWORK_SETTINGS`.
        recipe: "fast" or "paper".
        budget: factor on the steps of training.
    """
    start = time.perf_counter()
    simulation = SimulationConfig(runs, None, particles, dim, seed)
    case = prepare_case(system, recipe_config(recipe, strategy, budget=budget, simulation=simulation, seed=seed))
    prepared = time.perf_counter()
    trained = pipeline.train_network(case.motion, case.session)
    seconds = {"motion": prepared - start, "training": time.perf_counter() - prepared}
    test, criteria = case.motion.dataset.test, case.session.criteria
    messages = read_messages(trained, test, seed=seed, criteria=criteria)
    law, law_figures = _raw_component_formula(case, messages) if recipe == "paper" else _distilled_law(case, trained)
    energies = distill_network_energies(trained, case.motion, case.session)
    figures = {
        "messages": _message_figures(messages, case),
        "prediction": mean_acceleration_error(predict_target(trained, test), test),
        "law": law_figures,
        "shifted": _errors_by_test_set(case, trained, law),
        "energies": score_energies(energies, case.terms, case.motion.dataset.train),
        "steps": int(trained.history[-1, 0]),
    }
    seconds["all"] = time.perf_counter() - start
    return {**figures, "seconds": {name: round(value, 1) for name, value in seconds.items()}}


def accelerations(system: str, dim: int, particles: int, seed: int, runs: int) -> Figures:
    """Find the law by the same regression on the observed accelerations, with no network.

    Args:
        system: name of a built-in system.
        dim: dimensions of space.
        particles: particles of each run.
        seed: seed of data and regression.
        runs: number of runs.
    """
    config = DiscoverConfig(seed=seed, simulation=SimulationConfig(runs, None, particles, dim, seed))
    case = prepare_case(system, config)
    try:
        first, selected = laws_without_network(case.motion, case.session)
    except EXPECTED_FAILURES as failure:
        return _no_law(failure)
    return {**case.scored(selected), "before_refit": case.scored(first)}


def _distilled_law(case: ReplicationCase, trained: TrainedNetwork) -> tuple[ForceLaw | None, Figures]:
    """Find the law as a discovery does, known laws of the catalogue included.

    Returns:
        The law that has not seen the held-out runs, and the figures of the final one.
    """
    motion, session = case.motion, case.session
    try:
        readout = pipeline.extract_messages(trained, motion, session)
        candidates = pipeline.distill_candidates(readout, motion, session)
        law = pipeline.select_candidate(candidates, motion, session).selection.law
        final = pipeline.estimate_constants(law, motion, session)
    except EXPECTED_FAILURES as failure:
        return None, _no_law(failure)
    return law, {**case.scored(final), "before_refit": case.scored(candidates.distilled.laws[0])}


def _raw_component_formula(case: ReplicationCase, messages: Messages) -> tuple[None, Figures]:
    """Find a formula as the paper does, by regression on the strongest raw component; it is no law of motion yet."""
    config = replace(case.session.config.regression, seed=case.session.config.seed)
    try:
        formula = regress_raw_component(messages.raw, messages.pair, case.truth, case.session.config.engines[0], config)
    except EXPECTED_FAILURES as failure:
        return None, _no_law(failure)
    scored = {"law": formula.text, **asdict(Recovery(formula.recovered, formula.reason, None, 0.0))}
    return None, {**scored, "before_refit": scored}


def _no_law(failure: Exception) -> Figures:
    return {"law": None, **asdict(Recovery(False, str(failure), None, 0.0)), "before_refit": None}


def _message_figures(messages: Messages, case: ReplicationCase) -> Figures:
    """Return the figures of table 1: raw messages fitted to the true force, and pair contributions as they are."""
    force = law_pair_force(case.truth, messages.pair)
    trimmed, whole = direct_r2(messages.pair.contributions, force, criteria=case.session.criteria)
    return {
        "fitted_r2": linear_fit_r2(messages.raw, force),
        "direct_r2_trimmed": trimmed,
        "direct_r2_all": whole,
        "components": messages.n_active_components,
        "gauge": messages.gauge,
    }


def _errors_by_test_set(case: ReplicationCase, trained: TrainedNetwork, law: ForceLaw | None) -> Figures:
    """Return mean error over mean acceleration of network and law, on held-out runs and out of distribution."""
    test = case.motion.dataset.test
    parts = {"held out": test, **shifted_test_sets(case.system, case.session.config, test, case.truth)}
    return {
        name: {
            "network": normalised_mean_error(predict_target(trained, part), part),
            "law": None if law is None else normalised_mean_error(predict_with_law(law, part), part),
        }
        for name, part in parts.items()
    }
