"""The verdict on what a network has learnt: the law that its own pair forces follow, whatever moves the particles."""

from __future__ import annotations

from gnn_discovery.law.record import ForceLaw
from gnn_discovery.physics.checks import check_constants
from gnn_discovery.physics.conservation import check_conservation
from gnn_discovery.physics.dimensions import check_dimensions
from gnn_discovery.physics.equivalence import RELATIVE, compare
from gnn_discovery.physics.judge import NO_INTERACTION, known_or_not, likeness, obstacles, soundly
from gnn_discovery.physics.parting import Stretch
from gnn_discovery.physics.record import Check, Verdict
from gnn_discovery.physics.rivals import check_better, contest
from gnn_discovery.snapshots import Snapshots

MOST = 0.9
"""Share of the pairs over which a network follows a law that is said to be its own."""


def check_follows(together: Stretch | None, tolerance: float) -> Check:
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


def judge_learnt(
    law: ForceLaw,
    pairs: Snapshots,
    held_out: Snapshots,
    motion: Snapshots,
    follows: Check,
    observed: tuple[Check, ...] = (),
) -> Verdict:
    """The verdict on ``law`` as that of a network: the same words as of a law of motion, on other grounds.

    Args:
        pairs: two bodies alone, as the network says them, where it follows the law: what the law was fitted to.
        held_out: the same of runs that it was not fitted to.
        motion: that the law is rolled out along.
        follows: see `check_follows`.
        observed: what was tested on the messages.
    """
    if not law.terms:
        reason = "the network says of no pair that it interacts"
        return Verdict("inconclusive", NO_INTERACTION, (), reason, observed)
    comparison = compare(law, pairs)
    soundness = (check_dimensions(law, pairs), check_constants(law), *check_conservation(law, pairs, motion))
    better = check_better(contest(law, comparison, pairs, held_out, None))
    checks = (follows, *likeness(comparison), *soundness, *observed, better)
    if not follows.passed:
        reason = f"no law was found that the network follows: {follows.detail}. Of the law: {comparison.nearest}"
        return Verdict("inconclusive", None, (), reason, checks)
    if comparison.matched:
        return known_or_not(comparison, checks)
    unlike = f"no known law is the same: {comparison.nearest}"
    if hindered := obstacles(comparison, (better,), checks):
        reason = f"{unlike}. Not established as new: {'; '.join(hindered)}"
        return Verdict("inconclusive", None, (), reason, checks)
    allowed = max(RELATIVE, *(c.tolerance for c in comparison.channels))
    reason = (
        f"{unlike}, {allowed:.1g} allowed. The law is {soundly(checks)}, and nearer to the network than every known "
        "law refitted to it"
    )
    return Verdict("candidate", None, (), reason, checks)
