"""Canonical SymPy trees, built from checked syntax trees and from other SymPy trees.

SymPy expands ``2*(x + 1)`` and keeps ``sqrt(2)``; these trees keep brackets as written and fold numbers.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import partial

import sympy
from sympy.core.relational import Relational

from gnn_discovery.symbolic.expression.syntax import UNARY_FUNCTIONS, formula_error

_SYMPY_FUNCTIONS = {name: getattr(sympy, name) for name in UNARY_FUNCTIONS if name not in ("sqrt", "Abs")}
_FUNCTION_NAMES = {function: name for name, function in _SYMPY_FUNCTIONS.items()} | {sympy.Abs: "Abs"}
_MATH_FUNCTIONS = {name: getattr(math, name) for name in UNARY_FUNCTIONS if name != "Abs"} | {"Abs": abs}
_RELATIONS = {
    ast.Lt: sympy.Lt,
    ast.LtE: sympy.Le,
    ast.Gt: sympy.Gt,
    ast.GtE: sympy.Ge,
    ast.Eq: sympy.Eq,
    ast.NotEq: sympy.Ne,
}


def real_symbol(name: str) -> sympy.Symbol:
    """Return the symbol of a real number with this name."""
    return sympy.Symbol(name, real=True)


def canonical_number(value: int | float | sympy.Number | sympy.NumberSymbol) -> sympy.Number:
    """Return a finite number: a fraction where it is short, else a Float with the bits of the float64.

    Raises:
        DataError: The number is not finite.
    """
    exact_integers = 2**53  # below it every integer is a float64
    if isinstance(value, sympy.Rational) and abs(value.p) < exact_integers and value.q < 2**20:
        return value
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise formula_error("a number in it is not finite")
    fraction = Fraction(value)
    if fraction.denominator <= 1024 and abs(fraction.numerator) < exact_integers:
        return sympy.Rational(fraction.numerator, fraction.denominator)
    return sympy.Float(value)


def add(*terms: sympy.Expr) -> sympy.Expr:
    """Return the sum; a subtracted bracket is expanded, ``x - (y - z)`` to ``x - y + z``."""
    opened: list[sympy.Expr] = []
    for term in terms:
        coefficient, rest = term.as_coeff_Mul()
        opened += [multiply(coefficient, t) for t in rest.args] if rest.is_Add and coefficient == -1 else [term]
    return sympy.Add(*opened)


def multiply(*factors: sympy.Expr) -> sympy.Expr:
    """Return the product; a numeric factor of a bracket is not multiplied into it."""
    coefficient, rest = sympy.S.One, []
    for factor in factors:
        part, other = factor.as_coeff_Mul()
        coefficient *= part
        rest.append(other)
    part, product = sympy.Mul(*rest).as_coeff_Mul()
    coefficient = canonical_number(coefficient * part)
    if coefficient.is_zero or product is sympy.S.Zero:
        return sympy.S.Zero
    if coefficient == 1:
        return product
    return sympy.Mul(coefficient, product, evaluate=not product.is_Add)


def power(base: sympy.Expr, exponent: sympy.Expr, *, max_exponent: int = 512) -> sympy.Expr:
    """Return ``base**exponent`` with numbers folded and positive factors taken out of roots.

    Args:
        base: Tree of the base.
        exponent: Tree of the exponent.
        max_exponent: Largest size of a numeric exponent, a limit of the language.

    Raises:
        DataError: The exponent is too large, or the power has no finite real value.
    """
    if exponent.is_Number:
        exponent = canonical_number(exponent)
        if exponent.is_zero:
            return sympy.S.One
        if abs(exponent) > max_exponent:
            raise formula_error(f"an exponent in it is beyond {max_exponent}")
        if base.is_Number:
            return _number_power(base, exponent)
        coefficient, rest = base.as_coeff_Mul()
        if not exponent.is_Integer and coefficient not in (1, -1):
            scale = _number_power(abs(coefficient), exponent)
            return multiply(scale, sympy.Pow(multiply(sympy.sign(coefficient), rest), exponent))
    return sympy.Pow(base, exponent)


def _number_power(base: sympy.Number, exponent: sympy.Number) -> sympy.Number:
    """Return the power of two numbers; DataError where it has no finite real value."""
    if base.is_zero and exponent < 0:
        raise formula_error("it divides by zero")
    if base.is_Rational and exponent.is_Integer and abs(exponent) <= 16:
        return canonical_number(base**exponent)
    try:
        value = float(base) ** float(exponent)
    except OverflowError:
        value = math.inf
    if isinstance(value, complex):
        raise formula_error("it takes the root of a negative number")
    return canonical_number(value)


def apply_function(name: str, argument: sympy.Expr) -> sympy.Expr:
    """Return a function of the language applied to a tree.

    Args:
        name: One of `UNARY_FUNCTIONS`.
        argument: Tree of the argument; the function of a number is evaluated.

    Raises:
        DataError: The function of a number has no finite real value.
    """
    if argument.is_Number:
        try:
            return canonical_number(_MATH_FUNCTIONS[name](float(argument)))
        except (ValueError, OverflowError):
            raise formula_error(f"{name}({float(argument):g}) has no finite real value") from None
    if name == "sqrt":
        return power(argument, sympy.Rational(1, 2))
    if name == "Abs":
        coefficient, rest = argument.as_coeff_Mul()
        return multiply(abs(coefficient), sympy.Abs(rest))
    return _SYMPY_FUNCTIONS[name](argument)


def relation(kind: type[Relational], left: sympy.Expr, right: sympy.Expr) -> sympy.Basic:
    """Return a comparison with the number on its right.

    Args:
        kind: Class of the comparison in SymPy.
        left: Tree of the left side.
        right: Tree of the right side.

    Raises:
        DataError: A side has no real value.
    """
    try:
        result = kind(left, right)
    except TypeError:  # SymPy has found that one side is not real
        raise formula_error("it compares what has no real value") from None
    if isinstance(result, Relational) and result.lhs.is_Number:
        return result.reversed
    return result


def piecewise(pairs: Sequence[tuple[sympy.Expr, sympy.Basic]]) -> sympy.Expr:
    """Return the expression of the first case whose condition holds; the last condition must be True."""
    kept = []
    for value, condition in pairs:
        if condition == sympy.false:
            continue
        kept.append((value, condition))
        if condition == sympy.true:
            break
    else:
        raise formula_error("the last case of a Piecewise must be (expression, True)")
    return kept[0][0] if len(kept) == 1 else sympy.Piecewise(*kept, evaluate=False)


def from_syntax_tree(node: ast.expr) -> sympy.Expr:
    """Return the canonical SymPy tree of a syntax tree that `parse_syntax` has checked."""
    match node:
        case ast.Constant(value=value):
            return canonical_number(value)
        case ast.Name(id=name):
            return real_symbol(name)
        case ast.UnaryOp(op=op, operand=operand):
            inner = from_syntax_tree(operand)
            return multiply(sympy.S.NegativeOne, inner) if isinstance(op, ast.USub) else inner
        case ast.BinOp(left=left, op=op, right=right):
            a, b = from_syntax_tree(left), from_syntax_tree(right)
            match op:
                case ast.Add():
                    return add(a, b)
                case ast.Sub():
                    return add(a, multiply(sympy.S.NegativeOne, b))
                case ast.Mult():
                    return multiply(a, b)
                case ast.Div():
                    return multiply(a, power(b, sympy.S.NegativeOne))
                case _:
                    return power(a, b)
        case ast.Call(func=ast.Name(id="Piecewise"), args=args):
            return piecewise([(from_syntax_tree(p.elts[0]), _condition(p.elts[1])) for p in args])  # type: ignore[attr-defined]
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            return apply_function(name, from_syntax_tree(argument))
    raise AssertionError(ast.dump(node))


def _condition(node: ast.expr) -> sympy.Basic:
    """Return the SymPy tree of a checked condition."""
    match node:
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            parts = [from_syntax_tree(part) for part in (left, *comparators)]
            pairs = zip(ops, parts, parts[1:], strict=False)
            return sympy.And(*[relation(_RELATIONS[type(op)], a, b) for op, a, b in pairs])
        case ast.BoolOp(op=op, values=values):
            join = sympy.And if isinstance(op, ast.And) else sympy.Or
            return join(*map(_condition, values))
        case ast.Constant(value=value):
            return sympy.true if value else sympy.false
    raise AssertionError(ast.dump(node))


def canonicalise(node: sympy.Basic, replace: Mapping[str, sympy.Expr]) -> sympy.Basic:
    """Return the canonical form of a SymPy tree.

    Args:
        node: Any SymPy tree of the operations of this language.
        replace: Trees that stand in the place of symbols, by name.

    Raises:
        DataError: The tree holds something that this language does not have.
    """
    again = partial(canonicalise, replace=replace)
    if isinstance(node, sympy.Symbol):
        return replace[node.name] if node.name in replace else real_symbol(node.name)
    if isinstance(node, sympy.Number | sympy.NumberSymbol):
        return canonical_number(node)
    if isinstance(node, sympy.Add):
        return add(*map(again, node.args))
    if isinstance(node, sympy.Mul):
        return multiply(*map(again, node.args))
    if isinstance(node, sympy.Pow):
        return power(again(node.base), again(node.exp))
    if isinstance(node, sympy.re):  # SymPy derives it from Abs where it does not know that names are real
        return again(node.args[0])
    if isinstance(node, sympy.sign):
        inner = again(node.args[0])
        return piecewise([(sympy.S.One, relation(sympy.Gt, inner, sympy.S.Zero)), (-sympy.S.One, sympy.true)])
    if isinstance(node, sympy.Piecewise):
        return piecewise([(again(value), again(condition)) for value, condition in node.args])
    if isinstance(node, Relational):
        return relation(type(node), again(node.lhs), again(node.rhs))
    if isinstance(node, sympy.And | sympy.Or):
        return type(node)(*map(again, node.args))
    if node in (sympy.true, sympy.false):
        return node
    if name := _FUNCTION_NAMES.get(type(node)):
        return apply_function(name, again(node.args[0]))
    raise formula_error(f"{type(node).__name__} is not allowed")


def without_assumptions(node: sympy.Basic) -> sympy.Basic:
    """Return the tree with symbols that carry no assumptions, nothing else changed."""
    if isinstance(node, sympy.Symbol):
        return sympy.Symbol(node.name)
    if not node.args:
        return node
    args = [without_assumptions(part) for part in node.args]
    if node.is_Mul or isinstance(node, sympy.Abs | sympy.Piecewise):
        return node.func(*args, evaluate=False)
    return node.func(*args)


def check_finite_real(tree: sympy.Expr) -> None:
    """Raise DataError where SymPy has found that the tree has no finite real value."""
    if tree.has(sympy.zoo, sympy.nan, sympy.oo, -sympy.oo, sympy.I):
        raise formula_error("it has no finite real value")
