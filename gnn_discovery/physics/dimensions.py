"""Dimensions: can the constants of a law be given units so that all its sums and functions make sense?"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import sympy

from gnn_discovery.law.record import ForceLaw, Term
from gnn_discovery.physics.record import Check
from gnn_discovery.snapshots import Snapshots

Dimension = dict[str, Fraction]
"""Powers of the base dimensions; the unit of each property is a base of its own."""

_LENGTH: Dimension = {"length": Fraction(1)}
_SPEED: Dimension = {"length": Fraction(1), "time": Fraction(-1)}


class _Unsound(Exception):
    """A sum or a function that no units of the constants can mend."""


def check_dimensions(law: ForceLaw, data: Snapshots) -> Check:
    """Whether the law is dimensionally sound; not decided where the data have no units."""
    units = data.units or {}
    if not {"length", "time"} <= set(units):
        return Check("dimensions", None, None, "a run without units: dimensions say nothing")
    for term in law.terms:
        try:
            _dimension(term.expression.sympy, _known(term))
        except _Unsound as error:
            return Check("dimensions", False, None, f"{term.expression.text}: {error}")
    return Check("dimensions", True, None, "the constants can carry units that make every sum and function sound")


def _known(term: Term) -> Mapping[str, Dimension | None]:
    """The dimension of each name; None for a constant, whose unit is free."""
    known: dict[str, Dimension | None] = {}
    for name in term.expression.names:
        if name in term.constants:
            known[name] = None
        elif name in ("v", "v_r"):
            known[name] = _SPEED
        elif name in ("r", "x", "y", "z"):
            known[name] = _LENGTH
        else:
            known[name] = {name.rsplit("_", 1)[0]: Fraction(1)}
    return known


def _dimension(node: sympy.Basic, known: Mapping[str, Dimension | None]) -> Dimension | None:
    """The dimension of a tree; None where a constant in it can take any."""
    if isinstance(node, sympy.Symbol):
        return known[node.name]
    if isinstance(node, sympy.Number):
        return {} if node.is_Rational else None
    parts = [_dimension(arg, known) for arg in node.args if isinstance(arg, sympy.Expr)]
    if isinstance(node, sympy.Mul):
        return None if None in parts else _product([(part or {}, Fraction(1)) for part in parts])
    if isinstance(node, sympy.Pow):
        base, exponent = parts
        if exponent:
            raise _Unsound(f"the exponent {node.exp} has a dimension")
        if not base:
            return base
        power = node.exp
        return _product([(base, Fraction(int(power.p), int(power.q)))]) if power.is_Rational else None
    if isinstance(node, sympy.Add):
        return _alike(parts, str(node))
    if isinstance(node, sympy.Piecewise):
        for _, condition in node.args:
            for relation in condition.atoms(sympy.core.relational.Relational):
                _alike([_dimension(side, known) for side in relation.args], str(relation))
        return _alike([_dimension(value, known) for value, _ in node.args if value != 0], str(node))
    if isinstance(node, sympy.Abs):
        return parts[0]
    if any(parts):
        raise _Unsound(f"the argument of {node} has a dimension")
    return {}


def _alike(parts: list[Dimension | None], text: str) -> Dimension | None:
    fixed = [part for part in parts if part is not None]
    if any(part != fixed[0] for part in fixed):
        raise _Unsound(f"{text} adds or compares what has different dimensions")
    return fixed[0] if fixed else None


def _product(factors: list[tuple[Dimension, Fraction]]) -> Dimension:
    total: Dimension = {}
    for dimension, power in factors:
        for base, exponent in dimension.items():
            total[base] = total.get(base, Fraction(0)) + exponent * power
    return {base: exponent for base, exponent in total.items() if exponent}
