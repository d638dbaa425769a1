"""Define the commands; each is a few lines over ``gnn_discovery.pipeline``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

import gnn_discovery.cli.options as opt
from gnn_discovery.cli.error_reporting import EXIT_INTERRUPTED, ErrorReportingGroup
from gnn_discovery.cli.new import new_app
from gnn_discovery.cli.output import format_lines, print_result
from gnn_discovery.cli.replicate_command import replicate_command

app = typer.Typer(
    cls=ErrorReportingGroup,
    help="From particle motion to the force law, with error bars, and a verdict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(new_app, name="new")

LawFile = Annotated[
    Path,
    typer.Argument(
        metavar="LAW", help="A run, its discovery.json or law.json, or a file with a law of that form, JSON or YAML."
    ),
]


def main() -> None:
    """Run the command line.

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


@app.command("discover")
def discover_command(
    ctx: typer.Context,
    source: opt.SourceArgument,
    seed: opt.SeedOption = 0,
    out: opt.OutOption = None,
    json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and say what would be done.")] = False,
    runs: opt.RunsOption = None,
    frames: opt.FramesOption = None,
    particles: opt.ParticlesOption = None,
    dim: opt.DimOption = None,
    order: opt.OrderOption = "auto",
    cutoff: opt.CutoffOption = None,
    known: opt.KnownOption = None,
    units: opt.UnitsOption = None,
    node: opt.NodeOption = None,
    strategy: opt.StrategyOption = None,
    steps: opt.StepsOption = None,
    engine: opt.EngineOption = None,
    errors: opt.ErrorsOption = "jackknife",
) -> None:
    """Find the law of motion in SOURCE, and say what it is."""
    from gnn_discovery.cli.run_commands import create_run, discovery_plan, run_discovery

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
        plan = discovery_plan(source, config, out)
        print_result(plan, json, format_lines(plan))
        return
    with create_run(ctx, source, config, out) as run:
        run_discovery(run, json=json, quiet=quiet)


@app.command("relate")
def relate_command(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="GRAPH", help="A catalogue in a file, or a graph of `gnn-discovery list graphs`.")
    ],
    target: Annotated[str | None, typer.Option(help="Column to explain.")] = None,
    radius: Annotated[float | None, typer.Option(help="Distance within which nodes are neighbours.")] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--property", metavar="NAME", help="Column that is a property of the nodes.", show_default="all others"
        ),
    ] = None,
    box: Annotated[float | None, typer.Option(help="Side of a periodic cube.", show_default="as the file says")] = None,
    seed: opt.SeedOption = 0,
    out: opt.OutOption = None,
    json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    engine: opt.EngineOption = None,
) -> None:
    """Find a formula for a property of nodes in what is around them.

    This is for haloes and other things that do not move: it explains any number that a node has."""
    from gnn_discovery.cli.relate_command import create_relate_run, make_relate_config, run_relate

    config = make_relate_config(
        seed=seed, target=target, radius=radius, properties=tuple(given or ()), box=box, engine=engine
    )
    with create_relate_run(ctx, source, config, out) as run:
        run_relate(run, json=json, quiet=quiet)


@app.command("simulate")
def simulate_command(
    source: opt.SourceArgument,
    out: Annotated[Path, typer.Option(help="File to write, .npz or .h5; it must not exist.")],
    seed: opt.SeedOption = 0,
    runs: opt.RunsOption = None,
    frames: opt.FramesOption = None,
    particles: opt.ParticlesOption = None,
    dim: opt.DimOption = None,
) -> None:
    """Write the motion of a simulator to a trajectory file."""
    from gnn_discovery.cli.run_commands import write_simulation

    write_simulation(source, out, seed=seed, runs=runs, frames=frames, particles=particles, dim=dim)


@app.command("inspect")
def inspect_command(
    source: opt.SourceArgument,
    seed: opt.SeedOption = 0,
    json: opt.JsonOption = False,
    order: opt.OrderOption = "auto",
    units: opt.UnitsOption = None,
) -> None:
    """Say what motion SOURCE holds, and how noisy it is.

    A simulator is also held against its contract."""
    from gnn_discovery.cli.inspection import inspect_motion

    result, picture = inspect_motion(source, opt.make_config(seed=seed, order=order, units=units))
    print_result(result, json, f"{format_lines(result)}\n\n{picture}")


@app.command("train")
def train_command(
    ctx: typer.Context,
    source: opt.SourceArgument,
    seed: opt.SeedOption = 0,
    out: opt.OutOption = None,
    json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    runs: opt.RunsOption = None,
    frames: opt.FramesOption = None,
    particles: opt.ParticlesOption = None,
    dim: opt.DimOption = None,
    order: opt.OrderOption = "auto",
    cutoff: opt.CutoffOption = None,
    known: opt.KnownOption = None,
    units: opt.UnitsOption = None,
    node: opt.NodeOption = None,
    strategy: opt.StrategyOption = None,
    steps: opt.StepsOption = None,
    engine: opt.EngineOption = None,
    errors: opt.ErrorsOption = "jackknife",
) -> None:
    """Train the graph network on SOURCE, and stop there.

    `distill`, then `check`, or `resume` go on with the run directory and its settings."""
    from gnn_discovery.cli.run_commands import create_run, run_training

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
    with create_run(ctx, source, config, out) as run:
        result = run_training(run, quiet=quiet)
    if json or not quiet:
        print_result(result, json, format_lines(result))


