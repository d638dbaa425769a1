"""Dimensional analysis: which units must the constants of a law have, so that all its sums and functions make sense?

Every sum, comparison and function asks for an equation between dimensions, linear in the unknown ones of the constants.
The law is sound where these equations have a solution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial

import sympy

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.registry.properties import known_properties
from gnn_discovery.validation.verdict import Check, CheckId

Dimension = Mapping[str, Fraction]
"""Powers by name of the base (length, time, mass, ...) or of the unknown, whose name begins with a question mark."""

_COORDINATES = ("r", "x", "y", "z")
_LENGTH: Dimension = {"length": Fraction(1)}
_SPEED: Dimension = {"length": Fraction(1), "time": Fraction(-1)}


def check_dimensions(law: ForceLaw, data: Dataset) -> Check:
    """Check that the law is dimensionally sound; the check stays open where the data have no units.

    Args:
        law: the law.
        data: the motion, with units by name of base or property.
    """
    check = partial(Check, CheckId.DIMENSIONS, "blocks_candidate", "dimensions")
    if not _has_units(data):
        return check(None, None, "the data have no units: dimensions say nothing")
    for term in law.terms:
        equations = _DimensionEquations(term, law, data.units or {})
        equations.dimension(term.expression.sympy)
        if (wrong := equations.contradiction()) is not None:
            return check(False, None, f"{term.expression.text}: {wrong}")
    return check(True, None, "the constants can carry units that make every sum and function sound")


def with_units(law: ForceLaw, data: Dataset) -> ForceLaw:
    """Return the law with the units of those constants that the units of the data determine.

    Args:
        law: the law.
        data: the motion, with units by name of base or property.
    """
    if not _has_units(data):
        return law
    law = replace(law, terms=tuple(replace(t, constants=_constants_with_units(t, law, data)) for t in law.terms))
    return _bath_with_units(law, data)


def _bath_with_units(law: ForceLaw, data: Dataset) -> ForceLaw:
    """Return the law with the units of D and T: order 1 L^2/t, order 2 of a momentum (m L/t)^2/t and m L^2/t^2."""
    if law.diffusion is None or not law.terms:
        return law
    equations = _DimensionEquations(law.terms[0], law, data.units or {})
    mass = equations.of_property("m") if law.divides_by_mass else {}
    moving = {"length": Fraction(2), "time": Fraction(-1 if law.order == 1 else -3)}
    unit = _unit_text(_dimension_product((moving, 1), (mass, 0 if law.order == 1 else 2)), equations.texts)
    law = replace(law, diffusion=replace(law.diffusion, unit=unit))
    if law.temperature is None:
        return law
    energy = _dimension_product(({"length": Fraction(2), "time": Fraction(-2)}, 1), (mass, 1))
    return replace(law, temperature=replace(law.temperature, unit=_unit_text(energy, equations.texts)))


def _has_units(data: Dataset) -> bool:
    return {"length", "time"} <= set(data.units or {})


def _constants_with_units(term: Term, law: ForceLaw, data: Dataset) -> dict[str, Constant]:
    equations = _DimensionEquations(term, law, data.units or {})
    found = equations.dimension(term.expression.sympy)
    vector = _SPEED if term.direction == "velocity" or (term.kind, term.direction) == ("self", "transverse") else {}
    target = _dimension_product((_SPEED, 1), ({} if law.order == 1 else {"time": Fraction(-1)}, 1), (vector, -1))
    if law.divides_by_mass:
        target = _dimension_product((target, 1), (equations.of_property("m"), 1))
    equations.require_equal([found, target], "the force")
    solved = equations.solution()
    return {
        name: replace(constant, unit=_unit_text(solved[name], equations.texts)) if name in solved else constant
        for name, constant in term.constants.items()
    }


class _DimensionEquations:
    """The equations between dimensions that the sums and functions of a term ask for.

    Each is a dimension that has to vanish, and the reason. Unknown are the dimensions of constants, of inferred
    properties, and of numbers that may carry a unit.
    """

    def __init__(self, term: Term, law: ForceLaw, units: Mapping[str, str]) -> None:
        self.constants, self.latent, self.units = set(term.constants), set(law.latent), units
        self.equations: list[tuple[Dimension, str]] = []
        self.numbers = 0
        self.texts = {base: units[base] for base in ("length", "time")}
        for name, unit in sorted(units.items()):
            known = known_properties().entries.get(name)
            if known is not None and list(known.dimension.values()) == [1]:
                self.texts.setdefault(next(iter(known.dimension)), unit)

    def of_property(self, name: str) -> Dimension:
        """Return the dimension in the record of a property; a base of its own where its unit in the data is another."""
        known, unit = known_properties().entries.get(name), self.units.get(name)
        if known is not None and unit in (None, _unit_text(known.dimension, self.texts)):
            return known.dimension
        if unit is not None:
            self.texts[name] = unit
        return {name: Fraction(1)}

    def dimension(self, node: sympy.Basic) -> Dimension:
        """Return the dimension of a tree, and collect the equations that it rests on."""
        if isinstance(node, sympy.Symbol):
            return self._of_name(node.name)
        if isinstance(node, sympy.Number):
            return {} if node.is_Rational else self._unknown()
        parts = [self.dimension(arg) for arg in node.args if isinstance(arg, sympy.Expr)]
        if isinstance(node, sympy.Mul):
            return _dimension_product(*((part, 1) for part in parts))
        if isinstance(node, sympy.Pow):
            self.require_equal([parts[1], {}], f"the exponent {node.exp} has a dimension")
            if node.exp.is_Rational:
                return _dimension_product((parts[0], Fraction(int(node.exp.p), int(node.exp.q))))
            return self._unknown() if parts[0] else {}
        if isinstance(node, sympy.Add):
            return self.require_equal(parts, f"{node} adds what has different dimensions")
        if isinstance(node, sympy.Piecewise):
            for relation in sorted(node.atoms(sympy.core.relational.Relational), key=str):
                sides = [self.dimension(side) for side in relation.args]
                self.require_equal(sides, f"{relation} compares what has different dimensions")
            values = [self.dimension(value) for value, _ in node.args if value != 0]
            return self.require_equal(values, f"{node} joins what has different dimensions")
        if isinstance(node, sympy.Abs):
            return parts[0]
        for part in parts:
            self.require_equal([part, {}], f"the argument of {node} has a dimension")
        return {}

    def require_equal(self, parts: Sequence[Dimension], reason: str) -> Dimension:
        """Add the equations that make all dimensions the same, and return the first.

        Args:
            parts: the dimensions.
            reason: for the contradiction, where there is one.
        """
        for part in parts[1:]:
            self.equations.append((_dimension_product((part, 1), (parts[0], -1)), reason))
        return parts[0] if parts else {}

    def contradiction(self) -> str | None:
        """Return the reason of the first equation that the ones before it rule out; None where there is a solution."""
        for count, (_, reason) in enumerate(self.equations, start=1):
            if any(not any(map(_is_unknown, row)) for row in self._reduced(count)):
                return reason
        return None

    def solution(self) -> dict[str, Dimension]:
        """Return the dimension of each constant that can have one only; of none where there is a contradiction."""
        if self.contradiction() is not None:
            return {}
        found: dict[str, Dimension] = {}
        for row in self._reduced(len(self.equations)):
            (first, *others) = filter(_is_unknown, row)
            if not others:
                found[first[1:]] = _dimension_product(({b: p for b, p in row.items() if b != first}, -1 / row[first]))
        return found

    def _reduced(self, count: int) -> list[dict[str, Fraction]]:
        """Return the first ``count`` equations in reduced row echelon form, unknowns before bases."""
        rows = [row for row, _ in self.equations[:count]]
        columns = sorted({name for row in rows for name in row}, key=lambda name: (not _is_unknown(name), name))
        if not columns:
            return []
        reduced, _ = sympy.Matrix([[sympy.Rational(row.get(c, 0)) for c in columns] for row in rows]).rref()
        kept = [dict(zip(columns, reduced.row(k), strict=True)) for k in range(reduced.rows)]
        plain = [{name: Fraction(int(v.p), int(v.q)) for name, v in row.items() if v != 0} for row in kept]
        return [row for row in plain if row]

    def _of_name(self, name: str) -> Dimension:
        if name in self.constants:
            return {f"?{name}": Fraction(1)}
        if name in ("v", "v_r"):
            return _SPEED
        if name in _COORDINATES:
            return _LENGTH
        stem = name.rsplit("_", 1)[0]
        return {f"?{stem} inferred": Fraction(1)} if stem in self.latent else self.of_property(stem)

    def _unknown(self) -> Dimension:
        self.numbers += 1
        return {f"?number {self.numbers}": Fraction(1)}


def _is_unknown(name: str) -> bool:
    return name.startswith("?")


def _dimension_product(*factors: tuple[Dimension, Fraction | int]) -> dict[str, Fraction]:
    total: dict[str, Fraction] = {}
    for dimension, power in factors:
        for base, exponent in dimension.items():
            total[base] = total.get(base, Fraction(0)) + exponent * power
    return {base: exponent for base, exponent in total.items() if exponent}


def _unit_text(dimension: Dimension, texts: Mapping[str, str]) -> str | None:
    """Return a unit in print that `gnn_discovery.registry.units` reads back, ``AU^3 day^-2 kg^-1``.

    It is None for a pure number, and where a base has no unit in the data.
    """
    if not dimension or not set(dimension) <= set(texts):
        return None
    powers = sorted((power < 0, texts[base], power) for base, power in dimension.items())
    alone = [text if text.isidentifier() else f"({text})" for _, text, _ in powers]
    return " ".join(
        text if p == 1 else f"{text}^{_exponent_text(p)}" for text, (_, _, p) in zip(alone, powers, strict=True)
    )


def _exponent_text(power: Fraction) -> str:
    return str(power) if power.denominator == 1 else f"({power})"
