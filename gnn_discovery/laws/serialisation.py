"""Laws as plain data, as they stand in files of JSON and YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from gnn_discovery.errors import DataError
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.term import Constant, IdentifiedConstant, LatentProperty, Term
from gnn_discovery.symbolic.expression import Expression

BATH = ("diffusion", "temperature")
"""The constants of a law that are those of its bath."""


def to_dict(law: ForceLaw) -> dict[str, Any]:
    """Return a law as plain data without NaN: ``terms``, ``order``, ``divides_by_mass``, ``latent_properties``.

    The diffusion of kicks, and their temperature, stand in ``noise``, which is absent where there are none.
    """
    bath = {name: getattr(law, name) for name in BATH}
    noise = {name: asdict(constant) for name, constant in bath.items() if constant is not None}
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
        **({"noise": noise} if noise else {}),
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
    if term.known:
        plain["given"] = True
    return plain


def from_dict(plain: Mapping[str, Any]) -> ForceLaw:
    """Return the law of plain data, as `to_dict` makes them.

    Raises:
        DataError: a field is missing or wrong.
    """
    try:
        terms = tuple(_term_from_dict(record) for record in plain["terms"])
        latent = {name: _latent_from_dict(record) for name, record in plain.get("latent_properties", {}).items()}
        noise = plain.get("noise", {})
        bath = {name: _constant_from_dict(noise[name]) for name in BATH if name in noise}
        return ForceLaw(terms, plain.get("order", 2), plain.get("divides_by_mass", False), latent, **bath)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"not a law: {type(error).__name__} {error}",
            remedy="a law has terms, each with kind, direction, expression and constants",
        ) from None


def _constant_from_dict(record: Mapping[str, Any]) -> Constant:
    notable = _identified_from_dict(record.get("notable"))
    return Constant(float(record["value"]), record.get("std"), record.get("unit"), notable)


def _term_from_dict(record: Mapping[str, Any]) -> Term:
    constants = {name: _constant_from_dict(c) for name, c in record.get("constants", {}).items()}
    kind, direction = record["kind"], record["direction"]
    if kind not in ("pair", "self", "external"):
        raise DataError(f"the kind of a term is {kind!r}", remedy="pair, self or external")
    if direction not in ("radial", "transverse", "velocity", "x", "y", "z"):
        raise DataError(f"the direction of a term is {direction!r}", remedy="radial, transverse, velocity, x, y or z")
    centre = record.get("centre")
    centre = None if centre is None else tuple(map(float, centre))
    expression = Expression.parse(record["expression"])
    return Term(kind, direction, expression, constants, centre, known=bool(record.get("given", False)))


def _identified_from_dict(record: Mapping[str, Any] | None) -> IdentifiedConstant | None:
    if record is None:
        return None
    return IdentifiedConstant(str(record["name"]), float(record["value"]), float(record["distance"]))


def _latent_from_dict(record: Mapping[str, Any]) -> LatentProperty:
    std = [np.inf if s is None else float(s) for s in record["std"]]
    values = np.array(record["values"], dtype=float)
    return LatentProperty(values, np.array(std), np.array(record["determined"], dtype=bool))
