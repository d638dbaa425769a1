"""The integration of an equation of motion: many runs side by side, each with steps of its own.

The method is that of Dormand and Prince of order 8, with the step control of Hairer, Norsett and Wanner, "Solving
Ordinary Differential Equations I", sections II.5 and II.10, on SciPy's tableau. `step_error` and `step_factor` state
its error estimate and step control. Two drivers share them: `AdaptiveIntegrator` calls a function that may be anything,
on NumPy arrays; `gnn_discovery.simulators.compiled_integrator` compiles one that jax can trace as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from gnn_discovery.errors import DataError

StateDerivative = Callable[[np.ndarray, np.ndarray, str], np.ndarray]
"""The time derivative (R K N D) of the state (R K N D) of the runs (R,), and a text for errors that says where in the
motion it is called."""

MIN_STEP_FRACTION = 1e-10
"""A step shorter than this fraction of the frame spacing has met a singularity, a jump, or no finite number."""


def step_error(
    derivatives: Any,
    start: Any,
    end: Any,
    step: Any,
    *,
    tolerance: float,
    size: Any,
    axes: tuple[int, ...],
    xp: Any = np,
) -> Any:
    """Return the error of a step in units of the tolerance, infinite where it is no finite number.

    It is h e5 / sqrt(e5 + 0.01 e3), with the mean squares e5 and e3 of the error estimates of order five and three.

    Args:
        derivatives: (S ...) the derivatives of all stages.
        start: (...) the state before the step.
        end: (...) the state after it.
        step: the step of each run.
        tolerance: the relative tolerance.
        size: the size that is added to that of the state when an error is related to it.
        axes: the axes of a state over which means are taken, all but that of the runs.
        xp: numpy, or jax.numpy where the step is traced.
    """
    from scipy.integrate import DOP853

    allowed = tolerance * (size + xp.maximum(abs(start), abs(end)))
    fifth, third = (
        ((xp.tensordot(weights, derivatives, 1) / allowed) ** 2).mean(axes) for weights in (DOP853.E5, DOP853.E3)
    )
    error = step * fifth / xp.sqrt(xp.maximum(fifth + 0.01 * third, 1e-300))
    return xp.where(xp.isfinite(error), error, xp.inf)


def step_factor(error: Any, rejected: Any, xp: Any = np) -> Any:
    """Return the factor by which the step changes: 0.9 error^(-1/8), between 0.2 and 10, and 1 after a rejected step.

    Args:
        error: the error of the step in units of the tolerance.
        rejected: says whether the step before was rejected.
        xp: numpy, or jax.numpy where the step is traced.
    """
    return xp.clip(0.9 * xp.maximum(error, 1e-30) ** (-1 / 8), 0.2, xp.where(rejected, 1.0, 10.0))


@dataclass
class _Batch:
    """A record of the B runs that continue: their state since the last ``frame``, and the step to try next."""

    runs: np.ndarray
    frame: np.ndarray
    y: np.ndarray
    derivative: np.ndarray
    time: np.ndarray
    step: np.ndarray
    rejected: np.ndarray

    def select(self, kept: np.ndarray) -> _Batch:
        return _Batch(**{f.name: getattr(self, f.name)[kept] for f in fields(self)})


@dataclass
class AdaptiveIntegrator:
    """An integrator with adaptive steps; runs that have ended leave the batch.

    Attributes:
        derivative: the time derivative of the state.
        name: the name of the system, for errors.
        start: (R K N D) initial positions, and velocities for a law of second order.
        frames: number of frames.
        spacing: time between frames.
        tolerance: relative tolerance of a step.
        max_relative_jump: the largest change of the state, as a fraction of its size, in a step of the smallest length
            across a jump of the force; a larger one has met a force without a bound.
        max_steps: the largest number of steps of one run between its first and its last frame; a run that needs more
            ends there.
    """

    derivative: StateDerivative
    name: str
    start: np.ndarray
    frames: int
    spacing: float
    tolerance: float = 1e-7
    max_relative_jump: float = 1e-6
    max_steps: int = 30_000

    @cached_property
    def size(self) -> np.ndarray:
        """Return the size (1 K 1 1) at the start, to which errors are related beside that of the state itself."""
        size = np.sqrt(np.mean(self.start**2, axis=(0, 2, 3), keepdims=True))
        return 2.0 ** np.round(np.log2(np.where(size > 0, size, 1.0)))

    def integrate(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (R T K+1 N D), the state and the highest derivative, and (R,) the number of frames of each run.

        A run ends early where particles meet and the force has no bound, since it can be followed no further.

        Raises:
            DataError: a derivative is no finite number, or more than half of the runs end early.
        """
        states = self.start.shape[1]
        out = np.empty((len(self.start), self.frames, states + 1, *self.start.shape[2:]))
        counts: np.ndarray = np.ones(len(self.start), dtype=int)
        ended_early: np.ndarray = np.zeros(len(self.start), dtype=bool)
        batch = self._start_batch()
        out[:, 0, :states], out[:, 0, states] = batch.y, batch.derivative[:, -1]
        for _ in range(self.max_steps):
            framed, unbounded = self._advance(batch)
            at = batch.runs[framed], batch.frame[framed]
            out[*at, :states], out[*at, states] = batch.y[framed], batch.derivative[framed, -1]
            counts[batch.runs], ended_early[batch.runs] = batch.frame + 1, unbounded
            continues = (batch.frame < self.frames - 1) & ~unbounded
            if not continues.any() or 2 * np.count_nonzero(ended_early) > len(ended_early):
                break
            if not continues.all():
                batch = batch.select(continues)
        else:
            ended_early = counts < self.frames
        self._require_most_runs(ended_early, counts)
        return out, counts

    def _start_batch(self) -> _Batch:
        """Return all runs at their start."""
        count = len(self.start)
        runs: np.ndarray = np.arange(count)
        frame: np.ndarray = np.zeros(count, dtype=int)
        derivative = self._derivative(self.start, runs, frame)
        self._require_finite(derivative, runs, frame)
        step: np.ndarray = np.full(count, self.spacing / 4)
        return _Batch(
            runs, frame, self.start.copy(), derivative, np.zeros(count), step, rejected=np.zeros(count, dtype=bool)
        )

    def _advance(self, batch: _Batch) -> tuple[np.ndarray, np.ndarray]:
        """Try one step of each run; return which reached their next frame, and which can be followed no further."""
        left = self.spacing - batch.time
        reaches = batch.step >= left * (1 - 1e-9)
        taken = np.where(reaches, left, batch.step)
        end, end_derivative, error = self._try_step(batch, taken)
        stuck = (error >= 1) & (taken < MIN_STEP_FRACTION * self.spacing)
        self._require_finite((end + end_derivative)[stuck], batch.runs[stuck], batch.frame[stuck])
        allowed = self.max_relative_jump * (self.size + abs(batch.y))
        unbounded = stuck & (abs(end - batch.y) > allowed).any((1, 2, 3))
        accepted = (error < 1) | (stuck & ~unbounded)
        framed = accepted & reaches
        step = taken * step_factor(error, batch.rejected)
        batch.step = np.minimum(np.where(framed, np.maximum(batch.step, step), step), self.spacing)
        batch.rejected = ~accepted
        batch.y[accepted], batch.derivative[accepted] = end[accepted], end_derivative[accepted]
        batch.time = np.where(framed, 0.0, np.where(accepted, batch.time + taken, batch.time))
        batch.frame = batch.frame + framed
        return framed, unbounded

    def _try_step(self, batch: _Batch, step: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the state after a step of each run, its derivative, and the error in units of the tolerance."""
        from scipy.integrate import DOP853

        y, runs, frame = batch.y, batch.runs, batch.frame
        h = step[:, None, None, None]
        derivatives = np.zeros((len(DOP853.B) + 1, *y.shape))
        derivatives[0] = batch.derivative
        with np.errstate(all="ignore"):  # a step that goes too far is rejected
            for s, row in enumerate(DOP853.A[1:], start=1):
                derivatives[s] = self._derivative(y + h * np.tensordot(row[:s], derivatives[:s], 1), runs, frame)
            end = y + h * np.tensordot(DOP853.B, derivatives[:-1], 1)
            derivatives[-1] = self._derivative(end, runs, frame)
            error = step_error(derivatives, y, end, step, tolerance=self.tolerance, size=self.size, axes=(1, 2, 3))
        return end, derivatives[-1], error

    def _derivative(self, y: np.ndarray, runs: np.ndarray, frame: np.ndarray) -> np.ndarray:
        return self.derivative(y, runs, _place(runs[0], frame[0]))

    def _require_finite(self, derivative: np.ndarray, runs: np.ndarray, frame: np.ndarray) -> None:
        """Raise a DataError where a derivative is no finite number."""
        wrong = ~np.isfinite(derivative).all((1, 3))
        if wrong.any():
            row, particle = np.argwhere(wrong)[0]
            quantity = "acceleration" if derivative.shape[1] == 2 else "velocity"
            raise DataError(
                f"the {quantity} of particle {particle} is no finite number at {_place(runs[row], frame[row])}",
                where=self.name,
                remedy="A particle acts on itself (r = 0) in many such functions: leave the pair i = j out",
            )

    def _require_most_runs(self, ended_early: np.ndarray, counts: np.ndarray) -> None:
        """Raise a DataError where more than half of the runs end early."""
        count, first = np.count_nonzero(ended_early), np.argmax(ended_early)
        if 2 * count > len(ended_early):
            raise DataError(
                f"in {count} of {len(ended_early)} runs the force has no bound, or steps become too short to go on: "
                f"{_place(first, counts[first] - 1)}",
                where=self.name,
                remedy="Soften the force at short distance, or write a class with your own integrator",
            )


def _place(run: np.integer, frame: np.integer) -> str:
    """Return where in the motion a run is, in words."""
    return f"run {run}, frame {frame}" if frame == 0 else f"run {run}, after frame {frame}"
