"""What `relate` does: a run directory, a static graph, its law."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from gnn_discovery import nodes
from gnn_discovery.cli.monitor import monitor
from gnn_discovery.errors import DataError, UsageError
from gnn_discovery.nodes import RelateConfig
from gnn_discovery.report.digits import measured
from gnn_discovery.runs import RunDirectory, next_directory
from gnn_discovery.runs.files import dumps
from gnn_discovery.symbolic import get_engine

RESULT = "discovery.json"
KIND = "static graph"


def make_config(*, engine: list[str] | None, **asked: Any) -> RelateConfig:
    """The config of what is asked."""
    return RelateConfig(engines=tuple(dict.fromkeys(engine or ("operon",))), **asked)


@contextmanager
def begin(ctx: typer.Context, source: str, config: RelateConfig, out: Path | None) -> Iterator[RunDirectory]:
    """A new run directory; taken back where what was asked for cannot be done at all."""
    for engine in config.engines:
        get_engine(engine).available()
    path = next_directory(source) if out is None else out
    there = source if source in nodes.generators() else str(Path(source).resolve())
    command = shlex.join(["gnn-discovery", *sys.argv[1:]])
    record = {"kind": KIND, "source": there, "config": config.to_dict(), "command": command}
    with RunDirectory.create(path, record) as run:
        ctx.find_root().obj = path
        try:
            yield run
        except (UsageError, DataError):
            run.discard()
            raise


def asked(run: RunDirectory) -> bool:
    """Whether ``run`` was begun by `relate`."""
    return run.config.get("kind") == KIND


def relate(run: RunDirectory, *, json: bool, quiet: bool) -> None:
    """The whole story in ``run``, and its result printed."""
    config, source = RelateConfig.from_dict(run.config["config"]), str(run.config["source"])
    with monitor(quiet) as progress:
        progress.stage("graph")
        graph = nodes.open_graph(source, config.seed, config.target, config.radius, config.properties, config.box)
        found = nodes.relate(graph, config, progress)
    result = found.to_json(source)
    run.write_json(RESULT, result)
    if json:
        typer.echo(dumps(result))
    elif not quiet:
        typer.echo(summary(found, run.path / RESULT))


def summary(found: nodes.Related, path: Path) -> str:
    """The law, its constants and what it is worth, in a few lines."""
    rows = [("law", str(found.law))]
    rows += [("", f"{name} = {measured(c.value, c.std)}") for name, c in found.law.constants.items()]
    rows.append(("verdict", f"{found.status}: {found.reason}"))
    for who, (held, dense) in found.errors.items():
        rows.append(("error", f"{who} {held:.4g} on held-out nodes, {dense:.4g} on the densest"))
    rows += [("note", note) for note in found.notes]
    rows.append(("result", str(path)))
    return "\n".join(f"{key:>8}  {text}" for key, text in rows)
