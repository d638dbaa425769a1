"""What can be explained: anything that says pair forces, and what they add up to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.gnn.training import TrainedNetwork, predict_target
from gnn_discovery.messages.gauge import Messages, read_messages
from gnn_discovery.messages.pair_query import Pairs, network_pair_force


@runtime_checkable
class PairForceModel(Protocol):
    """A network under study. `explain` asks it for all that it says of it."""

    def __call__(self, pairs: Pairs) -> np.ndarray:
        """The force (K D) on the first of each two particles."""

    def read(self, sample: Dataset) -> Messages:
        """Contributions at all pairs of ``sample``."""

    def predict(self, snapshots: Dataset) -> np.ndarray:
        """The target (S N D)."""


@dataclass(frozen=True)
class TrainedPairForceModel:
    """A network of ours."""

    trained: TrainedNetwork

    @cached_property
    def _force(self) -> Callable[[Pairs], np.ndarray]:
        return network_pair_force(self.trained)

    def __call__(self, pairs: Pairs) -> np.ndarray:
        return self._force(pairs)

    def read(self, sample: Dataset) -> Messages:
        return read_messages(self.trained, sample, rows=len(sample.run) * max(1, len(sample.senders)))

    def predict(self, snapshots: Dataset) -> np.ndarray:
        return predict_target(self.trained, snapshots)
