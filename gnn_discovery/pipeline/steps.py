"""The steps of a discovery, each taking and giving the records of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gnn_discovery.distill import Distilled, Energies, distill_energies
from gnn_discovery.distill import distill as distill_tables
from gnn_discovery.errors import DataError, NoResult, UsageError
from gnn_discovery.law.choose import Choice, Scored
from gnn_discovery.law.choose import choose as choose_law
from gnn_discovery.law.choose import settle as settle_law
from gnn_discovery.law.record import ForceLaw
from gnn_discovery.law.simpler import signature
from gnn_discovery.law.weights import natural_floor
from gnn_discovery.messages import Messages, measure_symmetry, read_energies, read_messages
from gnn_discovery.physics import same_law
from gnn_discovery.physics.dimensions import with_units
from gnn_discovery.physics.equivalence import compare
from gnn_discovery.physics.notable import with_notable
from gnn_discovery.physics.rivals import known_instead
from gnn_discovery.pipeline.config import DiscoverConfig
from gnn_discovery.posterior import posterior, require_numpyro
from gnn_discovery.simulator import (
    FunctionSimulator,
    SimulationConfig,
    Simulator,
    as_simulator,
    names,
    resolve,
    runs_of,
)
from gnn_discovery.simulator.start import RUNS
from gnn_discovery.snapshots import Snapshots, Split, assemble, split
from gnn_discovery.symbolic import Progress as EngineProgress
from gnn_discovery.symbolic import get_engine
from gnn_discovery.training import Checkpoints, Progress, Trained
from gnn_discovery.training import train as train_network
from gnn_discovery.trajectory import Trajectory, in_units, validate
from gnn_discovery.units import check_units

_HIGHEST = {1: "velocities", 2: "accelerations"}
RIGHT = 1e-7
"""Error on held-out motion of a law that leaves nothing to another: right forms come so far on exact data."""
NOISE_ONLY = 0.8
"""Relative error of the target at which nothing but noise is seen."""


Given = str | Path | Simulator | Callable[..., Any] | Iterable[Trajectory]
"""What motion may come from: a name, a file, a simulator, a bare function, or runs."""


@dataclass(frozen=True)
class Source:
    """Motion and where it came from; the simulator is kept for the report alone.

    Attributes:
        format: of the file.
        notes: sentences on what was read or simulated, and how.
    """

    label: str
    trajectories: tuple[Trajectory, ...]
    simulator: Any = None
    format: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """What was read from one trained network: contributions, and how they change under each transformation."""

    messages: Messages
    symmetry: dict[str, float]


def load(source: Given, config: SimulationConfig) -> Source:
    """Motion from a registered system, ``module:Name``, ``file.py:name``, a file, an object, a function or runs.

    Raises:
        UsageError: an unknown system.
        DataError: motion that is no motion.
    """
    if isinstance(source, str | Path):
        label = str(source)
        if is_file(label):
            from gnn_discovery.readers import read

            found = read(label)
            return Source(label, tuple(found), format=found.format, notes=found.notes)
        simulator = resolve(label)
    else:
        known = callable(source) or hasattr(source, "simulate")
        label = getattr(source, "__name__", type(source).__name__) if known else "trajectories"
        simulator = as_simulator(source, label)
    runs = runs_of(simulator, config, label)
    count = (config.runs or RUNS) if isinstance(simulator, FunctionSimulator) else len(runs)
    return Source(label, runs, simulator, notes=_early(runs, count))


def _early(runs: Sequence[Trajectory], count: int) -> tuple[str, ...]:
    """How many of ``count`` runs are shorter, as those of a bare function that meet a force without a bound."""
    lengths = [len(run.times) for run in runs]
    short, gone = count - lengths.count(max(lengths)), count - len(runs)
    left_out = f", {gone} of them so soon that they are left out" if gone else ""
    return (f"{short} of {count} runs end before the others do{left_out}.",) if short else ()


def is_file(source: str) -> bool:
    """Whether ``source`` names a trajectory file, there or missing, and no system or code."""
    path = Path(source)
    if path.suffix == ".py" or source in names():
        return False
    return path.is_file() or (":" not in source and (bool(path.suffix) or path.name != source))


def observe(source: Source, config: DiscoverConfig) -> Split:
    """Snapshots of the motion, whole runs held apart.

    Raises:
        UsageError: the simulator says that its law is of another order than the one asked for, or units are wrong.
    """
    order = getattr(source.simulator, "order", None)
    if callable(order) and (own := order(config.simulation)) != config.order:
        raise UsageError(
            f"gives {_HIGHEST[own]}, a law of order {own}, and order {config.order} was asked for",
            where=source.label,
            remedy=f"--order {own}, or DiscoverConfig(order={own})",
        )
    runs = tuple(_with_units(run, config.units) for run in source.trajectories)
    if config.cutoff is not None:
        runs = tuple(validate(replace(run, cutoff=config.cutoff), source.label) for run in runs)
    return split(assemble(runs, config.order, source.label), config.seed)


def _with_units(run: Trajectory, units: Mapping[str, str]) -> Trajectory:
    """The run in these units: those that it does not state itself are taken on trust, the others converted to.

    Raises:
        UsageError: a unit of nothing that the run holds, no unit, or one that measures something else.
    """
    known = ("length", "time", *run.properties)
    try:
        if unknown := sorted(set(units) - set(known)):
            raise DataError(f"there is no {unknown[0]!r}", remedy=f"Give units of {', '.join(known)}")
        check_units(units, "")
        return in_units(replace(run, units={**units, **run.units}), units)
    except DataError as error:
        raise UsageError(error.what, where="--units", remedy=error.remedy) from None


def latent_properties(data: Snapshots) -> tuple[str, ...]:
    """The source strength ``m`` is inferred where the data give no property, and show the same bodies all along:
    they have names, or there is one run only, whose times never turn back."""
    same = data.names is not None or bool(np.all(np.diff(data.times) > 0))
    return ("m",) if same and not data.properties and data.present.all() and data.present.shape[1] > 2 else ()


def still(apart: Split) -> bool:
    """Whether nothing but rest, or noise, is to be explained."""
    data, averaged = apart.train, apart.averaged().train
    force = np.linalg.norm(data.force, axis=-1)[data.present]
    floor = natural_floor(data)
    return bool(np.median(force) <= floor and np.max(force) <= 1e3 * floor) or bool(averaged.noise >= NOISE_ONLY)


def force_limit(data: Snapshots) -> float:
    """What 95% of the observed forces stay below: nothing larger can hide in them."""
    return float(np.quantile(np.linalg.norm(data.force, axis=-1)[data.present], 0.95))


def train(
    data: Split,
    config: DiscoverConfig,
    *,
    seed: int | None = None,
    report: Callable[[Progress], None] | None = None,
    checkpoints: Checkpoints | None = None,
) -> Trained:
    """The network that predicts the motion."""
    network = replace(config.network, latent=bool(latent_properties(data.train)))
    seed = config.seed if seed is None else seed
    return train_network(data, network, config.training, seed, report=report, checkpoints=checkpoints)


def read(trained: Trained, data: Split, config: DiscoverConfig) -> Reading:
    """Contributions and symmetries at pairs of the training runs, where the network knows most."""
    return Reading(read_messages(trained, data.train, seed=config.seed), measure_symmetry(trained, data.train))


def distill(
    reading: Reading, data: Split, config: DiscoverConfig, *, report: EngineProgress | None = None
) -> Distilled:
    """Candidate laws from the messages."""
    return distill_tables(
        (reading.messages.pair, reading.messages.own),
        config.engines,
        replace(config.regression, seed=config.seed),
        order=config.order,
        divides_by_mass=data.train.has_mass,
        units={"length", "time"} <= set(data.train.units or {}),
        report=report,
    )


def energies(trained: Trained, data: Split, config: DiscoverConfig) -> Energies | None:
    """Formulas for the energies of a Hamiltonian network; None of another."""
    if trained.config.node != "hamiltonian":
        return None
    tables = read_energies(trained, data.train, seed=config.seed)
    return distill_energies(tables, config.engines, replace(config.regression, seed=config.seed))


def choose(
    candidates: Sequence[ForceLaw], data: Split, config: DiscoverConfig, preferred: Sequence[ForceLaw] = ()
) -> Choice:
    """The law: candidates refitted on the observed motion, chosen on held-out runs, with error bars; one of the
    ``preferred`` where what is chosen is not better than it."""
    fitted, latent = data.averaged(), latent_properties(data.train)
    return choose_law(candidates, fitted.train, fitted.valid, preferred=preferred, latent=latent, seed=config.seed)


def with_known_laws(choice: Choice, data: Split, config: DiscoverConfig) -> Choice:
    """The choice again, where it left something unexplained and is not itself a known law, beside the known laws that
    come nearest to it: a search may miss a law, and one that is new has to be better than those that are known.

    Where nothing was worth its constants, the laws nearest to what came closest take part like any candidate.
    """
    law, fitted = choice.law, data.averaged()
    if choice.error < RIGHT:
        return choice
    if not law.terms:
        tried = [scored for scored in choice.scoreboard if scored.law.rest.terms]
        if not tried:
            return choice
        law = min(tried, key=Scored.cost).law
    comparison = compare(law, fitted.train)
    if choice.law.terms and all(part.survivors and part.survivors[0].deviation < RIGHT for part in comparison.channels):
        return choice
    known = known_instead(law, comparison, fitted.train)
    again = choose([law], data, config, known) if choice.law.terms else choose([law, *known], data, config)
    if len(again.law.terms) > 1:  # a sum may be more than is needed
        again = choose([again.law], data, config)
    board = {signature(scored.law): scored for scored in (*choice.scoreboard, *again.scoreboard)}
    return replace(again, scoreboard=tuple(sorted(board.values(), key=lambda s: (s.complexity, s.error))))


def choose_or_none(candidates: Sequence[ForceLaw], data: Split, config: DiscoverConfig) -> ForceLaw | None:
    """The law of `choose`; None where no candidate gives a finite force."""
    try:
        return choose(candidates, data, config).law
    except NoResult:
        return None


def choose_alone(distilled: Distilled, data: Split, config: DiscoverConfig) -> dict[str, ForceLaw | None]:
    """Where several engines were asked, the law that each leads to by itself; None where it leads to none."""
    return {engine: choose_or_none(laws, data, config) for engine, laws in distilled.alone.items()}


def second_opinion(
    law: ForceLaw, candidates: Sequence[ForceLaw], data: Split, config: DiscoverConfig
) -> tuple[bool, bool]:
    """Whether these candidates, of another search, lead to ``law``; and whether they do, or ``law`` is preferred to
    what they lead to when it is offered beside it."""
    own = choose_or_none(candidates, data, config)
    if own is not None and same_law(own, law, data.train):
        return True, True
    offered = choose([law] if own is None else [own, law], data, config).law
    return False, same_law(offered, law, data.train)


def settle(law: ForceLaw, data: Split, config: DiscoverConfig) -> ForceLaw:
    """The chosen law with its constants fitted to all the motion, once its errors on held-out motion are taken, with
    the units that those of the data give them, and the names of notable values."""
    if not law.terms:
        return law
    whole = data.averaged().whole()
    draw = posterior if config.errors == "posterior" else None
    fitted = settle_law(law, whole, latent=latent_properties(data.train), draw=draw, seed=config.seed)
    return with_notable(with_units(fitted, data.train))


def check_engines(config: DiscoverConfig) -> None:
    """Raises UsageError or EngineUnavailable before anything long is begun."""
    for engine in config.engines:
        get_engine(engine).available()
    if config.errors == "posterior":
        require_numpyro()


def assumptions(data: Snapshots, config: DiscoverConfig) -> tuple[str, ...]:
    """What these settings take for granted, in sentences."""
    said = ["Errors are those of the law fitted to the training runs; the constants are then fitted to all."]
    if config.errors == "posterior":
        said.append("Error bars of constants are those of draws from a posterior, whose width is that over runs.")
    if config.network.inputs == "relative":
        said.append(
            "The pair force depends on differences of position and velocity; absolute ones enter the self force only."
        )
    if config.network.node == "fixed":
        said.append(
            "Accelerations are sums of pair forces and a self force" + (", over the mass m." if data.has_mass else ".")
        )
    if config.network.node == "hamiltonian":
        said.append(
            "An energy is conserved, a sum over pairs and particles: a Hamiltonian network can learn no drag, and its "
            "pair forces are equal and opposite by construction."
        )
    if not data.has_mass and config.order == 2:
        said.append(
            "No masses are given: the law is that of accelerations; how the receiver's mass enters is undetermined."
        )
    if latent_properties(data):
        said.append("Each particle has one source strength, m, and it does not change.")
    if data.cutoff is not None:
        said.append(f"Pairs farther apart than {data.cutoff:g} do not interact.")
    return tuple(said)
