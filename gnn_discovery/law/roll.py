"""Roll a law out in time, from a start."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp

from gnn_discovery.law.evaluate import acceleration
from gnn_discovery.law.record import ForceLaw
from gnn_discovery.types import Box, Edges, Times


def roll(
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
) -> Float[np.ndarray, "t N D"]:
    """Positions (t N D), t <= T, that the law gives from the start at ``times[0]``, by Dormand-Prince 8(5,3).

    Where it diverges or ``evaluations`` of the force are spent, fewer than T instants come back.
    """
    times = np.asarray(times, dtype=float)
    start = np.asarray(positions, dtype=float)
    shape, spent = start.shape, 0
    reach = 1e6 * (1.0 + np.abs(start).max())

    def rate(t: float, state: np.ndarray) -> np.ndarray:
        nonlocal spent
        spent += 1
        x = state[: start.size].reshape(shape)
        v = None if law.order == 1 else state[start.size :].reshape(shape)
        if not np.isfinite(state).all():
            return np.full_like(state, np.nan)
        a = acceleration(law, x, v, properties, edges, box, cutoff).ravel()
        return a if v is None else np.concatenate([v.ravel(), a])

    def alive(t: float, state: np.ndarray) -> float:
        size = np.abs(state[: start.size]).max()
        return 1.0 if np.isfinite(size) and size < reach and spent < evaluations else -1.0

    alive.terminal = True  # type: ignore[attr-defined]
    state = start.ravel() if law.order == 1 else np.concatenate([start.ravel(), np.asarray(velocities, float).ravel()])
    with np.errstate(all="ignore"):
        if not np.all(np.isfinite(rate(times[0], state))):
            return start[None]
        solution = solve_ivp(
            rate,
            (times[0], times[-1]),
            state,
            "DOP853",
            times,
            events=alive,
            rtol=tolerance,
            atol=tolerance * 1e-2,
        )
    rolled = solution.y[: start.size].T.reshape(-1, *shape)
    finite = np.isfinite(rolled).all(axis=(1, 2))
    return rolled[: len(rolled) if finite.all() else int(np.argmin(finite))]
