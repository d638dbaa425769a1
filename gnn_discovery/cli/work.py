"""What the commands do: a run directory, the steps of the pipeline, a few lines to print."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from gnn_discovery import pipeline
from gnn_discovery.cli import inspection
from gnn_discovery.cli.monitor import monitor
from gnn_discovery.errors import DataError, StorageError, UsageError
from gnn_discovery.export import export as in_format
from gnn_discovery.export import text as text_format
from gnn_discovery.law import ForceLaw
from gnn_discovery.law.text import from_dict, to_dict
from gnn_discovery.pipeline import DiscoverConfig, asked
from gnn_discovery.report import read_json as read_discovery
from gnn_discovery.report import summary
from gnn_discovery.runs import RunDirectory, next_directory
from gnn_discovery.runs.files import read_json, read_text, write_bytes
from gnn_discovery.simulator import SimulationConfig

RESULT = "discovery.json"
PAGE = "report.html"
LAW = "law.json"
NETWORK = "network"


@contextlib.contextmanager
def begin(ctx: typer.Context, source: str, config: DiscoverConfig, out: Path | None) -> Iterator[RunDirectory]:
    """A new run directory; taken back where what was asked for cannot be done at all."""
    pipeline.check_engines(config)
    path = next_directory(source) if out is None else out
    command = shlex.join(["gnn-discovery", *sys.argv[1:]])
    record = {"source": absolute(source), "config": config.to_dict(), "command": command}
    with RunDirectory.create(path, record) as run:
        ctx.find_root().obj = path
        try:
            yield run
        except (UsageError, DataError):
            run.discard()
            raise


@contextlib.contextmanager
def go_on(ctx: typer.Context, path: Path) -> Iterator[RunDirectory]:
    """An existing run directory."""
    with RunDirectory.open(path) as run:
        ctx.find_root().obj = path
        yield run


def discover(run: RunDirectory, *, json: bool, quiet: bool) -> None:
    """The whole story in ``run``, and its result printed."""
    config, source = asked(run)
    with monitor(quiet) as progress:
        found = pipeline.discover(source, config, directory=run, monitor=progress, command=run.config["command"])
    if json:
        typer.echo((run.path / RESULT).read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        typer.echo(summary(found, run.path / PAGE))


def train(run: RunDirectory, *, quiet: bool) -> dict[str, Any]:
    """The network of ``run``."""
    config, source = asked(run)
    with monitor(quiet) as progress:
        progress.stage("motion")
        data = pipeline.observe(pipeline.load(source, config.simulation), config)
        progress.stage("training")
        trained = pipeline.network(NETWORK, data, config, pipeline.Keep(run), progress.training)
    step, loss, valid = (float(x) for x in trained.history[-1, :3])
    return {"run": str(run.path), "steps": step, "loss": loss, "held_out_error": valid, "best": trained.error}


def distill(run: RunDirectory, *, quiet: bool) -> dict[str, Any]:
    """The law of the network of ``run``, as it is written to law.json."""
    config, source = asked(run)
    if not run.done(NETWORK):
        raise DataError("holds no trained network", where=str(run.path), remedy=f"gnn-discovery resume {run.path}")
    with monitor(quiet) as progress:
        progress.stage("motion")
        data = pipeline.observe(pipeline.load(source, config.simulation), config)
        known = pipeline.given_law(config, data)
        rest = pipeline.leave(known, data)
        trained = pipeline.network(NETWORK, rest, config, pipeline.Keep(run))
        progress.stage("messages")
        reading = pipeline.read(trained, rest, config)
        progress.stage("regression")
        distilled = pipeline.beside(known, pipeline.distill(reading, rest, config, report=progress.regression))
        progress.stage("refit")
        law = pipeline.choose(distilled.laws, data, config).law
    found = {**to_dict(law), "text": str(law)}
    run.write_json(LAW, found)
    return found


def simulate(source: str, out: Path, **asked: Any) -> None:
    """Motion of a simulator in a file that is new."""
    from gnn_discovery.readers import write

    if out.exists():
        raise StorageError("exists already", where=str(out), remedy="Give another --out; nothing is overwritten")
    motion = pipeline.load(source, SimulationConfig(**asked))
    write(out, motion.trajectories)
    typer.echo(f"{out}: {len(motion.trajectories)} runs", err=True)


def plan(source: str, config: DiscoverConfig, out: Path | None) -> dict[str, Any]:
    """What `discover` would do, after every check that it makes before training."""
    pipeline.check_engines(config)
    path = next_directory(source) if out is None else out
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise StorageError("exists and is not empty", where=str(path), remedy="Give another --out")
    network = config.network
    return {
        **inspection.inspect(source, config)[0],
        "order": config.order,
        "network": f"node {network.node}, strategy {network.strategy}, width {network.width}",
        "engines": list(config.engines),
        "seed": config.seed,
        "would_write": str(path),
    }


def read_law(path: Path) -> ForceLaw:
    """The law of a run, a discovery.json, a law.json, or a file written by hand, JSON or YAML."""
    if path.is_dir():
        found = next((path / name for name in (RESULT, LAW) if (path / name).exists()), None)
        if found is None:
            raise DataError("holds no law yet", where=str(path), remedy=f"gnn-discovery resume {path}")
        path = found
    try:
        if path.suffix in (".yaml", ".yml"):
            return text_format.read(read_text(path))
        record = read_json(path)
        if isinstance(record, Mapping) and isinstance(record.get("law"), Mapping):
            record = record["law"]
        return from_dict(record)
    except DataError as error:
        raise error if error.where else DataError(error.what, where=str(path), remedy=error.remedy) from error


def export(law: Path, name: str, distances: tuple[float, float], out: Path | None) -> str:
    """A law in another format, in a file that is new where one is asked for."""
    if out is not None and out.exists():
        raise StorageError("exists already", where=str(out), remedy="Give another --out; nothing is overwritten")
    written = in_format(read_law(law), name, distances)
    if out is not None:
        write_bytes(out, written.encode())
    return written


def result(path: Path) -> dict[str, Any]:
    """The discovery.json of a finished run."""
    if not (path / "config.json").exists():
        raise DataError("is no run directory", where=str(path), remedy="Name one that `discover` made")
    if not (path / RESULT).exists():
        raise DataError("is not finished", where=str(path), remedy=f"gnn-discovery resume {path}")
    return read_discovery(path / RESULT)


def result_lines(found: Mapping[str, Any], path: Path) -> str:
    """The law and the verdict of a discovery.json, and where its page lies."""
    verdict = found["verdict"]
    return lines(
        {
            "law": found["law"]["text"],
            "verdict": f"{verdict['status']}: {verdict['reason']}",
            "report": str(path / PAGE),
        }
    )


def finished(run: RunDirectory) -> bool:
    """Whether ``run`` has its result."""
    return (run.path / RESULT).exists()


def absolute(source: str) -> str:
    """A source that means the same in any working directory, where it is a file."""
    return str(Path(source).resolve()) if pipeline.is_file(source) else source


def lines(found: Mapping[str, Any]) -> str:
    """Names and values, one a line."""
    width = max(len(name) for name in found)
    return "\n".join(f"{name.replace('_', ' '):<{width}}  {text(value)}" for name, value in found.items())


def text(value: Any) -> str:
    """One value in words."""
    match value:
        case None:
            return "not measured"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}"
        case Mapping():
            return ", ".join(f"{name} {text(part)}" for name, part in value.items())
        case list():
            return ("\n  " if any(": " in p or p.endswith(".") for p in value) else ", ").join(value) or "none"
    return str(value)
