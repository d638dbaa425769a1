"""Canonical text of a SymPy tree: Python syntax with terms and factors in a fixed order."""

from __future__ import annotations

import re
from collections.abc import Sequence

import sympy
from sympy.core.relational import Relational

from gnn_discovery.symbolic.expression.syntax import formula_error

_SUM, _PRODUCT, _POWER, _ATOM = range(4)
_CONSTANT_NAME = re.compile(r"\b[A-Za-z]+\d+\b")


def to_text(tree: sympy.Basic) -> str:
    """Return the text of a canonical tree."""
    return _render(tree)[0]


def _render(node: sympy.Basic) -> tuple[str, int]:
    """Return the text of a node and its binding strength."""
    if isinstance(node, sympy.Symbol):
        return node.name, _ATOM
    if isinstance(node, sympy.Number):
        return _render_number(node)
    if isinstance(node, sympy.Add):
        return _render_sum(node.args), _SUM
    if isinstance(node, sympy.Mul):
        return _render_product(node)
    if isinstance(node, sympy.Pow):
        if node.exp.is_Number and node.exp < 0:
            return _render_product(node)
        return _render_power(node.base, node.exp)
    if isinstance(node, sympy.Piecewise):
        cases = ", ".join(f"({to_text(value)}, {_render_condition(condition)})" for value, condition in node.args)
        return f"Piecewise({cases})", _ATOM
    if isinstance(node, sympy.Function) and len(node.args) == 1:
        return f"{type(node).__name__}({to_text(node.args[0])})", _ATOM
    raise formula_error(f"{type(node).__name__} is not allowed")


def _wrap(node: sympy.Basic, at_least: int) -> str:
    """Return the text of a node, in brackets where it binds less tightly than ``at_least``."""
    text, level = _render(node)
    return text if level >= at_least else f"({text})"


def _render_number(value: sympy.Number) -> tuple[str, int]:
    """Return the text of a number and its binding strength."""
    if value.is_Integer:
        return str(value.p), _ATOM if value >= 0 else _SUM
    if value.is_Rational and value.q & (value.q - 1):
        return f"{value.p}/{value.q}", _PRODUCT if value >= 0 else _SUM
    return repr(float(value)), _ATOM if value >= 0 else _SUM


def _render_sum(terms: Sequence[sympy.Expr]) -> str:
    """Return the text of a sum, its terms in a fixed order."""
    written = []
    for term in terms:
        coefficient, rest = term.as_coeff_Mul()
        negative = bool(coefficient < 0)
        # One numeric factor before a bracket must not be multiplied into it.
        body = sympy.Mul(-coefficient, rest, evaluate=not rest.is_Add) if negative else term
        text = _wrap(body, _PRODUCT) if body.is_Add else to_text(body)
        written.append(((negative, _is_constant(rest), _CONSTANT_NAME.sub("#", to_text(rest)), text), negative, text))
    written.sort()
    parts = [(" - " if negative else " + ") + text for _, negative, text in written]
    first = parts[0]
    return ("-" if first.startswith(" - ") else "") + first[3:] + "".join(parts[1:])


def _is_constant(node: sympy.Basic) -> bool:
    """Tell whether a tree holds only numbers and names like c0; these are written last in a sum."""
    return all(_CONSTANT_NAME.fullmatch(symbol.name) for symbol in node.free_symbols)


def _render_product(node: sympy.Expr) -> tuple[str, int]:
    """Return the text of a product as a fraction, its factors in a fixed order, and its binding strength."""
    coefficient, rest = node.as_coeff_Mul()
    negative = bool(coefficient < 0)
    coefficient = abs(coefficient)
    above, below = [], []
    for factor in sympy.Mul.make_args(rest):
        base, exponent = factor.as_base_exp() if factor.is_Pow else (factor, sympy.S.One)
        if exponent.is_Number and exponent < 0:
            below.append(_render_power(base, -exponent))
        else:
            above.append(_render(factor))
    above, below = [sorted(part, key=_factor_key) for part in (above, below)]
    if coefficient.is_Rational and coefficient.q & (coefficient.q - 1):
        below.insert(0, (str(coefficient.q), _ATOM))
        coefficient = sympy.Integer(coefficient.p)
    if coefficient != 1 or not above:
        above.insert(0, _render_number(coefficient))
    text = "*".join(_bracket(part, _PRODUCT) for part in above)
    if below:
        under = "*".join(_bracket(part, _PRODUCT if len(below) > 1 else _POWER) for part in below)
        text += f"/({under})" if len(below) > 1 else f"/{under}"
    if negative:
        return f"-{text}", _SUM
    return text, _PRODUCT if len(above) > 1 or below else above[0][1]


def _bracket(part: tuple[str, int], at_least: int) -> str:
    """Return a text, in brackets where it binds less tightly than ``at_least``."""
    return part[0] if part[1] >= at_least else f"({part[0]})"


def _factor_key(part: tuple[str, int]) -> tuple[bool, str, str]:
    """Return the key by which factors are sorted: constants first, numbers in names ignored."""
    text = part[0]
    return (_CONSTANT_NAME.fullmatch(text) is None, _CONSTANT_NAME.sub("#", text), text)


def _render_power(base: sympy.Expr, exponent: sympy.Expr) -> tuple[str, int]:
    """Return the text of a power and its binding strength."""
    if exponent == 1:
        return _render(base)
    if exponent == sympy.Rational(1, 2):
        return f"sqrt({to_text(base)})", _ATOM
    return f"{_wrap(base, _ATOM)}**{_wrap(exponent, _ATOM)}", _POWER


def _render_condition(node: sympy.Basic) -> str:
    """Return the text of a condition."""
    if isinstance(node, Relational):
        if _is_constant(node.lhs) and not _is_constant(node.rhs):
            node = node.reversed
        return f"{to_text(node.lhs)} {node.rel_op} {to_text(node.rhs)}"
    if isinstance(node, sympy.And | sympy.Or):
        word = " and " if isinstance(node, sympy.And) else " or "
        return word.join(
            f"({_render_condition(part)})" if isinstance(part, sympy.And | sympy.Or) else _render_condition(part)
            for part in sorted(node.args, key=_render_condition)
        )
    if node in (sympy.true, sympy.false):
        return str(bool(node))
    raise formula_error(f"{type(node).__name__} is no condition")
