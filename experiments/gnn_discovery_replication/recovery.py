"""Decide when a law counts as recovered: the criterion of table 5, in words and in code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy
from jaxtyping import Float

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.laws.evaluate import term_force
from gnn_discovery.laws.law import ForceLaw, Term
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery_replication.criteria import DEFAULT_RECOVERY_CRITERIA, RecoveryCriteria
from gnn_discovery_replication.form_comparison import compare_with_true_law

RECOVERY_CRITERION = (
    "A law is recovered where it is algebraically the true one up to its constants (modulo q² = 1; the softening "
    "r + 0.01 is a part of the form), each constant is right to "
    f"{100 * DEFAULT_RECOVERY_CRITERIA.max_constant_error:.0f} %, no further term makes up more than "
    f"{100 * DEFAULT_RECOVERY_CRITERIA.max_spurious_share:.0f} % of the force over the range of the data, and it has "
    "no more constants than the true law. The law is selected by the stages of `discover`, in which known laws take "
    "part where the search leaves more than 1e-7 of held-out motion unexplained; no check or verdict is made."
)


@dataclass(frozen=True)
class Recovery:
    """The comparison of a law with the true one, as a cell keeps it.

    Attributes:
        recovered: True where it meets `RECOVERY_CRITERION`.
        why: the reason where it does not, else empty.
        error: the largest relative error of a constant; None where the form is another.
        spurious: share of the force of all terms that were left out before the comparison.
    """

    recovered: bool
    why: str
    error: float | None
    spurious: float


def assess_recovery(
    law: ForceLaw,
    truth: Sequence[Mapping[str, Any]],
    data: Dataset,
    *,
    criteria: RecoveryCriteria = DEFAULT_RECOVERY_CRITERIA,
) -> Recovery:
    """Compare a law with the true one; where it is not exact, once more without its spurious terms.

    Args:
        law: the law that was found.
        truth: plain records of the true terms.
        data: snapshots over which the share of a term is measured.
        criteria: the numbers that decide.
    """
    comparison, spurious = compare_with_true_law(law, truth, criteria=criteria), 0.0
    if not comparison.exact:
        parts = [part for term in law.terms for part in addends(term)]
        total = _total_force(data.force, data) or 1.0
        shares = [_total_force(term_force(part, data), data) / total for part in parts]
        limit = criteria.max_spurious_share
        kept = tuple(part for part, share in zip(parts, shares, strict=True) if share > limit)
        if len(kept) < len(parts):
            comparison = compare_with_true_law(replace(law, terms=kept), truth, criteria=criteria)
            spurious = sum(share for share in shares if share <= limit)
    reason = comparison.reason
    if comparison.constant_error is not None and comparison.constant_error > criteria.max_constant_error:
        reason = f"a constant is off by {comparison.constant_error:.2g}"
    return Recovery(not reason, reason, comparison.constant_error, spurious)


def _total_force(force: Float[np.ndarray, "S N D"], data: Dataset) -> float:
    return float(np.linalg.norm(force, axis=-1)[data.present].sum())


def addends(term: Term) -> list[Term]:
    """Return the terms whose sum is ``term``; each keeps the constants that it holds."""
    tree = term.expression.sympy
    texts = [Expression.from_sympy(part) for part in sympy.Add.make_args(tree)]
    return [
        replace(term, expression=text, constants={k: c for k, c in term.constants.items() if k in text.names})
        for text in texts
    ]
