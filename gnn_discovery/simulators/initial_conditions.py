"""Where runs of a bare function start."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from gnn_discovery.errors import DataError, UsageError
from gnn_discovery.registry.units import require_plain_numbers
from gnn_discovery.simulators.protocol import SimulationConfig
from gnn_discovery.simulators.user_errors import describe_error

InitialConditions = tuple[np.ndarray, np.ndarray, Mapping[str, np.ndarray]]
"""Positions and velocities (R N D), and properties (R N) by name."""
InitialConditionSampler = Callable[[np.random.Generator, int, int, int], InitialConditions]
"""A start from a random generator and the numbers of runs, particles and dimensions."""

DEFAULT_RUNS, DEFAULT_FRAMES, DEFAULT_PARTICLES, DEFAULT_DIM = 500, 100, 4, 2


def normal_initial_conditions(rng: np.random.Generator, runs: int, particles: int, dim: int) -> InitialConditions:
    """Positions and velocities from N(0, 1), and one property, a log-normal ``m``."""
    drawn = rng.standard_normal((runs, particles, 2 * dim + 1))
    return drawn[..., :dim], drawn[..., dim:-1], {"m": np.exp(drawn[..., -1])}


def draw_initial_conditions(initial: InitialConditionSampler, config: SimulationConfig, name: str) -> InitialConditions:
    """The start of every run, float64.

    Raises:
        UsageError: a number out of range.
        DataError: ``initial`` fails, or gives other shapes than it was asked for.
    """
    asked = {
        "runs": (DEFAULT_RUNS if config.runs is None else config.runs, 1),
        "frames": (DEFAULT_FRAMES if config.frames is None else config.frames, 2),
        "particles": (DEFAULT_PARTICLES if config.particles is None else config.particles, 2),
        "dim": (DEFAULT_DIM if config.dim is None else config.dim, 1),
        "seed": (config.seed, 0),
    }
    for what, (value, least) in asked.items():
        if value < least:
            raise UsageError(f"{what} is {value}", where=name, remedy=f"At least {least}")
    runs, _, particles, dim, seed = (value for value, _ in asked.values())
    try:
        x, v, given = initial(np.random.default_rng(seed), runs, particles, dim)
        x, v = (np.array(require_plain_numbers(part, "it gives a quantity"), dtype=np.float64) for part in (x, v))
        properties = {
            str(k): np.array(require_plain_numbers(p, f"it gives {k}"), dtype=np.float64) for k, p in given.items()
        }
    except Exception as error:  # the function is the user's and may fail in any way
        raise DataError(f"initial fails: {describe_error(error)}", where=name, remedy=_REMEDY) from error
    wanted = (runs, config.particles, config.dim)
    if x.ndim != 3 or any(want not in (None, have) for want, have in zip(wanted, x.shape, strict=True)):
        size = tuple("any" if want is None else want for want in wanted)
        raise DataError(f"initial gives positions of shape {x.shape}, not {size}", where=name, remedy=_REMEDY)
    for what, part, shape in (("velocities", v, x.shape), *((k, p, x.shape[:2]) for k, p in properties.items())):
        if part.shape != shape:
            raise DataError(f"initial gives {what} of shape {part.shape}, not {shape}", where=name, remedy=_REMEDY)
    return x, v, properties


_REMEDY = (
    "It is called as initial(rng, runs, particles, dim) and gives positions and velocities (runs, particles, dim) and "
    "a dict of properties (runs, particles)"
)
