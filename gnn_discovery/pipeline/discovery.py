"""discover(): from motion to a verdict and a report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from gnn_discovery.data.dataset import Split
from gnn_discovery.data.trajectory import trajectory_fingerprint
from gnn_discovery.gnn.training import predict_target
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.messages.gauge import read_messages
from gnn_discovery.pipeline import stages
from gnn_discovery.pipeline.config import DiscoverConfig
from gnn_discovery.pipeline.evidence import collect_evidence, explains_motion, measure_fit, symmetry_checks
from gnn_discovery.pipeline.known_terms import (
    fit_known_terms,
    prepend_known_terms,
    shift_network_prediction,
    subtract_known_terms,
    verdict_with_known_terms,
)
from gnn_discovery.pipeline.network_training import train_with_restarts, unconstrained_network
from gnn_discovery.pipeline.run_cache import RunCache
from gnn_discovery.pipeline.session import ProgressMonitor, StageClock
from gnn_discovery.report import with_ground_truth, write_report
from gnn_discovery.report.discovery import Discovery, GoodnessOfFit
from gnn_discovery.runs import RunDirectory, package_versions
from gnn_discovery.validation.accuracy import (
    SearchReplication,
    check_engine_agreement,
    check_pairwise_additivity,
    check_resampling_stability,
)
from gnn_discovery.validation.decision import JudgeContext, decide, judge, needs_replication, run_validation

DISCOVERY_ASSUMPTIONS = (
    "Forces act between pairs, or on each particle alone, and add up.",
    "Particles that share all their properties are alike.",
)


def discover(
    source: stages.MotionSource,
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
        directory: of the run, or a run that is open; what it already holds is not done again. None keeps nothing.
        monitor: is told of each step and each chunk of training.
        command: the command line that does the same, for the report.

    Raises:
        UsageError, DataError, EngineUnavailable, NoResult, StorageError: see `gnn_discovery.errors`.
    """
    config = config or DiscoverConfig()
    config = replace(config, simulation=replace(config.simulation, seed=config.seed))
    stages.require_engines(config)
    with _entered(directory, source, config) as run:
        return _discover(source, config, run, StageClock(monitor), command)


@contextmanager
def _entered(
    directory: Path | RunDirectory | None, source: Any, config: DiscoverConfig
) -> Iterator[RunDirectory | None]:
    """The run that ``directory`` names, locked."""
    if directory is None or isinstance(directory, RunDirectory):
        yield directory
        return
    label = str(source) if isinstance(source, str | Path) else None
    with RunDirectory.create_or_open(directory, {"source": label, "config": config.to_dict(), "command": None}) as run:
        yield run


def _discover(
    source: Any, config: DiscoverConfig, run: RunDirectory | None, clock: StageClock, command: str | None
) -> Discovery:
    keep = RunCache(run)
    with clock("motion"):
        given = stages.load_motion(source, config.simulation)
        data = stages.prepare_dataset(given, config)
        sha256 = trajectory_fingerprint(given.trajectories)
        keep.data(sha256)
        known = fit_known_terms(config, data)
        rest = subtract_known_terms(known, data)
    found = (
        _nothing(known, data, rest)
        if stages.is_consistent_with_no_force(rest)
        else _learn(known, data, rest, config, clock, keep)
    )
    found["assumptions"] = (*found["assumptions"], *given.notes)
    with clock("report"):
        discovery = Discovery(
            source=given.label,
            particles=data.train.names or (),
            seed=config.seed,
            versions=package_versions(),
            data_sha256=sha256,
            command=command,
            seconds=dict(clock.seconds),
            **found,
        )
        discovery = _reveal(discovery, given, config)
        if run is not None:
            write_report(discovery, run.path)
    return discovery


