"""Checks of a law against motion and physics, and the verdict that follows from them."""
