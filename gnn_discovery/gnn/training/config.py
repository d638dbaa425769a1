"""How a network is trained: how long, how hard, by which optimiser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DEFAULT_TRAINING_STEPS = {"fixed": 4000, "mlp": 10000, "hamiltonian": 4000}
"""By the node function, where nothing else is asked."""


@dataclass(frozen=True)
class Optimiser:
    """Adam on a one-cycle schedule.

    Attributes:
        rise: share of the steps on which the rate rises.
        start, end: what the peak is divided by at the start, and that again at the end.
        b2: decay of the second moments.
        clip: largest norm of a gradient; None lets all pass, and does not measure it.
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
"""Ours, and that of Cranmer et al., arXiv 2006.11287: torch's one-cycle with what their code sets."""


@dataclass(frozen=True)
class TrainingConfig:
    """How long and how hard.

    Attributes:
        steps: of the optimiser; None takes `DEFAULT_TRAINING_STEPS`, more of them with an MLP, whose gauge is slow.
        edges: about how many edges a batch holds.
        optimiser: of `OPTIMISERS`, one-cycle cosine schedule and Adam.
        learning_rate: the peak of the schedule.
        loss: "relative", see `prediction_error`, or the mean of the "absolute" error, see `absolute_error`.
        floor: so many typical forces are what counts as one: errors below it are absolute.
        shift: standard deviation of a displacement of each snapshot as a whole, drawn anew at each step: a network that
            sees places can learn that they do not matter.
        l1: weight of the mean over edges of the L1 norm of a message, for "l1" and "pruning" (arXiv 2006.11287: 1e-2).
        own: weight of what a fixed node function pays for forces that are not central, see `_plainness`.
        kl: weight of the mean over edges of the divergence from N(0, 1), for "kl". The paper's 1 belongs to a loss
            in units of acceleration; here the loss is relative and at most about 1.
        patience: chunks (of 20 in all) without a better held-out error before training stops early; None trains to the
            end, and keeps the last parameters in the place of the best.
    """

    steps: int | None = None
    edges: int = 1536
    optimiser: Literal["fast", "paper"] = "fast"
    learning_rate: float = 8e-3
    loss: Literal["relative", "absolute"] = "relative"
    floor: float = 1.0
    shift: float = 0.0
    l1: float = 1e-2
    kl: float = 1e-3
    own: float = 5e-2
    patience: int | None = 6
