"""discover(): the stages in order, from motion to a verdict and a report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from gnn_discovery.data.dataset import Dataset, IncrementObservation, ObservedFrames
from gnn_discovery.estimation.latent_properties import inferable_properties
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.messages.gauge import read_messages
from gnn_discovery.pipeline.config import DiscoverConfig
from gnn_discovery.pipeline.evidence import collect_evidence
from gnn_discovery.pipeline.loading import LoadedMotion, MotionSource
from gnn_discovery.pipeline.paths import trace_motion
from gnn_discovery.pipeline.session import ProgressMonitor, Session
from gnn_discovery.pipeline.stage_records import CandidateLaws, MessageReadout, PreparedMotion, SelectedLaw, Validation
from gnn_discovery.pipeline.stages import (
    decide_verdict,
    distill_candidates,
    estimate_constants,
    extract_messages,
    is_consistent_with_no_force,
    prepare_motion,
    select_candidate,
    train_network,
    validate_law,
    validate_no_force,
)
from gnn_discovery.report import with_ground_truth, write_report
from gnn_discovery.report.discovery import Discovery, MessageSummary
from gnn_discovery.runs import RunDirectory, package_versions
from gnn_discovery.validation.verdict import Verdict


def discover(
    source: MotionSource,
    config: DiscoverConfig | None = None,
    *,
    directory: Path | RunDirectory | None = None,
    monitor: ProgressMonitor | None = None,
    command: str | None = None,
) -> Discovery:
    """Find the law of motion in ``source`` and say what it is.

    Args:
        source: a registered system, a trajectory file, ``module:Name``, ``file.py:name``, a simulator, a bare
            function, or runs.
        config: the settings; by default those of `DiscoverConfig`.
        directory: of the run, or a run that is open; what it already holds is not done again. None keeps nothing.
        monitor: receives the name of each stage and the progress of training and regression.
        command: the command line that does the same, for the report.

    Raises:
        UsageError, DataError, EngineUnavailable, NoResult, StorageError: see `gnn_discovery.errors`.
    """
    with Session.open(source, config, directory, monitor, command) as session:
        motion = prepare_motion(source, session)
        if is_consistent_with_no_force(motion, session):
            return _finish_without_force(motion, session)
        network = train_network(motion, session)
        traced = trace_motion(network, motion, session)
        messages = extract_messages(network, traced, session)
        candidates = distill_candidates(messages, traced, session)
        selected = select_candidate(candidates, traced, session)
        law = estimate_constants(selected.selection.law, selected.motion, session)
        validation = validate_law(law, selected, messages, motion, session)
        verdict = decide_verdict(validation, selected.motion, session)
        return _finish(selected.motion, messages, candidates, selected, validation, verdict, session)


def _finish(
    motion: PreparedMotion,
    readout: MessageReadout,
    candidates: CandidateLaws,
    selected: SelectedLaw,
    validation: Validation,
    verdict: Verdict,
    session: Session,
) -> Discovery:
    """Return the discovery with the evidence for its figures, and write the report."""
    assert readout.network is not None
    with session.stage("evidence"):
        held_out = read_messages(
            readout.network, motion.residual.test, seed=session.config.seed, criteria=session.criteria
        )
        evidence = collect_evidence(validation.law, selected.selection, readout.network, held_out, motion.dataset)
    stated = session.config.known
    assumptions = (
        *((f"Given, not searched for: {stated}.",) if stated else ()),
        *state_assumptions(motion.dataset.train, session.config),
    )
    results = validation.results
    found = _record(motion, validation, verdict, session)
    found = replace(
        found,
        known_laws=() if results is None else results.model_comparison.known,
        evidence=evidence,
        messages=summarise_messages(readout, candidates, selected.selection.law),
        assumptions=(*_ALWAYS_ASSUMED, *assumptions, *_recording(motion).notes),
    )
    return _report(found, motion, session)


def _finish_without_force(motion: PreparedMotion, session: Session) -> Discovery:
    """Return the discovery of no force beside the known terms, and write the report."""
    validation, verdict = validate_no_force(motion, session)
    return _report(_record(motion, validation, verdict, session), motion, session)


def _record(motion: PreparedMotion, validation: Validation, verdict: Verdict, session: Session) -> Discovery:
    return Discovery(
        source=_recording(motion).label,
        law=validation.law,
        verdict=verdict,
        fit=validation.fit,
        particles=motion.dataset.train.names or (),
        assumptions=(*_ALWAYS_ASSUMED, *_recording(motion).notes),
        messages=None,
        seconds={},
        seed=session.config.seed,
        versions=package_versions(),
        data_sha256=_recording(motion).sha256,
        command=session.command,
        criteria=session.criteria,
    )


def _report(found: Discovery, motion: PreparedMotion, session: Session) -> Discovery:
    """Add the truth that a simulator may carry, and write the report where there is a run directory."""
    with session.stage("report"):
        found = add_truth(replace(found, seconds=dict(session.seconds)), _recording(motion), session.config)
        if session.run is not None:
            write_report(found, session.run.path)
        return found


def _recording(motion: PreparedMotion) -> LoadedMotion:
    assert motion.recording is not None
    return motion.recording


def add_truth(found: Discovery, recording: LoadedMotion, config: DiscoverConfig) -> Discovery:
    """Return the discovery beside the true law that a simulator may carry; the report, and it alone, sees it.

    Args:
        found: the discovery; its verdict stands and does not change.
        recording: the motion; its simulator may state a true law and reference values.
        config: says how much the simulator made.
    """
    truth = getattr(recording.simulator, "true_law", None)
    reference = getattr(recording.simulator, "reference_properties", None)
    terms = truth(config.simulation) if truth is not None else ()
    return with_ground_truth(found, terms, reference() if reference is not None else None)


def summarise_messages(readout: MessageReadout, candidates: CandidateLaws, law: ForceLaw | None) -> MessageSummary:
    """Return the figures that were read from the messages, and what the search in them came to.

    Args:
        readout: the messages.
        candidates: the laws that they led to before the refit, and the energies of a Hamiltonian network.
        law: the selected law; None where it is not said who offered it.
    """
    messages, distilled = readout.messages, candidates.distilled
    return MessageSummary(
        n_active_components=messages.n_active_components,
        gauge=messages.gauge,
        additivity_error=messages.additivity_error,
        law_from_messages_alone=str(distilled.laws[0]),
        engines=distilled.outcome,
        law_offered_by=None if law is None else ", ".join(law.engines) or None,
        gauge_differences=messages.gauge_differences,
        energies={} if candidates.energies is None else candidates.energies.texts,
    )


_ALWAYS_ASSUMED = (
    "Forces act between pairs, or on each particle alone, and add up.",
    "Particles that share all their properties are alike.",
)


def _describe_frames(frames: ObservedFrames | None) -> str:
    if frames is None:
        return "Frames are coarse"
    if frames.exact:
        return "Particles are not seen in all frames"
    return f"Frames, or means of several, have errors of {frames.std:.2g}, and positions are smoothed under the law"


def state_assumptions(data: Dataset, config: DiscoverConfig) -> tuple[str, ...]:
    """Return sentences that state what these settings take for granted.

    Args:
        data: the training runs.
        config: the settings.
    """
    sentences = ["Errors are those of the law fitted to the training runs; the constants are then fitted to all."]
    if data.weak_form is not None and data.weak_form.observation.substeps > 1:
        frames = data.weak_form.observation.frames
        used = np.count_nonzero(data.weak_form.target_mask) / np.count_nonzero(data.present)
        sentences.append(
            f"{_describe_frames(frames)}: differences of positions are compared with the law averaged along the paths"
            f" it gives between them, at {used:.0%} of the frames; at the others the path is not known."
        )
    if isinstance(data.observation, IncrementObservation):
        sentences.append(
            "Kicks without memory act on the particles, alike and in all directions: errors are those of the force, as"
            " far as a library of pair forces and fields can see them under the kicks."
        )
    if config.errors == "posterior":
        sentences.append("Error bars of constants are those of draws from a posterior, whose width is that over runs.")
    if config.network.inputs == "relative":
        sentences.append(
            "The pair force depends on differences of position and velocity; absolute ones enter the self force only."
        )
    if config.network.node == "fixed":
        sentences.append(
            "Accelerations are sums of pair forces and a self force" + (", over the mass m." if data.has_mass else ".")
        )
    if config.network.node == "hamiltonian":
        sentences.append(
            "An energy is conserved, a sum over pairs and particles: a Hamiltonian network can learn no drag, and its "
            "pair forces are equal and opposite by construction."
        )
    if not data.has_mass and data.order == 2:
        sentences.append(
            "No masses are given: the law is that of accelerations; how the receiver's mass enters is undetermined."
        )
    if inferable_properties(data):
        sentences.append("Each particle has one source strength, m, and it does not change.")
    if data.cutoff is not None:
        sentences.append(f"Pairs farther apart than {data.cutoff:g} do not interact.")
    return tuple(sentences)
