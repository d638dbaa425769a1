"""Constant lifting: replace the independent numbers of a formula by named constants, which leaves its skeleton."""

from __future__ import annotations

import math
import re

import sympy
from sympy.core.relational import Relational

from gnn_discovery.symbolic.expression.canonical_text import to_text
from gnn_discovery.symbolic.expression.canonical_tree import (
    add,
    apply_function,
    canonical_number,
    multiply,
    piecewise,
    power,
    real_symbol,
    relation,
)

_PROVISIONAL_SUFFIX = "990099"
"""It keeps provisional names apart from the names of the formula."""


def lift_tree_constants(tree: sympy.Expr, prefix: str, keep_integers: bool) -> tuple[sympy.Expr, dict[str, float]]:
    """Return the tree with names for its numbers, and the numbers by name; see `Expression.lift_constants`.

    Args:
        tree: Canonical tree.
        prefix: First part of the names.
        keep_integers: True keeps integer exponents as they are.
    """
    merged = _merge_constants(tree)
    taken = {symbol.name for symbol in tree.free_symbols}
    lifter = _ConstantLifter(f"{prefix}{_PROVISIONAL_SUFFIX}", keep_integers)
    skeleton = lifter.lift(merged)
    order = list(dict.fromkeys(re.findall(rf"\b{prefix}{_PROVISIONAL_SUFFIX}\d+\b", to_text(skeleton))))
    free = (f"{prefix}{k}" for k in range(len(order) + len(taken)) if f"{prefix}{k}" not in taken)
    names = dict(zip(order, free, strict=False))
    skeleton = skeleton.xreplace({real_symbol(old): real_symbol(new) for old, new in names.items()})
    return skeleton, {new: lifter.values[old] for old, new in names.items()}


def _merge_constants(node: sympy.Basic, in_product: bool = False, max_exp_shift: float = 50.0) -> sympy.Basic:
    """Return the same function with redundant scale factors and shifts merged.

    ``k*u + n`` becomes ``k*(u + n/k)``, a sum in a product gives its first coefficient to the product, and
    ``exp(u + n)`` gives ``exp(n)`` to it while ``n`` stays below ``max_exp_shift``, so that no factor overflows. An
    added 1 is structure, and its sum is left alone.
    """
    if node.is_Add:
        terms = [_merge_constants(term) for term in node.args]
        total = add(*terms)
        if not total.is_Add:
            return total
        shift, rest = total.as_coeff_Add()
        if abs(shift) == 1:
            return total
        if (not rest.is_Add and shift != 0) or in_product:
            ordered = sorted(sympy.Add.make_args(rest), key=lambda term: to_text(term.as_coeff_Mul()[1]))
            scale, first = ordered[0].as_coeff_Mul()
            return multiply(
                scale, add(first, *[multiply(canonical_number(1 / scale), t) for t in (*ordered[1:], shift)])
            )
        return total
    if node.is_Mul:
        coefficient, rest = node.as_coeff_Mul()
        if rest.is_Add and _expands_without_new_constant(coefficient, rest):
            return _merge_constants(add(*[multiply(coefficient, term) for term in rest.args]), in_product)
        return multiply(*[_merge_constants(factor, in_product=True) for factor in node.args])
    if isinstance(node, sympy.Pow):
        return power(_merge_constants(node.base, in_product=True), _merge_constants(node.exp))
    if isinstance(node, sympy.exp):
        inner = sympy.expand_mul(_merge_constants(node.args[0]))
        shift, rest = inner.as_coeff_Add()
        if shift != 0 and abs(shift) < max_exp_shift:
            return multiply(canonical_number(math.exp(shift)), apply_function("exp", _merge_constants(rest)))
        return apply_function("exp", _merge_constants(node.args[0]))
    if isinstance(node, sympy.Piecewise):
        return piecewise([(_merge_constants(value), condition) for value, condition in node.args])
    if isinstance(node, sympy.Function):
        return apply_function(type(node).__name__, _merge_constants(node.args[0]))
    return node


def _expands_without_new_constant(coefficient: sympy.Number, bracket: sympy.Add) -> bool:
    """Tell whether expanding ``coefficient*bracket`` adds no further constant."""
    if bracket.as_coeff_Add()[0] != 0:
        return False
    scaled = sum(abs(term.as_coeff_Mul()[0]) != 1 for term in bracket.args)
    return bool(coefficient == -1 or scaled >= len(bracket.args) - 1)


class _ConstantLifter:
    """A walk over a merged tree that gives each free number a provisional name."""

    def __init__(self, prefix: str, keep_integers: bool):
        self.prefix = prefix
        self.keep_integers = keep_integers
        self.values: dict[str, float] = {}

    def name(self, value: sympy.Number) -> sympy.Symbol:
        """Return the symbol of a number, a new one unless the number is known."""
        # A number of full length that stands twice is one number; a short one may be twice by chance.
        shared = isinstance(value, sympy.Float)
        known = [name for name, old in self.values.items() if shared and old == float(value)]
        name = known[0] if known else f"{self.prefix}{len(self.values)}"
        self.values[name] = float(value)
        return real_symbol(name)

    def lift(self, node: sympy.Basic) -> sympy.Basic:
        """Return the tree with symbols in the place of its free numbers."""
        if node.is_Number:
            return node if abs(node) == 1 or node == 0 else self.name(node)
        if node.is_Add:
            return add(*map(self.lift, node.args))
        if node.is_Mul:
            coefficient, rest = node.as_coeff_Mul()
            lifted = [self.lift(factor) for factor in sympy.Mul.make_args(rest)]
            return multiply(self.lift(coefficient), *lifted)
        if isinstance(node, sympy.Pow):
            return sympy.Pow(self.lift(node.base), self.exponent(node.exp))
        if isinstance(node, sympy.Piecewise):
            return piecewise([(self.lift(value), self.condition(test)) for value, test in node.args])
        if isinstance(node, sympy.Function):
            return apply_function(type(node).__name__, self.lift(node.args[0]))
        return node

    def exponent(self, node: sympy.Expr) -> sympy.Expr:
        """Return the lifted exponent; square roots, and integers if they are kept, stay numbers."""
        if not node.is_Number:
            return self.lift(node)
        kept = (node.is_Integer and self.keep_integers) or abs(node) == sympy.Rational(1, 2)
        return node if kept else self.name(node)

    def condition(self, node: sympy.Basic) -> sympy.Basic:
        """Return the lifted condition; comparisons with zero stay as they are."""
        if isinstance(node, Relational):
            sides = [self.name(s) if s.is_Number and s != 0 else self.lift(s) for s in (node.lhs, node.rhs)]
            return relation(type(node), *sides)
        if isinstance(node, sympy.And | sympy.Or):
            return type(node)(*map(self.condition, node.args))
        return node
