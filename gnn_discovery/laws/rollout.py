"""The motion that a law predicts from given initial conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.integrate import DOP853

from gnn_discovery.laws.evaluate import acceleration
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.types import Box, Edges, Times


def rollout(law: ForceLaw, *start: Any, **options: Any) -> Float[np.ndarray, "t N D"]:
    """Return the positions alone of `integrate_law`, which takes the same arguments."""
    return integrate_law(law, *start, **options)[:, 0]


def integrate_law(
    law: ForceLaw,
    positions: Float[np.ndarray, "N D"],
    velocities: Float[np.ndarray, "N D"] | None,
    properties: Mapping[str, np.ndarray] | None,
    times: Times,
    *,
    edges: Edges | None = None,
    box: Box | None = None,
    cutoff: float | None = None,
    tolerance: float = 1e-8,
    evaluations: int = 20_000,
) -> Float[np.ndarray, "t O N D"]:
    """Integrate the equation of motion of a law by the Dormand-Prince method of order 8(5,3).

    Args:
        law: the law.
        positions: (N, D) positions at ``times[0]``.
        velocities: (N, D) velocities at ``times[0]``; None for a law of first order.
        properties: properties by name, (N,).
        times: (T,) the instants at which the motion is asked for.
        edges: (E, 2) sender and receiver of each pair; every pair by default.
        box: (D,) side lengths where space is periodic.
        cutoff: distance beyond which pairs do not interact.
        tolerance: relative error of a step.
        evaluations: the largest number of evaluations of the force.

    Returns:
        (t, order, N, D) positions and, for a law of second order, velocities. There are t < T instants where the motion
        diverges or the evaluations are spent.
    """
    times = np.asarray(times, dtype=float)
    start = np.asarray(positions, dtype=float)
    length = float(np.std(start)) or 1.0
    speed = 0.0 if velocities is None else float(np.std(velocities))
    farthest = 1e6 * (length + np.abs(start).max())

    def rate(_: float, state: np.ndarray) -> np.ndarray:
        if not np.isfinite(state).all():
            return np.full_like(state, np.nan)
        x, *v = state.reshape(-1, *start.shape)
        a = acceleration(law, x, v[0] if v else None, properties, edges, box, cutoff)
        return np.stack([*v, a]).ravel()

    state = start.ravel() if law.order == 1 else np.concatenate([start.ravel(), np.asarray(velocities, float).ravel()])
    rolled = [state.reshape(1, -1, *start.shape)]
    with np.errstate(all="ignore"):
        if not np.all(np.isfinite(rate(times[0], state))):
            return rolled[0]
        allowed = tolerance * 1e-2 * np.repeat([length, speed or 1.0][: law.order], start.size)
        solver = DOP853(rate, times[0], state, times[-1], rtol=tolerance, atol=allowed)
        while solver.status == "running" and solver.nfev < evaluations:
            solver.step()
            if solver.status == "failed" or not np.abs(solver.y[: start.size]).max() < farthest:
                break
            reached = times[(times > solver.t_old) & (times <= solver.t)]
            if len(reached):
                rolled.append(solver.dense_output()(reached).T.reshape(len(reached), -1, *start.shape))
    return np.concatenate(rolled)


def realise(
    law: ForceLaw,
    positions: Float[np.ndarray, "N D"],
    velocities: Float[np.ndarray, "N D"] | None,
    properties: Mapping[str, np.ndarray] | None,
    times: Times,
    *,
    count: int,
    edges: Edges | None = None,
    box: Box | None = None,
    cutoff: float | None = None,
    substeps: int = 10,
    seed: int = 0,
) -> Float[np.ndarray, "R t N D"]:
    """Return realisations of the motion under a law and its kicks, from one start.

    Steps are those of Euler and Maruyama, dx = v dt + sqrt(2 D) dW; with inertia kicks and force change the momentum
    before it moves the particle, m dv = F dt + sqrt(2 D) dW, dx = v dt.

    Args:
        law: a law with a diffusion.
        positions: (N, D) positions at ``times[0]``.
        velocities: (N, D) velocities at ``times[0]``; None for a law of first order.
        properties: properties by name, (N,).
        times: (T,) the instants at which the motion is asked for.
        count: number R of realisations.
        edges: (E, 2) sender and receiver of each pair; every pair by default.
        box: (D,) side lengths where space is periodic.
        cutoff: distance beyond which pairs do not interact.
        substeps: number of steps from each instant to the next.
        seed: of the kicks.

    Returns:
        (R, t, N, D) positions, at t < T instants where a realisation diverges.
    """
    assert law.diffusion is not None  # the caller asks where there are kicks
    rng, times = np.random.default_rng(seed), np.asarray(times, dtype=float)
    shape = (count, *np.shape(positions))
    x = np.broadcast_to(np.asarray(positions, dtype=float), shape).copy()
    v = np.zeros(shape) if velocities is None else np.broadcast_to(np.asarray(velocities, float), shape).copy()
    given = {name: np.broadcast_to(values, shape[:2]) for name, values in (properties or {}).items()}
    mass = given["m"][..., None] if law.divides_by_mass else 1.0
    kept = [x.copy()]
    with np.errstate(all="ignore"):
        for interval in np.diff(times):
            step = interval / substeps
            kick = np.sqrt(2 * law.diffusion.value * step)
            for _ in range(substeps):
                rate = acceleration(law, x, v if law.order == 2 else None, given, edges, box, cutoff)
                change = step * rate + kick * rng.normal(size=shape) / (mass if law.order == 2 else 1.0)
                v = v + change if law.order == 2 else v
                x = x + (step * v if law.order == 2 else change)
            if not np.isfinite(x).all():
                break
            kept.append(x.copy())
    return np.stack(kept, axis=1)
