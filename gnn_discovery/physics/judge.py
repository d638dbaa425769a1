"""The verdict on a law: known, a candidate for something new, or inconclusive, with the reason."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gnn_discovery.law.record import ForceLaw
from gnn_discovery.physics.checks import (
    RESAMPLES,
    SUM_OVER_PAIRS,
    Seeds,
    check_constants,
    check_explains,
    check_no_worse,
    check_nothing_left,
    check_seeds,
)
from gnn_discovery.physics.conservation import check_conservation
from gnn_discovery.physics.dimensions import check_dimensions
from gnn_discovery.physics.equivalence import LEAST_SHARE, RELATIVE, TOO_UNCERTAIN, Comparison, compare
from gnn_discovery.physics.record import Check, Errors, Verdict
from gnn_discovery.physics.rivals import Contest, check_better, contest, level
from gnn_discovery.physics.symmetry import check_symmetry
from gnn_discovery.snapshots import Snapshots

NO_INTERACTION = "no interaction"
NOISE_SEEN = 0.3
"""Relative error of the target above which a network that sees nothing may see nothing but noise."""
UNSEEN = 0.9
"""Share of held-out motion that a network leaves unexplained where there is no force to be learnt."""
_NAMED = 2


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

    law_error: Errors
    network_error: Errors = (None, None)
    observed: tuple[Check, ...] = ()
    seeds: Seeds | None = None
    noise: float = 0.0
    force_limit: float | None = None


@dataclass(frozen=True)
class Findings:
    """What law and data say by themselves, whatever else is known of the run."""

    comparison: Comparison
    soundness: tuple[Check, ...]
    contest: Contest


def judge(law: ForceLaw, data: Snapshots, context: JudgeContext) -> Verdict:
    """The verdict on ``law`` over the range of ``data``.

    ``known``: each part of the law is the same as a law of the catalogue (`equivalence`), and the law
    explains the motion. ``candidate``: some part is not, and the law is dimensionally sound (or the run has
    no units), stable over seeds, no worse than the network on held-out data and outside the range of
    training, and better than every known law. Else ``inconclusive``.
    """
    return decide(investigate(law, data), context)


def needs_seeds(findings: Findings | None, context: JudgeContext) -> bool:
    """Whether agreement over seeds is all that a law lacks for a ``candidate``."""
    if context.seeds is not None:
        return False
    return decide(findings, replace(context, seeds=Seeds(2, 2, 2))).status == "candidate"


def investigate(
    law: ForceLaw,
    data: Snapshots,
    *,
    fitted: ForceLaw | None = None,
    test: Snapshots | None = None,
    extreme: Snapshots | None = None,
) -> Findings | None:
    """Compares a law with the catalogue, and tests it; None where it has no term that is not given.

    Args:
        fitted: the law as it was fitted to ``data`` alone, which known laws are held against; by default ``law``.
        test: motion that neither it nor known laws are fitted to; by default they are measured on ``data``.
        extreme: the same, outside the range of ``data``.
    """
    if not law.rest.terms:
        return None
    comparison = compare(law, data)
    soundness = (
        check_dimensions(law, data),
        check_constants(law),
        *check_symmetry(law, data),
        *check_conservation(law, data, test),
    )
    trial = contest(fitted or law, comparison, data, data if test is None else test, extreme)
    return Findings(comparison, soundness, trial)


def decide(findings: Findings | None, context: JudgeContext) -> Verdict:
    """The verdict on what was found; see `judge`."""
    if findings is None:
        return _no_interaction(context)
    comparison = findings.comparison
    checks = (
        check_explains(context.law_error, context.noise),
        check_nothing_left(context.law_error, context.network_error, context.noise),
        *likeness(comparison),
        *findings.soundness,
        *context.observed,
    )
    if failed := _refusals(checks):
        reason = f"the law does not account for the motion: {failed}. Of the law: {comparison.nearest}"
        return Verdict("inconclusive", None, (), reason, checks)
    if comparison.matched:
        return known_or_not(comparison, (*checks, check_better(findings.contest)), level(findings.contest))
    return _candidate_or_not(findings, context, checks)


def _no_interaction(context: JudgeContext) -> Verdict:
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


def likeness(comparison: Comparison) -> tuple[Check, ...]:
    """For each kind and direction of force, how far the nearest known law is from what was found."""
    checks = []
    for part in comparison.channels:
        name = f"known {part.channel[0]} force ({part.channel[1]})"
        if not part.nearest:
            checks.append(Check(name, False, None, "no known law has this kind and direction"))
            continue
        fit = part.survivors[0] if part.survivors else part.nearest[0]
        form = "; the formula reads the same up to its constants" if part.same_form else ""
        detail = f"{' + '.join(f.law.name for f in fit.forms)}: deviation, at most {part.tolerance:.2g}{form}"
        checks.append(Check(name, bool(part.survivors), fit.deviation, detail))
    return tuple(checks)


def _refusals(checks: tuple[Check, ...]) -> str:
    """What forbids any confident verdict."""
    failed = {c.name: c.detail for c in checks if c.passed is False}
    names = (SUM_OVER_PAIRS, "explains the motion", "nothing left for the network")
    return "; ".join(failed[name] for name in names if name in failed)


def known_or_not(comparison: Comparison, checks: tuple[Check, ...], level: tuple[str, ...] = ()) -> Verdict:
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
    worst = max(c.survivors[0].deviation for c in comparison.channels)
    allowed = max(c.tolerance for c in comparison.channels)
    reason = f"{match}: it differs from the law found by {worst:.1g} of the force over the range of the data"
    reason += f" (allowed: {allowed:.1g}){_not_told_from(comparison.alternatives)}"
    return Verdict("known", match, comparison.alternatives, reason, checks)


def _not_told_from(alternatives: tuple[str, ...]) -> str:
    """What the data leave open, in words; of many alternatives the simplest."""
    if not alternatives:
        return ""
    more = len(alternatives) - _NAMED
    named = [*alternatives[:_NAMED], *([f"{more} more"] if more > 0 else [])]
    words = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    return f". In this range it cannot be told from {words}"


def _candidate_or_not(findings: Findings, context: JudgeContext, checks: tuple[Check, ...]) -> Verdict:
    comparison = findings.comparison
    seeds = check_seeds(context.seeds)
    tests = (
        check_no_worse(context.law_error, context.network_error),
        check_better(findings.contest),
        seeds,
    )
    checks = (*checks, *tests)
    unlike = f"no known law is the same: {comparison.nearest}"
    if hindered := obstacles(comparison, tests, checks):
        reason = f"{unlike}. Not established as new: {'; '.join(hindered)}"
        return Verdict("inconclusive", None, (), reason, checks)
    allowed = max(RELATIVE, *(c.tolerance for c in comparison.channels))
    reason = (
        f"{unlike}, {allowed:.1g} allowed. The law is {soundly(checks)}, {seeds.detail}, no worse "
        "than the network, and better than every known law refitted to the data"
    )
    return Verdict("candidate", None, (), reason, checks)


def obstacles(comparison: Comparison, tests: tuple[Check, ...], checks: tuple[Check, ...]) -> list[str]:
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


def soundly(checks: tuple[Check, ...]) -> str:
    """What the check of dimensions came to, in words."""
    sound = next(c for c in checks if c.name == "dimensions")
    return "dimensionally sound" if sound.passed else "in a run without units"
