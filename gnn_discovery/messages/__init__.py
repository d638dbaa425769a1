"""Messages of a trained network, read as pair forces and self forces in physical units.

This file imports nothing, so that `gnn_discovery.messages.table` can be read without JAX.
"""
