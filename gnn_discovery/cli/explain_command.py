"""The command `run_explanation`: a run, or a message function with its data."""

from __future__ import annotations

import contextlib
import shlex
import sys
from pathlib import Path

import typer

from gnn_discovery import pipeline
from gnn_discovery.cli.progress import progress_monitor
from gnn_discovery.errors import StorageError, UsageError
from gnn_discovery.pipeline import DiscoverConfig
from gnn_discovery.report.explanation import PAGE, RESULT
from gnn_discovery.runs import RunDirectory, next_directory
from gnn_discovery.runs.files import read_json, read_text


def run_explanation(
    network: str, data: str | None, config: DiscoverConfig, out: Path | None, *, json: bool, quiet: bool
) -> None:
    """Explains ``network``, or shows again how it was explained; ``config`` is for a message function."""
    is_run = Path(network).is_dir()
    if not is_run and (":" not in network or data is None):
        missing = "has no data with it" if ":" in network else "is neither a run directory nor a function"
        raise UsageError(missing, where=network, remedy="Give RUN, or file.py:function --data SOURCE")
    directory = out or (Path(network) if is_run else next_directory(network))
    if out is None and is_run and (directory / RESULT).exists():
        _print_explanation(directory, json=json, quiet=quiet)
        return
    if directory.exists() and any(directory.iterdir()) and directory != Path(network):
        raise StorageError("exists and is not empty", where=str(directory), remedy="Give another --out")
    command = shlex.join(["gnn-discovery", *sys.argv[1:]])
    with contextlib.ExitStack() as stack:
        if is_run:
            stack.enter_context(RunDirectory.open(Path(network)))
        progress = stack.enter_context(progress_monitor(quiet))
        pipeline.explain(
            network, data, None if is_run else config, directory=directory, monitor=progress, command=command
        )
    _print_explanation(directory, json=json, quiet=quiet)


def _print_explanation(directory: Path, *, json: bool, quiet: bool) -> None:
    """What was written, on standard output."""
    if json:
        typer.echo(read_text(directory / RESULT), nl=False)
    elif not quiet:
        typer.echo(f"{read_json(directory / RESULT)['text']}\n  report  {directory / PAGE}")
