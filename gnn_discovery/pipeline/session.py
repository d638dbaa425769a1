"""How long each step takes, and who is told of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from gnn_discovery.gnn.training import TrainingProgress


@runtime_checkable
class ProgressMonitor(Protocol):
    """Who is told how far it has come."""

    def stage(self, name: str) -> None:
        """A step begins."""

    def training(self, progress: TrainingProgress) -> None:
        """A chunk of training is done."""

    def regression(self, done: float, count: int) -> None:
        """So many of the profiles have gone through the engines."""


class StageClock:
    """Seconds spent in each step, and the monitor told of it."""

    def __init__(self, monitor: ProgressMonitor | None):
        self.monitor = monitor
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        if self.monitor is not None:
            self.monitor.stage(name)
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)

    def training(self, progress: TrainingProgress) -> None:
        if self.monitor is not None:
            self.monitor.training(progress)

    def regression(self, done: float, count: int) -> None:
        if self.monitor is not None:
            self.monitor.regression(done, count)
