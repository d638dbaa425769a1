"""What every simulator must do, checked by running it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gnn_discovery.errors import DataError, GnnDiscoveryError
from gnn_discovery.simulator.record import SimulationConfig, Simulator
from gnn_discovery.trajectory import Trajectory, validate

TINY = SimulationConfig(runs=2, frames=12, seed=1)

MISMATCH = 0.05
"""Of the displacement between two frames: how far it may be from the mean velocity times the time."""


def check_simulator(simulator: Simulator, config: SimulationConfig = TINY) -> tuple[str, ...]:
    """The problems in words, none for a simulator that keeps the contract. It is run three times.

    Checked: what was asked for was made; each run is a trajectory (shapes, numbers, increasing times,
    properties); the same seed repeats and another does not; velocities and accelerations are the changes of
    what they belong to. A simulator that says ``recorded = True`` need not heed the seed.
    """
    try:
        runs, again = (tuple(simulator.simulate(config)) for _ in range(2))
        other = tuple(simulator.simulate(_reseeded(config)))
    except GnnDiscoveryError as error:
        return (str(error),)
    except Exception as error:  # the simulator is somebody's own and may fail in any way
        return (f"simulate fails: {type(error).__name__}: {error}",)
    problems = [] if runs else ["there are no runs"]
    if config.runs is not None and len(runs) != config.runs:
        problems.append(f"{config.runs} runs were asked for, {len(runs)} were made")
    for index, run in enumerate(runs):
        try:
            problems += _problems_of_run(validate(run, f"run {index}"), config, f"run {index}")
        except DataError as error:
            problems.append(str(error))
        except Exception as error:  # not even the fields of a trajectory
            problems.append(f"run {index} is no Trajectory: {type(error).__name__}: {error}")
    if problems:
        return tuple(problems)
    if not _same(runs, again):
        problems.append("the same seed gave different runs: draw all random numbers from config.seed")
    if not getattr(simulator, "recorded", False) and _same(runs, other):
        problems.append("another seed gave the same runs: use config.seed, or set recorded = True")
    if len(runs) > 1 and _same(runs[:1], runs[1:2]):
        problems.append("runs 0 and 1 are the same")
    return tuple(problems)


def _reseeded(config: SimulationConfig) -> SimulationConfig:
    return SimulationConfig(config.runs, config.frames, config.particles, config.dim, config.seed + 1)


def _problems_of_run(run: Trajectory, config: SimulationConfig, where: str) -> list[str]:
    shape = run.positions.shape
    asked = (config.frames, config.particles, config.dim)
    problems = [
        f"{where}: {want} {name} were asked for, there are {have}"
        for name, want, have in zip(("frames", "particles", "dimensions"), asked, shape, strict=True)
        if want is not None and want != have
    ]
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
    return [f"{problem}: off by {relative:.0%} in the median"] if relative > MISMATCH else []


def _same(first: Sequence[Trajectory], second: Sequence[Trajectory]) -> bool:
    return len(first) == len(second) and all(
        a.positions.shape == b.positions.shape and np.array_equal(a.positions, b.positions)
        for a, b in zip(first, second, strict=True)
    )
