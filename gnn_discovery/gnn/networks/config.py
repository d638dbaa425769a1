"""The config of a network: its kind, its shape, and what keeps its messages few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from gnn_discovery.errors import UsageError, require_choice, require_integer

NodeFunction = Literal["fixed", "mlp", "hamiltonian"]
Inputs = Literal["relative", "absolute", "raw"]
MessageStrategy = Literal["standard", "bottleneck", "l1", "kl", "pruning"]
Activation = Literal["silu", "relu", "softplus"]

NODE_FUNCTIONS: tuple[NodeFunction, ...] = get_args(NodeFunction)
"""The ways in which messages become motion."""


@dataclass(frozen=True)
class NetworkConfig:
    """A frozen record of the kind and shape of a network.

    Attributes:
        node: how messages become motion: "fixed" or "mlp" (see `gnn_discovery.gnn.networks.message_passing`), or
            "hamiltonian", motion by an energy (see `gnn_discovery.gnn.networks.hamiltonian`).
        inputs: "relative" gives the edge function x_i - x_j and v_i - v_j; "absolute" gives it both endpoints; "raw"
            gives it both endpoints with nothing scaled and nothing added, and likewise the node function, as in the
            paper.
        strategy: how messages are pushed toward few components; only "mlp" as node function leaves a choice.
        message: number of message components, for "mlp" alone; None takes D for "bottleneck" and 32 for the others.
            "fixed" and "hamiltonian" have D by construction.
        width: units in each hidden layer of the edge and node functions.
        depth: number of hidden layers of the edge and node functions.
        gate: make messages as u * exp(w); without it a message is u.
        activation: the function between the layers.
        latent: learn a source strength for each particle, for data that give no mass.
    """

    node: NodeFunction = "fixed"
    inputs: Inputs = "relative"
    strategy: MessageStrategy = "bottleneck"
    message: int | None = None
    width: int = 64
    depth: int = 3
    gate: bool = True
    activation: Activation = "silu"
    latent: bool = False

    def __post_init__(self) -> None:
        where = type(self).__name__
        require_choice("node", self.node, NODE_FUNCTIONS, where)
        require_choice("inputs", self.inputs, get_args(Inputs), where)
        require_choice("strategy", self.strategy, get_args(MessageStrategy), where)
        require_choice("activation", self.activation, get_args(Activation), where)
        require_integer("message", self.message, 1, where, optional=True)
        require_integer("width", self.width, 1, where)
        require_integer("depth", self.depth, 0, where)
        require_choice("gate", self.gate, (True, False), where)
        require_choice("latent", self.latent, (True, False), where)
        if self.node == "mlp":
            return
        for name, value, neutral in (("strategy", self.strategy, "bottleneck"), ("message", self.message, None)):
            if value != neutral:
                raise UsageError(
                    f"{name} is {value!r}, which has no effect with node={self.node!r}",
                    where=where,
                    remedy=f"Leave {name} at {neutral!r}, or set node='mlp'",
                )


def message_size(config: NetworkConfig, dim: int) -> int:
    """Return the number M of message components of a network in ``dim`` dimensions of space."""
    if config.node != "mlp":
        return dim
    return config.message or (dim if config.strategy == "bottleneck" else 32)
