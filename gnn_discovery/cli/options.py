"""Define the options that commands share, and the config that they make."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from gnn_discovery.criteria import DEFAULT_CRITERIA
from gnn_discovery.errors import UsageError

if TYPE_CHECKING:
    from gnn_discovery.pipeline import DiscoverConfig
    from gnn_discovery.types import OrderSetting

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A system of `gnn-discovery list`, a trajectory file, module:Name or file.py:name.",
    ),
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, as named by an earlier command.")]
SeedOption = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of every random choice.")]
OutOption = Annotated[Path | None, typer.Option(help="Run directory, new or empty.", show_default="runs/SOURCE-N")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary; errors still show.")]

RunsOption = Annotated[int | None, typer.Option(min=1, help="Runs to simulate.")]
FramesOption = Annotated[int | None, typer.Option(min=2, help="Frames of each run.")]
ParticlesOption = Annotated[int | None, typer.Option(min=1, help="Particles of each run.")]
DimOption = Annotated[int | None, typer.Option(min=1, max=3, help="Dimensions of space.")]
CutoffOption = Annotated[
    float | None,
    typer.Option(help="Distance beyond which pairs do not interact.", show_default="that of the motion, or none"),
]
UnitsOption = Annotated[
    str | None,
    typer.Option(
        help="Units of the motion, as length=AU,time=day,m=kg; motion that states others is converted.",
        show_default=False,
    ),
]
OrderOption = Annotated[
    str,
    typer.Option(help="Order of the equation of motion: m a = F (2), v = F (1), or auto: the motion tells."),
]
NodeOption = Annotated[
    str | None,
    typer.Option(
        help="Node function: fixed (m a = sum of messages), mlp (the paper's), or hamiltonian (by an energy).",
        show_default="fixed; mlp where a strategy is given",
    ),
]
StrategyOption = Annotated[
    str | None,
    typer.Option(
        help="Strategy that keeps messages few: standard, bottleneck, l1, kl or pruning.",
        show_default="bottleneck",
    ),
]
StepsOption = Annotated[
    int | None,
    typer.Option(min=20, help="Training steps.", show_default="by the node function"),
]
EngineOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Symbolic regression: an engine of `gnn-discovery list`. Give it again to ask several and see where they "
        "agree.",
        show_default="operon",
    ),
]
KnownOption = Annotated[
    str | None,
    typer.Option(
        metavar="TERMS",
        help="Known terms of the law, as in 'pair radial: -m_i*m_j/r**2'; the search is for the residual. A number in "
        "them is kept, a name that is no variable is fitted, and ; stands between terms.",
        show_default=False,
    ),
]
DEFAULT_DISTANCES = (
    DEFAULT_CRITERIA.equivalence.recognition_min_distance,
    DEFAULT_CRITERIA.equivalence.recognition_max_distance,
)
DistancesOption = Annotated[
    tuple[float, float],
    typer.Option(
        metavar="LOW HIGH", help="Smallest and largest distance of two particles at which the law has to hold."
    ),
]

ErrorsOption = Annotated[
    str,
    typer.Option(
        help="Method of the error bars: jackknife (runs are left out in turn) or posterior (samples; needs an extra)."
    ),
]


def make_config(
    *,
    seed: int = 0,
    runs: int | None = None,
    frames: int | None = None,
    particles: int | None = None,
    dim: int | None = None,
    order: str = "auto",
    cutoff: float | None = None,
    known: str | None = None,
    units: str | None = None,
    node: str | None = None,
    strategy: str | None = None,
    steps: int | None = None,
    engine: list[str] | None = None,
    errors: str = "jackknife",
) -> DiscoverConfig:
    """Return the config of a discovery; an option that is None leaves the default.

    Args:
        seed: seed of every random choice.
        runs, frames, particles, dim: size of simulated motion.
        order: order of the equation of motion, 1, 2 or auto.
        cutoff: distance beyond which pairs do not interact.
        known: known terms of the law, as text.
        units: units of the motion, as text.
        node: node function.
        strategy: strategy that keeps messages few.
        steps: training steps.
        engine: names of symbolic engines, each counted once.
        errors: method of the error bars.

    Raises:
        UsageError: an unknown order, node function or strategy, or units that are none.
    """
    from gnn_discovery.gnn.config import NODE_FUNCTIONS, MessageStrategy
    from gnn_discovery.pipeline import DiscoverConfig
    from gnn_discovery.simulators import SimulationConfig

    config = DiscoverConfig(seed=seed, engines=tuple(dict.fromkeys(engine or ("operon",))), errors=errors)
    network: dict[str, Any] = {}
    if strategy is not None:
        network = {"node": "mlp", "strategy": _require_option_choice("--strategy", strategy, get_args(MessageStrategy))}
    if node is not None:
        network["node"] = _require_option_choice("--node", node, NODE_FUNCTIONS)
    return replace(
        config,
        cutoff=cutoff,
        known=known,
        units=_parse_units(units),
        order=parse_order(order),
        simulation=SimulationConfig(runs, frames, particles, dim, seed),
        network=replace(config.network, **network),
        training=replace(config.training, steps=steps),
    )


def parse_order(text: str) -> OrderSetting:
    """Return the order that the option states.

    Raises:
        UsageError: it is none.
    """
    orders: dict[str, OrderSetting] = {"1": 1, "2": 2, "auto": "auto"}
    return orders[_require_option_choice("--order", text, tuple(orders))]


def _parse_units(text: str | None) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",")] if text else []
    if not all(what.strip() and unit.strip() for what, _, unit in pairs):
        raise UsageError(f"{text!r} names no units", where="--units", remedy="Give them as length=AU,time=day,m=kg")
    return {what.strip(): unit.strip() for what, _, unit in pairs}


def _require_option_choice(option: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise UsageError(f"{value!r} is unknown", where=option, remedy=f"Choose from {', '.join(choices)}")
    return value
