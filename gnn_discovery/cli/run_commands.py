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
from gnn_discovery.cli.progress import progress_monitor
from gnn_discovery.errors import DataError, StorageError, UsageError
from gnn_discovery.export import export_to_format as in_format
from gnn_discovery.export import text as text_format
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.serialisation import from_dict, to_dict
from gnn_discovery.pipeline import DiscoverConfig, load_run_config
from gnn_discovery.report import read_discovery_json as read_discovery
from gnn_discovery.report import summary
from gnn_discovery.runs import RunDirectory, next_directory
from gnn_discovery.runs.files import read_json, read_text, write_bytes
from gnn_discovery.simulators import SimulationConfig

DISCOVERY_FILE = "discovery.json"
REPORT_FILE = "report.html"
LAW_FILE = "law.json"
NETWORK_STAGE = "network"


@contextlib.contextmanager
def create_run(ctx: typer.Context, source: str, config: DiscoverConfig, out: Path | None) -> Iterator[RunDirectory]:
    """A new run directory; taken back where what was asked for cannot be done at all."""
    pipeline.require_engines(config)
    path = next_directory(source) if out is None else out
    command = shlex.join(["gnn-discovery", *sys.argv[1:]])
    record = {"source": absolute_source(source), "config": config.to_dict(), "command": command}
    with RunDirectory.create(path, record) as run:
        ctx.find_root().obj = path
        try:
            yield run
        except (UsageError, DataError):
            run.discard()
            raise


@contextlib.contextmanager
def open_run(ctx: typer.Context, path: Path) -> Iterator[RunDirectory]:
    """An existing run directory."""
    with RunDirectory.open(path) as run:
        ctx.find_root().obj = path
        yield run


