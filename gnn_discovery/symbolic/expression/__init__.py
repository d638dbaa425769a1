"""Expressions: a safe parser and a canonical form of formulas, with conversion to SymPy, LaTeX, NumPy and JAX."""

from gnn_discovery.symbolic.expression.expression import Expression as Expression
