"""Session: the settings of one discovery, the run directory that keeps its steps, and who is told of its progress."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from gnn_discovery.criteria import Criteria
from gnn_discovery.estimation.posterior import require_numpyro
from gnn_discovery.gnn.training import TrainingProgress
from gnn_discovery.pipeline.config import DiscoverConfig
from gnn_discovery.pipeline.run_cache import RunCache
from gnn_discovery.runs import RunDirectory, enable_compilation_cache
from gnn_discovery.symbolic.search import get_engine

NETWORK = "network"
"""The name of the first network in a run directory."""


@runtime_checkable
class ProgressMonitor(Protocol):
    """Receives the progress of a discovery."""

    def stage(self, name: str) -> None:
        """Receive the name of a stage that begins."""

    def training(self, progress: TrainingProgress) -> None:
        """Receive the state of a training after each of its chunks."""

    def regression(self, done: float, count: int) -> None:
        """Receive how many of ``count`` profiles have gone through the symbolic engines."""


def require_engines(config: DiscoverConfig) -> None:
    """Check that the engines and the sampler of the config can run here, before anything long begins.

    Raises:
        UsageError: an engine is unknown.
        EngineUnavailable: an engine or the sampler is known and cannot run here.
    """
    for engine in config.engines:
        get_engine(engine).available()
    if config.errors == "posterior":
        require_numpyro()


class Session:
    """One discovery under way: every stage of `gnn_discovery.pipeline.stages` takes it as its last argument.

    Attributes:
        config: the settings; the seed of the simulation is that of the whole.
        cache: keeps networks and candidates in a run directory, or nothing where there is none.
        seconds: time spent in each stage so far, by its name.
        command: the command line that repeats the discovery, for the report.
    """

    def __init__(
        self,
        config: DiscoverConfig | None = None,
        run: RunDirectory | None = None,
        monitor: ProgressMonitor | None = None,
        command: str | None = None,
    ):
        enable_compilation_cache()
        config = config or DiscoverConfig()
        self.config = replace(config, simulation=replace(config.simulation, seed=config.seed))
        self.run, self.cache, self.monitor, self.command = run, RunCache(run), monitor, command
        self.network_name = NETWORK
        self.seconds: dict[str, float] = {}
        self._open: list[str] = []

    @property
    def criteria(self) -> Criteria:
        """The numbers that decide."""
        return self.config.criteria

    @classmethod
    @contextmanager
    def open(
        cls,
        source: Any,
        config: DiscoverConfig | None = None,
        directory: Path | RunDirectory | None = None,
        monitor: ProgressMonitor | None = None,
        command: str | None = None,
    ) -> Iterator[Session]:
        """Yield a session that holds the lock of its run directory while it lasts.

        Args:
            source: where the motion comes from; a run remembers it if it is a name or a file.
            config: the settings; by default those of `DiscoverConfig`.
            directory: of the run, new, begun, or already open; None keeps nothing.
            monitor: receives the progress.
            command: the command line that repeats the discovery.

        Raises:
            UsageError, EngineUnavailable: an engine or a sampler that is unknown or cannot run here.
            StorageError: the directory holds something else, or is in use.
        """
        session = cls(config, None, monitor, command)
        require_engines(session.config)
        if directory is None or isinstance(directory, RunDirectory):
            yield cls(session.config, directory, monitor, command)
            return
        label = str(source) if isinstance(source, str | Path) else None
        record = {"source": label, "config": session.config.to_dict(), "command": command}
        with RunDirectory.create_or_open(directory, record) as run:
            yield cls(session.config, run, monitor, command)

    def again(self, k: int) -> Session:
        """Return a session that searches once more: seed and name of the network are the ``k``-th others.

        It shares the run directory, the clock and the monitor.
        """
        other = copy.copy(self)
        other.config = replace(self.config, seed=self.config.seed + k)
        other.network_name = f"{self.network_name}-{k}"
        return other

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Tell the monitor that the stage ``name`` begins, and add its time to `seconds` when it ends.

        A stage inside another one is part of that: it is neither told nor counted by itself.
        """
        if self._open:
            yield
            return
        if self.monitor is not None:
            self.monitor.stage(name)
        start = time.perf_counter()
        self._open.append(name)
        try:
            yield
        finally:
            self._open.pop()
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)

    def training(self, progress: TrainingProgress) -> None:
        """Pass the progress of a training on to the monitor."""
        if self.monitor is not None:
            self.monitor.training(progress)

    def regression(self, done: float, count: int) -> None:
        """Pass the progress of a symbolic search on to the monitor: ``done`` of ``count`` profiles."""
        if self.monitor is not None:
            self.monitor.regression(done, count)