def run_discovery(run: RunDirectory, *, json: bool, quiet: bool) -> None:
    """The whole story in ``run``, and its result printed."""
    config, source = load_run_config(run)
    with progress_monitor(quiet) as progress:
        found = pipeline.discover(source, config, directory=run, monitor=progress, command=run.config["command"])
    if json:
        typer.echo((run.path / DISCOVERY_FILE).read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        typer.echo(summary(found, run.path / REPORT_FILE))


def run_training(run: RunDirectory, *, quiet: bool) -> dict[str, Any]:
    """The network of ``run``."""
    config, source = load_run_config(run)
    with progress_monitor(quiet) as progress:
        progress.stage("motion")
        data = pipeline.prepare_dataset(pipeline.load_motion(source, config.simulation), config)
        progress.stage("training")
        trained = pipeline.train_with_restarts(NETWORK_STAGE, data, config, pipeline.RunCache(run), progress.training)
    step, loss, valid = (float(x) for x in trained.history[-1, :3])
    return {"run": str(run.path), "steps": step, "loss": loss, "held_out_error": valid, "best": trained.error}


def run_distillation(run: RunDirectory, *, quiet: bool) -> dict[str, Any]:
    """The law of the network of ``run``, as it is written to law.json."""
    config, source = load_run_config(run)
    if not run.done(NETWORK_STAGE):
        raise DataError("holds no trained network", where=str(run.path), remedy=f"gnn-discovery resume {run.path}")
    with progress_monitor(quiet) as progress:
        progress.stage("motion")
        data = pipeline.prepare_dataset(pipeline.load_motion(source, config.simulation), config)
        known = pipeline.fit_known_terms(config, data)
        rest = pipeline.subtract_known_terms(known, data)
        trained = pipeline.train_with_restarts(NETWORK_STAGE, rest, config, pipeline.RunCache(run))
        progress.stage("messages")
        reading = pipeline.extract_messages(trained, rest, config)
        progress.stage("regression")
        distilled = pipeline.prepend_known_terms(
            known, pipeline.distill_candidates(reading, rest, config, report=progress.regression)
        )
        progress.stage("refit")
        law = pipeline.select(distilled.laws, data, config).law
    found = {**to_dict(law), "text": str(law)}
    run.write_json(LAW_FILE, found)
    return found


def write_simulation(source: str, out: Path, **asked: Any) -> None:
    """Motion of a simulator in a file that is new."""
    from gnn_discovery.data.readers import write_trajectories

    if out.exists():
        raise StorageError("exists already", where=str(out), remedy="Give another --out; nothing is overwritten")
    motion = pipeline.load_motion(source, SimulationConfig(**asked))
    write_trajectories(out, motion.trajectories)
    typer.echo(f"{out}: {len(motion.trajectories)} runs", err=True)


def discovery_plan(source: str, config: DiscoverConfig, out: Path | None) -> dict[str, Any]:
    """What `run_discovery` would do, after every check that it makes before training."""
    pipeline.require_engines(config)
    path = next_directory(source) if out is None else out
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise StorageError("exists and is not empty", where=str(path), remedy="Give another --out")
    network = config.network
    return {
        **inspection.inspect_motion(source, config)[0],
        "order": config.order,
        "network": f"node {network.node}, strategy {network.strategy}, width {network.width}",
        "engines": list(config.engines),
        "seed": config.seed,
        "would_write": str(path),
    }


def read_law_file(path: Path) -> ForceLaw:
    """The law of a run, a discovery.json, a law.json, or a file written by hand, JSON or YAML."""
    if path.is_dir():
        found = next((path / name for name in (DISCOVERY_FILE, LAW_FILE) if (path / name).exists()), None)
        if found is None:
            raise DataError("holds no law yet", where=str(path), remedy=f"gnn-discovery resume {path}")
        path = found
    try:
        if path.suffix in (".yaml", ".yml"):
            return text_format.law_from_yaml(read_text(path))
        record = read_json(path)
        if isinstance(record, Mapping) and isinstance(record.get("law"), Mapping):
            record = record["law"]
        return from_dict(record)
    except DataError as error:
        raise error if error.where else DataError(error.what, where=str(path), remedy=error.remedy) from error


def export_law(law: Path, name: str, distances: tuple[float, float], out: Path | None) -> str:
    """A law in another format, in a file that is new where one is asked for."""
    if out is not None and out.exists():
        raise StorageError("exists already", where=str(out), remedy="Give another --out; nothing is overwritten")
    written = in_format(read_law_file(law), name, distances)
    if out is not None:
        write_bytes(out, written.encode())
    return written


def read_result(path: Path) -> dict[str, Any]:
    """The discovery.json of a finished run."""
    if not (path / "config.json").exists():
        raise DataError("is no run directory", where=str(path), remedy="Name one that `run_discovery` made")
    if not (path / DISCOVERY_FILE).exists():
        raise DataError("is not finished", where=str(path), remedy=f"gnn-discovery resume {path}")
    return read_discovery(path / DISCOVERY_FILE)


def format_result(found: Mapping[str, Any], path: Path) -> str:
    """The law and the verdict of a discovery.json, and where its page lies."""
    verdict = found["verdict"]
    return format_lines(
        {
            "law": found["law"]["text"],
            "verdict": f"{verdict['status']}: {verdict['reason']}",
            "report": str(path / REPORT_FILE),
        }
    )


def is_finished(run: RunDirectory) -> bool:
    """Whether ``run`` has its result."""
    return (run.path / DISCOVERY_FILE).exists()


def absolute_source(source: str) -> str:
    """A source that means the same in any working directory, where it is a file."""
    return str(Path(source).resolve()) if pipeline.names_a_file(source) else source


def format_lines(found: Mapping[str, Any]) -> str:
    """Names and values, one a line."""
    width = max(len(name) for name in found)
    return "\n".join(f"{name.replace('_', ' '):<{width}}  {format_value(value)}" for name, value in found.items())


def format_value(value: Any) -> str:
    """One value in words."""
    match value:
        case None:
            return "not measured"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}"
        case Mapping():
            return ", ".join(f"{name} {format_value(part)}" for name, part in value.items())
        case list():
            return ("\n  " if any(": " in p or p.endswith(".") for p in value) else ", ").join(value) or "none"
    return str(value)
