"""What every simulator must do, checked by running it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gnn_discovery.data.trajectory import Trajectory, validate_trajectory
from gnn_discovery.errors import DataError, GnnDiscoveryError
from gnn_discovery.simulators.invariance import permutation_violations
from gnn_discovery.simulators.protocol import SimulationConfig, Simulator
from gnn_discovery.simulators.user_errors import describe_error
from gnn_discovery.simulators.user_function import FunctionSimulator

CONFORMANCE_CONFIG = SimulationConfig(runs=2, frames=12, seed=1)

MAX_RATE_MISMATCH = 0.05
"""Of the displacement between two frames: how far it may be from the mean velocity times the time."""
MAX_ENERGY_GAIN = 1e-3
"""Of the kinetic energy: how much energy may be gained in a run."""


def check_simulator(simulator: Simulator, config: SimulationConfig = CONFORMANCE_CONFIG) -> tuple[str, ...]:
    """The problems in words, none for a simulator that keeps the contract. It is run three times.

    Checked: what was asked for was made; each run is a trajectory (shapes, numbers, increasing times,
    properties, units of what it has); the same seed repeats and another does not; velocities and accelerations are
    the changes of what they belong to; no energy is gained, where the simulator or a potential tells it. Of a bare
    function also: runs side by side know nothing of each other, and particles that share all properties are alike.
    A simulator that says ``recorded = True`` need not heed what was asked for.
    """
    recorded = bool(getattr(simulator, "recorded", False))
    asked = SimulationConfig() if recorded else config
    try:
        runs, again = (tuple(simulator.simulate(config)) for _ in range(2))
        other = tuple(simulator.simulate(_reseeded(config)))
    except GnnDiscoveryError as error:
        return (str(error),)
    except Exception as error:  # the simulator is somebody's own and may fail in any way
        return (f"simulate(config) fails: {describe_error(error)}",)
    problems = [] if runs else ["there are no runs: yield at least one Trajectory"]
    if asked.runs is not None and len(runs) != asked.runs:
        problems.append(f"{asked.runs} runs were asked for, {len(runs)} were made: heed config.runs")
    for index, run in enumerate(runs):
        try:
            problems += _problems_of_run(validate_trajectory(run, f"run {index}"), asked, f"run {index}")
        except DataError as error:
            problems.append(str(error))
        except Exception as error:  # not even the fields of a trajectory
            problems.append(f"run {index} is no Trajectory: {type(error).__name__}: {error}")
    if problems:
        return tuple(problems)
    if not _same(runs, again):
        problems.append("the same seed gave different runs: draw all random numbers from config.seed")
    if not recorded and _same(runs, other):
        problems.append("another seed gave the same runs: use config.seed, or set recorded = True")
    if len(runs) > 1 and _same(runs[:1], runs[1:2]):
        problems.append("runs 0 and 1 are the same: draw a new start for each run")
    problems += _gained(simulator, runs, config)
    if isinstance(simulator, FunctionSimulator):
        try:
            problems += permutation_violations(simulator, config)
        except GnnDiscoveryError as error:
            problems.append(str(error))
    return tuple(problems)


def _reseeded(config: SimulationConfig) -> SimulationConfig:
    return SimulationConfig(config.runs, config.frames, config.particles, config.dim, config.seed + 1)


def _problems_of_run(run: Trajectory, config: SimulationConfig, where: str) -> list[str]:
    shape = run.positions.shape
    asked = (config.frames, config.particles, config.dim)
    problems = [
        f"{where}: {want} {name} were asked for, there are {have}: heed the config"
        for name, want, have in zip(("frames", "particles", "dimensions"), asked, shape, strict=True)
        if want is not None and want != have
    ]
    if unknown := set(run.units) - {"length", "time", *run.properties}:
        problems.append(
            f"{where}: there are units of {', '.join(sorted(unknown))}: "
            f"give those of {', '.join(['length', 'time', *run.properties])}, under these names"
        )
    steps = np.diff(run.times)[:, None, None]
    moved = np.diff(run.positions, axis=0)
    if run.box is not None:
        moved -= run.box * np.round(moved / run.box)
    if run.velocities is not None:
        problems += _mismatch(moved, run.velocities, steps, f"{where}: velocities are not the change of positions")
        if run.accelerations is not None:
            changes = np.diff(run.velocities, axis=0)
            problems += _mismatch(
                changes, run.accelerations, steps, f"{where}: accelerations are not the change of velocities"
            )
    return problems


def _mismatch(change: np.ndarray, rate: np.ndarray, steps: np.ndarray, problem: str) -> list[str]:
    """The problem, unless the change between frames is the mean rate times the time.

    In the median over frames and particles: it passes over close encounters, where frames are too far apart.
    """
    if not change.size:
        return []
    expected = steps * (rate[1:] + rate[:-1]) / 2
    size = np.linalg.norm(change, axis=-1) + np.linalg.norm(expected, axis=-1)
    apart = np.linalg.norm(change - expected, axis=-1)
    relative = float(np.median(apart / np.where(size > 0, size, 1.0)))
    remedy = "store frames more often, or give both in the same units of length and time"
    return [f"{problem}: off by {relative:.0%} in the median; {remedy}"] if relative > MAX_RATE_MISMATCH else []


def _gained(simulator: Simulator, runs: Sequence[Trajectory], config: SimulationConfig) -> list[str]:
    """A problem where a run has more energy than it began with; friction may take some."""
    energy = _energy(simulator, config)
    if energy is None or runs[0].velocities is None:
        return []
    gains = []
    for run in runs:
        every = {name: np.broadcast_to(p, run.positions.shape[:2]) for name, p in run.properties.items()}
        most = float(_kinetic(np.asarray(run.velocities), every).max()) or 1.0
        try:
            total = np.asarray(energy(run.positions, run.velocities, every))
            gains.append(float((total - total[0]).max()) / most)
        except Exception as error:  # the simulator is somebody's own and may fail in any way
            return [
                f"energy(positions, velocities, properties) fails: {describe_error(error)}: give one number a frame"
            ]
    gain = float(np.median(gains))
    remedy = "take shorter steps between the frames, or a method that keeps energy"
    return (
        [f"energy is gained, {gain:.1%} of the kinetic energy in the median run: {remedy}"]
        if gain > MAX_ENERGY_GAIN
        else []
    )


def _energy(simulator: Simulator, config: SimulationConfig) -> Callable[..., np.ndarray] | None:
    """What gives the energy of each instant, where anything does."""
    if not isinstance(simulator, FunctionSimulator):
        return getattr(simulator, "energy", None)
    potential = simulator.equation_of_motion(config).potential
    return None if potential is None else lambda x, v, p: _kinetic(v, p) + potential(x, p)


def _kinetic(velocities: np.ndarray, properties: Mapping[str, np.ndarray]) -> np.ndarray:
    return (properties.get("m", 1.0) * (velocities**2).sum(-1)).sum(-1) / 2


def _same(first: Sequence[Trajectory], second: Sequence[Trajectory]) -> bool:
    return len(first) == len(second) and all(
        a.positions.shape == b.positions.shape and np.array_equal(a.positions, b.positions)
        for a, b in zip(first, second, strict=True)
    )
