"""Loading of motion: from a name, a file, a simulator or runs to a data set with whole runs held apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gnn_discovery.data.dataset import OrderSelection, Split, assemble_dataset, select_order, split_by_run
from gnn_discovery.data.readers.frame_assembly import name_masses
from gnn_discovery.data.trajectory import Trajectory, convert_units, trajectory_fingerprint, validate_trajectory
from gnn_discovery.errors import DataError, UsageError
from gnn_discovery.pipeline.config import DiscoverConfig
from gnn_discovery.registry.units import check_units
from gnn_discovery.simulators import (
    FunctionSimulator,
    SimulationConfig,
    Simulator,
    as_simulator,
    resolve_simulator,
    run_simulator,
    simulator_names,
)
from gnn_discovery.types import Order

_HIGHEST = {1: "velocities", 2: "accelerations"}

MotionSource = str | Path | Simulator | Callable[..., Any] | Iterable[Trajectory]
"""Motion may come from a name, a file, a simulator, a bare function, or runs."""


@dataclass(frozen=True)
class LoadedMotion:
    """Motion as it was simulated or read.

    Attributes:
        label: the name of the source, for the report and for errors.
        trajectories: one for each run.
        simulator: what made the runs, where one did; only the report asks it for its true law.
        format: of the file, where there is one.
        notes: sentences on what was read or simulated, and how.
    """

    label: str
    trajectories: tuple[Trajectory, ...]
    simulator: Any = None
    format: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """The fingerprint of all runs."""
        return trajectory_fingerprint(self.trajectories)


def load_motion(source: MotionSource, simulation: SimulationConfig) -> LoadedMotion:
    """Load motion from a registered system, ``module:Name``, ``file.py:name``, a file, an object, a function or runs.

    Args:
        source: where the motion comes from.
        simulation: says how much a simulator makes, and by which seed.

    Raises:
        UsageError: the system is unknown.
        DataError: the motion is not valid.
    """
    if isinstance(source, str | Path):
        label = str(source)
        if names_a_file(label):
            from gnn_discovery.data.readers import read_trajectories

            found = read_trajectories(label)
            runs, notes = name_masses(tuple(found), found.notes)
            return LoadedMotion(label, runs, format=found.format, notes=tuple(notes))
        simulator = resolve_simulator(label)
    else:
        is_simulator = callable(source) or hasattr(source, "simulate")
        label = getattr(source, "__name__", type(source).__name__) if is_simulator else "trajectories"
        simulator = as_simulator(source, label)
    runs, notes = name_masses(run_simulator(simulator, simulation, label))
    count = (simulation.runs or simulator.default_size.runs) if isinstance(simulator, FunctionSimulator) else len(runs)
    return LoadedMotion(label, runs, simulator, notes=(*notes, *_note_short_runs(runs, count)))


def _note_short_runs(runs: Sequence[Trajectory], count: int) -> tuple[str, ...]:
    """Say how many of ``count`` runs are shorter, as those of a bare function that meet a force without a bound."""
    lengths = [len(run.times) for run in runs]
    short, gone = count - lengths.count(max(lengths)), count - len(runs)
    left_out = f", {gone} of them so soon that they are left out" if gone else ""
    return (f"{short} of {count} runs end before the others do{left_out}.",) if short else ()


def names_a_file(source: str) -> bool:
    """Return whether ``source`` names a trajectory file, existing or missing, and no system or code."""
    path = Path(source)
    if path.suffix == ".py" or source in simulator_names():
        return False
    return path.is_file() or (":" not in source and (bool(path.suffix) or path.name != source))


def resolve_order(motion: LoadedMotion, config: DiscoverConfig) -> tuple[Order, OrderSelection | None]:
    """Return the order of the equation of motion, and what it rests on where the motion itself told it.

    It is the one that the config states, or that of the simulator, or 2 where accelerations were observed.

    Args:
        motion: the runs.
        config: states the order, or leaves it to the motion.

    Raises:
        UsageError: the simulator says that its law is of another order than the one asked for.
        DataError: not even velocities can be read from the motion.
    """
    of_simulator = getattr(motion.simulator, "order", None)
    stated: Order | None = of_simulator(config.simulation) if callable(of_simulator) else None
    if stated and config.order not in ("auto", stated):
        raise UsageError(
            f"gives {_HIGHEST[stated]}, a law of order {stated}, and order {config.order} was asked for",
            where=motion.label,
            remedy=f"--order {stated}, or DiscoverConfig(order={stated})",
        )
    if config.order != "auto":
        return config.order, None
    if stated or any(run.accelerations is not None for run in motion.trajectories):
        return stated or 2, None
    selection = select_order(motion.trajectories, motion.label, criteria=config.criteria)
    return selection.order, selection


def prepare_dataset(motion: LoadedMotion, config: DiscoverConfig) -> Split:
    """Return the data set of the motion, with derivatives, units and noise, whole runs held apart.

    Args:
        motion: the runs.
        config: states order, units and cut-off; its seed draws the runs that are held out.

    Raises:
        UsageError: the simulator says that its law is of another order than the one asked for, or units are wrong.
        DataError: there are too few frames or runs.
    """
    order, _ = resolve_order(motion, config)
    runs = tuple(_with_units(run, config.units) for run in motion.trajectories)
    if config.cutoff is not None:
        runs = tuple(validate_trajectory(replace(run, cutoff=config.cutoff), motion.label) for run in runs)
    return split_by_run(
        assemble_dataset(runs, order, motion.label, criteria=config.criteria),
        config.seed,
        criteria=config.criteria,
    )


def _with_units(run: Trajectory, units: Mapping[str, str]) -> Trajectory:
    """Return the run in these units: those that it does not state itself are taken on trust, the others converted.

    Raises:
        UsageError: a unit of nothing that the run holds, no unit, or one that measures something else.
    """
    quantities = ("length", "time", *run.properties)
    try:
        if unknown := sorted(set(units) - set(quantities)):
            raise DataError(f"there is no {unknown[0]!r}", remedy=f"Give units of {', '.join(quantities)}")
        check_units(units, "")
        return convert_units(replace(run, units={**units, **run.units}), units)
    except DataError as error:
        raise UsageError(error.what, where="--units", remedy=error.remedy) from None
