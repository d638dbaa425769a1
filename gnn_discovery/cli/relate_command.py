"""Implement the command `relate`: it finds the law of a static graph in a run directory."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from gnn_discovery import static_graphs
from gnn_discovery.cli.progress import progress_monitor
from gnn_discovery.errors import DataError, UsageError
from gnn_discovery.report.number_format import format_with_error
from gnn_discovery.runs import RunDirectory, next_directory
from gnn_discovery.runs.files import to_json_text
from gnn_discovery.static_graphs import NodeDiscoveryConfig
from gnn_discovery.symbolic.search import get_engine

NODE_LAW_FILE = "discovery.json"
RELATE_RUN_KIND = "static graph"
"""The config.json of a run of `relate` has this kind."""


def make_relate_config(*, engine: list[str] | None, **settings: Any) -> NodeDiscoveryConfig:
    """Return the config that the options state.

    Args:
        engine: names of engines, each counted once; None takes the default.
        settings: other fields of the config.
    """
    return NodeDiscoveryConfig(engines=tuple(dict.fromkeys(engine or ("operon",))), **settings)


@contextmanager
def create_relate_run(
    ctx: typer.Context, source: str, config: NodeDiscoveryConfig, out: Path | None
) -> Iterator[RunDirectory]:
    """Yield a new run directory; it is removed again where the settings or the graph are not valid.

    Args:
        ctx: context of the command, which remembers the directory for the message of an interrupted one.
        source: a catalogue in a file, or the name of a generator.
        config: the settings.
        out: the directory; None takes the next free ``runs/SOURCE-N``.
    """
    for engine in config.engines:
        get_engine(engine).available()
    path = next_directory(source) if out is None else out
    origin = source if source in static_graphs.graph_generators() else str(Path(source).resolve())
    command = shlex.join(["gnn-discovery", *sys.argv[1:]])
    record = {"kind": RELATE_RUN_KIND, "source": origin, "config": config.to_dict(), "command": command}
    with RunDirectory.create(path, record) as run:
        ctx.find_root().obj = path
        try:
            yield run
        except (UsageError, DataError):
            run.discard()
            raise


def is_relate_run(run: RunDirectory) -> bool:
    """Return True where ``run`` was begun by the command `relate`."""
    return run.config.get("kind") == RELATE_RUN_KIND


def run_relate(run: RunDirectory, *, json: bool, quiet: bool) -> None:
    """Find the law of the graph of ``run``, and print the result.

    Args:
        run: an open run directory.
        json: print the result as JSON.
        quiet: show neither progress nor summary.
    """
    config, source = NodeDiscoveryConfig.from_dict(run.config["config"]), str(run.config["source"])
    with progress_monitor(quiet) as progress:
        progress.stage("graph")
        graph = static_graphs.open_graph(
            source,
            config.seed,
            config.target,
            config.radius,
            config.properties,
            config.box,
            criteria=config.criteria,
        )
        discovery = static_graphs.discover_node_law(graph, config, progress)
    result = discovery.to_json(source)
    run.write_json(NODE_LAW_FILE, result)
    if json:
        typer.echo(to_json_text(result))
    elif not quiet:
        typer.echo(format_node_law_result(discovery, run.path / NODE_LAW_FILE))


def format_node_law_result(discovery: static_graphs.NodeDiscovery, path: Path) -> str:
    """Return the law, its constants, errors and verdict in a few lines.

    Args:
        discovery: the result.
        path: file of the result.
    """
    rows = [("law", str(discovery.law))]
    rows += [("", f"{name} = {format_with_error(c.value, c.std)}") for name, c in discovery.law.constants.items()]
    rows.append(("verdict", f"{discovery.status}: {discovery.reason}"))
    for predictor, (held, dense) in discovery.errors.items():
        rows.append(("error", f"{predictor} {held:.4g} on held-out nodes, {dense:.4g} on the densest"))
    rows += [("note", note) for note in discovery.notes]
    rows.append(("result", str(path)))
    return "\n".join(f"{key:>8}  {text}" for key, text in rows)
