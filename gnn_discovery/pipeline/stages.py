"""The stages of a discovery. Each takes the records of the stages before it and the session, and returns a record.

`gnn_discovery.pipeline.discovery.discover` calls them in order. Called by hand in the same order, with one
`Session`, they lead to the same law, checks and verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from gnn_discovery.catalogue.equivalence import same_law
from gnn_discovery.data.dataset import Dataset, IncrementObservation, Split, explained_square, trace_paths
from gnn_discovery.distillation import HamiltonianEnergies, distill_energies, distill_tables
from gnn_discovery.errors import NoResult
from gnn_discovery.estimation.bath import with_bath
from gnn_discovery.estimation.latent_properties import inferable_properties
from gnn_discovery.estimation.posterior import sample_posterior
from gnn_discovery.estimation.residual_weights import numerical_force_floor
from gnn_discovery.gnn.training import TrainedNetwork, predict_target
from gnn_discovery.laws.evaluate import predict_with_law
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.messages.gauge import read_messages
from gnn_discovery.messages.hamiltonian_energies import read_energies
from gnn_discovery.messages.symmetry import measure_symmetry
from gnn_discovery.pipeline.evidence import (
    explains_motion,
    measure_fit,
    symmetry_checks,
)
from gnn_discovery.pipeline.known_terms import (
    fit_known_terms,
    prepend_known_terms,
    shift_network_prediction,
    subtract_law,
    verdict_with_known_terms,
)
from gnn_discovery.pipeline.loading import MotionSource, load_motion, prepare_dataset, resolve_order
from gnn_discovery.pipeline.motion_selection import select_on_motion, select_with_known_laws
from gnn_discovery.pipeline.network_training import train_unconstrained, train_with_restarts
from gnn_discovery.pipeline.paths import settle_on_paths, trace_motion
from gnn_discovery.pipeline.session import Session
from gnn_discovery.pipeline.stage_records import (
    CandidateLaws,
    MessageReadout,
    PreparedMotion,
    SelectedLaw,
    Validation,
)
from gnn_discovery.report.discovery import GoodnessOfFit
from gnn_discovery.selection.select import refit_on_all_data
from gnn_discovery.symbolic.search import EngineConfig
from gnn_discovery.validation.accuracy import check_order, check_pairwise_additivity, check_step
from gnn_discovery.validation.constant_identification import identify_constants
from gnn_discovery.validation.decision import (
    JudgeContext,
    decide,
    judge,
    needs_replication,
    run_validation,
)
from gnn_discovery.validation.dimensions import with_units
from gnn_discovery.validation.stability import (
    SearchReplication,
    check_engine_agreement,
    check_resampling_stability,
)
from gnn_discovery.validation.verdict import Verdict


def prepare_motion(source: MotionSource, session: Session) -> PreparedMotion:
    """Load the motion, derive what was not observed, hold runs apart, and subtract the known terms of the config.

    Args:
        source: where the motion comes from.
        session: its config states simulation, order, units, cut-off and known terms.

    Raises:
        UsageError, DataError: the source is unknown or its motion is not valid, or is not that of the run directory.
    """
    with session.stage("motion"):
        recording = load_motion(source, session.config.simulation)
        order, selection = resolve_order(recording, session.config)
        dataset = prepare_dataset(recording, replace(session.config, order=order))
        session.cache.data(recording.sha256)
        motion = subtract_known_terms(dataset, session)
        return replace(motion, recording=recording, order_selection=selection)


def subtract_known_terms(dataset: Split, session: Session) -> PreparedMotion:
    """Fit the known terms of the config to the motion, and subtract their force from it.

    Args:
        dataset: the whole motion.
        session: its config states the terms, or none.
    """
    known = fit_known_terms(dataset, session)
    return PreparedMotion(dataset, known, subtract_law(known, dataset))


def is_consistent_with_no_force(motion: PreparedMotion, session: Session) -> bool:
    """Return whether rest, or noise alone, accounts for the motion that the known terms leave."""
    limits = session.criteria.noise
    exact, averaged = motion.residual.train, motion.residual.weak_form().train
    if isinstance(exact.observation, IncrementObservation):
        explained, error = explained_square(motion.residual.whole(), criteria=session.criteria)
        return explained <= limits.force_under_kicks_n_sigma * error
    force = np.linalg.norm(exact.force, axis=-1)[exact.present]
    floor = numerical_force_floor(exact, criteria=session.criteria)
    at_rest = np.median(force) <= floor and np.max(force) <= limits.max_rest_force_to_floor * floor
    return bool(at_rest) or bool(averaged.noise >= limits.noise_only_error)


def force_limit(data: Dataset, session: Session) -> float:
    """Return the upper limit on the force: 95% of those observed are smaller, so nothing larger can hide in them."""
    if isinstance(data.observation, IncrementObservation):
        explained, error = explained_square(data, criteria=session.criteria)
        return float(np.sqrt(data.dim * max(0.0, explained + session.criteria.noise.force_under_kicks_n_sigma * error)))
    size = np.linalg.norm(data.force, axis=-1)[data.present]
    return float(np.quantile(size, session.criteria.noise.force_limit_quantile))


def train_network(motion: PreparedMotion, session: Session) -> TrainedNetwork:
    """Train the network on the residual motion, or load it where the run directory holds it.

    Args:
        motion: the network learns its `residual`.
        session: its config states network and training; its run directory keeps checkpoints.
    """
    with session.stage("training"):
        return train_with_restarts(motion.residual, session)


def extract_messages(network: TrainedNetwork, motion: PreparedMotion, session: Session) -> MessageReadout:
    """Read contributions and symmetries at pairs of the training runs, where the network knows most."""
    with session.stage("messages"):
        train = motion.residual.train
        messages = read_messages(network, train, seed=session.config.seed, criteria=session.criteria)
        return MessageReadout(messages, measure_symmetry(network, train, criteria=session.criteria), network)


def distill_candidates(readout: MessageReadout, motion: PreparedMotion, session: Session) -> CandidateLaws:
    """Find candidate laws by symbolic regression on the messages; known terms are prepended to each.

    Args:
        readout: the messages.
        motion: the motion that they were read at.
        session: its config names the engines; its run directory keeps what they find.
    """
    config = session.config
    with session.stage("regression"):
        distilled = distill_tables(
            (readout.messages.pair, readout.messages.self_force),
            config.engines,
            _engine_config(session),
            order=motion.dataset.train.order,
            divides_by_mass=motion.dataset.train.has_mass,
            units={"length", "time"} <= set(motion.dataset.train.units or {}),
            report=session.regression,
            search=session.cache.search,
            criteria=session.criteria,
        )
        energies = distill_network_energies(readout.network, motion, session)
        return CandidateLaws(prepend_known_terms(motion.known_terms, distilled), energies)


def distill_network_energies(
    network: TrainedNetwork | None, motion: PreparedMotion, session: Session
) -> HamiltonianEnergies | None:
    """Find formulas for the energies of a Hamiltonian network; return None for another network."""
    if network is None or network.config.node != "hamiltonian":
        return None
    tables = read_energies(network, motion.residual.train, seed=session.config.seed, criteria=session.criteria)
    engines, search = session.config.engines, session.cache.search
    return distill_energies(tables, engines, _engine_config(session), search=search, criteria=session.criteria)


def _engine_config(session: Session) -> EngineConfig:
    return replace(session.config.regression, seed=session.config.seed)


def _select_or_none(laws: Sequence[ForceLaw], dataset: Split, session: Session) -> ForceLaw | None:
    """Return the law that `select_on_motion` selects; None where no candidate gives a finite force."""
    try:
        return select_on_motion(laws, dataset, session).law
    except NoResult:
        return None


def select_candidate(candidates: CandidateLaws, motion: PreparedMotion, session: Session) -> SelectedLaw:
    """Select the simplest law that explains held-out motion as well as any, known laws of the catalogue included.

    Args:
        candidates: the laws from the messages.
        motion: the whole motion is what laws are refitted to and selected on.
        session: its run directory keeps ``candidates.json``.

    Raises:
        NoResult: no candidate gives a finite force.
    """
    distilled, dataset = candidates.distilled, motion.dataset
    with session.stage("refit"):
        selection = select_with_known_laws(distilled.laws, dataset, session)
        if dataset.follows_paths:
            selection, dataset = settle_on_paths(distilled.laws, selection, dataset, session)
        session.cache.candidates(distilled.laws, selection)
        by_engine = {
            engine: _select_or_none(laws, dataset, session) for engine, laws in distilled.laws_by_engine.items()
        }
        residual = subtract_law(motion.known_terms, dataset)
        return SelectedLaw(selection, by_engine, replace(motion, dataset=dataset, residual=residual))


def estimate_constants(law: ForceLaw, motion: PreparedMotion, session: Session) -> ForceLaw:
    """Fit the constants of the selected law to all runs, with error bars, units, and names of identified values.

    Args:
        law: the selected law; its errors on held-out motion are measured before, by its constants as they are here.
        motion: the whole motion.
        session: its config states how error bars are made.
    """
    if not law.terms:
        return law
    config, dataset = session.config, motion.dataset
    with session.stage("estimation"):
        sampler = sample_posterior if config.errors == "posterior" else None
        latent = inferable_properties(dataset.train)
        fitted = refit_on_all_data(
            law,
            dataset.weak_form().whole(),
            latent=latent,
            posterior_sampler=sampler,
            seed=config.seed,
            criteria=session.criteria,
        )
        fitted = with_bath(fitted, dataset.whole(), criteria=session.criteria)
        return identify_constants(with_units(fitted, dataset.train), criteria=session.criteria)


def validate_law(
    law: ForceLaw, selected: SelectedLaw, readout: MessageReadout, motion: PreparedMotion, session: Session
) -> Validation:
    """Compare the law with the catalogue, check it, and measure law and network on held-out motion.

    Args:
        law: with its final constants.
        selected: the same law as it was fitted to the training runs, the laws of each engine, and the motion that the
            law is held against.
        readout: the messages, and the network where there is one.
        motion: as it was prepared; an independent search begins with it.
        session: further networks are trained where forces may not add up, or where the law could be a candidate for
            something new and has to be found again by independent searches.
    """
    config, choice, followed = session.config, selected.selection, selected.motion
    dataset = followed.dataset
    with session.stage("verdict"):
        left = subtract_law(choice.law.known_terms, dataset)
        prediction = None
        if readout.network is not None:
            network = partial(predict_target, readout.network)
            prediction = shift_network_prediction(network, followed.known_terms, choice.law.known_terms)
        fit, noise = measure_fit(choice.law.discovered_terms, prediction, left, criteria=session.criteria)
        observed = (
            *symmetry_checks(readout.messages, readout.symmetry, config.network, criteria=session.criteria),
            *check_engine_agreement(choice.law, selected.by_engine, dataset.train, criteria=session.criteria),
            check_resampling_stability(choice.selection_frequency, criteria=session.criteria),
            *check_order(followed.order_selection),
            *check_step(choice.law, dataset.train, criteria=session.criteria),
        )
        context = JudgeContext(
            fit.law_error,
            fit.network_error,
            observed,
            noise=noise,
            force_limit=force_limit(left.train, session),
        )
        fitted = dataset.weak_form()
        results = run_validation(
            law, fitted.train, fitted=choice.law, test=fitted.test, extreme=fitted.extreme, criteria=session.criteria
        )
    validation = Validation(law, fit, results, context)
    if (
        law.discovered_terms.terms
        and config.network.node == "fixed"
        and readout.network
        and not explains_motion(fit, noise, criteria=session.criteria)
    ):
        validation = _with_additivity_check(validation, choice.error, readout.network, followed, session)
    if needs_replication(validation.results, validation.context, criteria=session.criteria):
        validation = _with_replications(validation, choice.law, motion, session)
    return validation


def _with_additivity_check(
    validation: Validation, law_error: float, network: TrainedNetwork, motion: PreparedMotion, session: Session
) -> Validation:
    """Add the check that a network which need not add its messages does no better than a sum."""
    with session.stage("additivity"):
        free = train_unconstrained(motion.residual, session)
        law_has_other_target = motion.dataset.train.weak_form is not None or bool(motion.known_terms.terms)
        best = network.error if law_has_other_target else min(law_error, network.error)
        check = check_pairwise_additivity(best, free.error, criteria=session.criteria)
    context = replace(validation.context, observed=(*validation.context.observed, check))
    return replace(validation, context=context)


def _with_replications(validation: Validation, law: ForceLaw, motion: PreparedMotion, session: Session) -> Validation:
    """Add what independent searches find, each with another network and the runs set apart by another seed."""
    found = preferred = count = 1
    for k in range(1, session.config.seeds):
        same, as_good = replicate_search(law, motion, session.again(k))
        found, preferred, count = found + same, preferred + as_good, count + 1
    context = replace(validation.context, seeds=SearchReplication(count, found, preferred))
    return replace(validation, context=context)


def replicate_search(law: ForceLaw, motion: PreparedMotion, session: Session) -> tuple[bool, bool]:
    """Search once more, with another network and other runs held out.

    Args:
        law: the law that the first search led to.
        motion: the motion as the first search saw it.
        session: its seed sets the runs apart anew and starts the network.

    Returns:
        Whether the search leads to the law; and whether it does, or prefers the law to its own when offered it.
    """
    with session.stage(f"seed {session.config.seed}"):
        dataset = motion.dataset.resplit(session.config.seed, criteria=session.criteria)
        again = replace(motion, dataset=dataset, residual=subtract_law(motion.known_terms, dataset))
        network = train_network(again, session)
        again = trace_motion(network, again, session)
        candidates = distill_candidates(extract_messages(network, again, session), again, session)
        return compare_with_independent_search(law, candidates.distilled.laws, again.dataset, session)


def compare_with_independent_search(
    law: ForceLaw, candidates: Sequence[ForceLaw], dataset: Split, session: Session
) -> tuple[bool, bool]:
    """Return whether these candidates of another search lead to ``law``, and whether they do or ``law`` is preferred.

    Args:
        law: the law of the first search, offered beside what the other one leads to.
        candidates: the laws of the other search.
        dataset: the motion as the other search saw it.
        session: of the other search.
    """
    other = _select_or_none(candidates, dataset, session)
    if other is not None and same_law(other, law, dataset.train, criteria=session.criteria):
        return True, True
    offered = select_on_motion([law] if other is None else [other, law], dataset, session).law
    return False, same_law(offered, law, dataset.train, criteria=session.criteria)


def decide_verdict(validation: Validation, motion: PreparedMotion, session: Session) -> Verdict:
    """Return the verdict that follows from the validation; with known terms it is one on the whole law."""
    verdict = decide(validation.results, validation.context, criteria=session.criteria)
    return verdict_with_known_terms(verdict, validation.law, motion.dataset, session)


def validate_no_force(motion: PreparedMotion, session: Session) -> tuple[Validation, Verdict]:
    """Return validation and verdict where no force is seen beside the known terms: the law is these terms alone."""
    known, train = motion.known_terms, motion.residual.train
    nothing = (None, None)
    context = JudgeContext(nothing, noise=train.noise, force_limit=force_limit(train, session))
    fit = (
        measure_fit(known, None, motion.dataset, criteria=session.criteria)[0]
        if known.terms
        else GoodnessOfFit(nothing, nothing, nothing, nothing)
    )
    verdict = judge(known, train, context, criteria=session.criteria)
    validation = Validation(known, fit, None, context)
    return validation, verdict_with_known_terms(verdict, known, motion.dataset, session)


def check_law(law: ForceLaw, motion: PreparedMotion, session: Session) -> tuple[Validation, Verdict]:
    """Validate a law that somebody stated, as it stands, on all targets, with no network and no refit behind it.

    Args:
        law: the law; terms marked as known are subtracted before its errors are measured.
        motion: the motion that it is held against.
        session: its criteria decide.
    """
    with session.stage("verdict"):
        dataset = trace_paths(motion.dataset, partial(predict_with_law, law), criteria=session.criteria)
        left, fitted, found = subtract_law(law.known_terms, dataset), dataset.weak_form(), law.discovered_terms
        fit, noise = measure_fit(found, None, left, criteria=session.criteria)
        results = run_validation(law, fitted.train, test=fitted.test, extreme=fitted.extreme, criteria=session.criteria)
        observed = check_step(law, dataset.train, criteria=session.criteria)
        validation = Validation(law, fit, results, JudgeContext(fit.law_error, observed=observed, noise=noise))
        return validation, decide_verdict(validation, motion, session)
