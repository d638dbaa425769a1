"""Printers of formulas that write every float64 bit for bit."""

from __future__ import annotations

from typing import Any

from sympy.printing.c import C99CodePrinter
from sympy.printing.numpy import JaxPrinter, NumPyPrinter
from sympy.printing.printer import Printer

from gnn_discovery.symbolic.expression import Expression


class ExactNumberPrinter(Printer):  # type: ignore[misc]  # SymPy has no types
    """A mixin that writes floats, and fractions of them, in the shortest digits that read back to the same bits."""

    def _print_Float(self, number: Any) -> str:
        return repr(float(number))

    _print_Rational = _print_Half = _print_Float


class _Arrays(ExactNumberPrinter):
    """A mixin that calls the array library ``xp``, and writes conditions and cases as one does by hand."""

    def _module_format(self, name: str, register: bool = True) -> str:
        _, library, rest = name.partition("numpy")
        return f"xp{rest}" if library else name

    def _print_Relational(self, relation: Any) -> str:
        return f"({self._print(relation.lhs)} {relation.rel_op} {self._print(relation.rhs)})"

    def _print_And(self, node: Any) -> str:
        return f"({' & '.join(map(self._print, node.args))})"

    def _print_Or(self, node: Any) -> str:
        return f"({' | '.join(map(self._print, node.args))})"

    def _print_Piecewise(self, node: Any) -> str:
        *cases, (last, _) = node.args
        text = str(self._print(last))
        for value, condition in reversed(cases):
            text = f"xp.where({self._print(condition)}, {self._print(value)}, {text})"
        return text


class _NumPy(_Arrays, NumPyPrinter):  # type: ignore[misc]
    pass


class _Jax(_Arrays, JaxPrinter):  # type: ignore[misc]
    pass


class _C(ExactNumberPrinter, C99CodePrinter):  # type: ignore[misc]
    pass


def numpy_source(expression: Expression) -> str:
    """Return a formula as an expression of NumPy arrays; the library is called ``xp``."""
    return str(_NumPy().doprint(expression.sympy))


def jax_source(expression: Expression) -> str:
    """Return a formula as an expression of JAX arrays; the library is called ``xp``."""
    return str(_Jax().doprint(expression.sympy))


def c_source(expression: Expression) -> str:
    """Return a formula as an expression of doubles in C99."""
    return " ".join(_C().doprint(expression.sympy).split())
