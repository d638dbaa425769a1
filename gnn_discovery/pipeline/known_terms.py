"""Terms that the user knows: their fit, the motion that they leave, and the verdict on a law that holds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from gnn_discovery.data.dataset import Dataset, Split
from gnn_discovery.distillation import DistillationResult
from gnn_discovery.estimation.refit import refit
from gnn_discovery.laws.evaluate import predict_with_law
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.parser import parse_law
from gnn_discovery.pipeline.evidence import measure_fit
from gnn_discovery.pipeline.session import Session
from gnn_discovery.validation.accuracy import check_explains_motion
from gnn_discovery.validation.decision import NO_INTERACTION
from gnn_discovery.validation.verdict import Verdict

KNOWN_TERMS_MATCH = "the given terms"


def fit_stated_law(law: ForceLaw, dataset: Split, session: Session) -> ForceLaw:
    """Fit the constants of a law that somebody stated, if it has any, to the training runs.

    Args:
        law: names without a value in it are constants to be fitted.
        dataset: the motion; it says whether forces are divided by a mass.
        session: its criteria decide.
    """
    law = replace(law, divides_by_mass=dataset.train.has_mass)
    return refit(law, dataset.weak_form().train, criteria=session.criteria).law


def fit_known_terms(dataset: Split, session: Session) -> ForceLaw:
    """Return the terms that the config states, their constants fitted as if nothing else were there; or no terms."""
    known, order = session.config.known, dataset.train.order
    if known is None:
        return ForceLaw((), order, dataset.train.has_mass)
    law = fit_stated_law(parse_law(known, order), dataset, session)
    return replace(law, terms=tuple(replace(term, known=True) for term in law.terms))


def subtract_law(law: ForceLaw, dataset: Split) -> Split:
    """Return the motion without the force of a law; the motion itself where the law has no terms."""
    if not law.terms:
        return dataset
    extreme = None if dataset.extreme is None else _subtract(law, dataset.extreme)
    return Split(_subtract(law, dataset.train), _subtract(law, dataset.valid), _subtract(law, dataset.test), extreme)


def _subtract(law: ForceLaw, part: Dataset) -> Dataset:
    """Subtract the force of the law; the noise stays, so it is a larger part of what is left."""
    target = part.target - part.observe(predict_with_law(law, part))
    before, after = (float(np.median(np.linalg.norm(t[part.present], axis=-1))) for t in (part.target, target))
    noise = part.noise * before / max(after, 1e-300) if part.noise else 0.0
    weak_form = None if part.weak_form is None else _subtract(law, part.weak_form)
    return replace(part, target=target, noise=noise, weak_form=weak_form)


def prepend_known_terms(known: ForceLaw, distilled: DistillationResult) -> DistillationResult:
    """Return the candidates for the residual, each with the known terms before its own."""

    def whole(laws: Sequence[ForceLaw]) -> tuple[ForceLaw, ...]:
        return tuple(replace(law, terms=(*known.terms, *law.terms)) for law in laws)

    return replace(
        distilled, laws=whole(distilled.laws), laws_by_engine={k: whole(v) for k, v in distilled.laws_by_engine.items()}
    )


def shift_network_prediction(
    network: Callable[[Dataset], np.ndarray], before: ForceLaw, after: ForceLaw
) -> Callable[[Dataset], np.ndarray]:
    """Return the prediction (S N D) of a network for the residual that other constants of the known terms leave.

    Args:
        network: predicts what the known terms of ``before`` leave.
        before: the known terms as they were subtracted from the motion that the network learnt.
        after: the same terms with their constants fitted together with the law.
    """
    if all(not term.constants for term in before.terms):
        return network
    return lambda part: network(part) + predict_with_law(before, part) - predict_with_law(after, part)


def verdict_with_known_terms(verdict: Verdict, law: ForceLaw, dataset: Split, session: Session) -> Verdict:
    """Return the verdict on the whole of a law, from that on the terms that were discovered beside the known ones.

    Args:
        verdict: on the discovered terms.
        law: known and discovered terms; without known terms the verdict stays as it is.
        dataset: the whole motion.
        session: its criteria decide whether the known terms alone explain the motion.
    """
    if not law.known_terms.terms:
        return verdict
    if law.discovered_terms.terms:
        match = None if verdict.match is None else f"{KNOWN_TERMS_MATCH} + {verdict.match}"
        return replace(verdict, match=match, reason=f"beside the given terms, {law.known_terms}: {verdict.reason}")
    fit, noise = measure_fit(law, None, dataset, criteria=session.criteria)
    explains = check_explains_motion(fit.law_error, noise, criteria=session.criteria)
    checks = (explains, *verdict.checks)
    if verdict.match == NO_INTERACTION and explains.passed:
        reason = f"nothing is left beyond the given terms, {law.known_terms}: {explains.detail}"
        return Verdict("known", KNOWN_TERMS_MATCH, (), reason, checks)
    reason = f"no law was found for what the given terms leave, {law.known_terms}: {explains.detail}. {verdict.reason}"
    return Verdict("inconclusive", None, (), reason, checks)
