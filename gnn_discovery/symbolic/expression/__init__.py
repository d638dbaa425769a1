"""One formula: the safe parser, the canonical form; to and from text, SymPy, LaTeX, NumPy, JAX."""

from gnn_discovery.symbolic.expression.expression import Expression as Expression
