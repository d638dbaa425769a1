"""The built-in systems, one in each file, registered by entry points like any other plug-in.

Potentials, distributions and time steps are those of Cranmer et al. 2020 (arXiv 2006.11287), appendix B:
G = 1, r' = r + 0.01, positions and velocities N(0, 1), masses log-normal(0, 1), charges -1 or +1,
500 steps of which every fifth is kept. ``pair_system.py`` holds the class that they share.
"""
