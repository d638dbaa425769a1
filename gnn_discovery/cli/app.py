"""The commands. Each is a few lines over ``gnn_discovery.pipeline``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gnn_discovery.cli import new
from gnn_discovery.cli import options as opt
from gnn_discovery.cli.error_reporting import EXIT_INTERRUPTED, ErrorReportingGroup
from gnn_discovery.cli.replicate_command import replicate

app = typer.Typer(
    cls=ErrorReportingGroup,
    help="From particle motion to the force law, with error bars, and a verdict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(new.new_app, name="new")

LawFile = Annotated[
    Path,
    typer.Argument(
        metavar="LAW", help="A run, its discovery.json or law.json, or a file with a law of that form, JSON or YAML."
    ),
]


def main() -> None:
    """The command line.

    An interrupted one ends at once: what jax still computes in its threads would crash a usual shutdown.
    """
    try:
        app(prog_name="gnn-discovery")
    except SystemExit as end:
        if end.code == EXIT_INTERRUPTED:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(EXIT_INTERRUPTED)
        raise


def print_result(value: Any, as_json: bool, text: str) -> None:
    """Print a result on standard output, as JSON or as text."""
    from gnn_discovery.runs.files import to_json_text

    typer.echo(to_json_text(value) if as_json else text)


@app.command()
def discover(
    ctx: typer.Context,
    source: opt.Source,
    seed: opt.Seed = 0,
    out: opt.Out = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and say what would be done.")] = False,
    runs: opt.Runs = None,
    frames: opt.Frames = None,
    particles: opt.Particles = None,
    dim: opt.Dim = None,
    order: opt.Order = 2,
    cutoff: opt.Cutoff = None,
    known: opt.Known = None,
    units: opt.Units = None,
    node: opt.Node = None,
    strategy: opt.Strategy = None,
    steps: opt.Steps = None,
    engine: opt.Engine = None,
    errors: opt.Errors = "jackknife",
) -> None:
    """Find the law of motion in SOURCE, and say what it is."""
    from gnn_discovery.cli import run_commands

    config = opt.make_config(
        seed=seed,
        runs=runs,
        frames=frames,
        particles=particles,
        dim=dim,
        order=order,
        cutoff=cutoff,
        known=known,
        units=units,
        node=node,
        strategy=strategy,
        steps=steps,
        engine=engine,
        errors=errors,
    )
    if dry_run:
        plan = run_commands.discovery_plan(source, config, out)
        print_result(plan, json, run_commands.format_lines(plan))
        return
    with run_commands.create_run(ctx, source, config, out) as run:
        run_commands.run_discovery(run, json=json, quiet=quiet)


@app.command()
def relate(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="GRAPH", help="A catalogue in a file, or a graph of `gnn-discovery list graphs`.")
    ],
    target: Annotated[str | None, typer.Option(help="Column to explain.")] = None,
    radius: Annotated[float | None, typer.Option(help="Distance within which nodes are neighbours.")] = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--property", metavar="NAME", help="Column that nodes are known by.", show_default="all others"),
    ] = None,
    box: Annotated[float | None, typer.Option(help="Side of a periodic cube.", show_default="as the file says")] = None,
    seed: opt.Seed = 0,
    out: opt.Out = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    engine: opt.Engine = None,
) -> None:
    """Find a formula for a property of nodes in what is around them.

    For haloes and other things that do not move: no accelerations, but any number a node has."""
    from gnn_discovery.cli import relate_command

    config = relate_command.make_relate_config(
        seed=seed, target=target, radius=radius, properties=tuple(given or ()), box=box, engine=engine
    )
    with relate_command.create_relate_run(ctx, source, config, out) as run:
        relate_command.run_relate(run, json=json, quiet=quiet)


@app.command()
def simulate(
    source: opt.Source,
    out: Annotated[Path, typer.Option(help="File to write, .npz or .h5; it must not exist.")],
    seed: opt.Seed = 0,
    runs: opt.Runs = None,
    frames: opt.Frames = None,
    particles: opt.Particles = None,
    dim: opt.Dim = None,
) -> None:
    """Write the motion of a simulator to a trajectory file."""
    from gnn_discovery.cli import run_commands

    run_commands.write_simulation(source, out, seed=seed, runs=runs, frames=frames, particles=particles, dim=dim)


@app.command()
def inspect(
    source: opt.Source, seed: opt.Seed = 0, json: opt.Json = False, order: opt.Order = 2, units: opt.Units = None
) -> None:
    """Say what motion SOURCE holds, and how noisy it is.

    A simulator is also held against its contract."""
    from gnn_discovery.cli import inspection, run_commands

    found, picture = inspection.inspect_motion(source, opt.make_config(seed=seed, order=order, units=units))
    print_result(found, json, f"{run_commands.format_lines(found)}\n\n{picture}")


@app.command()
def train(
    ctx: typer.Context,
    source: opt.Source,
    seed: opt.Seed = 0,
    out: opt.Out = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    runs: opt.Runs = None,
    frames: opt.Frames = None,
    particles: opt.Particles = None,
    dim: opt.Dim = None,
    order: opt.Order = 2,
    cutoff: opt.Cutoff = None,
    units: opt.Units = None,
    node: opt.Node = None,
    strategy: opt.Strategy = None,
    steps: opt.Steps = None,
) -> None:
    """Train the graph network on SOURCE, and stop there.

    `distill` or `resume` go on with the run directory."""
    from gnn_discovery.cli import run_commands

    config = opt.make_config(
        seed=seed,
        runs=runs,
        frames=frames,
        particles=particles,
        dim=dim,
        order=order,
        cutoff=cutoff,
        units=units,
        node=node,
        strategy=strategy,
        steps=steps,
    )
    with run_commands.create_run(ctx, source, config, out) as run:
        found = run_commands.run_training(run, quiet=quiet)
    if json or not quiet:
        print_result(found, json, run_commands.format_lines(found))


@app.command()
def distill(ctx: typer.Context, run: opt.Run, json: opt.Json = False, quiet: opt.Quiet = False) -> None:
    """Find the law in the messages of a trained RUN.

    It is refitted on the motion and written to law.json; `check` judges it."""
    from gnn_discovery.cli import run_commands

    with run_commands.open_run(ctx, run) as opened:
        found = run_commands.run_distillation(opened, quiet=quiet)
    if json or not quiet:
        print_result(found, json, found["text"])


@app.command(context_settings={"ignore_unknown_options": True})  # a formula may begin with a minus
def check(
    law: Annotated[
        str,
        typer.Argument(
            metavar="LAW",
            help="A formula, as in '-2*(r - 1)' or 'self velocity: -0.1'; or a run, its discovery.json or law.json, or "
            "a file with a law of that form, JSON or YAML.",
        ),
    ],
    source: Annotated[
        str | None,
        typer.Argument(metavar="[SOURCE]", help="Motion to hold the law against.", show_default="a run's own, or none"),
    ] = None,
    seed: opt.Seed = 0,
    order: opt.Order = 2,
    distances: opt.Distances = (0.1, 10.0),
    json: opt.Json = False,
) -> None:
    """Judge a law: is it known, does it explain the motion?

    Without SOURCE a formula is compared with the known laws by its form alone, over the distances given. Terms of a sum
    stand with ; between them, each after its kind and direction; pair radial goes without saying."""
    from gnn_discovery.cli import check_command, run_commands

    found = check_command.check_law(law, source, seed=seed, order=order, distances=distances)  # type: ignore[arg-type]  # 1 or 2
    print_result(found, json, run_commands.format_lines(found))


@app.command()
def explain(
    ctx: typer.Context,
    network: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK", help="A trained RUN, or a message function as module:function or file.py:function."
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="Motion to ask the network about.", show_default="the run's"),
    ] = None,
    seed: opt.Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="Directory, new or empty.", show_default="RUN, or runs/NETWORK-N")
    ] = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    order: opt.Order = 2,
    units: opt.Units = None,
    engine: opt.Engine = None,
) -> None:
    """Say what a network has learnt, and where it departs from that law.

    A run that was explained already is shown again."""
    from gnn_discovery.cli import explain_command

    config = opt.make_config(seed=seed, order=order, units=units, engine=engine)
    explain_command.run_explanation(network, data, config, out, json=json, quiet=quiet)


@app.command()
def export(
    law: LawFile,
    format: Annotated[str, typer.Option(metavar="NAME", help="A format; `gnn-discovery list` shows them.")],
    out: Annotated[Path | None, typer.Option(help="File to write; it must not exist.", show_default="print it")] = None,
    distances: opt.Distances = (0.1, 10.0),
) -> None:
    """Write a law for other programs, or as their source.

    A format that cannot express the law says why."""
    from gnn_discovery.cli import run_commands

    text = run_commands.export_law(law, format, distances, out)
    if out is None:
        typer.echo(text, nl=False)


@app.command()
def report(run: opt.Run, json: opt.Json = False) -> None:
    """Show the result of a finished RUN again."""
    from gnn_discovery.cli import run_commands

    found = run_commands.read_result(run)
    print_result(found, json, run_commands.format_result(found, run))


@app.command()
def resume(ctx: typer.Context, run: opt.Run, json: opt.Json = False, quiet: opt.Quiet = False) -> None:
    """Go on with a RUN that was stopped.

    A finished one is shown and left as it is."""
    from gnn_discovery.cli import relate_command, run_commands

    with run_commands.open_run(ctx, run) as opened:
        if not run_commands.is_finished(opened):
            if relate_command.is_relate_run(opened):
                relate_command.run_relate(opened, json=json, quiet=quiet)
                return
            run_commands.run_discovery(opened, json=json, quiet=quiet)
            return
    found = run_commands.read_result(run)
    if json or not quiet:
        print_result(found, json, run_commands.format_result(found, run))


app.command()(replicate)


@app.command(name="list")
def list_(
    section: Annotated[
        str | None, typer.Argument(metavar="[SECTION]", help="One of them alone, as in `list known-laws`.")
    ] = None,
    json: opt.Json = False,
) -> None:
    """List systems, formats, engines, laws and more.

    Plug-ins included; a broken one stands with its error."""
    from gnn_discovery.cli import inventory

    found = inventory.collect_inventory(section)
    print_result(found, json, inventory.format_inventory(found))


@app.command()
def doctor(
    json: opt.Json = False,
    install_julia: Annotated[
        bool, typer.Option("--install-julia", help="Install Julia and what PySR needs; this goes on line.")
    ] = False,
) -> None:
    """Say what runs here: versions, devices, engines."""
    from gnn_discovery.cli import inventory

    if install_julia:
        inventory.install_julia()
    found = inventory.collect_diagnostics()
    print_result(found, json, inventory.format_diagnostics(found))
