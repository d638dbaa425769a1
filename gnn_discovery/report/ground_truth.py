"""What a simulator or an almanac knows, shown beside what was found. Only the report looks here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from gnn_discovery.errors import DataError
from gnn_discovery.laws.evaluate import law_pair_force
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.messages.table import MessageTable
from gnn_discovery.report.discovery import Curve, Discovery, Evidence
from gnn_discovery.symbolic.expression import Expression

TRIMMED_FRACTION = 0.1


def with_ground_truth(
    discovery: Discovery,
    truth_terms: Sequence[Mapping[str, Any]],
    reference: Mapping[str, Sequence[float]] | None = None,
) -> Discovery:
    """The discovery with the true law drawn beside it; law and verdict stay as they are.

    Args:
        truth_terms: plain records of a simulator's law, the force on i as in ``Term``: ``kind``,
            ``direction``, ``expression`` and ``constants`` (name to number).
        reference: accepted values (N,) of inferred properties by name.

    The true pair force of every message and the truth of each curve are filled in, and
    ``direct_r2_trimmed`` and ``direct_r2_all`` of the network's pair force against the true one stand among
    ``messages``. Where the true law asks for a property that the data do not give, the truth stays None.

    Raises:
        DataError: a term that is no term, or a reference of the wrong length.
    """
    terms = tuple(_true_term(record) for record in truth_terms)
    found = replace(discovery, reference=_reference(discovery, reference or {}))
    if not terms or found.evidence is None:
        return found
    evidence, figures = found.evidence, dict(found.messages)
    truth = _true_pair_force(terms, found.law, evidence)
    if truth is not None:
        figures["direct_r2_trimmed"], figures["direct_r2_all"] = direct_r2(evidence.message, truth)
    curves = tuple(replace(curve, truth=_true_curve(terms, curve)) for curve in evidence.curves)
    return replace(found, messages=figures, evidence=replace(evidence, message_truth=truth, curves=curves))


def direct_r2(estimate: Float[np.ndarray, "K D"], truth: Float[np.ndarray, "K D"]) -> tuple[float | None, float | None]:
    """R² = 1 - SSE/SST of vectors with nothing fitted: (worst tenth of the residuals left out, all kept).

    None where there is nothing to explain. The published figures leave out the worst tenth (Cranmer et al.
    2020, arXiv 2006.11287, table 1).
    """
    miss = np.sum((estimate - truth) ** 2, axis=-1)
    kept = miss <= np.quantile(miss, 1 - TRIMMED_FRACTION) if len(miss) else np.zeros(0, dtype=bool)
    return _coefficient_of_determination(miss[kept], truth[kept]), _coefficient_of_determination(miss, truth)


def _coefficient_of_determination(miss: np.ndarray, truth: np.ndarray) -> float | None:
    spread = float(np.sum((truth - truth.mean(axis=0)) ** 2)) if len(truth) else 0.0
    return 1 - float(miss.sum()) / spread if spread > 0 and np.isfinite(miss).all() else None


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


def _reference(discovery: Discovery, reference: Mapping[str, Sequence[float]]) -> dict[str, np.ndarray]:
    values = {name: np.asarray(value, dtype=float) for name, value in reference.items()}
    for name, value in values.items():
        latent = discovery.law.latent.get(name)
        if latent is not None and value.shape != np.shape(latent.values):
            raise DataError(f"{value.size} accepted values of {name!r} for {np.size(latent.values)} particles")
    return values


def _true_pair_force(terms: Sequence[Term], law: ForceLaw, evidence: Evidence) -> np.ndarray | None:
    """(K D) the true pair force of each message; None where a term asks for what is not given."""
    position, velocity = evidence.message_position, evidence.message_velocity
    known = {*evidence.message_properties, "r", "v", "v_r"}
    asked = {name for t in terms if t.kind == "pair" for name in t.expression.names - set(t.constants)}
    if position is None or velocity is None or asked - known:
        return None
    nobody = np.zeros(len(position), dtype=int)
    table = MessageTable(
        kind="pair",
        position=position,
        velocity=velocity,
        properties=evidence.message_properties,
        receiver=nobody,
        sender=nobody,
        contributions=evidence.message,
        total=np.ones(len(position)),
    )
    return law_pair_force(ForceLaw(tuple(terms), law.order, law.divides_by_mass), table)


def _true_curve(terms: Sequence[Term], curve: Curve) -> np.ndarray | None:
    total = np.zeros(len(curve.x))
    for term in terms:
        if (term.kind, term.direction) != (curve.kind, curve.direction):
            continue
        given = {name: c.value for name, c in term.constants.items()} | dict(curve.fixed)
        names = sorted(term.expression.names)
        if set(names) - set(given) - {curve.variable}:
            return None
        values = [curve.x if name == curve.variable else given[name] for name in names]
        total = total + term.expression.numpy(names)(*values)
    return total
