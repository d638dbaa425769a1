"""The verdict on a law: known, a candidate for something new, or inconclusive, with the reason."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gnn_discovery.catalogue.equivalence import (
    LEAST_SHARE,
    RELATIVE,
    TOO_UNCERTAIN,
    CatalogueComparison,
    compare_with_catalogue,
)
from gnn_discovery.data.dataset import Dataset
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.validation.accuracy import (
    RESAMPLES,
    SUM_OVER_PAIRS,
    SearchReplication,
    check_constants_determined,
    check_explains_motion,
    check_no_worse_than_network,
    check_nothing_left_for_network,
    check_search_replication,
)
from gnn_discovery.validation.conservation import check_conservation
from gnn_discovery.validation.dimensions import check_dimensions
from gnn_discovery.validation.model_comparison import (
    ModelComparison,
    check_better_than_known_laws,
    compare_models,
    indistinguishable_laws,
)
from gnn_discovery.validation.symmetry import check_symmetry
from gnn_discovery.validation.verdict import Check, ErrorPair, Verdict

NO_INTERACTION = "no interaction"
NOISE_SEEN = 0.3
"""Relative error of the target above which a network that sees nothing may see nothing but noise."""
UNSEEN = 0.9
"""Share of held-out motion that a network leaves unexplained where there is no force to be learnt."""
_MAX_NAMED_ALTERNATIVES = 2


@dataclass(frozen=True)
class JudgeContext:
    """What a verdict needs to know beside the law and the data.

    Attributes:
        law_error, network_error: sum|residual| / sum|target| in and out of distribution, None: not measured.
        observed: what was tested on the messages, on a network that need not add them, by asking several engines, and
            by resampling runs.
        seeds: what other seeds make of the law; None: none was tried yet.
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
    """What law and data say by themselves, whatever else is known of the run."""

    catalogue_comparison: CatalogueComparison
    law_checks: tuple[Check, ...]
    model_comparison: ModelComparison


def judge(law: ForceLaw, data: Dataset, context: JudgeContext) -> Verdict:
    """The verdict on ``law`` over the range of ``data``.

    ``known``: each part of the law is the same as a law of the catalogue (`equivalence`), and the law
    explains the motion. ``candidate``: some part is not, and the law is dimensionally sound (or the run has
    no units), stable over seeds, no worse than the network on held-out data and outside the range of
    training, and better than every known law. Else ``inconclusive``.
    """
    return decide(run_validation(law, data), context)


def needs_replication(findings: ValidationResults | None, context: JudgeContext) -> bool:
    """Whether agreement over seeds is all that a law lacks for a ``candidate``."""
    if context.seeds is not None:
        return False
    return decide(findings, replace(context, seeds=SearchReplication(2, 2, 2))).status == "candidate"


def run_validation(
    law: ForceLaw,
    data: Dataset,
    *,
    fitted: ForceLaw | None = None,
    test: Dataset | None = None,
    extreme: Dataset | None = None,
) -> ValidationResults | None:
    """Compares a law with the catalogue, and tests it; None where it has no term that is not given.

    Args:
        fitted: the law as it was fitted to ``data`` alone, which known laws are held against; by default ``law``.
        test: motion that neither it nor known laws are fitted to; by default they are measured on ``data``.
        extreme: the same, outside the range of ``data``.
    """
    if not law.rest.terms:
        return None
    comparison = compare_with_catalogue(law, data)
    soundness = (
        check_dimensions(law, data),
        check_constants_determined(law),
        *check_symmetry(law, data),
        *check_conservation(law, data, test),
    )
    trial = compare_models(fitted or law, comparison, data, data if test is None else test, extreme)
    return ValidationResults(comparison, soundness, trial)


def decide(findings: ValidationResults | None, context: JudgeContext) -> Verdict:
    """The verdict on what was found; see `judge`."""
    if findings is None:
        return _verdict_without_law(context)
    comparison = findings.catalogue_comparison
    checks = (
        check_explains_motion(context.law_error, context.noise),
        check_nothing_left_for_network(context.law_error, context.network_error, context.noise),
        *catalogue_match_checks(comparison),
        *findings.law_checks,
        *context.observed,
    )
    if failed := _refuting_checks(checks):
        reason = f"the law does not account for the motion: {failed}. Of the law: {comparison.nearest}"
        return Verdict("inconclusive", None, (), reason, checks)
    if comparison.matched:
        return verdict_on_match(
            comparison,
            (*checks, check_better_than_known_laws(findings.model_comparison)),
            indistinguishable_laws(findings.model_comparison),
        )
    return _verdict_on_unmatched(findings, context, checks)


def _verdict_without_law(context: JudgeContext) -> Verdict:
    """Nothing is seen where all is rest or noise, or where the network sees nothing in what noise may be; else a law is
    there that was not found."""
    network = context.network_error[0]
    if network is not None and (network < UNSEEN or context.noise < NOISE_SEEN):
        reason = f"no law was found; the network leaves {network:.2g} of held-out motion unexplained"
        reason += f", noise is {context.noise:.2g} of it"
        return Verdict("inconclusive", None, (), reason, context.observed)
    limit = context.force_limit
    bound = "no upper limit on it was measured" if limit is None else f"it is smaller than {limit:.2g} (95%)"
    reason = f"no force between the particles is seen; {bound}"
    return Verdict("inconclusive", NO_INTERACTION, (), reason, context.observed)


