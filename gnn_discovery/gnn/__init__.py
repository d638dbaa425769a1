"""The graph networks: graphs made from snapshots, the networks over them, and their training."""
