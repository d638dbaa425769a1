"""discover(): from motion to a verdict and a report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from gnn_discovery.law.record import ForceLaw
from gnn_discovery.physics import (
    JudgeContext,
    Seeds,
    check_engines,
    check_resamples,
    check_sum_over_pairs,
    decide,
    investigate,
    judge,
    needs_seeds,
)
from gnn_discovery.pipeline import steps
from gnn_discovery.pipeline.clock import Clock, Monitor
from gnn_discovery.pipeline.config import DiscoverConfig
from gnn_discovery.pipeline.evidence import draw_from, explained, measure_fit, symmetry_checks
from gnn_discovery.pipeline.given import beside, corrected, given_law, leave, with_given
from gnn_discovery.pipeline.keep import Keep
from gnn_discovery.pipeline.networks import free_node, network
from gnn_discovery.report import reveal, write_report
from gnn_discovery.report.record import Discovery, Fit
from gnn_discovery.runs import RunDirectory, versions
from gnn_discovery.snapshots import Split
from gnn_discovery.training import predict
from gnn_discovery.trajectory import fingerprint

ASSUMED = (
    "Forces act between pairs, or on each particle alone, and add up.",
    "Particles that share all their properties are alike.",
)


def discover(
    source: steps.Given,
    config: DiscoverConfig | None = None,
    *,
    directory: Path | RunDirectory | None = None,
    monitor: Monitor | None = None,
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
    steps.check_engines(config)
    with _entered(directory, source, config) as run:
        return _discover(source, config, run, Clock(monitor), command)


@contextmanager
def _entered(
    directory: Path | RunDirectory | None, source: Any, config: DiscoverConfig
) -> Iterator[RunDirectory | None]:
    """The run that ``directory`` names, locked."""
    if directory is None or isinstance(directory, RunDirectory):
        yield directory
        return
    label = str(source) if isinstance(source, str | Path) else None
    with RunDirectory.enter(directory, {"source": label, "config": config.to_dict(), "command": None}) as run:
        yield run


def _discover(
    source: Any, config: DiscoverConfig, run: RunDirectory | None, clock: Clock, command: str | None
) -> Discovery:
    keep = Keep(run)
    with clock("motion"):
        given = steps.load(source, config.simulation)
        data = steps.observe(given, config)
        sha256 = fingerprint(given.trajectories)
        keep.data(sha256)
        known = given_law(config, data)
        rest = leave(known, data)
    found = _nothing(known, data, rest) if steps.still(rest) else _learn(known, data, rest, config, clock, keep)
    found["assumptions"] = (*found["assumptions"], *given.notes)
    with clock("report"):
        discovery = Discovery(
            source=given.label,
            particles=data.train.names or (),
            seed=config.seed,
            versions=versions(),
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
    known: ForceLaw, data: Split, rest: Split, config: DiscoverConfig, clock: Clock, keep: Keep
) -> dict[str, Any]:
    """Network, messages, law, verdict: all that a Discovery says of them. The network learns the ``rest`` that the
    ``known`` terms leave; the law is chosen, with them in it, on the whole motion."""
    with clock("training"):
        trained = network("network", rest, config, keep, clock.training)
    with clock("messages"):
        reading = steps.read(trained, rest, config)
    with clock("regression"):
        distilled = beside(known, steps.distill(reading, rest, config, report=clock.regression))
        energies = steps.energies(trained, rest, config)
    with clock("refit"):
        choice = steps.with_known_laws(steps.choose(distilled.laws, data, config), data, config)
        keep.candidates(distilled.laws, choice)
        alone = steps.choose_alone(distilled, data, config)
    with clock("verdict"):
        left = leave(choice.law.given, data)
        learnt = corrected(partial(predict, trained), known, choice.law.given)
        fit, noise = measure_fit(choice.law.rest, learnt, left), left.averaged().train.noise
        context = JudgeContext(
            fit.law_error,
            fit.network_error,
            (
                *symmetry_checks(reading, config.network),
                *check_engines(choice.law, alone, data.train),
                check_resamples(choice.agreement),
            ),
            noise=noise,
            force_limit=steps.force_limit(left.train),
        )
        law = steps.settle(choice.law, data, config)
        apart = data.averaged()
        findings = investigate(law, apart.train, fitted=choice.law, test=apart.test, extreme=apart.extreme)
    if law.rest.terms and config.network.node == "fixed" and not explained(fit, noise):
        with clock("additivity"):
            free = network("network-free", rest, free_node(config), keep, clock.training)
            apart_from_law = data.train.weak is not None or bool(known.terms)
            best = trained.error if apart_from_law else min(choice.error, trained.error)
            check = check_sum_over_pairs(best, free.error)
        context = replace(context, observed=(*context.observed, check))
    if needs_seeds(findings, context):
        others = [_once_more(choice.law, known, data, config, k, clock, keep) for k in range(1, config.seeds)]
        found, preferred = (1 + sum(said) for said in zip(*others, strict=True)) if others else (1, 1)
        context = replace(context, seeds=Seeds(1 + len(others), found, preferred))
    verdict = with_given(decide(findings, context), law, data)
    with clock("evidence"):
        held_out = steps.read_messages(trained, rest.test, seed=config.seed)
        evidence = draw_from(law, choice, trained, held_out, data)
    messages = {
        "components_alive": reading.messages.alive,
        "gauge": reading.messages.gauge,
        "additivity": reading.messages.additivity,
        "law_from_messages_alone": str(distilled.laws[0]),
        "engines": distilled.outcome,
        "law_offered_by": ", ".join(choice.law.engines) or None,
        **{f"gauge_difference_{k}": v for k, v in reading.messages.agreement.items()},
        **({} if energies is None else energies.texts),
    }
    stated = (f"Given, not searched for: {config.known}.",) if config.known else ()
    assumptions = (*ASSUMED, *stated, *steps.assumptions(data.train, config))
    return {
        "law": law,
        "verdict": verdict,
        "fit": fit,
        "known_laws": () if findings is None else findings.contest.known,
        "evidence": evidence,
        "messages": messages,
        "assumptions": assumptions,
    }


def _once_more(
    law: ForceLaw, known: ForceLaw, data: Split, config: DiscoverConfig, k: int, clock: Clock, keep: Keep
) -> tuple[bool, bool]:
    """The second opinion of another search, with another network and the runs set apart anew."""
    other = replace(config, seed=config.seed + k)
    with clock(f"seed {other.seed}"):
        apart = data.again(other.seed)
        rest = leave(known, apart)
        trained = network(f"network-{k}", rest, other, keep, clock.training)
        distilled = steps.distill(steps.read(trained, rest, other), rest, other, report=clock.regression)
        return steps.second_opinion(law, beside(known, distilled).laws, apart, other)


def _nothing(known: ForceLaw, data: Split, rest: Split) -> dict[str, Any]:
    """Motion in which no force can be seen, or none beside the known terms: the law without others."""
    train = rest.train
    context = JudgeContext((None, None), noise=train.noise, force_limit=steps.force_limit(train))
    nothing = (None, None)
    return {
        "law": known,
        "verdict": with_given(judge(known, train, context), known, data),
        "fit": measure_fit(known, None, data) if known.terms else Fit(nothing, nothing, nothing, nothing),
        "messages": {},
        "assumptions": ASSUMED,
    }


def _reveal(discovery: Discovery, source: steps.Source, config: DiscoverConfig) -> Discovery:
    """The report, and it alone, sees the true law that a simulator may carry."""
    truth = getattr(source.simulator, "true_law", None)
    reference = getattr(source.simulator, "reference_properties", None)
    terms = truth(config.simulation) if truth is not None else ()
    return reveal(discovery, terms, reference() if reference is not None else None)
