"""The verdict on what a network has learnt: the law that its own pair forces follow, whatever moves the particles."""

from __future__ import annotations

from gnn_discovery.catalogue.equivalence import RELATIVE, compare_with_catalogue
from gnn_discovery.data.dataset import Dataset
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.validation.accuracy import check_constants_determined
from gnn_discovery.validation.agreement_profile import Interval
from gnn_discovery.validation.conservation import check_conservation
from gnn_discovery.validation.decision import (
    NO_INTERACTION,
    candidate_blockers,
    catalogue_match_checks,
    dimensions_text,
    verdict_on_match,
)
from gnn_discovery.validation.dimensions import check_dimensions
from gnn_discovery.validation.model_comparison import check_better_than_known_laws, compare_models
from gnn_discovery.validation.verdict import Check, Verdict

MOST = 0.9
"""Share of the pairs over which a network follows a law that is said to be its own."""


def check_network_follows_law(together: Interval | None, tolerance: float) -> Check:
    """Whether the network follows the law over a stretch that holds most of the pairs.

    Args:
        tolerance: of the deviation of their pair forces, relative to the force.
    """
    name = "the network follows the law"
    if together is None:
        return Check(name, False, None, f"its pair forces are nowhere within {tolerance:.2g} of the law's")
    where = (
        f"{together.low:.3g} < {together.variable} < {together.high:.3g}, where {together.share:.1%} of the pairs are"
    )
    detail = f"its pair forces differ from the law's by {together.deviation:.2g} (median) over {where}"
    return Check(
        name, together.share >= MOST, together.deviation, f"{detail}; at most {tolerance:.2g} in each part of it"
    )


def verdict_on_network(
    law: ForceLaw,
    pairs: Dataset,
    held_out: Dataset,
    motion: Dataset,
    follows: Check,
    observed: tuple[Check, ...] = (),
) -> Verdict:
    """The verdict on ``law`` as that of a network: the same words as of a law of motion, on other grounds.

    Args:
        pairs: two bodies alone, as the network says them, where it follows the law: what the law was fitted to.
        held_out: the same of runs that it was not fitted to.
        motion: that the law is rolled out along.
        follows: see `check_network_follows_law`.
        observed: what was tested on the messages.
    """
    if not law.terms:
        reason = "the network says of no pair that it interacts"
        return Verdict("inconclusive", NO_INTERACTION, (), reason, observed)
    comparison = compare_with_catalogue(law, pairs)
    soundness = (check_dimensions(law, pairs), check_constants_determined(law), *check_conservation(law, pairs, motion))
    better = check_better_than_known_laws(compare_models(law, comparison, pairs, held_out, None))
    checks = (follows, *catalogue_match_checks(comparison), *soundness, *observed, better)
    if not follows.passed:
        reason = f"no law was found that the network follows: {follows.detail}. Of the law: {comparison.nearest}"
        return Verdict("inconclusive", None, (), reason, checks)
    if comparison.matched:
        return verdict_on_match(comparison, checks)
    unlike = f"no known law is the same: {comparison.nearest}"
    if hindered := candidate_blockers(comparison, (better,), checks):
        reason = f"{unlike}. Not established as new: {'; '.join(hindered)}"
        return Verdict("inconclusive", None, (), reason, checks)
    allowed = max(RELATIVE, *(c.tolerance for c in comparison.channels))
    reason = (
        f"{unlike}, {allowed:.1g} allowed. The law is {dimensions_text(checks)}, and nearer to the network than every known "
        "law refitted to it"
    )
    return Verdict("candidate", None, (), reason, checks)
