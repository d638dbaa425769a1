"""Estimation of the constants of a law and of their errors from observed motion."""
