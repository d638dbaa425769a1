"""When a law counts as recovered: the criterion of table 5, in words and in code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.laws.evaluate import term_force
from gnn_discovery.laws.law import ForceLaw, Term
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery_replication.form_comparison import compare_with_true_law

MAX_CONSTANT_ERROR = 0.01
MAX_SPURIOUS_SHARE = 0.01

RECOVERY_CRITERION = (
    "A law is recovered where it is algebraically the true one up to its constants (modulo q² = 1; the softening "
    "r + 0.01 is a part of the form), each constant is right to 1 %, no further term makes up more than 1 % of the "
    "force over the range of the data, and it has no constant more than the true law."
)


@dataclass(frozen=True)
class Recovery:
    """How a law stands against the true one.

    Attributes:
        recovered: by `RECOVERY_CRITERION`.
        why: what keeps it from that, in words.
        error: the largest relative error of a constant, None where the form is another.
        spurious: share of the force of all that was left out before comparing.
    """

    recovered: bool
    why: str
    error: float | None
    spurious: float


def assess_recovery(law: ForceLaw, truth: Sequence[Mapping[str, Any]], data: Dataset) -> Recovery:
    """Hold ``law`` against the true terms; where it is not exact, once more without what is faint in ``data``."""
    found, spurious = compare_with_true_law(law, truth), 0.0
    if not found.exact:
        parts = [part for term in law.terms for part in addends(term)]
        whole = _total_force(data.force, data) or 1.0
        shares = [_total_force(term_force(part, data), data) / whole for part in parts]
        strong = tuple(part for part, share in zip(parts, shares, strict=True) if share > MAX_SPURIOUS_SHARE)
        if len(strong) < len(parts):
            found, spurious = (
                compare_with_true_law(replace(law, terms=strong), truth),
                sum(s for s in shares if s <= MAX_SPURIOUS_SHARE),
            )
    why = found.why
    if found.error is not None and found.error > MAX_CONSTANT_ERROR:
        why = f"a constant is off by {found.error:.2g}"
    return Recovery(not why, why, found.error, spurious)


def _total_force(force: np.ndarray, data: Dataset) -> float:
    return float(np.linalg.norm(force, axis=-1)[data.present].sum())


def addends(term: Term) -> list[Term]:
    """The terms that ``term`` is a sum of; each keeps the constants it holds."""
    tree = term.expression.sympy
    texts = [Expression.from_sympy(part) for part in sympy.Add.make_args(tree)]
    return [
        replace(term, expression=text, constants={k: c for k, c in term.constants.items() if k in text.names})
        for text in texts
    ]
