"""The gradient of a user's potential: exact by jax where it can be traced, else by finite differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

BatchProperties = Mapping[str, np.ndarray]
"""Properties (R N) by name, for R runs side by side."""
Potential = Callable[[np.ndarray, BatchProperties], np.ndarray]
"""Energy (R,) of the runs, from positions (R N D) and properties."""
Gradient = Callable[[np.ndarray, BatchProperties], np.ndarray]
"""Gradient (R N D) of the energy of each run, from positions (R N D) and properties."""

FINITE_DIFFERENCE_WEIGHTS = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
"""Weights of the central difference of order eight, for the pairs of points one to four steps away on both sides."""


def jax_gradient(potential: Potential, positions: np.ndarray, properties: BatchProperties) -> Gradient | None:
    """Return the exact gradient of a potential that is written in ``jax.numpy``, and None of one that is not.

    Args:
        potential: the potential.
        positions: (R N D), at which it is tried whether jax can trace it.
        properties: (R N) by name.
    """
    import jax

    try:
        compiled = _compiled_gradient(potential)
        with jax.enable_x64(True):
            jax.eval_shape(compiled, positions, dict(properties))
    except Exception:  # NumPy, or anything else that jax cannot trace
        return None

    def gradient(x: np.ndarray, p: BatchProperties) -> np.ndarray:
        size = 4 ** -(-(len(x) - 1).bit_length() // 2)  # few sizes, each compiled once
        rows = np.minimum(np.arange(size), len(x) - 1)
        with jax.enable_x64(True):
            return np.asarray(compiled(x[rows], {name: values[rows] for name, values in p.items()}))[: len(x)]

    return gradient


@lru_cache(maxsize=16)
def _compiled_gradient(potential: Potential) -> Callable[..., Any]:
    """Return the compiled gradient, the same one for the same potential, so that each size is compiled once."""
    import jax

    return jax.jit(jax.grad(lambda x, p: potential(x, p).sum()))


def finite_difference_gradient(
    potential: Potential,
    x: np.ndarray,
    properties: BatchProperties,
    *,
    step_fraction: float = 0.01,
    max_energies: int = 20_000,
) -> np.ndarray:
    """Return the gradient (R N D) by central differences of order eight.

    The error is about 1e-11 of the force for smooth potentials, 1e-8 for r**-12, and the size of the jump where the
    force jumps within four steps.

    Args:
        potential: the potential.
        x: (R N D) positions.
        properties: (R N) by name.
        step_fraction: the step as a fraction of the distance to the nearest other position of a particle.
        max_energies: the number of energies that are computed at once.
    """
    runs, count, dim = x.shape
    distance = np.linalg.norm(x[:, :, None] - x[:, None], axis=-1)
    step = step_fraction * np.where(distance > 0, distance, np.inf).min(-1)
    weights = np.concatenate([[w, -w] for w in FINITE_DIFFERENCE_WEIGHTS])
    shifts = np.concatenate([[k, -k] for k in range(1, len(FINITE_DIFFERENCE_WEIGHTS) + 1)])[:, None]
    coordinates = list(np.ndindex(count, dim))
    together = max(1, max_energies // (runs * len(shifts)))
    gradient = np.empty_like(x)
    for first in range(0, len(coordinates), together):
        chunk = coordinates[first : first + together]
        moved = np.tile(x, (len(chunk), len(shifts), 1, 1, 1))
        for row, (particle, axis) in zip(moved, chunk, strict=True):
            row[:, :, particle, axis] += shifts * step[:, particle]
        repeated = {name: np.tile(p, (len(chunk) * len(shifts), 1)) for name, p in properties.items()}
        energy = np.asarray(potential(moved.reshape(-1, count, dim), repeated), dtype=float)
        for row, (particle, axis) in zip(energy.reshape(len(chunk), len(shifts), runs), chunk, strict=True):
            gradient[:, particle, axis] = weights @ row / step[:, particle]
    return gradient
