"""The verdict on what a network has learnt: the law that its own pair forces follow, whatever moves the particles."""

from __future__ import annotations

from functools import partial

from gnn_discovery.catalogue.equivalence import compare_with_catalogue
from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.validation.agreement_profile import Interval
from gnn_discovery.validation.conservation import check_conservation
from gnn_discovery.validation.decision import (
    NO_INTERACTION,
    catalogue_match_checks,
    verdict_on_match,
    verdict_on_unmatched,
)
from gnn_discovery.validation.dimensions import check_dimensions
from gnn_discovery.validation.model_comparison import check_better_than_known_laws, compare_models
from gnn_discovery.validation.stability import check_constants_determined
from gnn_discovery.validation.verdict import Check, CheckId, Verdict


def check_network_follows_law(
    agreement: Interval | None, tolerance: float, *, criteria: Criteria = DEFAULT_CRITERIA
) -> Check:
    """Check that the network follows the law over an interval that holds most of the pairs.

    Args:
        agreement: the longest interval over which the pair forces agree; None where there is none.
        tolerance: largest deviation of the pair forces, relative to the force.
        criteria: the share of the pairs that the interval must hold.

    Returns:
        A check whose figure is the median deviation over the interval.
    """
    check = partial(Check, CheckId.NETWORK_FOLLOWS_LAW, "refutes", "the network follows the law")
    if agreement is None:
        return check(False, None, f"its pair forces are nowhere within {tolerance:.2g} of the law's")
    where = f"{agreement.low:.3g} < {agreement.variable} < {agreement.high:.3g}, "
    where += f"where {agreement.share:.1%} of the pairs are"
    detail = f"its pair forces differ from the law's by {agreement.deviation:.2g} (median) over {where}; "
    detail += f"at most {tolerance:.2g} is allowed in each part of it"
    return check(agreement.share >= criteria.verdict.min_agreement_share, agreement.deviation, detail)


def verdict_on_network(
    law: ForceLaw,
    pairs: Dataset,
    held_out: Dataset,
    motion: Dataset,
    follows: Check,
    observed: tuple[Check, ...] = (),
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> Verdict:
    """Return the verdict on ``law`` as that of a network: the same words as of a law of motion, on other grounds.

    Args:
        law: the law that was fitted to the pair forces of the network.
        pairs: two bodies alone, with the force of the network, where it follows the law: what the law was fitted to.
        held_out: the same of runs that it was not fitted to.
        motion: the law is rolled out from its start.
        follows: the outcome of `check_network_follows_law`.
        observed: checks of the messages.
        criteria: the numbers that decide.
    """
    if not law.terms:
        reason = "the network says of no pair that it interacts"
        return Verdict("inconclusive", NO_INTERACTION, (), reason, observed)
    comparison = compare_with_catalogue(law, pairs, criteria=criteria)
    models = compare_models(law, comparison, pairs, held_out, None, criteria=criteria)
    better = check_better_than_known_laws(models, criteria=criteria)
    checks = (
        follows,
        *catalogue_match_checks(comparison),
        check_dimensions(law, pairs),
        check_constants_determined(law, criteria=criteria),
        *check_conservation(law, pairs, motion, criteria=criteria),
        *observed,
        better,
    )
    if not follows.passed:
        reason = f"no law was found that the network follows: {follows.detail}. Of the law: {comparison.nearest}"
        return Verdict("inconclusive", None, (), reason, checks)
    if comparison.matched:
        return verdict_on_match(comparison, checks, criteria=criteria)
    evidence = "and nearer to the network than every known law refitted to it"
    return verdict_on_unmatched(comparison, checks, (better,), evidence, criteria=criteria)
