"""Terms that the user knows: what they leave of the motion, and the law and the verdict with them."""

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
from gnn_discovery.pipeline.config import DiscoverConfig
from gnn_discovery.pipeline.evidence import measure_fit
from gnn_discovery.validation.accuracy import check_explains_motion
from gnn_discovery.validation.decision import NO_INTERACTION
from gnn_discovery.validation.verdict import Verdict

KNOWN_TERMS_MATCH = "the given terms"


def fit_stated_law(law: ForceLaw, data: Split) -> ForceLaw:
    """A law that somebody wrote for these data, with its constants, if it has any, fitted to the training runs."""
    law = replace(law, divides_by_mass=data.train.has_mass)
    return refit(law, data.weak_form().train).law


def fit_known_terms(config: DiscoverConfig, data: Split) -> ForceLaw:
    """The terms that ``config`` states, their constants fitted as if nothing else were there; or no terms."""
    if config.known is None:
        return ForceLaw((), config.order, data.train.has_mass)
    law = fit_stated_law(parse_law(config.known, config.order), data)
    return replace(law, terms=tuple(replace(term, given=True) for term in law.terms))


def subtract_known_terms(given: ForceLaw, data: Split) -> Split:
    """The motion without what the given terms account for."""
    if not given.terms:
        return data
    parts = [None if p is None else _less(given, p) for p in (data.train, data.valid, data.test, data.extreme)]
    return Split(*parts)  # type: ignore[arg-type]  # where there is one, there is one


def _less(given: ForceLaw, part: Dataset) -> Dataset:
    """The noise is the same, and so the larger a part of what is left."""
    target = part.target - part.average(predict_with_law(given, part))
    sizes = [float(np.median(np.linalg.norm(t[part.present], axis=-1))) for t in (part.target, target)]
    noise = part.noise * sizes[0] / max(sizes[1], 1e-300) if part.noise else 0.0
    return replace(
        part, target=target, noise=noise, weak_form=None if part.weak_form is None else _less(given, part.weak_form)
    )


def prepend_known_terms(given: ForceLaw, distilled: DistillationResult) -> DistillationResult:
    """Candidates for the rest, each with the given terms before it."""

    def whole(laws: Sequence[ForceLaw]) -> tuple[ForceLaw, ...]:
        return tuple(replace(law, terms=(*given.terms, *law.terms)) for law in laws)

    return replace(distilled, laws=whole(distilled.laws), alone={k: whole(v) for k, v in distilled.alone.items()})


def shift_network_prediction(
    network: Callable[[Dataset], np.ndarray], before: ForceLaw, after: ForceLaw
) -> Callable[[Dataset], np.ndarray]:
    """What a network says of the rest, once the constants of the given terms are fitted together with it."""
    if all(not term.constants for term in before.terms):
        return network
    return lambda part: network(part) + predict_with_law(before, part) - predict_with_law(after, part)


def verdict_with_known_terms(verdict: Verdict, law: ForceLaw, data: Split) -> Verdict:
    """The verdict on the rest of ``law`` as one on the whole of it; ``data`` is the whole motion."""
    if not law.given.terms:
        return verdict
    if law.rest.terms:
        match = None if verdict.match is None else f"{KNOWN_TERMS_MATCH} + {verdict.match}"
        return replace(verdict, match=match, reason=f"beside the given terms, {law.given}: {verdict.reason}")
    explains = check_explains_motion(measure_fit(law, None, data).law_error, data.weak_form().train.noise)
    checks = (explains, *verdict.checks)
    if verdict.match == NO_INTERACTION and explains.passed:
        reason = f"nothing is left beyond the given terms, {law.given}: {explains.detail}"
        return Verdict("known", KNOWN_TERMS_MATCH, (), reason, checks)
    reason = f"no law was found for what the given terms leave, {law.given}: {explains.detail}. {verdict.reason}"
    return Verdict("inconclusive", None, (), reason, checks)
