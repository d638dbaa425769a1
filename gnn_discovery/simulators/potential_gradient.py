"""The slope of a potential that somebody wrote: exact by jax where it can be traced, else by differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

BatchProperties = Mapping[str, np.ndarray]
Potential = Callable[[np.ndarray, BatchProperties], np.ndarray]
"""Energy (R,) of the runs, from positions (R N D) and properties (R N) by name."""
Gradient = Callable[[np.ndarray, BatchProperties], np.ndarray]
"""(R N D): the slope of the energy of each run."""

FINITE_DIFFERENCE_STEP = 0.01
"""Of the distance to the nearest other place where a particle is."""
FINITE_DIFFERENCE_WEIGHTS = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
"""Central differences of order eight: of the pairs of points one to four steps away on both sides."""

MAX_ENERGIES_PER_CALL = 20_000
"""Energies asked for at once."""


def jax_gradient(potential: Potential, positions: np.ndarray, properties: BatchProperties) -> Gradient | None:
    """The exact slope of a potential in ``jax.numpy``; None of one that jax cannot follow at these positions."""
    import jax

    try:
        slope = _compiled(potential)
        with jax.enable_x64(True):
            jax.eval_shape(slope, positions, dict(properties))
    except Exception:  # NumPy, or anything else that jax cannot follow
        return None

    def gradient(x: np.ndarray, p: BatchProperties) -> np.ndarray:
        size = 4 ** -(-(len(x) - 1).bit_length() // 2)  # few sizes, each compiled once
        rows = np.minimum(np.arange(size), len(x) - 1)
        with jax.enable_x64(True):
            return np.asarray(slope(x[rows], {name: values[rows] for name, values in p.items()}))[: len(x)]

    return gradient


@lru_cache(maxsize=16)
def _compiled(potential: Potential) -> Callable[..., Any]:
    """Kept, so that each size is compiled once for all that asks for the same potential."""
    import jax

    return jax.jit(jax.grad(lambda x, p: potential(x, p).sum()))


def finite_difference_gradient(potential: Potential, x: np.ndarray, properties: BatchProperties) -> np.ndarray:
    """Central differences of order eight, over steps of a hundredth of the distance to the nearest other place.

    The error is about 1e-11 of the force for smooth potentials, 1e-8 for r**-12, and the size of the jump where the
    force jumps within four steps.
    """
    runs, count, dim = x.shape
    apart = np.linalg.norm(x[:, :, None] - x[:, None], axis=-1)
    step = FINITE_DIFFERENCE_STEP * np.where(apart > 0, apart, np.inf).min(-1)
    weights = np.concatenate([[w, -w] for w in FINITE_DIFFERENCE_WEIGHTS])
    shifts = np.concatenate([[k, -k] for k in range(1, len(FINITE_DIFFERENCE_WEIGHTS) + 1)])[:, None]
    coordinates = list(np.ndindex(count, dim))
    together = max(1, MAX_ENERGIES_PER_CALL // (runs * len(shifts)))
    slope = np.empty_like(x)
    for first in range(0, len(coordinates), together):
        chunk = coordinates[first : first + together]
        moved = np.tile(x, (len(chunk), len(shifts), 1, 1, 1))
        for row, (particle, axis) in zip(moved, chunk, strict=True):
            row[:, :, particle, axis] += shifts * step[:, particle]
        repeated = {name: np.tile(p, (len(chunk) * len(shifts), 1)) for name, p in properties.items()}
        energy = np.asarray(potential(moved.reshape(-1, count, dim), repeated), dtype=float)
        for row, (particle, axis) in zip(energy.reshape(len(chunk), len(shifts), runs), chunk, strict=True):
            slope[:, particle, axis] = weights @ row / step[:, particle]
    return slope
