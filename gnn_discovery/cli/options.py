"""The options that commands share, and the config they make."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from gnn_discovery.errors import UsageError

if TYPE_CHECKING:
    from gnn_discovery.pipeline import DiscoverConfig

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A system of `gnn-discovery list`, a trajectory file, module:Name or file.py:name.",
    ),
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, as named by an earlier command.")]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of every random choice.")]
Out = Annotated[Path | None, typer.Option(help="Run directory, new or empty.", show_default="runs/SOURCE-N")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary; errors still show.")]

Runs = Annotated[int | None, typer.Option(min=1, help="Runs to simulate.")]
Frames = Annotated[int | None, typer.Option(min=2, help="Frames of each run.")]
Particles = Annotated[int | None, typer.Option(min=1, help="Particles of each run.")]
Dim = Annotated[int | None, typer.Option(min=1, max=3, help="Dimensions of space.")]
Cutoff = Annotated[
    float | None,
    typer.Option(help="Distance beyond which pairs do not interact.", show_default="that of the motion, or none"),
]
Units = Annotated[
    str | None,
    typer.Option(
        help="Units of the motion, as length=AU,time=day,m=kg; it is converted where it states others.",
        show_default=False,
    ),
]
Order = Annotated[
    int,
    typer.Option(min=1, max=2, help="Of the equation of motion: m a = F (2) or v = F (1)."),
]
Node = Annotated[
    str | None,
    typer.Option(
        help="Node function: fixed (m a = sum of messages), mlp (the paper's), or hamiltonian (by an energy).",
        show_default="fixed; mlp where a strategy is given",
    ),
]
Strategy = Annotated[
    str | None,
    typer.Option(
        help="What keeps messages few: standard, bottleneck, l1, kl or pruning.",
        show_default="bottleneck",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(min=20, help="Training steps.", show_default="by the node function"),
]
Engine = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Symbolic regression: an engine of `gnn-discovery list`. Give it again to ask several and see where they "
        "agree.",
        show_default="operon",
    ),
]
Known = Annotated[
    str | None,
    typer.Option(
        metavar="TERMS",
        help="Terms of the law that are known, the search is for the rest: 'pair radial: -m_i*m_j/r**2'. A number in "
        "them stays, a name that is no variable is fitted; ; stands between terms.",
        show_default=False,
    ),
]
Distances = Annotated[
    tuple[float, float],
    typer.Option(metavar="LOW HIGH", help="Least and largest distance of two particles at which the law has to hold."),
]

Errors = Annotated[
    str,
    typer.Option(
        help="Error bars of the constants: jackknife (runs left out in turn) or posterior (drawn; needs an extra)."
    ),
]


def make_config(
    *,
    seed: int = 0,
    runs: int | None = None,
    frames: int | None = None,
    particles: int | None = None,
    dim: int | None = None,
    order: int = 2,
    cutoff: float | None = None,
    known: str | None = None,
    units: str | None = None,
    node: str | None = None,
    strategy: str | None = None,
    steps: int | None = None,
    engine: list[str] | None = None,
    errors: str = "jackknife",
) -> DiscoverConfig:
    """The config of a discovery; what is not given stays at its default.

    Raises:
        UsageError: an unknown node function or strategy, or units that are none.
    """
    from gnn_discovery.gnn.networks import NODE_FUNCTIONS
    from gnn_discovery.gnn.networks import MessageStrategy as Strategies
    from gnn_discovery.pipeline import DiscoverConfig
    from gnn_discovery.simulators import SimulationConfig

    config = DiscoverConfig(seed=seed, engines=tuple(dict.fromkeys(engine or ("operon",))), errors=errors)
    network: dict[str, Any] = {}
    if strategy is not None:
        network = {"node": "mlp", "strategy": _one_of("--strategy", strategy, get_args(Strategies))}
    if node is not None:
        network["node"] = _one_of("--node", node, NODE_FUNCTIONS)
    return replace(
        config,
        cutoff=cutoff,
        known=known,
        units=_units(units),
        order=order,  # type: ignore[arg-type]  # 1 or 2: the option's range
        simulation=SimulationConfig(runs, frames, particles, dim, seed),
        network=replace(config.network, **network),
        training=replace(config.training, steps=steps),
    )


def _units(text: str | None) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",")] if text else []
    if not all(what.strip() and unit.strip() for what, _, unit in pairs):
        raise UsageError(f"{text!r} names no units", where="--units", remedy="Give them as length=AU,time=day,m=kg")
    return {what.strip(): unit.strip() for what, _, unit in pairs}


def _one_of(option: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise UsageError(f"{value!r} is unknown", where=option, remedy=f"Choose from {', '.join(choices)}")
    return value
