"""The conformance check of a simulator: the rules that every simulator must keep, checked by running it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from gnn_discovery.data.trajectory import Trajectory, validate_trajectory
from gnn_discovery.errors import DataError, GnnDiscoveryError
from gnn_discovery.simulators.config import SimulationConfig
from gnn_discovery.simulators.invariance import permutation_violations
from gnn_discovery.simulators.protocol import Simulator
from gnn_discovery.simulators.user_errors import describe_error
from gnn_discovery.simulators.user_function import FunctionSimulator

CONFORMANCE_CONFIG = SimulationConfig(runs=2, frames=12, seed=1)
"""A few short runs, with which a simulator is tried."""


def check_simulator(
    simulator: Simulator,
    config: SimulationConfig = CONFORMANCE_CONFIG,
    *,
    max_rate_mismatch: float = 0.05,
    max_energy_gain: float = 1e-3,
) -> tuple[str, ...]:
    """Return the problems of a simulator in words, none where it keeps the rules. It is run three times.

    The rules: the runs are those that were asked for; each run is a trajectory (shapes, numbers, increasing times,
    properties, units of what it has); the same seed repeats the runs and another does not; velocities and
    accelerations are the changes of positions and velocities; no energy is gained, where the simulator or a potential
    tells it. For a bare function also: runs side by side do not depend on each other, and particles that share all
    properties are alike. A simulator that says ``recorded = True`` need not follow the config.

    Args:
        simulator: the simulator.
        config: what is asked of it.
        max_rate_mismatch: largest difference between the displacement from frame to frame and the mean velocity times
            the time, as a fraction of both, in the median.
        max_energy_gain: largest gain of energy in the median run, as a fraction of the kinetic energy.
    """
    recorded = bool(getattr(simulator, "recorded", False))
    asked = SimulationConfig() if recorded else config
    try:
        runs, again = (tuple(simulator.simulate(config)) for _ in range(2))
        other = tuple(simulator.simulate(replace(config, seed=config.seed + 1)))
    except GnnDiscoveryError as error:
        return (str(error),)
    except Exception as error:  # a user's simulator may fail in any way
        return (f"simulate(config) fails: {describe_error(error)}",)
    problems = [] if runs else ["there are no runs: yield at least one Trajectory"]
    if asked.runs is not None and len(runs) != asked.runs:
        problems.append(f"{asked.runs} runs were asked for, {len(runs)} were made: follow config.runs")
    for index, run in enumerate(runs):
        where = f"run {index}"
        try:
            problems += _problems_of_run(validate_trajectory(run, where), asked, where, max_rate_mismatch)
        except DataError as error:
            problems.append(str(error))
        except Exception as error:  # not even the fields of a trajectory
            problems.append(f"{where} is no Trajectory: {type(error).__name__}: {error}")
    if problems:
        return tuple(problems)
    if not _same_positions(runs, again):
        problems.append("the same seed gave different runs: draw all random numbers from config.seed")
    if not recorded and _same_positions(runs, other):
        problems.append("another seed gave the same runs: use config.seed, or set recorded = True")
    if len(runs) > 1 and _same_positions(runs[:1], runs[1:2]):
        problems.append("runs 0 and 1 are the same: draw new initial conditions for each run")
    problems += _energy_gain(simulator, runs, config, max_energy_gain)
    if isinstance(simulator, FunctionSimulator):
        try:
            problems += permutation_violations(simulator, config)
        except GnnDiscoveryError as error:
            problems.append(str(error))
    return tuple(problems)


def _problems_of_run(run: Trajectory, config: SimulationConfig, where: str, max_mismatch: float) -> list[str]:
    """Return the problems of one run: its size, its units, its velocities and accelerations."""
    asked = (config.frames, config.particles, config.dim)
    problems = [
        f"{where}: {want} {name} were asked for, there are {have}: follow the config"
        for name, want, have in zip(("frames", "particles", "dimensions"), asked, run.positions.shape, strict=True)
        if want is not None and want != have
    ]
    known = ["length", "time", *run.properties]
    if unknown := set(run.units) - set(known):
        problems.append(
            f"{where}: there are units of {', '.join(sorted(unknown))}: "
            f"give those of {', '.join(known)}, under these names"
        )
    steps = np.diff(run.times)[:, None, None]
    moved = np.diff(run.positions, axis=0)
    if run.box is not None:
        moved -= run.box * np.round(moved / run.box)
    changes = []
    if run.velocities is not None:
        changes.append((moved, run.velocities, "velocities are not the change of positions"))
        if run.accelerations is not None:
            kicks = np.diff(run.velocities, axis=0)
            changes.append((kicks, run.accelerations, "accelerations are not the change of velocities"))
    for change, rate, problem in changes:
        mismatch = _rate_mismatch(change, rate, steps)
        if mismatch > max_mismatch:
            problems.append(
                f"{where}: {problem}: off by {mismatch:.0%} in the median; store frames more often, or give both in "
                "the same units of length and time"
            )
    return problems


def _rate_mismatch(change: np.ndarray, rate: np.ndarray, steps: np.ndarray) -> float:
    """Return the relative difference between the changes from frame to frame and the mean rates times the time.

    The median over frames and particles ignores close encounters, for which frames are too far apart.
    """
    if not change.size:
        return 0.0
    expected = steps * (rate[1:] + rate[:-1]) / 2
    size = np.linalg.norm(change, axis=-1) + np.linalg.norm(expected, axis=-1)
    difference = np.linalg.norm(change - expected, axis=-1)
    return float(np.median(difference / np.where(size > 0, size, 1.0)))


def _energy_gain(
    simulator: Simulator, runs: Sequence[Trajectory], config: SimulationConfig, max_gain: float
) -> list[str]:
    """Return a problem where runs end with more energy than they began with; friction may take some."""
    energy = _energy_function(simulator, config)
    if energy is None or runs[0].velocities is None:
        return []
    gains = []
    for run in runs:
        properties = {name: np.broadcast_to(p, run.positions.shape[:2]) for name, p in run.properties.items()}
        kinetic = float(_kinetic_energy(np.asarray(run.velocities), properties).max()) or 1.0
        try:
            total = np.asarray(energy(run.positions, run.velocities, properties))
            gains.append(float((total - total[0]).max()) / kinetic)
        except Exception as error:  # a user's simulator may fail in any way
            text = describe_error(error)
            return [f"energy(positions, velocities, properties) fails: {text}: give one number for each frame"]
    gain = float(np.median(gains))
    if gain <= max_gain:
        return []
    return [
        f"energy is gained, {gain:.1%} of the kinetic energy in the median run: take shorter steps between the frames, "
        "or a method that conserves energy"
    ]


def _energy_function(simulator: Simulator, config: SimulationConfig) -> Callable[..., np.ndarray] | None:
    """Return the function that gives the energy of each instant, and None where nothing tells it."""
    if not isinstance(simulator, FunctionSimulator):
        return getattr(simulator, "energy", None)
    potential = simulator.equation_of_motion(config).potential
    return None if potential is None else lambda x, v, p: _kinetic_energy(v, p) + potential(x, p)


def _kinetic_energy(velocities: np.ndarray, properties: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the kinetic energy of each instant; masses are one where none are given."""
    energy: np.ndarray = (properties.get("m", 1.0) * (velocities**2).sum(-1)).sum(-1) / 2
    return energy


def _same_positions(first: Sequence[Trajectory], second: Sequence[Trajectory]) -> bool:
    """Tell whether two sets of runs have the same positions."""
    return len(first) == len(second) and all(
        np.array_equal(a.positions, b.positions) for a, b in zip(first, second, strict=True)
    )
