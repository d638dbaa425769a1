"""The catalogue of known laws, and the comparison of a law with it."""
