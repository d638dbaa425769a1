"""Implement the command `explain`, for a run or for a message function with its data."""

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
from gnn_discovery.report.explanation import EXPLANATION_FILE, EXPLANATION_PAGE
from gnn_discovery.runs import RunDirectory, next_directory
from gnn_discovery.runs.files import read_json, read_text


def run_explanation(
    network: str, data: str | None, config: DiscoverConfig, out: Path | None, *, json: bool, quiet: bool
) -> None:
    """Explain a network, or show again how a run was explained.

    Args:
        network: a run directory, or a message function as ``file.py:function``.
        data: motion to ask the network about; None takes that of the run.
        config: the settings for a message function; a run has its own.
        out: directory of the result; None takes the run, or the next free one.
        json: print the result as JSON.
        quiet: show neither progress nor summary.

    Raises:
        UsageError: there is neither a run nor a function with data.
        StorageError: the directory is not empty.
    """
    is_run = Path(network).is_dir()
    if not is_run and (":" not in network or data is None):
        missing = "has no data with it" if ":" in network else "is neither a run directory nor a function"
        raise UsageError(missing, where=network, remedy="Give RUN, or file.py:function --data SOURCE")
    directory = out or (Path(network) if is_run else next_directory(network))
    if out is None and is_run and (directory / EXPLANATION_FILE).exists():
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
    """Print what was written."""
    if json:
        typer.echo(read_text(directory / EXPLANATION_FILE), nl=False)
    elif not quiet:
        typer.echo(f"{read_json(directory / EXPLANATION_FILE)['text']}\n  report  {directory / EXPLANATION_PAGE}")
