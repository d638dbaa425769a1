"""Laws of motion as records: terms, their evaluation, their rollout, and their forms in text and LaTeX."""
