"""The kind and the shape of a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

NodeFunction = Literal["fixed", "mlp", "hamiltonian"]
MessageStrategy = Literal["standard", "bottleneck", "l1", "kl", "pruning"]
Activation = Literal["silu", "relu", "softplus"]

NODE_FUNCTIONS: tuple[NodeFunction, ...] = get_args(NodeFunction)


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of the network.

    Attributes:
        node: "fixed" or "mlp", how messages become motion (see `gnn_discovery.gnn.networks.message_passing`); or "hamiltonian", motion
            by an energy (see `gnn_discovery.gnn.networks.hamiltonian`).
        inputs: "relative" gives the edge function x_i - x_j and v_i - v_j; "absolute" both endpoints; "raw" both
            endpoints with nothing scaled and nothing added, to the node function too, as in the paper.
        strategy: how messages are pushed toward few components; only an MLP as node function has any choice.
        message: number of components; None takes D for "bottleneck", "fixed" and "hamiltonian", else 32.
        width, depth: hidden layers of the edge and node functions.
        gate: u * exp(w) messages; without it the message is u.
        activation: between the hidden layers.
        latent: learn a source strength for each particle, for data that give no mass.
    """

    node: NodeFunction = "fixed"
    inputs: Literal["relative", "absolute", "raw"] = "relative"
    strategy: MessageStrategy = "bottleneck"
    message: int | None = None
    width: int = 64
    depth: int = 3
    gate: bool = True
    activation: Activation = "silu"
    latent: bool = False


def message_size(config: NetworkConfig, dim: int) -> int:
    """Number of message components M."""
    if config.node != "mlp":
        return dim
    return config.message or (dim if config.strategy == "bottleneck" else 32)
