"""What `run_relate` does: a run directory, a static graph, its law."""

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


def make_relate_config(*, engine: list[str] | None, **asked: Any) -> NodeDiscoveryConfig:
    """The config of what is asked."""
    return NodeDiscoveryConfig(engines=tuple(dict.fromkeys(engine or ("operon",))), **asked)


@contextmanager
def create_relate_run(
    ctx: typer.Context, source: str, config: NodeDiscoveryConfig, out: Path | None
) -> Iterator[RunDirectory]:
    """A new run directory; taken back where what was asked for cannot be done at all."""
    for engine in config.engines:
        get_engine(engine).available()
    path = next_directory(source) if out is None else out
    there = source if source in static_graphs.graph_generators() else str(Path(source).resolve())
    command = shlex.join(["gnn-discovery", *sys.argv[1:]])
    record = {"kind": RELATE_RUN_KIND, "source": there, "config": config.to_dict(), "command": command}
    with RunDirectory.create(path, record) as run:
        ctx.find_root().obj = path
        try:
            yield run
        except (UsageError, DataError):
            run.discard()
            raise


def is_relate_run(run: RunDirectory) -> bool:
    """Whether ``run`` was begun by `run_relate`."""
    return run.config.get("kind") == RELATE_RUN_KIND


def run_relate(run: RunDirectory, *, json: bool, quiet: bool) -> None:
    """The whole story in ``run``, and its result printed."""
    config, source = NodeDiscoveryConfig.from_dict(run.config["config"]), str(run.config["source"])
    with progress_monitor(quiet) as progress:
        progress.stage("graph")
        graph = static_graphs.open_graph(
            source, config.seed, config.target, config.radius, config.properties, config.box
        )
        found = static_graphs.discover_node_law(graph, config, progress)
    result = found.to_json(source)
    run.write_json(NODE_LAW_FILE, result)
    if json:
        typer.echo(to_json_text(result))
    elif not quiet:
        typer.echo(format_node_law_result(found, run.path / NODE_LAW_FILE))


def format_node_law_result(found: static_graphs.NodeDiscovery, path: Path) -> str:
    """The law, its constants and what it is worth, in a few lines."""
    rows = [("law", str(found.law))]
    rows += [("", f"{name} = {format_with_error(c.value, c.std)}") for name, c in found.law.constants.items()]
    rows.append(("verdict", f"{found.status}: {found.reason}"))
    for who, (held, dense) in found.errors.items():
        rows.append(("error", f"{who} {held:.4g} on held-out nodes, {dense:.4g} on the densest"))
    rows += [("note", note) for note in found.notes]
    rows.append(("result", str(path)))
    return "\n".join(f"{key:>8}  {text}" for key, text in rows)
