"""explain(): from a trained network to the law that it has learnt, and where network and law part ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gnn_discovery.catalogue.equivalence import RELATIVE
from gnn_discovery.data.dataset import Dataset, Split
from gnn_discovery.data.trajectory import trajectory_fingerprint
from gnn_discovery.distillation import is_visible
from gnn_discovery.errors import DataError, StorageError, UsageError
from gnn_discovery.estimation.refit import refit
from gnn_discovery.estimation.residual_weights import force_scale, relative_errors
from gnn_discovery.gnn.networks import NetworkConfig
from gnn_discovery.gnn.training import TrainedNetwork
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.messages.external_network import fit_gauge
from gnn_discovery.messages.pair_force_model import PairForceModel, TrainedPairForceModel
from gnn_discovery.messages.symmetry import measure_pair_force_symmetry
from gnn_discovery.pipeline import stages
from gnn_discovery.pipeline.config import DiscoverConfig
from gnn_discovery.pipeline.evidence import measure_fit, symmetry_checks
from gnn_discovery.pipeline.known_terms import fit_known_terms, subtract_known_terms
from gnn_discovery.pipeline.network_probe import NetworkProbe
from gnn_discovery.pipeline.network_training import train_with_restarts
from gnn_discovery.pipeline.run_cache import RunCache, load_run_config
from gnn_discovery.pipeline.session import ProgressMonitor, StageClock
from gnn_discovery.report.discovery import Discovery, Evidence, FrontPoint
from gnn_discovery.report.explanation import RESULT, Explanation, write_explanation
from gnn_discovery.runs import RunDirectory, package_versions
from gnn_discovery.selection.select import ScoredLaw, Selection, refit_on_all_data
from gnn_discovery.selection.select import select_law as choose_law
from gnn_discovery.simulators import import_object
from gnn_discovery.validation.agreement_profile import Interval, longest_agreement_interval
from gnn_discovery.validation.dimensions import with_units
from gnn_discovery.validation.verdict_on_network import MOST, check_network_follows_law, verdict_on_network

NETWORK = "network"
EXPLANATION_ASSUMPTIONS = (
    "The law is fitted to the pair forces that the network says, not to the motion.",
    "Where the data have no pairs, pairs of the data were moved there, and the network was asked.",
)
ROUGHNESS_FACTOR, MAX_TOLERANCE = 2.0, 0.1
"""A network follows a law that is as near to it as so many times what no sum of smooth curves follows; this at most."""
TRIMMED_REFITS = 6
"""Times that a law is fitted to the pairs that were nearest to it before."""
FIGURE_ROWS = 4000
NO_ASSUMED_SYMMETRY = NetworkConfig(inputs="absolute")
"""Of a function that somebody gives no symmetry is known beforehand."""
GAUGES = {
    "fixed": "the force itself",
    "hamiltonian": "the force, by the slope of the pair energy",
    "linear": "the force, by the slope of the node function",
    "odd": "the force, by the change when a neighbour is mirrored",
    "two_body": "the force, by asking about two particles alone",
}
"""The readings of our own networks, in words."""


def explain(
    subject: str | Path | TrainedNetwork | Callable[..., Any],
    source: stages.MotionSource | None = None,
    config: DiscoverConfig | None = None,
    *,
    directory: str | Path | None = None,
    monitor: ProgressMonitor | None = None,
    command: str | None = None,
) -> Explanation:
    """What a network has learnt: law, verdict, and where network and law part ways.

    Where the config states known terms, network and law are those of what these leave of the motion.

    Args:
        subject: the directory of a run; a trained network; or a message function, itself or as ``module:function`` or
            ``file.py:function``, called as ``messages(positions_i, positions_j, velocities_i, velocities_j,
            properties_i, properties_j)`` with float64 arrays (E D) and mappings name -> (E,) for E pairs, of which i
            receives and j sends. It gives (E M): the force on i, or that over its mass (M = D), or numbers that a
            linear map makes a force of, which is then fitted to the motion.
        source: motion that it was trained on, or is asked about, as for `discover`; a run brings its own.
        directory: where explanation.json and explanation.html are written; by default nowhere.

    Raises:
        UsageError, DataError, EngineUnavailable, NoResult, StorageError: see `gnn_discovery.errors`.
    """
    if directory is not None and (Path(directory) / RESULT).exists():
        raise StorageError("is there already", where=str(Path(directory) / RESULT), remedy="Give another directory")
    label, clock = _name(subject), StageClock(monitor)
    run = RunDirectory(Path(subject)) if isinstance(subject, str | Path) and Path(subject).is_dir() else None
    if run is not None:
        own, there = load_run_config(run)
        source, config = there if source is None else source, config or own
    if source is None:
        raise UsageError("no motion to ask the network about", where=label, remedy="Give its data")
    config = config or DiscoverConfig()
    stages.require_engines(config)
    with clock("motion"):
        given = stages.load_motion(source, config.simulation)
        data = stages.prepare_dataset(given, config)
        known = fit_known_terms(config, data)
        rest = subtract_known_terms(known, data)
    with clock("messages"):
        study = NetworkProbe(_subject(run or subject, label, rest, config), rest)
    made = {
        "source": f"{label} on {given.label}",
        "particles": data.train.names or (),
        "seed": config.seed,
        "versions": package_versions(),
        "data_sha256": trajectory_fingerprint(given.trajectories),
        "command": command,
    }
    explanation = _explained(study, known, config, clock, made)
    if directory is not None:
        write_explanation(explanation, directory)
    return explanation


def _name(subject: Any) -> str:
    return "a network" if isinstance(subject, TrainedNetwork) else str(getattr(subject, "__name__", subject))


def _subject(given: Any, label: str, data: Split, config: DiscoverConfig) -> PairForceModel:
    if isinstance(given, RunDirectory):
        if not given.done(NETWORK):
            raise DataError("holds no trained network", where=label, remedy=f"gnn-discovery resume {label}")
        given = train_with_restarts(NETWORK, data, config, RunCache(given))
    if isinstance(given, TrainedNetwork):
        return TrainedPairForceModel(given)
    function = import_object(str(given)) if isinstance(given, str | Path) else given
    if not callable(function):
        raise UsageError(
            f"is no function but a {type(function).__name__}", where=label, remedy="Name a message function"
        )
    return fit_gauge(function, label, data.train)


def _explained(
    study: NetworkProbe, known: ForceLaw, config: DiscoverConfig, clock: StageClock, made: dict[str, Any]
) -> Explanation:
    """Law, verdict and parting; ``made`` is what a discovery holds of how it was made."""
    data, messages = study.data, study.messages["train"]
    symmetry = measure_pair_force_symmetry(study.subject, data.train)
    with clock("regression"):
        reading = stages.MessageReadout(replace(messages, pair=messages.pair.select(study.seen("train"))), symmetry)
        distilled = stages.distill_candidates(reading, data, config, report=clock.regression)
        trained = study.subject.trained if isinstance(study.subject, TrainedPairForceModel) else None
        energies = None if trained is None else stages.distill_network_energies(trained, data, config)
        grain = study.network_roughness(distilled.structures[0][-1]) if is_visible(reading.messages.pair) else 0.0
        tolerance = float(np.clip(ROUGHNESS_FACTOR * grain, RELATIVE, MAX_TOLERANCE))
    with clock("refit"):
        choice = choose_law(
            distilled.laws, study.pairs("train"), study.pairs("valid"), latent=study.latent, seed=config.seed
        )
        law, where = _followed(choice, study, tolerance)
    with clock("verdict"):
        together = longest_agreement_interval(study.profile_over_r(law), tolerance)
        shape = NO_ASSUMED_SYMMETRY if trained is None else trained.config
        observed = symmetry_checks(stages.MessageReadout(study.messages["test"], symmetry), shape)
        follows = check_network_follows_law(together, tolerance)
        verdict = verdict_on_network(
            law, study.pairs("train", where), study.pairs("test", where), data.test, follows, observed
        )
    with clock("evidence"):
        profiles = study.profiles(law, together)
        apart = study.parted(law, profiles, tolerance)
        fit, evidence = measure_fit(law, study.subject.predict, data), _evidence(study, law, choice)
    figures: dict[str, float | bool | str | None] = {
        "components_alive": messages.n_active_components,
        "gauge": messages.gauge,
        "additivity": messages.additivity,
        "law_from_messages_alone": str(distilled.laws[0]),
        "engines": distilled.outcome,
        **{f"gauge_difference_{k}": v for k, v in messages.agreement.items()},
        **({} if energies is None else energies.texts),
    }
    stated = (f"Given, and taken from the motion before it was learnt: {config.known}.",) if config.known else ()
    found = Discovery(
        law=with_units(law, data.train),
        verdict=verdict,
        fit=fit,
        assumptions=(*EXPLANATION_ASSUMPTIONS, *stated),
        messages=figures,
        seconds=dict(clock.seconds),
        evidence=evidence,
        **made,
    )
    return Explanation(
        found,
        gauge=GAUGES.get(messages.gauge, messages.gauge),
        additivity=study.messages["test"].additivity,
        tolerance=tolerance,
        profiles=profiles,
        together=together,
        apart=apart,
        own=study.own,
        seen=study.visible_share,
        given=known,
    )


def _followed(choice: Selection, study: NetworkProbe, tolerance: float) -> tuple[ForceLaw, Interval | None]:
    """The simplest law that the network follows over most of its pairs, fitted to these, and of several as
    simple the one it follows most closely; else the one chosen.

    Its constants are first fitted to the pairs nearest to it, that those where the network does something else may not
    draw it away.
    """
    every = study.pairs("train")
    followed: list[tuple[float, ForceLaw, Interval]] = []
    simplest = np.inf
    for tried in choice.scoreboard:
        if tried.complexity > simplest:
            break
        if not tried.law.terms or tried.error > MAX_TOLERANCE + 1 - MOST:
            continue
        law = tried.law
        for _ in range(TRIMMED_REFITS):
            law = refit(law, _nearest(law, every), latent=tuple(law.latent), starts=0, errors=False).law
        where = longest_agreement_interval(study.profile_over_r(law), tolerance)
        if where is not None and where.share >= MOST:
            simplest = min(simplest, tried.complexity)
            followed.append((where.deviation, law, where))
    if not followed:
        return choice.law, None
    _, law, where = min(followed, key=lambda one: one[0])
    return refit_on_all_data(law, study.pairs("train", where), latent=study.latent), where


def _nearest(law: ForceLaw, pairs: Dataset) -> Dataset:
    """Most of the pairs: those of the least relative error."""
    errors = relative_errors(law, pairs, force_scale(pairs)).sum(axis=1)
    return pairs.select(errors <= np.quantile(errors, MOST))


def _evidence(study: NetworkProbe, law: ForceLaw, choice: Selection) -> Evidence:
    """What the figures of the messages are drawn from; of motion there is nothing to draw."""
    messages = study.messages["test"]
    seen = np.flatnonzero(study.seen("test"))
    table = messages.pair.select(np.random.default_rng(0).permutation(seen)[:FIGURE_ROWS])
    dim, particles = study.data.train.dim, study.data.train.present.shape[1]

    def point(tried: ScoredLaw) -> FrontPoint:
        return FrontPoint(tried.complexity, tried.error, str(tried.law), str(tried.law) == str(law))

    return Evidence(
        spectrum=messages.spectrum,
        n_active_components=messages.n_active_components,
        message=table.contributions,
        message_law=study.law_force(law, table),
        curves=(),
        front=tuple(point(tried) for tried in choice.scoreboard),
        residuals=np.zeros(0),
        observed=np.zeros((0, particles, dim)),
        rollout=np.zeros((0, particles, dim)),
        history=np.zeros((0, 3)),
    )
