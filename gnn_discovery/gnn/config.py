"""The configs of a network and of its training; neither imports jax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from gnn_discovery.errors import UsageError, require_choice, require_integer, require_number

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


DEFAULT_TRAINING_STEPS = {"fixed": 4000, "mlp": 10000, "hamiltonian": 4000}
"""Optimisation steps by node function; an MLP takes more of them, since its gauge converges slowly."""

OptimiserName = Literal["fast", "paper"]
LossName = Literal["relative", "absolute"]


@dataclass(frozen=True)
class Optimiser:
    """A frozen record of the settings of Adam on a one-cycle schedule.

    Attributes:
        rise: the share of the steps on which the learning rate rises.
        start: the peak of the learning rate over its first value.
        end: the first value of the learning rate over its last.
        b2: the decay rate of the second moments.
        clip: the largest norm of a gradient; None clips nothing, and does not measure the norm.
    """

    rise: float
    start: float
    end: float
    b2: float
    clip: float | None


OPTIMISERS = {
    "fast": Optimiser(rise=0.1, start=10.0, end=1e3, b2=0.99, clip=1.0),
    "paper": Optimiser(rise=0.3, start=25.0, end=1e5, b2=0.999, clip=None),
}
"""The optimiser of this package, and that of Cranmer et al., arXiv 2006.11287: torch's one-cycle schedule with the
settings of their code."""


@dataclass(frozen=True)
class TrainingConfig:
    """A frozen record of the settings of a training.

    Attributes:
        steps: number of steps of the optimiser; None takes `DEFAULT_TRAINING_STEPS`.
        edges: approximate number of edges in a batch.
        optimiser: "fast" or "paper", see `OPTIMISERS`.
        learning_rate: the peak of the schedule.
        loss: "relative", see `gnn_discovery.gnn.training.prediction_error`, or "absolute", see
            `gnn_discovery.gnn.training.absolute_error`.
        floor: the force, in units of the typical force, below which errors of the relative loss are absolute.
        shift: standard deviation of a displacement of each snapshot as a whole, drawn anew at each step, by which a
            network that sees positions learns that they do not matter.
        l1: weight of the mean over edges of the L1 norm of a message, for "l1" and "pruning" (arXiv 2006.11287: 1e-2).
        noncentral_weight: weight of the penalty on self forces and non-central pair forces, for "fixed" and
            "hamiltonian"; it resolves the degeneracy of pair and self forces.
        kl: weight of the mean over edges of the divergence from N(0, 1), for "kl". The paper's 1 belongs to a loss
            in units of acceleration; here the loss is relative and at most about 1.
        patience: number of chunks (of 20 in all) without a better held-out error after which training stops early;
            None trains to the end, and keeps the last parameters instead of the best.
    """

    steps: int | None = None
    edges: int = 1536
    optimiser: OptimiserName = "fast"
    learning_rate: float = 8e-3
    loss: LossName = "relative"
    floor: float = 1.0
    shift: float = 0.0
    l1: float = 1e-2
    kl: float = 1e-3
    noncentral_weight: float = 5e-2
    patience: int | None = 6

    def __post_init__(self) -> None:
        where = type(self).__name__
        require_integer("steps", self.steps, 1, where, optional=True)
        require_integer("edges", self.edges, 1, where)
        require_choice("optimiser", self.optimiser, get_args(OptimiserName), where)
        require_number("learning_rate", self.learning_rate, 0.0, where, positive=True)
        require_choice("loss", self.loss, get_args(LossName), where)
        require_number("floor", self.floor, 0.0, where, positive=True)
        for name in ("shift", "l1", "kl", "noncentral_weight"):
            require_number(name, getattr(self, name), 0.0, where)
        require_integer("patience", self.patience, 1, where, optional=True)
