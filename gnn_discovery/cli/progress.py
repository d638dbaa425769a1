"""Show progress on standard error: the stage, its speed, and the time that is left."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import TaskID

    from gnn_discovery.gnn.training import TrainingProgress


class SilentMonitor:
    """A monitor that shows nothing; it is a context manager."""

    def __enter__(self) -> SilentMonitor:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        pass

    def stage(self, name: str) -> None:
        """Receive the name of a stage that begins."""

    def training(self, progress: TrainingProgress) -> None:
        """Receive the state of a training."""

    def regression(self, done: float, count: int) -> None:
        """Receive the number of profiles that are done, a fraction for the one in hand, and their total."""


class ProgressBars(SilentMonitor):
    """A monitor that shows one line a stage, with a bar where its length is known; plain lines without a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.console = Console(stderr=True)
        columns = (
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description:<12}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
        )
        self.bars = Progress(*columns, console=self.console, disable=not self.console.is_terminal)
        self.task: TaskID | None = None
        self.started: tuple[float, float] | None = None

    def __enter__(self) -> ProgressBars:
        self.bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        if kind is None:
            self._finish()
        self.bars.stop()

    def stage(self, name: str) -> None:
        """Finish the line of the last stage and begin one."""
        self._finish()
        self.started = None
        self.task = self.bars.add_task(name, total=None, note="")
        if not self.console.is_terminal:
            self.console.print(name, highlight=False)

    def training(self, progress: TrainingProgress) -> None:
        speed, error = progress.steps_per_second, progress.validation_error
        left = (progress.steps - progress.step) / speed
        note = f"{speed:,.0f} steps/s  held-out error {error:.3g}  {left:.0f} s left"
        self._show(progress.step, progress.steps, note)

    def regression(self, done: float, count: int) -> None:
        """Show the profiles done and the time left, measured from the first report on.

        Args:
            done: profiles that are done, a fraction for the one in hand.
            count: number of profiles.
        """
        now = time.monotonic()
        first, since = self.started = self.started or (done, now)
        left = f"  {(now - since) * (count - done) / (done - first):.0f} s left" if done > first else ""
        self._show(done, count, f"{int(done)} of {count} profiles{left}")

    def _show(self, done: float, count: int, note: str) -> None:
        if self.task is not None:
            self.bars.update(self.task, completed=done, total=count, note=note)

    def _finish(self) -> None:
        if self.task is not None:
            self.bars.update(self.task, completed=1, total=1)
            self.task = None


def progress_monitor(quiet: bool) -> SilentMonitor:
    """Return the monitor of a command, silent where it is to be quiet."""
    return SilentMonitor() if quiet else ProgressBars()
