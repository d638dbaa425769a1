"""The built-in systems, one a file, registered by entry points like anyone else's plug-in.

Potentials, distributions and time steps are those of Cranmer et al. 2020 (arXiv 2006.11287), appendix B:
G = 1, r' = r + 0.01, positions and velocities N(0, 1), masses log-normal(0, 1), charges -1 or +1,
500 steps of which every fifth is kept. ``system.py`` holds what they share, ``integrate.py`` moves the
particles.
"""
