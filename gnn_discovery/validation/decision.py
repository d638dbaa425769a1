"""The verdict on a law: known, a candidate for something new, or inconclusive, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gnn_discovery.catalogue.equivalence import CatalogueComparison, compare_with_catalogue, fit_label
from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.validation.accuracy import (
    check_explains_motion,
    check_no_worse_than_network,
    check_nothing_left_for_network,
)
from gnn_discovery.validation.conservation import check_conservation
from gnn_discovery.validation.dimensions import check_dimensions
from gnn_discovery.validation.model_comparison import (
    ModelComparison,
    check_better_than_known_laws,
    compare_models,
    indistinguishable_laws,
)
from gnn_discovery.validation.stability import SearchReplication, check_constants_determined, check_search_replication
from gnn_discovery.validation.symmetry import check_symmetry
from gnn_discovery.validation.verdict import Check, CheckId, ErrorPair, Verdict

NO_INTERACTION = "no interaction"
"""The match of a verdict where no force between the particles is seen."""


@dataclass(frozen=True)
class JudgeContext:
    """The facts that a verdict needs beside the law and the data.

    Attributes:
        law_error: sum|residual| / sum|target| of the law in and out of distribution; None where not measured.
        network_error: the same for the network.
        observed: checks of the messages, of an unconstrained network, of several engines, and of resampled runs.
        seeds: the outcome of searches with other seeds; None where none was tried yet.
        noise: relative error of the observed target, 0 when exact.
        force_limit: upper limit on the force where none was found, in the units of the data.
    """

    law_error: ErrorPair
    network_error: ErrorPair = (None, None)
    observed: tuple[Check, ...] = ()
    seeds: SearchReplication | None = None
    noise: float = 0.0
    force_limit: float | None = None


@dataclass(frozen=True)
class ValidationResults:
    """The results that follow from law and data alone, whatever else is known of the run.

    Attributes:
        catalogue_comparison: of the law with known laws, component by component.
        law_checks: dimensions, constants, symmetries and conservation.
        model_comparison: of the law with known laws refitted in its place.
    """

    catalogue_comparison: CatalogueComparison
    law_checks: tuple[Check, ...]
    model_comparison: ModelComparison


def judge(law: ForceLaw, data: Dataset, context: JudgeContext, *, criteria: Criteria = DEFAULT_CRITERIA) -> Verdict:
    """Return the verdict on a law over the range of the data.

    ``known``: each component of the law is the same as a law of the catalogue (`catalogue.equivalence`), and the law
    explains the motion. ``candidate``: some component is not, and the law is dimensionally sound (or the data have no
    units), stable over seeds, no worse than the network on held-out data and outside the range of training, and better
    than every known law. Else ``inconclusive``.

    Args:
        law: the law, with standard errors of its constants.
        data: the motion that it was fitted to.
        context: errors, noise, and checks that were made elsewhere.
        criteria: the numbers that decide.
    """
    return decide(run_validation(law, data, criteria=criteria), context, criteria=criteria)


def needs_replication(
    results: ValidationResults | None, context: JudgeContext, *, criteria: Criteria = DEFAULT_CRITERIA
) -> bool:
    """Tell whether agreement over seeds is all that a law lacks for a ``candidate``.

    Args:
        results: of `run_validation`.
        context: errors, noise, and checks that were made elsewhere.
        criteria: the numbers that decide.
    """
    if context.seeds is not None:
        return False
    least = criteria.verdict.min_searches
    agreed = replace(context, seeds=SearchReplication(least, least, least))
    return decide(results, agreed, criteria=criteria).status == "candidate"


def run_validation(
    law: ForceLaw,
    data: Dataset,
    *,
    fitted: ForceLaw | None = None,
    test: Dataset | None = None,
    extreme: Dataset | None = None,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> ValidationResults | None:
    """Compare a law with the catalogue, and test it.

    Args:
        law: the law, with standard errors of its constants.
        data: the motion that it was fitted to.
        fitted: the law as it was fitted to ``data`` alone, which known laws are held against; by default ``law``.
        test: motion that neither it nor known laws are fitted to; by default they are measured on ``data``.
        extreme: the same, outside the range of ``data``.
        criteria: the numbers that decide.

    Returns:
        The results, None where the law has no term beside those that the user stated.
    """
    if not law.discovered_terms.terms:
        return None
    comparison = compare_with_catalogue(law, data, criteria=criteria)
    law_checks = (
        check_dimensions(law, data),
        check_constants_determined(law, criteria=criteria),
        *check_symmetry(law, data, criteria=criteria),
        *check_conservation(law, data, test, criteria=criteria),
    )
    held_out = data if test is None else test
    models = compare_models(fitted or law, comparison, data, held_out, extreme, criteria=criteria)
    return ValidationResults(comparison, law_checks, models)


def decide(
    results: ValidationResults | None, context: JudgeContext, *, criteria: Criteria = DEFAULT_CRITERIA
) -> Verdict:
    """Return the verdict that follows from the results of a validation; see `judge`.

    Args:
        results: of `run_validation`.
        context: errors, noise, and checks that were made elsewhere.
        criteria: the numbers that decide.
    """
    if results is None:
        return _verdict_without_law(context, criteria)
    comparison, models = results.catalogue_comparison, results.model_comparison
    checks = (
        check_explains_motion(context.law_error, context.noise, criteria=criteria),
        check_nothing_left_for_network(context.law_error, context.network_error, context.noise, criteria=criteria),
        *catalogue_match_checks(comparison),
        *results.law_checks,
        *context.observed,
    )
    if failed := _refuting_checks(checks):
        if failed[0].id is CheckId.ORDER:
            reason = f"the motion does not tell whether it has inertia: {failed[0].detail}. State the order, 1 or 2"
            return Verdict("inconclusive", None, (), reason, checks)
        details = "; ".join(check.detail for check in failed)
        reason = f"the law does not account for the motion: {details}. Of the law: {comparison.nearest}"
        return Verdict("inconclusive", None, (), reason, checks)
    if comparison.matched:
        checks = (*checks, check_better_than_known_laws(models, criteria=criteria))
        indistinguishable = indistinguishable_laws(models, criteria=criteria)
        return verdict_on_match(comparison, checks, indistinguishable, criteria=criteria)
    return _verdict_on_unmatched(results, context, checks, criteria)


def _verdict_without_law(context: JudgeContext, criteria: Criteria) -> Verdict:
    """Return the verdict where no law was found.

    There is no interaction where all is rest or noise, or where the network learns nothing in what may be noise alone.
    Else there is a law that was not found.
    """
    numbers, network = criteria.verdict, context.network_error[0]
    if network is not None and (
        network < numbers.no_force_min_network_error or context.noise < numbers.no_force_min_noise
    ):
        reason = f"no law was found; the network leaves {network:.2g} of held-out motion unexplained"
        reason += f", noise is {context.noise:.2g} of it"
        return Verdict("inconclusive", None, (), reason, context.observed)
    limit = context.force_limit
    bound = "no upper limit on it was measured" if limit is None else f"it is smaller than {limit:.2g} (95%)"
    reason = f"no force between the particles is seen; {bound}"
    return Verdict("inconclusive", NO_INTERACTION, (), reason, context.observed)


def catalogue_match_checks(comparison: CatalogueComparison) -> tuple[Check, ...]:
    """Return a check for each kind and direction of force, with the deviation of the nearest known law."""
    checks = []
    for part in comparison.components:
        label = f"known {part.component[0]} force ({part.component[1]})"
        passed, figure, detail = False, None, "no known law has this kind and direction"
        if part.nearest:
            fit = part.matches[0] if part.matches else part.nearest[0]
            passed, figure = bool(part.matches), fit.deviation
            detail = f"{fit_label(fit)}: the figure is its deviation, at most {part.tolerance:.2g} is allowed"
            detail += "; the formula reads the same up to its constants" if part.same_form else ""
        checks.append(Check(CheckId.CATALOGUE_MATCH, "informative", label, passed, figure, detail))
    return tuple(checks)


def _refuting_checks(checks: Sequence[Check]) -> list[Check]:
    """Return the failed checks that forbid any confident verdict, first those that explain the others."""
    explaining = (CheckId.ORDER, CheckId.PAIRWISE_ADDITIVITY)
    failed = [check for check in checks if check.role == "refutes" and check.passed is False]
    return sorted(failed, key=lambda check: explaining.index(check.id) if check.id in explaining else len(explaining))


def verdict_on_match(
    comparison: CatalogueComparison,
    checks: tuple[Check, ...],
    indistinguishable: tuple[str, ...] = (),
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> Verdict:
    """Return the verdict on a law of which every component is the same as a known one.

    Args:
        comparison: of the law with the catalogue.
        checks: all that were made.
        indistinguishable: names of known laws that it is not the same as, and that follow held-out motion as well.
        criteria: the numbers that decide.
    """
    match = comparison.match
    if rivals := dict.fromkeys((*comparison.rivals, *indistinguishable)):
        every = (str(match), *rivals, *comparison.alternatives)
        reason = f"{match} and {', '.join(rivals)} cannot be told apart in this range"
        return Verdict("inconclusive", None, every, reason, checks)
    least = criteria.equivalence.min_share
    if faint := [c for c in comparison.components if c.share <= least]:
        kinds = ", ".join(f"{c.component[0]} ({c.component[1]})" for c in faint)
        reason = f"a part of the law is below {least:.0%} of the force and not established: {kinds}"
        return Verdict("inconclusive", None, (str(match),), reason, checks)
    worst = max(c.matches[0].deviation for c in comparison.components)
    allowed = max(c.tolerance for c in comparison.components)
    reason = f"{match}: it differs from the law found by {worst:.1g} of the force over the range of the data"
    reason += f" (allowed: {allowed:.1g}){_alternatives_text(comparison.alternatives)}"
    return Verdict("known", match, comparison.alternatives, reason, checks)


def _alternatives_text(alternatives: tuple[str, ...], *, most: int = 2) -> str:
    """Say what the data leave open; of many alternatives the simplest are named."""
    if not alternatives:
        return ""
    more = len(alternatives) - most
    named = [*alternatives[:most], *([f"{more} more"] if more > 0 else [])]
    words = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    return f". In this range it cannot be told from {words}"


def _verdict_on_unmatched(
    results: ValidationResults, context: JudgeContext, checks: tuple[Check, ...], criteria: Criteria
) -> Verdict:
    """Return the verdict on a law of which some component is not known."""
    seeds = check_search_replication(context.seeds, criteria=criteria)
    required = (
        check_no_worse_than_network(context.law_error, context.network_error, criteria=criteria),
        check_better_than_known_laws(results.model_comparison, criteria=criteria),
        seeds,
    )
    evidence = f"{seeds.detail}, no worse than the network, and better than every known law refitted to the data"
    return verdict_on_unmatched(
        results.catalogue_comparison, (*checks, *required), required, evidence, criteria=criteria
    )


def verdict_on_unmatched(
    comparison: CatalogueComparison,
    checks: tuple[Check, ...],
    required: tuple[Check, ...],
    evidence: str,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> Verdict:
    """Return ``candidate`` where nothing hinders it, else ``inconclusive``.

    Args:
        comparison: of the law with the catalogue, to which some component is unknown.
        checks: all that were made, the required ones included.
        required: checks that must have passed.
        evidence: the words in which the reason says what they have shown.
        criteria: the numbers that decide.
    """
    unlike = f"no known law is the same: {comparison.nearest}"
    if blockers := _candidate_blockers(comparison, checks, required, criteria):
        reason = f"{unlike}. Not established as new: {'; '.join(blockers)}"
        return Verdict("inconclusive", None, (), reason, checks)
    allowed = max(criteria.equivalence.max_rel_deviation, *(c.tolerance for c in comparison.components))
    reason = f"{unlike}, {allowed:.1g} allowed. The law is {_dimensions_text(checks)}, {evidence}"
    return Verdict("candidate", None, (), reason, checks)


def _candidate_blockers(
    comparison: CatalogueComparison, checks: Sequence[Check], required: Sequence[Check], criteria: Criteria
) -> list[str]:
    """Return, in words, all that forbids to call a law that is not known a candidate."""
    numbers = criteria.equivalence
    blocking = [check for check in required if not check.passed]
    blocking += [
        check
        for check in checks
        if check.role == "blocks_candidate" and check.passed is False and check not in required
    ]
    found = [f"{check.label}: {check.detail}" for check in blocking]
    found += [
        f"a part of the law is below {numbers.min_share:.0%} of the force and not established"
        for part in comparison.components
        if part.share <= numbers.min_share
    ]
    uncertain = max(part.tolerance for part in comparison.components)
    if uncertain > numbers.max_tolerance:
        return [f"its constants leave {uncertain:.2g} of the force open", *found]
    return found


def _dimensions_text(checks: Sequence[Check]) -> str:
    """Say what the check of dimensions came to."""
    dimensions = next(check for check in checks if check.id is CheckId.DIMENSIONS)
    return "dimensionally sound" if dimensions.passed else "in a run without units"
