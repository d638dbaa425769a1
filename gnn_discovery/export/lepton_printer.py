"""Formulas in the language of Lepton, the parser that OpenMM and LAMMPS share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

from sympy import S, Symbol
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

from gnn_discovery.export.number_printers import ExactNumberPrinter
from gnn_discovery.symbolic.expression import Expression


class _Lepton(ExactNumberPrinter, StrPrinter):  # type: ignore[misc]
    """A printer for Lepton.

    ``select(c, a, b)`` is a where c is not 0, ``step(x)`` is 1 where x >= 0, ``delta(x)`` is 1 where x = 0.
    """

    def _print_Pow(self, node: Any, rational: bool = False) -> str:
        if node.exp == S.Half:
            return f"sqrt({self._print(node.base)})"
        if node.exp.could_extract_minus_sign():
            return f"1/{self.parenthesize(1 / node, PRECEDENCE['Pow'])}"
        base, exponent = (self.parenthesize(part, PRECEDENCE["Pow"], strict=False) for part in (node.base, node.exp))
        return f"{base}^{exponent}"

    def _print_Abs(self, node: Any) -> str:
        return f"abs({self._print(node.args[0])})"

    def _print_Piecewise(self, node: Any) -> str:
        *cases, (last, _) = node.args
        text = str(self._print(last))
        for value, condition in reversed(cases):
            text = f"select({self._print(condition)}, {self._print(value)}, {text})"
        return text

    def _print_Relational(self, node: Any) -> str:
        difference = f"{self._print(node.lhs)} - {self.parenthesize(node.rhs, PRECEDENCE['Mul'], strict=True)}"
        opposite = f"{self._print(node.rhs)} - {self.parenthesize(node.lhs, PRECEDENCE['Mul'], strict=True)}"
        return {
            ">=": f"step({difference})",
            "<=": f"step({opposite})",
            ">": f"(1 - step({opposite}))",
            "<": f"(1 - step({difference}))",
            "==": f"delta({difference})",
            "!=": f"(1 - delta({difference}))",
        }[node.rel_op]

    def _print_And(self, node: Any) -> str:
        return reduce(lambda a, b: f"min({a}, {b})", map(str, map(self._print, node.args)))

    def _print_Or(self, node: Any) -> str:
        return reduce(lambda a, b: f"max({a}, {b})", map(str, map(self._print, node.args)))


def lepton_source(expression: Expression, names: Mapping[str, str]) -> str:
    """Return a formula in the language of Lepton.

    Args:
        expression: the formula.
        names: other names for some of its variables.
    """
    renamed = expression.sympy.xreplace({Symbol(old): Symbol(new) for old, new in names.items()})
    return str(_Lepton().doprint(renamed))
