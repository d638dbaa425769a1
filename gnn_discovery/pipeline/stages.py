"""The steps of a discovery, each taking and giving the records of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gnn_discovery.catalogue.equivalence import compare_with_catalogue, same_law
from gnn_discovery.data.dataset import Dataset, Split, assemble_dataset, split_by_run
from gnn_discovery.data.trajectory import Trajectory, convert_units, validate_trajectory
from gnn_discovery.distillation import DistillationResult, HamiltonianEnergies, distill_energies
from gnn_discovery.distillation import distill_tables as distill_tables
from gnn_discovery.errors import DataError, NoResult, UsageError
from gnn_discovery.estimation.posterior import require_numpyro, sample_posterior
from gnn_discovery.estimation.residual_weights import numerical_force_floor
from gnn_discovery.gnn.training import Checkpoints, TrainedNetwork, TrainingProgress
from gnn_discovery.gnn.training import train_network as train_network
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.messages.gauge import Messages, read_messages
from gnn_discovery.messages.hamiltonian_energies import read_energies
from gnn_discovery.messages.symmetry import measure_symmetry
from gnn_discovery.pipeline.config import DiscoverConfig
from gnn_discovery.registry.units import check_units
from gnn_discovery.selection.select import ScoredLaw, Selection
from gnn_discovery.selection.select import refit_on_all_data as settle_law
from gnn_discovery.selection.select import select_law as choose_law
from gnn_discovery.selection.simplification import signature
from gnn_discovery.simulators import (
    FunctionSimulator,
    SimulationConfig,
    Simulator,
    as_simulator,
    resolve_simulator,
    run_simulator,
    simulator_names,
)
from gnn_discovery.simulators.initial_conditions import DEFAULT_RUNS
from gnn_discovery.symbolic.search import SearchProgressCallback as EngineProgress
from gnn_discovery.symbolic.search import get_engine
from gnn_discovery.validation.constant_identification import identify_constants
from gnn_discovery.validation.dimensions import with_units
from gnn_discovery.validation.model_comparison import catalogue_challengers

_HIGHEST = {1: "velocities", 2: "accelerations"}
RIGHT = 1e-7
"""Error on held-out motion of a law that leaves nothing to another: right forms come so far on exact data."""
NOISE_ONLY = 0.8
"""Relative error of the target at which nothing but noise is seen."""


MotionSource = str | Path | Simulator | Callable[..., Any] | Iterable[Trajectory]
"""What motion may come from: a name, a file, a simulator, a bare function, or runs."""


@dataclass(frozen=True)
class LoadedMotion:
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
class MessageReadout:
    """What was read from one trained network: contributions, and how they change under each transformation."""

    messages: Messages
    symmetry: dict[str, float]


def load_motion(source: MotionSource, config: SimulationConfig) -> LoadedMotion:
    """Motion from a registered system, ``module:Name``, ``file.py:name``, a file, an object, a function or runs.

    Raises:
        UsageError: an unknown system.
        DataError: motion that is no motion.
    """
    if isinstance(source, str | Path):
        label = str(source)
        if names_a_file(label):
            from gnn_discovery.data.readers import read_trajectories

            found = read_trajectories(label)
            return LoadedMotion(label, tuple(found), format=found.format, notes=found.notes)
        simulator = resolve_simulator(label)
    else:
        known = callable(source) or hasattr(source, "simulate")
        label = getattr(source, "__name__", type(source).__name__) if known else "trajectories"
        simulator = as_simulator(source, label)
    runs = run_simulator(simulator, config, label)
    count = (config.runs or DEFAULT_RUNS) if isinstance(simulator, FunctionSimulator) else len(runs)
    return LoadedMotion(label, runs, simulator, notes=_early(runs, count))


def _early(runs: Sequence[Trajectory], count: int) -> tuple[str, ...]:
    """How many of ``count`` runs are shorter, as those of a bare function that meet a force without a bound."""
    lengths = [len(run.times) for run in runs]
    short, gone = count - lengths.count(max(lengths)), count - len(runs)
    left_out = f", {gone} of them so soon that they are left out" if gone else ""
    return (f"{short} of {count} runs end before the others do{left_out}.",) if short else ()


def names_a_file(source: str) -> bool:
    """Whether ``source`` names a trajectory file, there or missing, and no system or code."""
    path = Path(source)
    if path.suffix == ".py" or source in simulator_names():
        return False
    return path.is_file() or (":" not in source and (bool(path.suffix) or path.name != source))


def prepare_dataset(source: LoadedMotion, config: DiscoverConfig) -> Split:
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
        runs = tuple(validate_trajectory(replace(run, cutoff=config.cutoff), source.label) for run in runs)
    return split_by_run(assemble_dataset(runs, config.order, source.label), config.seed)


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
        return convert_units(replace(run, units={**units, **run.units}), units)
    except DataError as error:
        raise UsageError(error.what, where="--units", remedy=error.remedy) from None


def latent_properties(data: Dataset) -> tuple[str, ...]:
    """The source strength ``m`` is inferred where the data give no property, and show the same bodies all along:
    they have names, or there is one run only, whose times never turn back."""
    same = data.names is not None or bool(np.all(np.diff(data.times) > 0))
    return ("m",) if same and not data.properties and data.present.all() and data.present.shape[1] > 2 else ()


def is_consistent_with_no_force(apart: Split) -> bool:
    """Whether nothing but rest, or noise, is to be explained."""
    data, averaged = apart.train, apart.weak_form().train
    force = np.linalg.norm(data.force, axis=-1)[data.present]
    floor = numerical_force_floor(data)
    return bool(np.median(force) <= floor and np.max(force) <= 1e3 * floor) or bool(averaged.noise >= NOISE_ONLY)


def force_limit(data: Dataset) -> float:
    """What 95% of the observed forces stay below: nothing larger can hide in them."""
    return float(np.quantile(np.linalg.norm(data.force, axis=-1)[data.present], 0.95))


def train_on_dataset(
    data: Split,
    config: DiscoverConfig,
    *,
    seed: int | None = None,
    report: Callable[[TrainingProgress], None] | None = None,
    checkpoints: Checkpoints | None = None,
) -> TrainedNetwork:
    """The network that predicts the motion."""
    network = replace(config.network, latent=bool(latent_properties(data.train)))
    seed = config.seed if seed is None else seed
    return train_network(data, network, config.training, seed, report=report, checkpoints=checkpoints)


def extract_messages(trained: TrainedNetwork, data: Split, config: DiscoverConfig) -> MessageReadout:
    """Contributions and symmetries at pairs of the training runs, where the network knows most."""
    return MessageReadout(read_messages(trained, data.train, seed=config.seed), measure_symmetry(trained, data.train))


def distill_candidates(
    reading: MessageReadout, data: Split, config: DiscoverConfig, *, report: EngineProgress | None = None
) -> DistillationResult:
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


def distill_network_energies(
    trained: TrainedNetwork, data: Split, config: DiscoverConfig
) -> HamiltonianEnergies | None:
    """Formulas for the energies of a Hamiltonian network; None of another."""
    if trained.config.node != "hamiltonian":
        return None
    tables = read_energies(trained, data.train, seed=config.seed)
    return distill_energies(tables, config.engines, replace(config.regression, seed=config.seed))


def select(
    candidates: Sequence[ForceLaw], data: Split, config: DiscoverConfig, preferred: Sequence[ForceLaw] = ()
) -> Selection:
    """The law: candidates refitted on the observed motion, chosen on held-out runs, with error bars; one of the
    ``preferred`` where what is chosen is not better than it."""
    fitted, latent = data.weak_form(), latent_properties(data.train)
    return choose_law(candidates, fitted.train, fitted.valid, preferred=preferred, latent=latent, seed=config.seed)


def select_with_catalogue(choice: Selection, data: Split, config: DiscoverConfig) -> Selection:
    """The choice again, where it left something unexplained and is not itself a known law, beside the known laws that
    come nearest to it: a search may miss a law, and one that is new has to be better than those that are known.

    Where nothing was worth its constants, the laws nearest to what came closest take part like any candidate.
    """
    law, fitted = choice.law, data.weak_form()
    if choice.error < RIGHT:
        return choice
    if not law.terms:
        tried = [scored for scored in choice.scoreboard if scored.law.rest.terms]
        if not tried:
            return choice
        law = min(tried, key=ScoredLaw.cost).law
    comparison = compare_with_catalogue(law, fitted.train)
    if choice.law.terms and all(part.matches and part.matches[0].deviation < RIGHT for part in comparison.channels):
        return choice
    known = catalogue_challengers(law, comparison, fitted.train)
    again = select([law], data, config, known) if choice.law.terms else select([law, *known], data, config)
    if len(again.law.terms) > 1:  # a sum may be more than is needed
        again = select([again.law], data, config)
    board = {signature(scored.law): scored for scored in (*choice.scoreboard, *again.scoreboard)}
    return replace(again, scoreboard=tuple(sorted(board.values(), key=lambda s: (s.complexity, s.error))))


def select_or_none(candidates: Sequence[ForceLaw], data: Split, config: DiscoverConfig) -> ForceLaw | None:
    """The law of `select_law`; None where no candidate gives a finite force."""
    try:
        return select(candidates, data, config).law
    except NoResult:
        return None


def select_for_each_engine(
    distilled: DistillationResult, data: Split, config: DiscoverConfig
) -> dict[str, ForceLaw | None]:
    """Where several engines were asked, the law that each leads to by itself; None where it leads to none."""
    return {engine: select_or_none(laws, data, config) for engine, laws in distilled.alone.items()}


def compare_with_independent_search(
    law: ForceLaw, candidates: Sequence[ForceLaw], data: Split, config: DiscoverConfig
) -> tuple[bool, bool]:
    """Whether these candidates, of another search, lead to ``law``; and whether they do, or ``law`` is preferred to
    what they lead to when it is offered beside it."""
    own = select_or_none(candidates, data, config)
    if own is not None and same_law(own, law, data.train):
        return True, True
    offered = select([law] if own is None else [own, law], data, config).law
    return False, same_law(offered, law, data.train)


def estimate_constants(law: ForceLaw, data: Split, config: DiscoverConfig) -> ForceLaw:
    """The chosen law with its constants fitted to all the motion, once its errors on held-out motion are taken, with
    the units that those of the data give them, and the names of notable values."""
    if not law.terms:
        return law
    whole = data.weak_form().whole()
    draw = sample_posterior if config.errors == "posterior" else None
    fitted = settle_law(law, whole, latent=latent_properties(data.train), draw=draw, seed=config.seed)
    return identify_constants(with_units(fitted, data.train))


def require_engines(config: DiscoverConfig) -> None:
    """Raises UsageError or EngineUnavailable before anything long is begun."""
    for engine in config.engines:
        get_engine(engine).available()
    if config.errors == "posterior":
        require_numpyro()


def state_assumptions(data: Dataset, config: DiscoverConfig) -> tuple[str, ...]:
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