@app.command("distill")
def distill_command(
    ctx: typer.Context, run: opt.RunArgument, json: opt.JsonOption = False, quiet: opt.QuietOption = False
) -> None:
    """Find the law in the messages of a trained RUN.

    It is refitted on the motion and written to law.json; `check` judges it."""
    from gnn_discovery.cli.run_commands import open_run, run_distillation

    with open_run(ctx, run) as opened:
        result = run_distillation(opened, quiet=quiet)
    if json or not quiet:
        print_result(result, json, result["text"])


@app.command("check", context_settings={"ignore_unknown_options": True})  # a formula may begin with a minus
def check_command(
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
    seed: opt.SeedOption = 0,
    order: opt.OrderOption = "auto",
    distances: opt.DistancesOption = opt.DEFAULT_DISTANCES,
    json: opt.JsonOption = False,
) -> None:
    """Judge a law: is it known, and does it explain the motion?

    Without SOURCE a formula is compared with the known laws by its form alone, over the distances given. Terms of a sum
    stand with ; between them, each after its kind and direction; pair radial goes without saying."""
    from gnn_discovery.cli.check_command import judge_stated_law

    result = judge_stated_law(law, source, seed=seed, order=opt.parse_order(order), distances=distances)
    print_result(result, json, format_lines(result))


@app.command("explain")
def explain_command(
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
    seed: opt.SeedOption = 0,
    out: Annotated[
        Path | None, typer.Option(help="Directory, new or empty.", show_default="RUN, or runs/NETWORK-N")
    ] = None,
    json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    order: opt.OrderOption = "auto",
    units: opt.UnitsOption = None,
    engine: opt.EngineOption = None,
) -> None:
    """Say what a network has learnt, and where it departs from that law.

    A run that was explained already is shown again."""
    from gnn_discovery.cli.explain_command import run_explanation

    config = opt.make_config(seed=seed, order=order, units=units, engine=engine)
    run_explanation(network, data, config, out, json=json, quiet=quiet)


@app.command("export")
def export_command(
    law: LawFile,
    format: Annotated[str, typer.Option(metavar="NAME", help="A format; `gnn-discovery list` shows them.")],
    out: Annotated[Path | None, typer.Option(help="File to write; it must not exist.", show_default="print it")] = None,
    distances: opt.DistancesOption = opt.DEFAULT_DISTANCES,
) -> None:
    """Write a law for other programs, or as their source.

    A format that cannot express the law says why."""
    from gnn_discovery.cli.run_commands import export_law

    text = export_law(law, format, distances, out)
    if out is None:
        typer.echo(text, nl=False)


@app.command("report")
def report_command(run: opt.RunArgument, json: opt.JsonOption = False) -> None:
    """Show the result of a finished RUN again."""
    from gnn_discovery.cli.run_commands import format_result, read_result

    result = read_result(run)
    print_result(result, json, format_result(result, run))


@app.command("resume")
def resume_command(
    ctx: typer.Context, run: opt.RunArgument, json: opt.JsonOption = False, quiet: opt.QuietOption = False
) -> None:
    """Go on with a RUN that was stopped.

    A finished one is shown and left as it is."""
    from gnn_discovery.cli.relate_command import is_relate_run, run_relate
    from gnn_discovery.cli.run_commands import format_result, is_finished, open_run, read_result, run_discovery

    with open_run(ctx, run) as opened:
        if not is_finished(opened):
            if is_relate_run(opened):
                run_relate(opened, json=json, quiet=quiet)
                return
            run_discovery(opened, json=json, quiet=quiet)
            return
    result = read_result(run)
    if json or not quiet:
        print_result(result, json, format_result(result, run))


app.command("replicate")(replicate_command)


@app.command("list")
def list_command(
    section: Annotated[
        str | None, typer.Argument(metavar="[SECTION]", help="Section to list alone, as in `list known-laws`.")
    ] = None,
    json: opt.JsonOption = False,
) -> None:
    """List systems, formats, engines, laws and more.

    Plug-ins are included; a broken one stands with its error."""
    from gnn_discovery.cli.inventory import collect_inventory, format_inventory

    result = collect_inventory(section)
    print_result(result, json, format_inventory(result))


@app.command("doctor")
def doctor_command(
    json: opt.JsonOption = False,
    install_julia: Annotated[
        bool, typer.Option("--install-julia", help="Install Julia and what PySR needs; this goes on line.")
    ] = False,
    clear_cache: Annotated[
        bool, typer.Option("--clear-cache", help="Delete the compiled programs that later runs would load.")
    ] = False,
) -> None:
    """Say what runs here: versions, devices, engines, and compiled programs that are kept."""
    from gnn_discovery.cli.inventory import collect_diagnostics, format_diagnostics, install_julia_packages
    from gnn_discovery.runs import clear_compilation_cache

    if clear_cache:
        clear_compilation_cache()
    if install_julia:
        install_julia_packages()
    result = collect_diagnostics()
    print_result(result, json, format_diagnostics(result))
