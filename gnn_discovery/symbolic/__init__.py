"""Symbolic regression: formulas, the search for them, and the engines that do it."""
