"""Models that can be explained: whatever states pair forces and the motion that follows from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset
from gnn_discovery.gnn.training import TrainedNetwork, predict_target
from gnn_discovery.messages.gauge import Messages, read_messages
from gnn_discovery.messages.pair_query import Pairs, network_pair_force


@runtime_checkable
class PairForceModel(Protocol):
    """The protocol of a model of pair forces, which `explain` queries."""

    def __call__(self, pairs: Pairs) -> np.ndarray:
        """Return the force (K D) on the first of each two particles."""

    def read(self, sample: Dataset) -> Messages:
        """Return the contributions at all pairs of ``sample``."""

    def predict(self, dataset: Dataset) -> np.ndarray:
        """Return the predicted target (S N D)."""


@dataclass(frozen=True)
class TrainedPairForceModel:
    """A `PairForceModel` of a network that this package trained.

    Attributes:
        trained: The network.
        criteria: Criteria that decide how its messages are read.
    """

    trained: TrainedNetwork
    criteria: Criteria = DEFAULT_CRITERIA

    @cached_property
    def _pair_force(self) -> Callable[[Pairs], np.ndarray]:
        """Return the compiled pair force of the network."""
        return network_pair_force(self.trained)

    def __call__(self, pairs: Pairs) -> np.ndarray:
        return self._pair_force(pairs)

    def read(self, sample: Dataset) -> Messages:
        """Return the contributions at all pairs of ``sample``."""
        rows = len(sample.run) * max(1, len(sample.senders))
        return read_messages(self.trained, sample, rows=rows, criteria=self.criteria)

    def predict(self, dataset: Dataset) -> np.ndarray:
        """Return the predicted target (S N D)."""
        return predict_target(self.trained, dataset)
