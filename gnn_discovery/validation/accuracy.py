"""Checks: what a law must show beside its likeness to a known one, each with its figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gnn_discovery.catalogue.equivalence import same_law
from gnn_discovery.data.dataset import Dataset
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.validation.verdict import Check, ErrorPair

EXPLAINS = 1e-3
"""Share of held-out motion that a law may leave unexplained where the data are exact: what two laws may differ by that
are called the same."""
SUM_OVER_PAIRS = "sum over pairs"
RESAMPLES = "choice over resampled runs"
_TIMES_NOISE, _MOST_NOISE = 3.0, 0.3
_OUTSIDE = 5.0
_WORSE = 1.05
_EXACT = 1e-6
_NETWORK_BETTER = 3.0
_FREE_BETTER = 0.75
_VISIBLE = 1e-3
_REPEATED = 0.9


def check_explains_motion(law_error: ErrorPair, noise: float) -> Check:
    """Whether the law explains the motion to the noise, held out and outside the range of training."""
    limit = max(EXPLAINS, min(_TIMES_NOISE * noise, _MOST_NOISE))
    inside, outside = law_error
    if inside is None or not np.isfinite(inside):
        return Check("explains the motion", False, None, "no error on held-out motion was measured")
    detail = f"{inside:.2g} of held-out motion is left unexplained, at most {limit:.2g} may be"
    passed = bool(inside <= limit)
    if outside is not None and not outside <= _OUTSIDE * limit:
        passed, detail = (
            False,
            f"{detail}; {outside:.2g} outside the range of training, at most {_OUTSIDE * limit:.2g}",
        )
    return Check("explains the motion", passed, float(inside), detail)


def check_nothing_left_for_network(law_error: ErrorPair, network_error: ErrorPair, noise: float) -> Check:
    """Whether the network sees something in the motion that the law lacks."""
    law, network = law_error[0], network_error[0]
    if law is None or network is None:
        return Check("nothing left for the network", None, None, "no network to compare with")
    left = law > _NETWORK_BETTER * network and law > max(_VISIBLE, noise)
    detail = f"law {law:.2g}, network {network:.2g} of held-out motion unexplained"
    return Check("nothing left for the network", not left, float(law / max(network, 1e-300)), detail)


def check_pairwise_additivity(sums: float, free: float) -> Check:
    """Whether forces add up: a network that may do anything with its messages does no better than the best sum.

    Args:
        sums: the lower held-out error of law and network, both sums of pair and self forces.
        free: that of a network with an MLP for a node function.
    """
    passed = bool(free > _FREE_BETTER * sums)
    said = "the forces are not shown to be other than a sum" if passed else "the forces are not a sum over pairs"
    detail = f"{said}: the best sum leaves {sums:.2g} of them unexplained, a network that need not add {free:.2g}"
    return Check(SUM_OVER_PAIRS, passed, free / max(sums, 1e-300), detail)


def check_no_worse_than_network(law_error: ErrorPair, network_error: ErrorPair) -> Check:
    """Whether the law predicts as well as the network on held-out data and outside the range of training."""
    name = "no worse than the network"
    pairs = [(a, b) for a, b in zip(law_error, network_error, strict=True) if a is not None and b is not None]
    if len(pairs) < 2:
        return Check(name, None, None, "not measured both on held-out data and outside the range of training")
    worst = max(law / max(network, _EXACT) for law, network in pairs)
    detail = "error of the law over that of the network, the worse of held-out and out of range"
    return Check(name, bool(worst <= _WORSE), float(worst), detail)


def check_constants_determined(law: ForceLaw) -> Check:
    """Whether every constant was measured, and differs from zero by two standard errors."""
    constants = [(name, c) for term in law.terms for name, c in term.constants.items()]
    if not constants:
        return Check("constants", True, 0.0, "the law has no free constant")
    if any(c.std is None for _, c in constants):
        return Check("constants", None, None, "no standard errors were measured")
    ratios = {name: (c.std or 0.0) / abs(c.value) if c.value else np.inf for name, c in constants}
    worst = max(ratios, key=lambda name: ratios[name])
    figure = float(ratios[worst]) if np.isfinite(ratios[worst]) else None
    return Check("constants", bool(ratios[worst] < 0.5), figure, f"largest relative standard error, of {worst}")


def check_resampling_stability(agreement: float) -> Check:
    """Whether another sample of as many runs would have led to the same form.

    A form that more than one in ten repetitions of the measurement would replace by another is not established.
    """
    detail = "share of bootstrap resamples of the held-out runs by which the same form is chosen"
    return Check(RESAMPLES, agreement >= _REPEATED, agreement, detail)


@dataclass(frozen=True)
class SearchReplication:
    """What several searches make of a law, each with its own seed, network and held-out runs.

    Attributes:
        searches: how many there were, that which led to the law included.
        found: how many led to it by themselves.
        preferred: how many did, or choose it over their own law once it is offered to them.
    """

    searches: int
    found: int
    preferred: int


def check_search_replication(seeds: SearchReplication | None) -> Check:
    """Whether the law is stable over seeds; the figure is the share of searches that lead to it by themselves.

    A search that misses a form says nothing against it, as long as it prefers that form to all it has found.
    """
    name = "seeds agree"
    if seeds is None or seeds.searches < 2:
        return Check(name, None, None, "no other seed was tried")
    detail = f"found by {seeds.found} of {seeds.searches} searches"
    if seeds.found < seeds.searches:
        chosen = f"all {seeds.searches}" if seeds.preferred == seeds.searches else f"{seeds.preferred}"
        detail += f"; preferred by {chosen} when offered"
    return Check(name, seeds.preferred == seeds.searches, seeds.found / seeds.searches, detail)


def check_engine_agreement(law: ForceLaw, alone: Mapping[str, ForceLaw | None], data: Dataset) -> tuple[Check, ...]:
    """Whether each of several engines leads to the law by itself; nothing where there was one engine.

    The figure is the share of them that do. One that does not may lack the form in what it searches, so this alone
    decides nothing.
    """
    if not alone:
        return ()
    same = {name: other is not None and same_law(other, law, data) for name, other in alone.items()}
    words = [
        f"{name} alone gives {'the same law' if same[name] else 'no law' if other is None else other}"
        for name, other in alone.items()
    ]
    return (Check("engines agree", all(same.values()), sum(same.values()) / len(same), "; ".join(words)),)