def catalogue_match_checks(comparison: CatalogueComparison) -> tuple[Check, ...]:
    """For each kind and direction of force, how far the nearest known law is from what was found."""
    checks = []
    for part in comparison.channels:
        name = f"known {part.channel[0]} force ({part.channel[1]})"
        if not part.nearest:
            checks.append(Check(name, False, None, "no known law has this kind and direction"))
            continue
        fit = part.matches[0] if part.matches else part.nearest[0]
        form = "; the formula reads the same up to its constants" if part.same_form else ""
        detail = f"{' + '.join(f.law.name for f in fit.forms)}: deviation, at most {part.tolerance:.2g}{form}"
        checks.append(Check(name, bool(part.matches), fit.deviation, detail))
    return tuple(checks)


def _refuting_checks(checks: tuple[Check, ...]) -> str:
    """What forbids any confident verdict."""
    failed = {c.name: c.detail for c in checks if c.passed is False}
    names = (SUM_OVER_PAIRS, "explains the motion", "nothing left for the network")
    return "; ".join(failed[name] for name in names if name in failed)


def verdict_on_match(
    comparison: CatalogueComparison, checks: tuple[Check, ...], level: tuple[str, ...] = ()
) -> Verdict:
    """The verdict on a law of which every part is the same as a known one.

    Args:
        level: known laws that it is not the same as, and that follow held-out motion as well.
    """
    match = comparison.match
    if rivals := dict.fromkeys((*comparison.rivals, *level)):
        every = (str(match), *rivals, *comparison.alternatives)
        reason = f"{match} and {', '.join(rivals)} cannot be told apart in this range"
        return Verdict("inconclusive", None, every, reason, checks)
    if faint := [c for c in comparison.channels if c.share <= LEAST_SHARE]:
        kinds = ", ".join(f"{c.channel[0]} ({c.channel[1]})" for c in faint)
        reason = f"a part of the law is below {LEAST_SHARE:.0%} of the force and not established: {kinds}"
        return Verdict("inconclusive", None, (str(match),), reason, checks)
    worst = max(c.matches[0].deviation for c in comparison.channels)
    allowed = max(c.tolerance for c in comparison.channels)
    reason = f"{match}: it differs from the law found by {worst:.1g} of the force over the range of the data"
    reason += f" (allowed: {allowed:.1g}){_alternatives_text(comparison.alternatives)}"
    return Verdict("known", match, comparison.alternatives, reason, checks)


def _alternatives_text(alternatives: tuple[str, ...]) -> str:
    """What the data leave open, in words; of many alternatives the simplest."""
    if not alternatives:
        return ""
    more = len(alternatives) - _MAX_NAMED_ALTERNATIVES
    named = [*alternatives[:_MAX_NAMED_ALTERNATIVES], *([f"{more} more"] if more > 0 else [])]
    words = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    return f". In this range it cannot be told from {words}"


def _verdict_on_unmatched(findings: ValidationResults, context: JudgeContext, checks: tuple[Check, ...]) -> Verdict:
    comparison = findings.catalogue_comparison
    seeds = check_search_replication(context.seeds)
    tests = (
        check_no_worse_than_network(context.law_error, context.network_error),
        check_better_than_known_laws(findings.model_comparison),
        seeds,
    )
    checks = (*checks, *tests)
    unlike = f"no known law is the same: {comparison.nearest}"
    if hindered := candidate_blockers(comparison, tests, checks):
        reason = f"{unlike}. Not established as new: {'; '.join(hindered)}"
        return Verdict("inconclusive", None, (), reason, checks)
    allowed = max(RELATIVE, *(c.tolerance for c in comparison.channels))
    reason = (
        f"{unlike}, {allowed:.1g} allowed. The law is {dimensions_text(checks)}, {seeds.detail}, no worse "
        "than the network, and better than every known law refitted to the data"
    )
    return Verdict("candidate", None, (), reason, checks)


def candidate_blockers(
    comparison: CatalogueComparison, tests: tuple[Check, ...], checks: tuple[Check, ...]
) -> list[str]:
    """What forbids to call a law that is not known a candidate: a test that did not pass, or a check on its form."""
    found = [f"{c.name}: {c.detail}" for c in tests if not c.passed]
    found += [
        f"{c.name}: {c.detail}"
        for c in checks
        if c.name in ("dimensions", "constants", RESAMPLES) and c.passed is False
    ]
    found += [
        f"a part of the law is below {LEAST_SHARE:.0%} of the force and not established"
        for c in comparison.channels
        if c.share <= LEAST_SHARE
    ]
    uncertain = max(c.tolerance for c in comparison.channels)
    return [f"its constants leave {uncertain:.2g} of the force open", *found] if uncertain > TOO_UNCERTAIN else found


def dimensions_text(checks: tuple[Check, ...]) -> str:
    """What the check of dimensions came to, in words."""
    sound = next(c for c in checks if c.name == "dimensions")
    return "dimensionally sound" if sound.passed else "in a run without units"
