"""The compiled integration of accelerations that jax can trace: many runs at a time, each with its own steps.

It shares its method with `gnn_discovery.simulators.integrator`. A batched solver that steps all its runs until the last
is done, as ``diffrax`` 0.7 does under ``vmap``, is held up by the few runs with close encounters: 13 s of processor
time against about 1 s for 1,000 runs under 1/r^2. Here a fixed number of lanes move side by side, and a lane whose run
has ended continues with the next run of the queue.
"""

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

from gnn_discovery.runs import enable_compilation_cache
from gnn_discovery.simulators.integrator import MIN_STEP_FRACTION, step_error, step_factor

AccelerationFunction = Callable[[jax.Array, jax.Array, Mapping[str, jax.Array]], jax.Array]
"""Accelerations (N D L) from positions (N D L), velocities (N D L) and properties (N L) of L runs."""
Lanes = tuple[jax.Array, Mapping[str, jax.Array]]
"""States (2 N D L) and properties (N L) of L lanes."""


def integrate_compiled(
    accelerations: AccelerationFunction,
    positions: Float[np.ndarray, "R N D"],
    velocities: Float[np.ndarray, "R N D"],
    properties: Mapping[str, Float[np.ndarray, "R N"]],
    *,
    spacing: float,
    frames: int,
    tolerance: float,
    lanes: int = 64,
) -> tuple[Float[np.ndarray, "R T N D"], Float[np.ndarray, "R T N D"], Float[np.ndarray, "R T N D"]]:
    """Return positions, velocities and accelerations at ``frames`` instants, the first as given.

    Args:
        accelerations: the accelerations of L runs side by side; it must be traceable by jax.
        positions: (R N D) at the start.
        velocities: (R N D) at the start.
        properties: (R N) by name.
        spacing: time between frames.
        frames: number of frames.
        tolerance: tolerance of one step, absolute and relative.
        lanes: number of runs that one core moves side by side.
    """
    runs = len(positions)
    parts = max(1, min(os.cpu_count() or 1, runs // (4 * lanes)))
    size = -(-runs // parts)
    state = np.stack([positions, velocities]).transpose(0, 2, 3, 1)
    constant = {name: np.asarray(value).T for name, value in properties.items()}

    def integrate_part(index: int) -> np.ndarray:
        chosen = np.minimum(np.arange(index * size, (index + 1) * size), runs - 1)
        with jax.enable_x64(True):  # the flag belongs to a thread
            return np.asarray(move(state[..., chosen], {name: value[:, chosen] for name, value in constant.items()}))

    settings = {"spacing": spacing, "frames": frames, "tolerance": tolerance, "lanes": lanes}
    move = _compiled(accelerations, (*state.shape[:-1], size), tuple(constant), **settings)
    with ThreadPoolExecutor(parts) as pool:
        motion = np.concatenate(list(pool.map(integrate_part, range(parts))))[:runs]
    return motion[:, :, 0], motion[:, :, 1], motion[:, :, 2]


@lru_cache(maxsize=32)
def _compiled(
    accelerations: AccelerationFunction, shape: tuple[int, ...], names: tuple[str, ...], **settings: Any
) -> Callable[[np.ndarray, Mapping[str, np.ndarray]], jax.Array]:
    """Return ``_move_lanes`` for states (2 N D R) of that shape, compiled before any thread asks for it."""
    enable_compilation_cache()
    with jax.enable_x64(True):
        state: Any = jax.ShapeDtypeStruct(shape, jnp.float64)  # type: ignore[no-untyped-call]
        column: Any = jax.ShapeDtypeStruct((shape[1], shape[-1]), jnp.float64)  # type: ignore[no-untyped-call]
        traced = jax.jit(partial(_move_lanes, accelerations, **settings))
        return traced.lower(state, dict.fromkeys(names, column)).compile()


def _move_lanes(
    accelerations: AccelerationFunction,
    start: jax.Array,
    properties: Mapping[str, jax.Array],
    *,
    spacing: float,
    frames: int,
    tolerance: float,
    lanes: int,
) -> jax.Array:
    """Return (R T 3 N D) positions, velocities and accelerations from the start (2 N D R).

    A frame is written at the beginning of the step that leaves it, when its accelerations are known.
    """
    runs = start.shape[-1]

    def derivative(y: jax.Array, p: Mapping[str, jax.Array]) -> jax.Array:
        return jnp.stack([y[1], accelerations(y[0], y[1], p)])

    def start_of(run: jax.Array) -> Lanes:
        chosen: Lanes = jax.tree.map(lambda a: a[..., jnp.minimum(run, runs - 1)], (start, properties))
        return chosen

    def advance(lane: dict[str, Any]) -> dict[str, Any]:
        left = spacing - lane["time"]
        reaches = lane["step"] >= left * (1 - 1e-9)
        step = jnp.where(reaches, left, lane["step"])
        y, slope, error = _try_step(partial(derivative, p=lane["properties"]), lane["y"], step, tolerance)

        written = jnp.moveaxis(jnp.stack([*lane["y"], slope[1]]), -1, 0)
        at_frame = lane["time"] == 0
        out = lane["out"].at[jnp.where(at_frame, lane["run"], runs), lane["frame"]].set(written, mode="drop")
        ended = at_frame & (lane["frame"] == frames - 1)
        run = jnp.where(ended, lane["taken"] + jnp.cumsum(ended) - 1, lane["run"])
        next_y, next_properties = start_of(run)

        accepted = (error < 1) | (step < MIN_STEP_FRACTION * spacing)
        framed = accepted & reaches
        factor = step_factor(error, lane["rejected"], jnp)
        next_step = jnp.where(framed, jnp.maximum(lane["step"], step * factor), step * factor)
        return {
            "run": run,
            "taken": lane["taken"] + ended.sum(),
            "frame": jnp.where(ended, 0, lane["frame"] + framed),
            "time": jnp.where(ended | framed, 0.0, jnp.where(accepted, lane["time"] + step, lane["time"])),
            "step": jnp.where(ended, spacing / 4, jnp.minimum(next_step, spacing)),
            "rejected": ~(accepted | ended),
            "y": jnp.where(ended, next_y, jnp.where(accepted, y, lane["y"])),
            "properties": jax.tree.map(partial(jnp.where, ended), next_properties, lane["properties"]),
            "out": out,
        }

    first = jnp.arange(lanes)
    y, p = start_of(first)
    initial: dict[str, Any] = {
        "run": first,
        "taken": jnp.array(lanes),
        "frame": jnp.zeros_like(first),
        "time": jnp.zeros(lanes),
        "step": jnp.full(lanes, spacing / 4),
        "rejected": jnp.zeros(lanes, dtype=bool),
        "y": y,
        "properties": p,
        "out": jnp.zeros((runs, frames, 3, *start.shape[1:3])),
    }

    def unfinished(lane: dict[str, Any]) -> jax.Array:
        return jnp.any(lane["run"] < runs)

    motion: jax.Array = jax.lax.while_loop(unfinished, advance, initial)["out"]
    return motion


def _try_step(
    derivative: Callable[[jax.Array], jax.Array], y: jax.Array, step: jax.Array, tolerance: float
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return the state (2 N D L) after a step, the derivative before it, and the error (L) over the tolerance."""
    # row s holds the weights of the derivatives before stage s; the last stage is the end of the step
    weights = np.zeros((len(DOP853.B) + 1,) * 2)
    weights[:-1, :-1], weights[-1, :-1] = DOP853.A, DOP853.B

    def stage(index: jax.Array, derivatives_and_end: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        derivatives, _ = derivatives_and_end
        end = y + step * jnp.tensordot(jnp.asarray(weights)[index], derivatives, 1)
        return derivatives.at[index].set(derivative(end)), end

    derivatives = jnp.zeros((len(weights), *y.shape))
    derivatives, end = jax.lax.fori_loop(0, len(weights), stage, (derivatives, y))
    error = step_error(derivatives, y, end, step, tolerance=tolerance, size=1, axes=(0, 1, 2), xp=jnp)
    return end, derivatives[0], error
