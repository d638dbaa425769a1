"""Stability checks: would other runs, other seeds or another engine have led to the same law?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from gnn_discovery.catalogue.equivalence import same_law
from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.validation.verdict import Check, CheckId


def check_constants_determined(law: ForceLaw, *, criteria: Criteria = DEFAULT_CRITERIA) -> Check:
    """Check that every constant was measured and differs from zero.

    Args:
        law: with the value and the standard error of each constant.
        criteria: the numbers that decide.

    Returns:
        A check whose figure is the largest relative standard error.
    """
    check = partial(Check, CheckId.CONSTANTS_DETERMINED, "blocks_candidate", "constants")
    constants = [(name, c) for term in law.terms for name, c in term.constants.items()]
    if not constants:
        return check(True, 0.0, "the law has no free constant")
    if any(c.std is None for _, c in constants):
        return check(None, None, "no standard errors were measured")
    ratios = {name: (c.std or 0.0) / abs(c.value) if c.value else np.inf for name, c in constants}
    worst = max(ratios, key=lambda name: ratios[name])
    figure = float(ratios[worst]) if np.isfinite(ratios[worst]) else None
    passed = bool(ratios[worst] < criteria.verdict.max_rel_std_of_constant)
    return check(passed, figure, f"{worst} has the largest relative standard error")


def check_resampling_stability(agreement: float, *, criteria: Criteria = DEFAULT_CRITERIA) -> Check:
    """Check that another sample of as many runs would have led to the same form.

    Args:
        agreement: share of the bootstrap resamples of the held-out runs by which the same form is selected.
        criteria: the numbers that decide.
    """
    return Check(
        CheckId.RESAMPLING_STABILITY,
        "blocks_candidate",
        "choice over resampled runs",
        agreement >= criteria.verdict.min_resampling_agreement,
        agreement,
        "the figure is the share of bootstrap resamples of the held-out runs by which the same form is selected",
    )


@dataclass(frozen=True)
class SearchReplication:
    """The outcome of several searches for a law, each with its own seed, network and held-out runs.

    Attributes:
        searches: number of searches, that which led to the law included.
        found: number of searches that led to the law by themselves.
        preferred: number of searches that led to the law, or select it over their own once it is offered to them.
    """

    searches: int
    found: int
    preferred: int


def check_search_replication(replication: SearchReplication | None, *, criteria: Criteria = DEFAULT_CRITERIA) -> Check:
    """Check that the law is stable over seeds: every search must prefer it to all that it has found.

    A search that misses the form says nothing against it, as long as it prefers the form once it is offered.

    Args:
        replication: the outcome of the searches; None where none was repeated.
        criteria: the numbers that decide.

    Returns:
        A check whose figure is the share of the searches that led to the law by themselves.
    """
    check = partial(Check, CheckId.SEARCH_REPLICATION, "blocks_candidate", "seeds agree")
    if replication is None or replication.searches < criteria.verdict.min_searches:
        return check(None, None, "no other seed was tried")
    searches, found, preferred = replication.searches, replication.found, replication.preferred
    detail = f"found by {found} of {searches} searches"
    if found < searches:
        detail += f"; preferred by {f'all {searches}' if preferred == searches else preferred} when offered"
    return check(preferred == searches, found / searches, detail)


def check_engine_agreement(
    law: ForceLaw,
    laws_by_engine: Mapping[str, ForceLaw | None],
    data: Dataset,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> tuple[Check, ...]:
    """Check that each of several engines leads to the law by itself.

    An engine that does not may lack the form in what it searches, so the check decides nothing.

    Args:
        law: the law that was selected.
        laws_by_engine: the law that each engine leads to alone, None where it leads to none.
        data: the motion over whose range laws are compared.
        criteria: the numbers that decide.

    Returns:
        One check, whose figure is the share of the engines that agree; none where there was one engine only.
    """
    if not laws_by_engine:
        return ()
    same = {
        name: other is not None and same_law(other, law, data, criteria=criteria)
        for name, other in laws_by_engine.items()
    }
    words = [
        f"{name} alone gives {'the same law' if same[name] else 'no law' if other is None else other}"
        for name, other in laws_by_engine.items()
    ]
    share = sum(same.values()) / len(same)
    check = Check(CheckId.ENGINE_AGREEMENT, "informative", "engines agree", all(same.values()), share, "; ".join(words))
    return (check,)
