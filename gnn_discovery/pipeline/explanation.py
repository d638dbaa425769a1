"""explain(): from a trained network to the law that it has learnt, and the intervals where network and law differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gnn_discovery.criteria import Criteria
from gnn_discovery.data.dataset import Dataset
from gnn_discovery.distillation import is_visible
from gnn_discovery.errors import DataError, StorageError, UsageError
from gnn_discovery.estimation.refit import refit
from gnn_discovery.estimation.residual_weights import force_scale, relative_errors
from gnn_discovery.gnn.networks import NetworkConfig
from gnn_discovery.gnn.training import TrainedNetwork
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.messages.external_network import fit_gauge
from gnn_discovery.messages.pair_force_model import PairForceModel, TrainedPairForceModel
from gnn_discovery.messages.symmetry import SymmetryDeviations, measure_pair_force_symmetry
from gnn_discovery.pipeline.config import DiscoverConfig
from gnn_discovery.pipeline.discovery import summarise_messages
from gnn_discovery.pipeline.evidence import measure_fit, symmetry_checks
from gnn_discovery.pipeline.loading import MotionSource
from gnn_discovery.pipeline.network_probe import NetworkProbe
from gnn_discovery.pipeline.run_cache import load_run_config
from gnn_discovery.pipeline.session import NETWORK, ProgressMonitor, Session, require_engines
from gnn_discovery.pipeline.stage_records import CandidateLaws, MessageReadout, PreparedMotion
from gnn_discovery.pipeline.stages import distill_candidates, prepare_motion, train_network
from gnn_discovery.report.discovery import Discovery, Evidence, FrontPoint
from gnn_discovery.report.explanation import EXPLANATION_FILE, Explanation, write_explanation
from gnn_discovery.runs import RunDirectory, package_versions
from gnn_discovery.selection.select import Selection, refit_on_all_data, select_law
from gnn_discovery.selection.trials import ScoredLaw
from gnn_discovery.simulators import import_object
from gnn_discovery.validation.agreement_profile import Interval, longest_agreement_interval
from gnn_discovery.validation.dimensions import with_units
from gnn_discovery.validation.verdict import Verdict
from gnn_discovery.validation.verdict_on_network import check_network_follows_law, verdict_on_network

EXPLANATION_ASSUMPTIONS = (
    "The law is fitted to the pair forces that the network predicts, not to the motion.",
    "Where the data have no pairs, pairs of the data were moved there, and the network was asked.",
)
NO_ASSUMED_SYMMETRY = NetworkConfig(inputs="absolute")
"""The config of a function that somebody gives: no symmetry of it is known beforehand."""
GAUGES = {
    "fixed": "the force itself",
    "hamiltonian": "the force, by the slope of the pair energy",
    "linear": "the force, by the slope of the node function",
    "odd": "the force, by the change when a neighbour is mirrored",
    "two_body": "the force, by asking about two particles alone",
}
"""The gauges of our own networks, in words."""


def explain(
    subject: str | Path | TrainedNetwork | Callable[..., Any],
    source: MotionSource | None = None,
    config: DiscoverConfig | None = None,
    *,
    directory: str | Path | None = None,
    monitor: ProgressMonitor | None = None,
    command: str | None = None,
) -> Explanation:
    """Find the law that a network has learnt, its verdict, and the intervals where network and law differ.

    Where the config states known terms, network and law are those of what these leave of the motion.

    Args:
        subject: the directory of a run; a trained network; or a message function, itself or as ``module:function`` or
            ``file.py:function``, called as ``messages(positions_i, positions_j, velocities_i, velocities_j,
            properties_i, properties_j)`` with float64 arrays (E D) and mappings name -> (E,) for E pairs, of which i
            receives and j sends. It gives (E M): the force on i, or that over its mass (M = D), or numbers that a
            linear map makes a force of, which is then fitted to the motion.
        source: motion that it was trained on, or is asked about, as for `discover`; a run brings its own.
        config: the settings; a run brings its own.
        directory: where explanation.json and explanation.html are written; by default nowhere.
        monitor: receives the progress.
        command: the command line that does the same, for the page.

    Raises:
        UsageError, DataError, EngineUnavailable, NoResult, StorageError: see `gnn_discovery.errors`.
    """
    if directory is not None and (there := Path(directory) / EXPLANATION_FILE).exists():
        raise StorageError("is there already", where=str(there), remedy="Give another directory")
    label = _name(subject)
    run = RunDirectory(Path(subject)) if isinstance(subject, str | Path) and Path(subject).is_dir() else None
    if run is not None:
        own_config, own_source = load_run_config(run)
        source, config = own_source if source is None else source, config or own_config
    if source is None:
        raise UsageError("no motion to ask the network about", where=label, remedy="Give its data")
    session = Session(config, None, monitor, command)
    require_engines(session.config)
    motion = prepare_motion(source, session)
    with session.stage("messages"):
        probe = NetworkProbe(
            _pair_force_model(run or subject, label, motion, session), motion.residual, criteria=session.criteria
        )
    explanation = _explain(probe, label, motion, session)
    if directory is not None:
        write_explanation(explanation, directory)
    return explanation


def _name(subject: Any) -> str:
    return "a network" if isinstance(subject, TrainedNetwork) else str(getattr(subject, "__name__", subject))


def _pair_force_model(subject: Any, label: str, motion: PreparedMotion, session: Session) -> PairForceModel:
    """Return the network of a run, a trained network, or a message function as a model of the pair force."""
    if isinstance(subject, RunDirectory):
        if not subject.done(NETWORK):
            raise DataError("holds no trained network", where=label, remedy=f"gnn-discovery resume {label}")
        subject = train_network(motion, Session(session.config, subject))
    if isinstance(subject, TrainedNetwork):
        return TrainedPairForceModel(subject, session.criteria)
    function = import_object(str(subject)) if isinstance(subject, str | Path) else subject
    if not callable(function):
        raise UsageError(
            f"is no function but a {type(function).__name__}", where=label, remedy="Name a message function"
        )
    return fit_gauge(function, label, motion.residual.train, criteria=session.criteria)


def _explain(probe: NetworkProbe, label: str, motion: PreparedMotion, session: Session) -> Explanation:
    limits = session.criteria.verdict
    data, messages = probe.data, probe.messages["train"]
    symmetry = measure_pair_force_symmetry(probe.model, data.train, criteria=session.criteria)
    trained = probe.model.trained if isinstance(probe.model, TrainedPairForceModel) else None
    visible = replace(messages, pair=messages.pair.select(probe.visible_rows("train")))
    readout = MessageReadout(visible, symmetry, trained)
    nothing_known = ForceLaw((), data.train.order, data.train.has_mass)
    candidates = distill_candidates(readout, replace(motion, dataset=data, known_terms=nothing_known), session)
    distilled = candidates.distilled
    with session.stage("refit"):
        roughness = (
            probe.network_roughness(distilled.structures[0][-1])
            if is_visible(visible.pair, criteria=session.criteria)
            else 0.0
        )
        least = session.criteria.equivalence.max_rel_deviation
        tolerance = float(np.clip(limits.roughness_factor * roughness, least, limits.max_follow_tolerance))
        selection = select_law(
            distilled.laws,
            probe.pairs("train"),
            probe.pairs("valid"),
            latent=probe.latent,
            seed=session.config.seed,
            criteria=session.criteria,
        )
        law, interval = _law_followed(selection, probe, tolerance, session)
    with session.stage("verdict"):
        agreement = longest_agreement_interval(probe.profile_over_r(law), tolerance)
        verdict = _verdict(law, probe, symmetry, (interval, agreement), tolerance, session)
    with session.stage("evidence"):
        profiles = probe.profiles(law, agreement)
        disagreements = probe.disagreements(law, profiles, tolerance)
        fit, _ = measure_fit(law, probe.model.predict, data, criteria=session.criteria)
        evidence = _evidence(probe, law, selection)
    assert motion.recording is not None
    stated = session.config.known
    discovery = Discovery(
        source=f"{label} on {motion.recording.label}",
        law=with_units(law, data.train),
        verdict=verdict,
        fit=fit,
        particles=data.train.names or (),
        assumptions=(
            *EXPLANATION_ASSUMPTIONS,
            *((f"Given, and taken from the motion before it was learnt: {stated}.",) if stated else ()),
        ),
        messages=summarise_messages(
            MessageReadout(messages, symmetry, trained), CandidateLaws(distilled, candidates.energies), None
        ),
        seconds=dict(session.seconds),
        seed=session.config.seed,
        versions=package_versions(),
        data_sha256=motion.recording.sha256,
        evidence=evidence,
        command=session.command,
        criteria=session.criteria,
    )
    return Explanation(
        discovery,
        gauge=GAUGES.get(messages.gauge, messages.gauge),
        additivity_error=probe.messages["test"].additivity_error,
        tolerance=tolerance,
        profiles=profiles,
        agreement=agreement,
        disagreements=disagreements,
        self_force_share=probe.self_force_share,
        visible_fraction=probe.visible_fraction,
        known_terms=motion.known_terms,
    )


def _verdict(
    law: ForceLaw,
    probe: NetworkProbe,
    symmetry: SymmetryDeviations,
    intervals: tuple[Interval | None, Interval | None],
    tolerance: float,
    session: Session,
) -> Verdict:
    """Return the verdict on the law of the network; ``intervals`` are where it was fitted, and where both agree."""
    fitted_where, agreement = intervals
    model = probe.model
    config = model.trained.config if isinstance(model, TrainedPairForceModel) else NO_ASSUMED_SYMMETRY
    observed = symmetry_checks(probe.messages["test"], symmetry, config, criteria=session.criteria)
    return verdict_on_network(
        law,
        probe.pairs("train", fitted_where),
        probe.pairs("test", fitted_where),
        probe.data.test,
        check_network_follows_law(agreement, tolerance, criteria=session.criteria),
        observed,
        criteria=session.criteria,
    )


def _law_followed(
    selection: Selection, probe: NetworkProbe, tolerance: float, session: Session
) -> tuple[ForceLaw, Interval | None]:
    """Return the simplest law that the network follows over most of its pairs, and the interval where it does.

    Of several as simple the one that it follows most closely is taken; where it follows none, the selected law. The
    constants are first fitted to the pairs nearest to the law (trimmed least squares, Rousseeuw 1984), so that those
    where the network does something else cannot draw it away.
    """
    limits, every = session.criteria.verdict, probe.pairs("train")
    most = limits.min_agreement_share
    followed: list[tuple[float, ForceLaw, Interval]] = []
    simplest = np.inf
    for tried in selection.scoreboard:
        if tried.complexity > simplest:
            break
        if not tried.law.terms or tried.error > limits.max_follow_tolerance + 1 - most:
            continue
        law = tried.law
        for _ in range(limits.trimmed_refits):
            law = refit(
                law,
                _nearest(law, every, session.criteria),
                latent=tuple(law.latent),
                n_starts=0,
                with_errors=False,
                criteria=session.criteria,
            ).law
        interval = longest_agreement_interval(probe.profile_over_r(law), tolerance)
        if interval is not None and interval.share >= most:
            simplest = min(simplest, tried.complexity)
            followed.append((interval.deviation, law, interval))
    if not followed:
        return selection.law, None
    _, law, interval = min(followed, key=lambda one: one[0])
    return refit_on_all_data(
        law, probe.pairs("train", interval), latent=probe.latent, criteria=session.criteria
    ), interval


def _nearest(law: ForceLaw, pairs: Dataset, criteria: Criteria) -> Dataset:
    """Return most of the pairs: those of the least relative errors."""
    errors = relative_errors(law, pairs, force_scale(pairs, criteria=criteria)).sum(axis=1)
    return pairs.select(errors <= np.quantile(errors, criteria.verdict.min_agreement_share))


def _evidence(probe: NetworkProbe, law: ForceLaw, selection: Selection, rows: int = 4000) -> Evidence:
    """Collect the arrays for the figures of the messages; of motion there is nothing to draw."""
    messages = probe.messages["test"]
    visible = np.flatnonzero(probe.visible_rows("test"))
    table = messages.pair.select(np.random.default_rng(0).permutation(visible)[:rows])
    dim, particles = probe.data.train.dim, probe.data.train.present.shape[1]

    def point(tried: ScoredLaw) -> FrontPoint:
        return FrontPoint(tried.complexity, tried.error, str(tried.law), str(tried.law) == str(law))

    return Evidence(
        spectrum=messages.spectrum,
        n_active_components=messages.n_active_components,
        message=table.contributions,
        message_law=probe.law_force(law, table),
        curves=(),
        front=tuple(point(tried) for tried in selection.scoreboard),
        residuals=np.zeros(0),
        observed=np.zeros((0, particles, dim)),
        rollout=np.zeros((0, particles, dim)),
        history=np.zeros((0, 3)),
    )
