"""One formula: the safe parser, the canonical form; to and from text, SymPy, LaTeX, NumPy, JAX."""

from gnn_discovery.expression.record import Expression as Expression