def _learn(
    known: ForceLaw, data: Split, rest: Split, config: DiscoverConfig, clock: StageClock, keep: RunCache
) -> dict[str, Any]:
    """Network, messages, law, verdict: all that a Discovery says of them. The network learns the ``rest`` that the
    ``known`` terms leave; the law is chosen, with them in it, on the whole motion."""
    with clock("training"):
        trained = train_with_restarts("network", rest, config, keep, clock.training)
    with clock("messages"):
        reading = stages.extract_messages(trained, rest, config)
    with clock("regression"):
        distilled = prepend_known_terms(
            known, stages.distill_candidates(reading, rest, config, report=clock.regression)
        )
        energies = stages.distill_network_energies(trained, rest, config)
    with clock("refit"):
        choice = stages.select_with_catalogue(stages.select(distilled.laws, data, config), data, config)
        keep.candidates(distilled.laws, choice)
        alone = stages.select_for_each_engine(distilled, data, config)
    with clock("verdict"):
        left = subtract_known_terms(choice.law.given, data)
        learnt = shift_network_prediction(partial(predict_target, trained), known, choice.law.given)
        fit, noise = measure_fit(choice.law.rest, learnt, left), left.weak_form().train.noise
        context = JudgeContext(
            fit.law_error,
            fit.network_error,
            (
                *symmetry_checks(reading, config.network),
                *check_engine_agreement(choice.law, alone, data.train),
                check_resampling_stability(choice.agreement),
            ),
            noise=noise,
            force_limit=stages.force_limit(left.train),
        )
        law = stages.estimate_constants(choice.law, data, config)
        apart = data.weak_form()
        findings = run_validation(law, apart.train, fitted=choice.law, test=apart.test, extreme=apart.extreme)
    if law.rest.terms and config.network.node == "fixed" and not explains_motion(fit, noise):
        with clock("additivity"):
            free = train_with_restarts("network-free", rest, unconstrained_network(config), keep, clock.training)
            apart_from_law = data.train.weak_form is not None or bool(known.terms)
            best = trained.error if apart_from_law else min(choice.error, trained.error)
            check = check_pairwise_additivity(best, free.error)
        context = replace(context, observed=(*context.observed, check))
    if needs_replication(findings, context):
        others = [_once_more(choice.law, known, data, config, k, clock, keep) for k in range(1, config.seeds)]
        found, preferred = (1 + sum(said) for said in zip(*others, strict=True)) if others else (1, 1)
        context = replace(context, seeds=SearchReplication(1 + len(others), found, preferred))
    verdict = verdict_with_known_terms(decide(findings, context), law, data)
    with clock("evidence"):
        held_out = read_messages(trained, rest.test, seed=config.seed)
        evidence = collect_evidence(law, choice, trained, held_out, data)
    messages = {
        "components_alive": reading.messages.n_active_components,
        "gauge": reading.messages.gauge,
        "additivity": reading.messages.additivity,
        "law_from_messages_alone": str(distilled.laws[0]),
        "engines": distilled.outcome,
        "law_offered_by": ", ".join(choice.law.engines) or None,
        **{f"gauge_difference_{k}": v for k, v in reading.messages.agreement.items()},
        **({} if energies is None else energies.texts),
    }
    stated = (f"Given, not searched for: {config.known}.",) if config.known else ()
    assumptions = (*DISCOVERY_ASSUMPTIONS, *stated, *stages.state_assumptions(data.train, config))
    return {
        "law": law,
        "verdict": verdict,
        "fit": fit,
        "known_laws": () if findings is None else findings.model_comparison.known,
        "evidence": evidence,
        "messages": messages,
        "assumptions": assumptions,
    }


def _once_more(
    law: ForceLaw, known: ForceLaw, data: Split, config: DiscoverConfig, k: int, clock: StageClock, keep: RunCache
) -> tuple[bool, bool]:
    """The second opinion of another search, with another network and the runs set apart anew."""
    other = replace(config, seed=config.seed + k)
    with clock(f"seed {other.seed}"):
        apart = data.resplit(other.seed)
        rest = subtract_known_terms(known, apart)
        trained = train_with_restarts(f"network-{k}", rest, other, keep, clock.training)
        distilled = stages.distill_candidates(
            stages.extract_messages(trained, rest, other), rest, other, report=clock.regression
        )
        return stages.compare_with_independent_search(law, prepend_known_terms(known, distilled).laws, apart, other)


def _nothing(known: ForceLaw, data: Split, rest: Split) -> dict[str, Any]:
    """Motion in which no force can be seen, or none beside the known terms: the law without others."""
    train = rest.train
    context = JudgeContext((None, None), noise=train.noise, force_limit=stages.force_limit(train))
    nothing = (None, None)
    return {
        "law": known,
        "verdict": verdict_with_known_terms(judge(known, train, context), known, data),
        "fit": measure_fit(known, None, data) if known.terms else GoodnessOfFit(nothing, nothing, nothing, nothing),
        "messages": {},
        "assumptions": DISCOVERY_ASSUMPTIONS,
    }


def _reveal(discovery: Discovery, source: stages.LoadedMotion, config: DiscoverConfig) -> Discovery:
    """The report, and it alone, sees the true law that a simulator may carry."""
    truth = getattr(source.simulator, "true_law", None)
    reference = getattr(source.simulator, "reference_properties", None)
    terms = truth(config.simulation) if truth is not None else ()
    return with_ground_truth(discovery, terms, reference() if reference is not None else None)
