"""The equation of motion of a law in LaTeX."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gnn_discovery.laws.text import format_constant

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

    from sympy.printing.latex import LatexPrinter

    from gnn_discovery.laws.law import ForceLaw
    from gnn_discovery.laws.term import Constant, Term

_UNIT_VECTORS = {
    ("pair", "radial"): r"\hat{\mathbf{r}}_{ij}",
    ("pair", "transverse"): r"\hat{\mathbf{z}}\times\hat{\mathbf{r}}_{ij}",
    ("pair", "velocity"): r"(\mathbf{v}_i-\mathbf{v}_j)",
    ("self", "velocity"): r"\mathbf{v}_i",
    ("self", "transverse"): r"\hat{\mathbf{z}}\times\mathbf{v}_i",
    ("external", "radial"): r"\hat{\mathbf{r}}_{i}",
    ("external", "transverse"): r"\hat{\mathbf{z}}\times\hat{\mathbf{r}}_{i}",
}


def left_hand_side(law: ForceLaw) -> str:
    """Return ``m a``, ``a`` or ``v`` of particle i in LaTeX."""
    motion = r"\mathbf{a}_i" if law.order == 2 else r"\mathbf{v}_i"
    return rf"m_i\,{motion}" if law.divides_by_mass else motion


def equation_parts(law: ForceLaw, *, numeric: bool = True) -> tuple[str, ...]:
    """Return the equation in parts between which a line may break: the left side, then one part for each term.

    Args:
        law: the law.
        numeric: True for constants as numbers with their errors, ``1.00000(2)``; False for their names.
    """
    parts = [left_hand_side(law)]
    for position, term in enumerate(law.terms):
        sign, body = _term_latex(term, numeric)
        if position == 0:
            parts[0] += r"\;="
            parts.append(body if sign == "+" else f"-{body}")
        else:
            parts.append(rf"{sign}\,{body}")
    if not law.terms:
        parts[0] += " = 0"
    if law.diffusion is not None:
        parts.append(r"+ \sqrt{2 D}\,\boldsymbol{\xi}_i")
    return tuple(parts)


def law_latex(law: ForceLaw) -> str:
    """Return the equation of motion in LaTeX (amsmath)."""
    return " ".join(equation_parts(law))


def _term_latex(term: Term, numeric: bool) -> tuple[str, str]:
    scalar = scalar_latex(term, numeric)
    sign = "-" if scalar.startswith("-") else "+"
    scalar = scalar.removeprefix("-").strip()
    unit = _UNIT_VECTORS.get((term.kind, term.direction), rf"\hat{{\mathbf{{{term.direction}}}}}")
    operator = r"\sum_{j}\," if term.kind == "pair" else ""
    if r"\begin{cases}" in scalar:
        return sign, rf"{operator}{unit}\;{scalar}"
    return sign, rf"{operator}{scalar}\;{unit}"


def scalar_latex(term: Term, numeric: bool = True) -> str:
    """Return the scalar of one term in LaTeX, bracketed where it is a sum.

    Args:
        term: the term.
        numeric: True for constants as numbers with their errors, False for their names.
    """
    import sympy

    expression, names = term.expression.sympy, {}
    if numeric:
        for name, constant in term.constants.items():
            symbol = sympy.Symbol(name)
            shown = sympy.Symbol(name, positive=True)
            expression = expression.subs(symbol, -shown if constant.value < 0 else shown)
            names[shown] = _constant_latex(constant)
    text = _latex_printer(names, set(names) or {sympy.Symbol(name) for name in term.constants}).doprint(expression)
    text = re.sub(r"(?<!\^\{)(?<!\^\{- )\\frac", r"\\dfrac", text)
    return rf"\left({text}\right)" if expression.is_Add else text


def _constant_latex(constant: Constant) -> str:
    mantissa, _, exponent = format_constant(constant).partition("e")
    return rf"{mantissa}\!\cdot\!10^{{{int(exponent)}}}" if exponent else mantissa


def _latex_printer(names: Mapping[object, str], constants: Set[object]) -> LatexPrinter:
    from sympy.printing.latex import LatexPrinter

    class Variables(LatexPrinter):  # type: ignore[misc]  # SymPy has no types
        """A printer that puts variables before constants, in sums and in conditions."""

        def _as_ordered_terms(self, expr: Any, order: Any = None) -> list[Any]:
            ordered = super()._as_ordered_terms(expr, order=order)
            return sorted(ordered, key=lambda part: not part.free_symbols - constants)

        def _print_Relational(self, expr: Any) -> str:
            return str(super()._print_Relational(expr if expr.lhs.free_symbols - constants else expr.reversed))

    return Variables({"symbol_names": dict(names), "mul_symbol": r" \, "})
