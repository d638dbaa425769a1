"""Graph networks: the graphs, the networks, and their training."""
