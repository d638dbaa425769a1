"""Show the truth that a simulator or an almanac holds beside the law that was found. The report alone looks at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.errors import DataError
from gnn_discovery.laws.evaluate import law_pair_force
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.messages.table import MessageTable
from gnn_discovery.report.discovery import Curve, Discovery, Evidence
from gnn_discovery.symbolic.expression import Expression


def with_ground_truth(
    discovery: Discovery,
    truth_terms: Sequence[Mapping[str, Any]],
    reference: Mapping[str, Sequence[float]] | None = None,
) -> Discovery:
    """Return the discovery with the true law beside it; law and verdict stay as they are.

    The true pair force of every message, the truth of each curve and `MessageSummary.direct_r2` are filled in. Where
    the true law asks for a property that the data do not give, the truth stays None.

    Args:
        discovery: the result, its verdict included.
        truth_terms: plain records of the true law, the force on i as in `Term`: ``kind``, ``direction``,
            ``expression`` and ``constants`` (name to number).
        reference: accepted values (N,) of inferred properties, by name.

    Raises:
        DataError: a record is no term, or a reference has the wrong length.
    """
    terms = tuple(_true_term(record) for record in truth_terms)
    discovery = replace(discovery, reference=_reference(discovery, reference or {}))
    if not terms or discovery.evidence is None:
        return discovery
    evidence, messages = discovery.evidence, discovery.messages
    truth = _true_pair_force(terms, discovery.law, evidence)
    if truth is not None and messages is not None:
        messages = replace(messages, direct_r2=direct_r2(evidence.message, truth, criteria=discovery.criteria))
    curves = tuple(replace(curve, truth=_true_curve(terms, curve)) for curve in evidence.curves)
    return replace(discovery, messages=messages, evidence=replace(evidence, message_truth=truth, curves=curves))


def direct_r2(
    estimate: Float[np.ndarray, "K D"], truth: Float[np.ndarray, "K D"], *, criteria: Criteria = DEFAULT_CRITERIA
) -> tuple[float | None, float | None]:
    """Return R² = 1 - SSE/SST of vectors with nothing fitted: (worst rows left out, all kept).

    The published figures leave out the worst tenth of the residuals (Cranmer et al. 2020, arXiv 2006.11287, table 1).

    Args:
        estimate: (K D) vectors to judge.
        truth: (K D) vectors that they should be.
        criteria: `VerdictCriteria.trimmed_fraction` of the rows is left out.

    Returns:
        Two numbers, each None where the truth does not vary or a residual is not finite.
    """
    squares = np.sum((estimate - truth) ** 2, axis=-1)
    limit = 1 - criteria.verdict.trimmed_fraction
    kept = squares <= np.quantile(squares, limit) if len(squares) else np.zeros(0, dtype=bool)
    return _coefficient_of_determination(squares[kept], truth[kept]), _coefficient_of_determination(squares, truth)


def _coefficient_of_determination(squares: Float[np.ndarray, " K"], truth: Float[np.ndarray, "K D"]) -> float | None:
    total = float(np.sum((truth - truth.mean(axis=0)) ** 2)) if len(truth) else 0.0
    return 1 - float(squares.sum()) / total if total > 0 and np.isfinite(squares).all() else None


def _true_term(record: Mapping[str, Any]) -> Term:
    try:
        constants = {name: Constant(float(value)) for name, value in record.get("constants", {}).items()}
        expression = Expression.parse(str(record["expression"]))
        return Term(record["kind"], record["direction"], expression, constants)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"not a term of a law: {dict(record)!r} ({error})",
            where="truth",
            remedy="A term has kind, direction, expression and constants (name to number)",
        ) from error


def _reference(discovery: Discovery, reference: Mapping[str, Sequence[float]]) -> dict[str, Float[np.ndarray, " N"]]:
    values = {name: np.asarray(value, dtype=float) for name, value in reference.items()}
    for name, value in values.items():
        latent = discovery.law.latent.get(name)
        if latent is not None and value.shape != np.shape(latent.values):
            raise DataError(f"{value.size} accepted values of {name!r} for {np.size(latent.values)} particles")
    return values


def _true_pair_force(terms: Sequence[Term], law: ForceLaw, evidence: Evidence) -> Float[np.ndarray, "K D"] | None:
    """Return the true pair force of each message; None where a term needs a property that is not given."""
    position, velocity = evidence.message_position, evidence.message_velocity
    given = {*evidence.message_properties, "r", "v", "v_r"}
    needed = {name for t in terms if t.kind == "pair" for name in t.expression.names - set(t.constants)}
    if position is None or velocity is None or needed - given:
        return None
    # Receivers and senders have no part in the force of a pair; the table needs some.
    zeros = np.zeros(len(position), dtype=int)
    table = MessageTable(
        kind="pair",
        position=position,
        velocity=velocity,
        properties=evidence.message_properties,
        receiver=zeros,
        sender=zeros,
        contributions=evidence.message,
        total=np.ones(len(position)),
    )
    return law_pair_force(ForceLaw(tuple(terms), law.order, law.divides_by_mass), table)


def _true_curve(terms: Sequence[Term], curve: Curve) -> Float[np.ndarray, " K"] | None:
    """Return the sum of the true terms of a curve; None where one needs a variable that the curve does not fix."""
    total = np.zeros(len(curve.x))
    for term in terms:
        if (term.kind, term.direction) != (curve.kind, curve.direction):
            continue
        fixed = {name: c.value for name, c in term.constants.items()} | dict(curve.fixed)
        names = sorted(term.expression.names)
        if set(names) - set(fixed) - {curve.variable}:
            return None
        values = [curve.x if name == curve.variable else fixed[name] for name in names]
        total = total + term.expression.numpy(names)(*values)
    return total
