"""Motion: trajectories, their files, their derivatives, and the data sets that a network learns from."""
