"""The initial conditions of the runs of a bare function."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from gnn_discovery.errors import DataError
from gnn_discovery.registry.units import require_plain_numbers
from gnn_discovery.simulators.config import SimulationConfig, SimulationSize
from gnn_discovery.simulators.user_errors import describe_error

InitialConditions = tuple[np.ndarray, np.ndarray, Mapping[str, np.ndarray]]
"""Positions and velocities (R N D), and properties (R N) by name."""
InitialConditionSampler = Callable[[np.random.Generator, int, int, int], InitialConditions]
"""A function that makes initial conditions from a random generator and the numbers of runs, particles, dimensions."""


def normal_initial_conditions(rng: np.random.Generator, runs: int, particles: int, dim: int) -> InitialConditions:
    """Return positions and velocities drawn from N(0, 1), and one property, a log-normal ``m``.

    Args:
        rng: the random generator.
        runs: number R of runs.
        particles: number N of particles.
        dim: dimension D of space.
    """
    drawn = rng.standard_normal((runs, particles, 2 * dim + 1))
    return drawn[..., :dim], drawn[..., dim:-1], {"m": np.exp(drawn[..., -1])}


def draw_initial_conditions(
    sampler: InitialConditionSampler, config: SimulationConfig, default: SimulationSize, where: str
) -> InitialConditions:
    """Return the initial conditions of every run, float64.

    Args:
        sampler: the function that makes them.
        config: says how many runs, particles and dimensions, and the seed.
        default: the size that is made where the config leaves it open.
        where: name of the simulator, for errors.

    Raises:
        UsageError: a number is out of range.
        DataError: the function fails, or returns other shapes than it was asked for.
    """
    size = config.resolve(where, default)
    try:
        x, v, given = sampler(np.random.default_rng(config.seed), size.runs, size.particles, size.dim)
        x, v = (np.array(require_plain_numbers(part, "it gives a quantity"), dtype=np.float64) for part in (x, v))
        properties = {
            str(name): np.array(require_plain_numbers(values, f"it gives {name}"), dtype=np.float64)
            for name, values in given.items()
        }
    except Exception as error:  # a user's function may fail in any way
        raise DataError(f"initial fails: {describe_error(error)}", where=where, remedy=_REMEDY) from error
    wanted = (size.runs, config.particles, config.dim)
    if x.ndim != 3 or any(want not in (None, have) for want, have in zip(wanted, x.shape, strict=True)):
        shape = tuple("any" if want is None else want for want in wanted)
        raise DataError(f"initial gives positions of shape {x.shape}, not {shape}", where=where, remedy=_REMEDY)
    expected = {"velocities": (v, x.shape), **{name: (values, x.shape[:2]) for name, values in properties.items()}}
    for name, (values, shape) in expected.items():
        if values.shape != shape:
            raise DataError(f"initial gives {name} of shape {values.shape}, not {shape}", where=where, remedy=_REMEDY)
    return x, v, properties


_REMEDY = (
    "It is called as initial(rng, runs, particles, dim) and gives positions and velocities (runs, particles, dim) and "
    "a dict of properties (runs, particles)"
)
