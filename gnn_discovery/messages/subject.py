"""What can be explained: anything that says pair forces, and what they add up to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np

from gnn_discovery.messages.contributions import Messages, read_messages
from gnn_discovery.messages.query import Pairs, pair_force
from gnn_discovery.snapshots import Snapshots
from gnn_discovery.training import Trained, predict


@runtime_checkable
class Subject(Protocol):
    """A network under study. `explain` asks it for all that it says of it."""

    def __call__(self, pairs: Pairs) -> np.ndarray:
        """The force (K D) on the first of each two particles."""

    def read(self, sample: Snapshots) -> Messages:
        """Contributions at all pairs of ``sample``."""

    def predict(self, snapshots: Snapshots) -> np.ndarray:
        """The target (S N D)."""


@dataclass(frozen=True)
class TrainedSubject:
    """A network of ours."""

    trained: Trained

    @cached_property
    def _force(self) -> Callable[[Pairs], np.ndarray]:
        return pair_force(self.trained)

    def __call__(self, pairs: Pairs) -> np.ndarray:
        return self._force(pairs)

    def read(self, sample: Snapshots) -> Messages:
        return read_messages(self.trained, sample, rows=len(sample.run) * max(1, len(sample.senders)))

    def predict(self, snapshots: Snapshots) -> np.ndarray:
        return predict(self.trained, snapshots)
