"""A law in words, and as plain data."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from gnn_discovery.errors import DataError
from gnn_discovery.laws.law import Constant, ForceLaw, IdentifiedConstant, LatentProperty, Term
from gnn_discovery.symbolic.expression import Expression

_MAX_DIGITS = 6
_UNIT_VECTORS = {
    ("pair", "radial"): "r_hat",
    ("pair", "transverse"): "(z x r_hat)",
    ("pair", "velocity"): "(v_i - v_j)",
    ("self", "velocity"): "v_i",
    ("self", "transverse"): "(z x v_i)",
}


def format_constant(constant: Constant) -> str:
    """The size of a constant with its standard error in the last digit, ``1.00000(2)``.

    An error so small that it would not show is rounded up.
    """
    value, std = abs(constant.value), constant.std
    if std is None or value == 0 or not math.isfinite(value + std):
        return f"{value:.6g}"
    power = math.floor(math.log10(value))
    least = power - _MAX_DIGITS
    place = max(least, math.floor(math.log10(std))) if std > 0 else least
    error = max(1, math.ceil(std / 10.0**place - 1e-9))
    if error >= 10:
        place, error = place + 1, math.ceil(error / 10)
    if place > 0 or power < -3:
        decimals = max(0, power - place)
        return f"{value / 10.0**power:.{decimals}f}({error})e{power:+03d}"
    return f"{value:.{-place}f}({error})"


def term_text(term: Term) -> str:
    """The term in print, a leading minus first."""
    negative = {name: Expression.parse(f"-{name}") for name, c in term.constants.items() if c.value < 0}
    text = term.expression.substitute(negative).text if negative else term.expression.text
    text = text.replace("**", "^").replace("*", " ")
    if term.constants:
        names = "|".join(sorted(term.constants, key=len, reverse=True))
        text = re.sub(rf"\b({names})\b", lambda found: format_constant(term.constants[found.group()]), text)
    return text


def law_text(law: ForceLaw) -> str:
    """The equation of motion in one line, which number is one with a name, and what was inferred."""
    motion = "a_i" if law.order == 2 else "v_i"
    left = f"m_i {motion}" if law.divides_by_mass else motion
    if not law.terms:
        return f"{left} = 0: no interaction"
    parts = []
    for term in law.terms:
        unit = _UNIT_VECTORS.get((term.kind, term.direction), f"{term.direction}_hat")
        where = f", r from {_format_point(term.centre)}" if term.centre is not None and any(term.centre) else ""
        given = " (given)" if term.given else ""
        parts.append(f"{'sum_j ' if term.kind == 'pair' else ''}[{term_text(term)}] {unit}{where}{given}")
    text = f"{left} = {' + '.join(parts)}"
    for constant in (c for term in law.terms for c in term.constants.values()):
        if constant.notable is not None and any(map(str.isalpha, constant.notable.name)):  # others show in the number
            sign = "-" if constant.value < 0 else ""
            text += f"; {sign}{format_constant(constant)} is {constant.notable}"
    for name, latent in law.latent.items():
        sure, count = int(latent.determined.sum()), len(latent.values)
        text += f"; {name} inferred, determined for {sure} of {count} particles"
    return text


def _format_point(centre: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{c:g}" for c in centre) + ")"


def to_dict(law: ForceLaw) -> dict[str, Any]:
    """Plain data: ``terms``, ``order``, ``divides_by_mass``, ``latent_properties``; no NaN."""
    return {
        "terms": [_term_to_dict(term) for term in law.terms],
        "order": law.order,
        "divides_by_mass": law.divides_by_mass,
        "latent_properties": {
            name: {
                "values": [float(v) for v in latent.values],
                "std": [float(s) if np.isfinite(s) else None for s in latent.std],
                "determined": [bool(d) for d in latent.determined],
            }
            for name, latent in law.latent.items()
        },
    }


def _term_to_dict(term: Term) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "kind": term.kind,
        "direction": term.direction,
        "expression": term.expression.text,
        "constants": {name: asdict(constant) for name, constant in term.constants.items()},
    }
    if term.centre is not None:
        plain["centre"] = list(term.centre)
    if term.given:
        plain["given"] = True
    return plain


def from_dict(plain: Mapping[str, Any]) -> ForceLaw:
    """The law of `to_dict`.

    Raises:
        DataError: a field is missing or wrong.
    """
    try:
        terms = tuple(_term_from_dict(record) for record in plain["terms"])
        latent = {name: _latent_from_dict(record) for name, record in plain.get("latent_properties", {}).items()}
        return ForceLaw(terms, plain.get("order", 2), plain.get("divides_by_mass", False), latent)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"not a law: {type(error).__name__} {error}",
            remedy="a law has terms, each with kind, direction, expression and constants",
        ) from None


def _term_from_dict(record: Mapping[str, Any]) -> Term:
    constants = {
        name: Constant(float(c["value"]), c.get("std"), c.get("unit"), _identified_from_dict(c.get("notable")))
        for name, c in record.get("constants", {}).items()
    }
    kind, direction = record["kind"], record["direction"]
    if kind not in ("pair", "self", "external"):
        raise DataError(f"the kind of a term is {kind!r}", remedy="pair, self or external")
    if direction not in ("radial", "transverse", "velocity", "x", "y", "z"):
        raise DataError(f"the direction of a term is {direction!r}", remedy="radial, transverse, velocity, x, y or z")
    centre = record.get("centre")
    centre = None if centre is None else tuple(map(float, centre))
    expression = Expression.parse(record["expression"])
    return Term(kind, direction, expression, constants, centre, given=bool(record.get("given", False)))


def _identified_from_dict(record: Mapping[str, Any] | None) -> IdentifiedConstant | None:
    return (
        None
        if record is None
        else IdentifiedConstant(str(record["name"]), float(record["value"]), float(record["distance"]))
    )


def _latent_from_dict(record: Mapping[str, Any]) -> LatentProperty:
    std = [np.inf if s is None else float(s) for s in record["std"]]
    values = np.array(record["values"], dtype=float)
    return LatentProperty(values, np.array(std), np.array(record["determined"], dtype=bool))
