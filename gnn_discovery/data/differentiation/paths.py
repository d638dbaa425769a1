"""Paths between coarse frames: where the particles were while nobody looked.

Where pairs move by much of their distance from one frame to the next, neither a derivative nor a sum over frames can
be taken. The weak form (`gnn_discovery.data.differentiation.weak_form`) needs neither, if the law is averaged along
the path between the frames. Two paths are known:

* the spline through the frames, without any force;
* under a force f, the solution of the boundary value problem of each interval,

      x'' = f(x, v),  x(t_k) and x(t_k+1) as observed,     x(t) = chord(t) + integral G(t, s) f(s) ds

  with Green's function G of the second derivative (for order 1, of the first, with what misses the next frame spread
  evenly). The integral of the polynomial through the values at SUBSTEPS + 1 instants is exact, and a step of the
  iteration (Picard) reads the force along the last path.

A law whose own path is the one it is averaged along is compared with the frames without any error of truncation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.polynomial import polynomial
from scipy.interpolate import make_interp_spline
from scipy.ndimage import minimum_filter1d

from gnn_discovery.types import Order, Times

SUBSTEPS = 4
"""Number of steps that a path takes from one frame to the next; its force is a polynomial of this degree there."""


def spline_path(
    times: Times, frames: Float[np.ndarray, "T M D"], degree: int = 5, derivatives: Sequence[int] = (0,)
) -> list[Float[np.ndarray, "P M D"]]:
    """Return derivatives of the spline through the frames, at all P = SUBSTEPS (T - 1) + 1 instants.

    Args:
        times: (T,), evenly spaced.
        frames: positions, unwrapped.
        degree: degree of the spline, odd; fewer frames take a lower one.
        derivatives: the order of each derivative; 0 is the path itself.
    """
    degree = min(degree, 2 * ((len(times) - 2) // 2) + 1)
    instants = np.linspace(times[0], times[-1], SUBSTEPS * (len(times) - 1) + 1)
    spline = make_interp_spline(times, frames, k=degree, axis=0)
    return [np.asarray(spline(instants, derivative)) for derivative in derivatives]


def path_under_force(
    intervals: Int[np.ndarray, " K"],
    positions: Float[np.ndarray, "S N D"],
    velocities: Float[np.ndarray, "S N D"],
    acceleration: Callable[[Float[np.ndarray, "S N D"], Float[np.ndarray, "S N D"]], Float[np.ndarray, "S N D"]],
    step: float,
    order: Order,
    *,
    rounds: int = 8,
) -> tuple[Float[np.ndarray, "S N D"], Float[np.ndarray, "S N D"]]:
    """Return positions and velocities between the frames as a force moves the particles.

    Where a particle would be off its chord by more than any moves in the interval, the iteration diverges, and the
    chord is returned.

    Args:
        intervals: the instants at which intervals begin; each ends SUBSTEPS instants later, at another frame.
        positions, velocities: along a path; the positions in the frames stay.
        acceleration: the target, an acceleration (order 2) or velocity (order 1), at all instants of a path.
        step: time between two instants.
        order: order of the equation of motion.
        rounds: number of iterations.
    """
    place, slope = _boundary_value_integrals(order)
    rows = intervals[:, None] + np.arange(SUBSTEPS + 1)
    length = SUBSTEPS * step
    first, last = positions[rows[:, :1]], positions[rows[:, -1:]]
    share = (np.arange(SUBSTEPS + 1) / SUBSTEPS)[None, :, None, None]
    chord, speed = first + share * (last - first), (last - first) / length
    farthest = np.abs(last - first).max(axis=(1, 2, 3), keepdims=True)
    inner, x, v = rows[:, 1:-1], positions.copy(), velocities.copy()
    for _ in range(rounds):
        force = acceleration(x, v)[rows]
        moved = chord + length**order * np.einsum("ij,kjnd->kind", place, force)
        near = (np.abs(moved - chord) <= farthest).all(axis=(1, 3), keepdims=True)
        x[inner] = np.where(near, moved, chord)[:, 1:-1]
        if order == 1:
            continue
        new = np.where(near, speed + length * np.einsum("ij,kjnd->kind", slope, force), speed)
        total, count = np.zeros_like(v), np.zeros(len(v))
        np.add.at(total, rows.ravel(), new.reshape(-1, *v.shape[1:]))  # a frame between two intervals takes their mean
        np.add.at(count, rows.ravel(), 1.0)
        v[count > 0] = total[count > 0] / count[count > 0, None, None]
    return x, v


def _boundary_value_integrals(order: Order) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, "n n"]]:
    """Return what the values of a force at the instants of an interval of length 1 add to its chord and its slope."""
    nodes = np.arange(SUBSTEPS + 1) / SUBSTEPS
    lagrange = np.linalg.inv(np.vander(nodes, increasing=True))
    place, slope = np.zeros((2, SUBSTEPS + 1, SUBSTEPS + 1))
    for k in range(SUBSTEPS + 1):
        once = polynomial.polyint(lagrange[:, k])
        integral = polynomial.polyval(nodes, polynomial.polyint(once) if order == 2 else once)
        place[:, k] = integral - nodes * integral[-1]
        slope[:, k] = polynomial.polyval(nodes, once) - integral[-1]
    return place, slope


def path_agreement(
    one: Float[np.ndarray, "S N D"],
    other: Float[np.ndarray, "S N D"],
    senders: Int[np.ndarray, " E"],
    receivers: Int[np.ndarray, " E"],
    acting: Bool[np.ndarray, "S E"],
    box: Float[np.ndarray, " D"] | None,
    limit: float,
    window: int,
    allowance: float = 0.0,
) -> Bool[np.ndarray, "S N"]:
    """Mark the windows throughout which two paths place all partners of a particle alike, to a part of their distance.

    Args:
        one, other: positions along two paths through the same frames.
        senders, receivers: indices of the particles of each pair.
        acting: True where a pair interacts.
        box: side lengths when periodic.
        limit: largest difference of a separation, relative to the distance.
        window: number of instants of a window; it is marked at its middle.
        allowance: difference of a separation that is allowed at any distance.
    """
    separation = one[:, receivers] - one[:, senders]
    change = other[:, receivers] - other[:, senders] - separation
    if box is not None:
        separation = separation - box * np.round(separation / box)
    small = np.linalg.norm(change, axis=-1) <= limit * np.linalg.norm(separation, axis=-1) + allowance
    alike = np.ones(one.shape[:2], dtype=bool)
    for edge, receiver in enumerate(receivers):
        alike[:, receiver] &= small[:, edge] | ~acting[:, edge]
    throughout: np.ndarray = minimum_filter1d(alike.view(np.uint8), window, axis=0, mode="nearest").astype(bool)
    return throughout
