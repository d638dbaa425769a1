"""Symbolic engines, one file for each, and the refinement that all of them share."""
