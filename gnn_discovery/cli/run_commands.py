"""Implement the commands that work in a run directory: they call stages of the pipeline and print the outcome."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gnn_discovery import pipeline
from gnn_discovery.cli.output import format_lines
from gnn_discovery.cli.progress import progress_monitor
from gnn_discovery.errors import DataError, StorageError, UsageError
from gnn_discovery.export import export_to_format
from gnn_discovery.export.text import law_from_yaml
from gnn_discovery.laws.serialisation import from_dict, to_dict
from gnn_discovery.report import discovery_summary, read_discovery_json
from gnn_discovery.runs import RunDirectory, next_directory
from gnn_discovery.runs.files import read_json, read_text, write_bytes
from gnn_discovery.simulators import SimulationConfig

if TYPE_CHECKING:
    from gnn_discovery.laws.law import ForceLaw
    from gnn_discovery.pipeline import DiscoverConfig, Session, Validation
    from gnn_discovery.validation.verdict import Verdict

DISCOVERY_FILE = "discovery.json"
REPORT_FILE = "report.html"
LAW_FILE = "law.json"


@contextlib.contextmanager
def create_run(ctx: typer.Context, source: str, config: DiscoverConfig, out: Path | None) -> Iterator[RunDirectory]:
    """Yield a new run directory; it is removed again where the settings or the motion are not valid.

    Args:
        ctx: context of the command, which remembers the directory for the message of an interrupted one.
        source: where the motion comes from.
        config: the settings.
        out: the directory; None takes the next free ``runs/SOURCE-N``.
    """
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
    """Yield an existing run directory.

    Args:
        ctx: context of the command, which remembers the directory for the message of an interrupted one.
        path: the directory.
    """
    with RunDirectory.open(path) as run:
        ctx.find_root().obj = path
        yield run


def run_discovery(run: RunDirectory, *, json: bool, quiet: bool) -> None:
    """Discover the law of the motion of ``run``, and print the result.

    Args:
        run: an open run directory.
        json: print discovery.json in the place of a summary.
        quiet: show neither progress nor summary.
    """
    config, source = pipeline.load_run_config(run)
    with progress_monitor(quiet) as progress:
        discovery = pipeline.discover(source, config, directory=run, monitor=progress, command=run.config["command"])
    if json:
        typer.echo((run.path / DISCOVERY_FILE).read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        typer.echo(discovery_summary(discovery, run.path / REPORT_FILE))


def run_training(run: RunDirectory, *, quiet: bool) -> dict[str, Any]:
    """Train the network of ``run``, and return how it went.

    Args:
        run: an open run directory; it keeps the network.
        quiet: show no progress.
    """
    with session_of_run(run, quiet) as (session, source):
        motion = pipeline.prepare_motion(source, session)
        trained = pipeline.train_network(motion, session)
    step, loss, valid = (float(x) for x in trained.history[-1, :3])
    return {"run": str(run.path), "steps": step, "loss": loss, "held_out_error": valid, "best": trained.error}


def run_distillation(run: RunDirectory, *, quiet: bool) -> dict[str, Any]:
    """Find the law of the network of ``run``, write it to law.json, and return it.

    Args:
        run: an open run directory that holds a trained network.
        quiet: show no progress.

    Raises:
        DataError: the run holds no trained network.
    """
    law, *_ = _law_of_run(run, quiet=quiet, validate=False)
    record = {**to_dict(law), "text": str(law)}
    run.write_json(LAW_FILE, record)
    return record


def validate_run(run: RunDirectory, *, quiet: bool) -> tuple[ForceLaw, Validation, Verdict]:
    """Return the law of ``run``, its validation and its verdict: the same as those of `run_discovery`.

    Args:
        run: an open run directory that holds a trained network.
        quiet: show no progress.

    Raises:
        DataError: the run holds no trained network.
    """
    law, validation, verdict = _law_of_run(run, quiet=quiet, validate=True)
    assert validation is not None and verdict is not None
    return law, validation, verdict


def _law_of_run(
    run: RunDirectory, *, quiet: bool, validate: bool
) -> tuple[ForceLaw, Validation | None, Verdict | None]:
    if not run.done(pipeline.NETWORK):
        raise DataError("holds no trained network", where=str(run.path), remedy=f"gnn-discovery resume {run.path}")
    with session_of_run(run, quiet) as (session, source):
        motion = pipeline.prepare_motion(source, session)
        network = pipeline.train_network(motion, session)
        traced = pipeline.trace_motion(network, motion, session)
        messages = pipeline.extract_messages(network, traced, session)
        candidates = pipeline.distill_candidates(messages, traced, session)
        selected = pipeline.select_candidate(candidates, traced, session)
        law = pipeline.estimate_constants(selected.selection.law, selected.motion, session)
        if not validate:
            return law, None, None
        validation = pipeline.validate_law(law, selected, messages, motion, session)
        return law, validation, pipeline.decide_verdict(validation, selected.motion, session)


@contextlib.contextmanager
def session_of_run(run: RunDirectory, quiet: bool) -> Iterator[tuple[Session, str]]:
    """Yield the session of an open run, with progress bars, and the source of its motion.

    Args:
        run: an open run directory.
        quiet: show no progress.
    """
    config, source = pipeline.load_run_config(run)
    with progress_monitor(quiet) as progress:
        yield pipeline.Session(config, run, progress, run.config["command"]), source


def write_simulation(source: str, out: Path, **size: Any) -> None:
    """Write the motion of a simulator to a new file.

    Args:
        source: the simulator.
        out: the file.
        size: fields of `SimulationConfig`.

    Raises:
        StorageError: the file exists.
    """
    from gnn_discovery.data.readers import write_trajectories

    if out.exists():
        raise StorageError("exists already", where=str(out), remedy="Give another --out; nothing is overwritten")
    motion = pipeline.load_motion(source, SimulationConfig(**size))
    write_trajectories(out, motion.trajectories)
    typer.echo(f"{out}: {len(motion.trajectories)} runs", err=True)


def discovery_plan(source: str, config: DiscoverConfig, out: Path | None) -> dict[str, Any]:
    """Return what a discovery would do, after every check that it makes before training.

    Args:
        source: where the motion comes from.
        config: the settings.
        out: the run directory; None takes the next free one.

    Raises:
        StorageError: the run directory is not empty.
    """
    from gnn_discovery.cli.inspection import inspect_motion

    pipeline.require_engines(config)
    path = next_directory(source) if out is None else out
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise StorageError("exists and is not empty", where=str(path), remedy="Give another --out")
    network = config.network
    return {
        **inspect_motion(source, config)[0],
        "network": f"node {network.node}, strategy {network.strategy}, width {network.width}",
        "engines": list(config.engines),
        "seed": config.seed,
        "would_write": str(path),
    }


def read_law_file(path: Path) -> ForceLaw:
    """Return the law of a run, a discovery.json, a law.json, or a file of that form, JSON or YAML.

    Raises:
        DataError: there is no law, or it is not valid.
    """
    if path.is_dir():
        file = next((path / name for name in (DISCOVERY_FILE, LAW_FILE) if (path / name).exists()), None)
        if file is None:
            raise DataError("holds no law yet", where=str(path), remedy=f"gnn-discovery resume {path}")
        path = file
    try:
        if path.suffix in (".yaml", ".yml"):
            return law_from_yaml(read_text(path))
        record = read_json(path)
        if isinstance(record, Mapping) and isinstance(record.get("law"), Mapping):
            record = record["law"]
        return from_dict(record)
    except DataError as error:
        raise error if error.where else DataError(error.what, where=str(path), remedy=error.remedy) from error


def export_law(law: Path, name: str, distances: tuple[float, float], out: Path | None) -> str:
    """Return a law in another format, and write it to a new file where one is named.

    Args:
        law: file or run with the law.
        name: name of the format.
        distances: distances over which the law has to hold.
        out: the file; None writes none.

    Raises:
        StorageError: the file exists.
    """
    if out is not None and out.exists():
        raise StorageError("exists already", where=str(out), remedy="Give another --out; nothing is overwritten")
    text = export_to_format(read_law_file(law), name, distances)
    if out is not None:
        write_bytes(out, text.encode())
    return text


def read_result(path: Path) -> dict[str, Any]:
    """Return the contents of the discovery.json of a finished run.

    Raises:
        DataError: the directory is no run, or the run is not finished.
    """
    if not (path / "config.json").exists():
        raise DataError("is no run directory", where=str(path), remedy="Name one that `discover` made")
    if not (path / DISCOVERY_FILE).exists():
        raise DataError("is not finished", where=str(path), remedy=f"gnn-discovery resume {path}")
    return read_discovery_json(path / DISCOVERY_FILE)


def format_result(record: Mapping[str, Any], path: Path) -> str:
    """Return law and verdict of a discovery.json in a few lines, and the path of its page.

    Args:
        record: contents of the discovery.json.
        path: the run directory.
    """
    verdict = record["verdict"]
    return format_lines(
        {
            "law": record["law"]["text"],
            "verdict": f"{verdict['status']}: {verdict['reason']}",
            "report": str(path / REPORT_FILE),
        }
    )


def is_finished(run: RunDirectory) -> bool:
    """Return True where ``run`` has its result."""
    return (run.path / DISCOVERY_FILE).exists()


def absolute_source(source: str) -> str:
    """Return a source that means the same in any working directory: the path of a file is made absolute."""
    return str(Path(source).resolve()) if pipeline.names_a_file(source) else source
