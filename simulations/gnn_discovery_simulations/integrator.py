"""Motion from accelerations: adaptive, each run with its own steps, many runs at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.integrate import DOP853

LANES = 64
"""Runs that one core moves side by side; a lane whose run has ended takes the next run of the queue."""

MIN_STEP_FRACTION = 1e-10
"""Of the frame spacing. A step as short as this is taken whatever its error (a jump of the force)."""

STAGE_WEIGHTS = np.zeros((len(DOP853.B) + 1,) * 2)
"""Row s holds the weights of the slopes before stage s; the last stage is the end of the step."""
STAGE_WEIGHTS[:-1, :-1], STAGE_WEIGHTS[-1, :-1] = DOP853.A, DOP853.B

AccelerationFunction = Callable[[jax.Array, jax.Array, Mapping[str, jax.Array]], jax.Array]


def integrate_runs(
    accelerations: AccelerationFunction,
    positions: Float[np.ndarray, "R N D"],
    velocities: Float[np.ndarray, "R N D"],
    properties: Mapping[str, Float[np.ndarray, "R N"]],
    *,
    spacing: float,
    frames: int,
    tolerance: float,
) -> tuple[Float[np.ndarray, "R T N D"], Float[np.ndarray, "R T N D"], Float[np.ndarray, "R T N D"]]:
    """Positions, velocities and accelerations at ``frames`` instants, ``spacing`` apart, the first as given.

    Dormand and Prince's method of order 8 with the step control of Hairer, Norsett and Wanner, "Solving
    Ordinary Differential Equations I", II.5 and II.10 (the tableau is SciPy's). A batched solver that steps
    all its runs until the last is done, as ``diffrax`` 0.7 does under ``vmap``, is held up by the few with
    close encounters: 13 s of processor time against about 1 s for 1,000 runs under 1/r^2. Here a lane that is
    done goes on with the next run.

    Args:
        accelerations: of positions (N D L), velocities (N D L) and properties (N L), L lanes, to (N D L).
        tolerance: of one step, absolute and relative.
    """
    runs = len(positions)
    parts = max(1, min(os.cpu_count() or 1, runs // (4 * LANES)))
    size = -(-runs // parts)
    state = np.stack([positions, velocities]).transpose(0, 2, 3, 1)
    constant = {name: np.asarray(value).T for name, value in properties.items()}

    def part(index: int) -> np.ndarray:
        chosen = np.minimum(np.arange(index * size, (index + 1) * size), runs - 1)
        with jax.enable_x64(True):  # the flag belongs to a thread
            mine = {name: value[:, chosen] for name, value in constant.items()}
            return np.asarray(move(state[..., chosen], mine))

    sizes = {"spacing": spacing, "frames": frames, "tolerance": tolerance}
    move = _compiled(accelerations, (*state.shape[:-1], size), tuple(constant), **sizes)
    with ThreadPoolExecutor(parts) as pool:
        motion = np.concatenate(list(pool.map(part, range(parts))))[:runs]
    return motion[:, :, 0], motion[:, :, 1], motion[:, :, 2]


@lru_cache(maxsize=32)
def _compiled(
    accelerations: AccelerationFunction, shape: tuple[int, ...], names: tuple[str, ...], **sizes: Any
) -> Callable[[np.ndarray, Mapping[str, np.ndarray]], jax.Array]:
    """``_move`` for states (2 N D R) of that shape, compiled before any thread asks for it."""
    with jax.enable_x64(True):
        state = jax.ShapeDtypeStruct(shape, jnp.float64)
        properties = {name: jax.ShapeDtypeStruct((shape[1], shape[-1]), jnp.float64) for name in names}
        return jax.jit(partial(_move, accelerations, **sizes)).lower(state, properties).compile()


def _move(
    accelerations: AccelerationFunction,
    start: jax.Array,
    properties: Mapping[str, jax.Array],
    *,
    spacing: float,
    frames: int,
    tolerance: float,
) -> jax.Array:
    """(2 N D R) positions and velocities -> (R T 3 N D) with the accelerations.

    A frame is written at the beginning of the step that leaves it, when its accelerations are at hand.
    """
    runs = start.shape[-1]

    def derivative(y: jax.Array, p: Mapping[str, jax.Array]) -> jax.Array:
        return jnp.stack([y[1], accelerations(y[0], y[1], p)])

    def of_run(run: jax.Array) -> tuple[jax.Array, Mapping[str, jax.Array]]:
        return jax.tree.map(lambda a: a[..., jnp.minimum(run, runs - 1)], (start, properties))

    def advance(c: dict[str, Any]) -> dict[str, Any]:
        left = spacing - c["time"]
        reaches = c["step"] >= left * (1 - 1e-9)
        step = jnp.where(reaches, left, c["step"])
        y, slope, error = _step(partial(derivative, p=c["properties"]), c["y"], step, tolerance)

        written = jnp.moveaxis(jnp.stack([*c["y"], slope[1]]), -1, 0)
        at_frame = c["time"] == 0
        out = c["out"].at[jnp.where(at_frame, c["run"], runs), c["frame"]].set(written, mode="drop")
        ended = at_frame & (c["frame"] == frames - 1)
        run = jnp.where(ended, c["taken"] + jnp.cumsum(ended) - 1, c["run"])
        fresh_y, fresh_properties = of_run(run)

        accepted = (error < 1) | (step < MIN_STEP_FRACTION * spacing)
        framed = accepted & reaches
        growth = jnp.where(c["rejected"], 1.0, 10.0)
        factor = jnp.clip(0.9 * jnp.maximum(error, 1e-30) ** (-1 / 8), 0.2, growth)
        next_step = jnp.where(framed, jnp.maximum(c["step"], step * factor), step * factor)
        return {
            "run": run,
            "taken": c["taken"] + ended.sum(),
            "frame": jnp.where(ended, 0, c["frame"] + framed),
            "time": jnp.where(ended | framed, 0.0, jnp.where(accepted, c["time"] + step, c["time"])),
            "step": jnp.where(ended, spacing / 4, jnp.minimum(next_step, spacing)),
            "rejected": ~(accepted | ended),
            "y": jnp.where(ended, fresh_y, jnp.where(accepted, y, c["y"])),
            "properties": jax.tree.map(partial(jnp.where, ended), fresh_properties, c["properties"]),
            "out": out,
        }

    first = jnp.arange(LANES)
    y, p = of_run(first)
    initial: dict[str, Any] = {
        "run": first,
        "taken": jnp.array(LANES),
        "frame": jnp.zeros_like(first),
        "time": jnp.zeros(LANES),
        "step": jnp.full(LANES, spacing / 4),
        "rejected": jnp.zeros(LANES, dtype=bool),
        "y": y,
        "properties": p,
        "out": jnp.zeros((runs, frames, 3, *start.shape[1:3])),
    }

    def unfinished(c: dict[str, Any]) -> jax.Array:
        return (c["run"] < runs).any()

    return jax.lax.while_loop(unfinished, advance, initial)["out"]


def _step(
    derivative: Callable[[jax.Array], jax.Array], y: jax.Array, step: jax.Array, tolerance: float
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """One step of DOP853: the new state (2 N D L), the slope at the old, the error (L) over the tolerance."""

    def stage(index: jax.Array, slopes_and_end: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        slopes, _ = slopes_and_end
        end = y + step * jnp.tensordot(jnp.asarray(STAGE_WEIGHTS)[index], slopes, 1)
        return slopes.at[index].set(derivative(end)), end

    slopes = jnp.zeros((len(STAGE_WEIGHTS), *y.shape))
    slopes, end = jax.lax.fori_loop(0, len(STAGE_WEIGHTS), stage, (slopes, y))
    scale = tolerance * (1 + jnp.maximum(abs(y), abs(end)))
    fifth, third = (((jnp.tensordot(e, slopes, 1) / scale) ** 2).mean((0, 1, 2)) for e in (DOP853.E5, DOP853.E3))
    error = step * fifth / jnp.sqrt(jnp.maximum(fifth + 0.01 * third, 1e-300))
    return end, slopes[0], jnp.where(jnp.isfinite(error), error, jnp.inf)
