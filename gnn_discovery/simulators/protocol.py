"""The protocol of a simulator, built-in or a user's own, and the call of one with its runs checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from gnn_discovery.data.trajectory import Trajectory, validate_trajectory
from gnn_discovery.errors import DataError, GnnDiscoveryError
from gnn_discovery.simulators.config import SimulationConfig
from gnn_discovery.simulators.user_errors import describe_error


@runtime_checkable
class Simulator(Protocol):
    """Anything that makes runs; a discovery calls it once, before anything else.

    Some attributes are optional. ``recorded = True`` says that the motion is given and that the seed has no effect.
    ``order(config)`` returns the order of the equation of motion, which must then be the one asked for.
    ``energy(positions, velocities, properties)`` returns the energy (T,) of each instant of a run, from (T N D),
    (T N D) and a mapping name -> (T N); it may be lost in the course of a run, but not gained. ``true_law(config)``
    returns the terms of the law as plain records (``kind``, ``direction``, ``expression``, ``constants``), and
    ``reference_properties()`` accepted values (N,) of properties to be inferred, by name; the report alone asks for
    these two.
    """

    def simulate(self, config: SimulationConfig) -> Sequence[Trajectory]:
        """Return the runs; the same config gives the same runs."""
        ...


def run_simulator(simulator: Simulator, config: SimulationConfig, where: str) -> tuple[Trajectory, ...]:
    """Return the runs of a simulator, checked.

    Args:
        simulator: the simulator.
        config: what is asked of it.
        where: its name, for errors.

    Raises:
        DataError: it fails, makes no run, or makes something that is no motion.
    """
    try:
        runs = tuple(simulator.simulate(config))
    except GnnDiscoveryError:
        raise
    except Exception as error:  # a user's simulator may fail in any way
        raise DataError(f"simulate fails: {describe_error(error)}", where=where, remedy=_REMEDY) from error
    if not runs:
        raise DataError("the simulator makes no run", where=where, remedy="Yield at least one Trajectory")
    for k, run in enumerate(runs):
        if not isinstance(run, Trajectory):
            raise DataError(
                f"run {k} is a {type(run).__name__}, no Trajectory",
                where=where,
                remedy="Yield gnn_discovery.Trajectory(positions, times, ...), one for each run",
            )
    return tuple(validate_trajectory(run, f"{where}, run {k}") for k, run in enumerate(runs))


_REMEDY = (
    "It is called as simulate(config); runs, frames, particles and dim of the config are None where the choice is left "
    "to the simulator"
)
