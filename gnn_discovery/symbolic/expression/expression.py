"""The expression: one scalar formula, identified by its canonical text."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from gnn_discovery.symbolic.expression.compiled_function import jax_function, joint_numpy_function, numpy_function
from gnn_discovery.symbolic.expression.syntax import FUNCTION_NAMES, parse_syntax

if TYPE_CHECKING:
    import sympy


@dataclass(frozen=True)
class Expression:
    """A frozen scalar formula of named numbers.

    It is made by `parse` (any text) or `from_sympy`; the constructor takes canonical text only.
    Two expressions are equal when their canonical texts are: terms and factors are sorted, numbers folded,
    equal factors merged; brackets are kept as written (``-2*(r - 0.99)`` is not multiplied out).

    Attributes:
        text: Python syntax; ``+ - * / **``, comparisons, ``Piecewise((e, condition), ..., (e, True))``,
            ``sqrt exp log sin cos tan tanh sinh cosh Abs``, numbers and names. `parse` reads it back
            to an equal expression, every float bit for bit.
    """

    text: str

    @staticmethod
    def parse(text: str) -> Expression:
        """Return the expression that ``text`` stands for.

        Nothing is evaluated: the text becomes a Python syntax tree in which only the listed parts are allowed.

        Raises:
            DataError: The text is not a formula of this language, too large, or without a finite real value.
        """
        return _parse_cached(text)

    @staticmethod
    def from_sympy(expression: sympy.Expr) -> Expression:
        """Return the expression of a SymPy tree; symbols keep their names and lose their assumptions.

        Raises:
            DataError: The tree holds something that this language does not have.
        """
        from gnn_discovery.symbolic.expression.canonical_tree import canonicalise

        return _canonical(canonicalise(expression, {}))

    @cached_property
    def _tree(self) -> ast.expr:
        """Return the checked syntax tree of the text."""
        return parse_syntax(self.text)

    @cached_property
    def _real(self) -> sympy.Expr:
        """Return the SymPy tree of real symbols."""
        from gnn_discovery.symbolic.expression.canonical_tree import from_syntax_tree

        return from_syntax_tree(self._tree)

    @cached_property
    def sympy(self) -> sympy.Expr:
        """Return the SymPy tree; its symbols carry no assumptions."""
        from gnn_discovery.symbolic.expression.canonical_tree import without_assumptions

        return without_assumptions(self._real)

    @cached_property
    def latex(self) -> str:
        """Return the expression in LaTeX."""
        import sympy

        return str(sympy.latex(self.sympy, full_prec=False))

    @cached_property
    def names(self) -> frozenset[str]:
        """Return the names of all variables and constants."""
        found = {node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name)}
        return frozenset(found - FUNCTION_NAMES)

    @cached_property
    def complexity(self) -> int:
        """Return the number of operators, functions, names and numbers in the text; signs are free."""
        counted = (ast.BinOp, ast.Call, ast.Name, ast.Constant, ast.Compare)
        heads = {id(node.func) for node in ast.walk(self._tree) if isinstance(node, ast.Call)}
        return sum(isinstance(node, counted) and id(node) not in heads for node in ast.walk(self._tree))

    def numpy(self, names: Sequence[str]) -> Callable[..., Any]:
        """Return a float64 function of arrays, one for each of ``names`` in that order.

        The arrays broadcast, and the result has their common shape even where the expression does not depend
        on them. Outside its domain the result is nan or inf, without a warning.

        Raises:
            DataError: The expression holds a name that is not in ``names``.
        """
        return numpy_function(self.text, tuple(names))

    @staticmethod
    def joint_numpy(expressions: Sequence[Expression], names: Sequence[str]) -> Callable[..., list[Any]]:
        """Return a float64 function of arrays that gives the values of several expressions in one pass.

        What they share, such as a power and its derivatives, is computed once. A value has the common shape of the
        arrays that its expression depends on.

        Args:
            expressions: The expressions.
            names: The names of the arguments, in their order.

        Raises:
            DataError: An expression holds a name that is not in ``names``.
        """
        return joint_numpy_function(tuple(e.text for e in expressions), tuple(names))

    def jax(self, names: Sequence[str]) -> Callable[..., Any]:
        """Return the same function for JAX arrays, traceable and differentiable."""
        return jax_function(self.text, tuple(names))

    def derivative(self, name: str) -> Expression:
        """Return the derivative with respect to ``name``; a jump of a Piecewise contributes nothing."""
        return _derivative_cached(self, name)

    def substitute(self, values: Mapping[str, int | float | Expression]) -> Expression:
        """Return the expression with numbers or other expressions in the place of names, all at once."""
        from gnn_discovery.symbolic.expression.canonical_tree import canonical_number, canonicalise

        trees = {
            name: value._real if isinstance(value, Expression) else canonical_number(value)
            for name, value in values.items()
        }
        return _canonical(canonicalise(self._real, trees))

    def lift_constants(
        self, prefix: str = "c", keep_integer_exponents: bool = True
    ) -> tuple[Expression, dict[str, float]]:
        """Return the skeleton of the formula and its constants: each independent number becomes a name.

        Redundant scale factors are merged, so ``3.0*m_j*0.5/(2*r)`` has one constant and both
        ``-2.0*(r - 0.99)`` and ``1.98 - 2*r`` become ``c0*(r + c1)``. Numbers that belong to the
        structure are kept: integer exponents and square roots, an added 1, a factor of -1, and comparisons with 0.

        Args:
            prefix: First part of the names of constants: ``<prefix>0``, ``<prefix>1``, ... in the order of the text.
            keep_integer_exponents: False also lifts integer exponents.

        Returns:
            The skeleton, and the value of each constant by its name.
        """
        from gnn_discovery.symbolic.expression.constant_lifting import lift_tree_constants

        skeleton, values = lift_tree_constants(self._real, prefix, keep_integer_exponents)
        return _canonical(skeleton), values

    def __str__(self) -> str:
        return self.text


def _canonical(tree: sympy.Expr) -> Expression:
    """Return the expression of a canonical tree; its text reads back to itself."""
    from gnn_discovery.symbolic.expression.canonical_text import to_text
    from gnn_discovery.symbolic.expression.canonical_tree import check_finite_real, from_syntax_tree

    check_finite_real(tree)
    text = to_text(tree)
    for _ in range(4):
        again = to_text(from_syntax_tree(parse_syntax(text)))
        if again == text:
            break
        text = again
    return Expression(text)


@lru_cache(maxsize=4096)
def _parse_cached(text: str) -> Expression:
    """Return the expression of a text; equal texts are parsed once."""
    from gnn_discovery.symbolic.expression.canonical_tree import from_syntax_tree

    return _canonical(from_syntax_tree(parse_syntax(text)))


@lru_cache(maxsize=4096)
def _derivative_cached(expression: Expression, name: str) -> Expression:
    """Return the derivative of an expression; it is taken once."""
    from gnn_discovery.symbolic.expression.canonical_tree import real_symbol

    return Expression.from_sympy(expression._real.diff(real_symbol(name)))
