"""The potential energy of a central force: integrated by SymPy, joined at thresholds, held against the force."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import sympy
from sympy.core.relational import Relational
from sympy.integrals.manualintegrate import manualintegrate
from sympy.integrals.risch import NonElementaryIntegral, risch_integrate

from gnn_discovery.errors import DataError
from gnn_discovery.export.base import DistanceRange, unsupported_law_error
from gnn_discovery.export.central_force import CentralForce, central_force
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.symbolic.expression import Expression

_R = sympy.Symbol("r", positive=True)
_INNER = sympy.Dummy(positive=True)


@dataclass(frozen=True)
class PairPotential:
    """The potential of a central force.

    Attributes:
        energy: the energy U of two particles as a function of ``r`` and of their properties.
        central: the force, -dU/dr.
    """

    energy: Expression
    central: CentralForce


def pair_potential(law: ForceLaw, name: str, distances: DistanceRange) -> PairPotential:
    """Return the potential of a law that is a central force.

    Args:
        law: the law.
        name: the format that needs the potential, for the error.
        distances: the range in which the slope of the potential is held against the force.

    Raises:
        UsageError: the law is not a central force, or its potential is not a formula of the language.
    """
    pair = central_force(law, name)
    try:
        energy = Expression.from_sympy(_integral(pair.force))
    except (_NoFormula, DataError) as error:
        raise unsupported_law_error(name, f"the potential of {pair.force.text}: {error}") from None
    off = _slope_error(energy, pair, distances)
    if not off <= 1e-12:  # of the force
        raise unsupported_law_error(
            name, f"the potential of {pair.force.text}: its slope is off by {off:.0e} of the force"
        )
    return PairPotential(energy, pair)


class _NoFormula(Exception):
    """An error that says why an integral is not a formula."""


def _integral(force: Expression) -> sympy.Expr:
    """Return U(r), continuous, each piece as SymPy finds it; the last has no constant added."""
    symbols = {s: sympy.Symbol(s.name, real=True, nonzero=True) for s in force.sympy.free_symbols}
    tree = force.sympy.xreplace(symbols | {sympy.Symbol("r"): _R})
    tree = tree.replace(lambda e: isinstance(e, sympy.Abs) and e.has(_R), lambda e: e.rewrite(sympy.Piecewise))
    tree = tree.xreplace({number: sympy.Rational(repr(float(number))) for number in tree.atoms(sympy.Float)})
    edges = sorted({edge for relation in tree.atoms(Relational) if (edge := _edge(relation)) > 0})
    inside = [(a + b) / 2 for a, b in pairwise([sympy.S.Zero, *edges, 2 * edges[-1] + 1])] if edges else [sympy.S.One]
    pieces = [-_antiderivative(_piece_at(tree, point)) for point in inside]
    joined = pieces.pop()
    cases = [(joined, sympy.true)]
    for piece, edge in zip(reversed(pieces), reversed(edges), strict=True):
        joined = piece + (joined - piece).subs(_R, edge)
        cases.insert(0, (joined, edge > _R))
    return sympy.Piecewise(*cases) if edges else joined


def _edge(relation: Relational) -> sympy.Number:
    """Return the distance at which a comparison changes."""
    line = relation.lhs - relation.rhs
    if not line.is_polynomial(_R) or line.free_symbols != {_R} or sympy.degree(line, _R) != 1:
        raise _NoFormula(f"the threshold {relation} is not a number")
    return -line.coeff(_R, 0) / line.coeff(_R, 1)


def _piece_at(tree: sympy.Basic, point: sympy.Expr) -> sympy.Basic:
    """Return the tree without cases, as it is at the distances around ``point``."""
    if isinstance(tree, sympy.Piecewise):
        return next(_piece_at(value, point) for value, condition in tree.args if condition.subs(_R, point) == True)  # noqa: E712
    return tree.func(*[_piece_at(part, point) for part in tree.args]) if tree.args else tree


def _antiderivative(force: sympy.Expr, substitute: bool = True) -> sympy.Expr:
    """Return ∫ force dr, term by term; terms that have none alone may have one together."""
    done, left = sympy.S.Zero, sympy.S.Zero
    parts = sympy.Add.make_args(force)
    for part in parts:
        try:
            done += _term_antiderivative(part, substitute)
        except _NoFormula:
            if len(parts) == 1:
                raise
            left += part
    return done + _by_rule(left)


def _term_antiderivative(force: sympy.Expr, substitute: bool) -> sympy.Expr:
    factor, rest = force.as_independent(_R, as_Add=False)
    if rest.is_Add:
        return factor * _antiderivative(rest, substitute)
    inner, outer = _substituted(rest) if substitute else (rest, _R)
    found = _by_rule(rest) if outer == _R else _antiderivative(inner, substitute=False)
    return factor * found.subs(_R, outer)


def _by_rule(force: sympy.Expr) -> sympy.Expr:
    """Return ∫ force dr by Risch's algorithm or, for roots and angles, by the rules of textbooks."""
    for integrate in (risch_integrate, manualintegrate):
        try:
            found = integrate(force, _R)
        except NotImplementedError:
            continue
        if _elementary(found):
            return found
        if found.has(NonElementaryIntegral):
            break
    raise _NoFormula("SymPy finds no formula of the language for it")


def _substituted(force: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    """Return the force over u'(r) as a function of the bracket u(r) under a power, where that is simpler; and u."""
    powers = sorted(force.atoms(sympy.Pow), key=str)
    for bracket in (p.base for p in powers if p.base.is_Add and p.base.has(_R) and not p.exp.is_nonnegative):
        slope = bracket.diff(_R)
        if not slope.has(_R):
            return sympy.expand_mul(force.subs(_R, (_R - bracket.subs(_R, 0)) / slope) / slope), bracket
        inner = (force / slope).xreplace({bracket: _INNER})
        if not inner.has(_R):
            return inner.xreplace({_INNER: _R}), bracket
    return force, _R


def _elementary(found: sympy.Expr) -> bool:
    try:
        Expression.from_sympy(found)
    except DataError:
        return False
    return True


def _slope_error(energy: Expression, pair: CentralForce, distances: DistanceRange, points: int = 200) -> float:
    """Return the largest difference of -dU/dr and the force, over the change of the force along a distance r.

    It is infinite where the force is a number and the energy is not, or the force is a number nowhere.
    """
    rng, r = np.random.default_rng(0), np.geomspace(*distances, points)
    values = {f"{name}_{end}": np.exp(rng.normal(size=points)) for name in pair.properties for end in "ij"} | {"r": r}
    names = sorted(values)
    forms = (pair.force, pair.force.derivative("r"), energy, energy.derivative("r"))
    force, change, potential, slope = (form.numpy(names)(*[values[name] for name in names]) for form in forms)
    size = np.abs(force) + np.abs(r * change)
    with np.errstate(all="ignore"):
        error = np.abs(force + slope) / np.where(size > 0, size, 1.0)
    error = np.where(np.isfinite(potential), error, np.inf)
    return float(np.max(error[np.isfinite(size)])) if np.isfinite(size).any() else np.inf
