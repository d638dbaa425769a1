"""Motion from a rate of change: many runs side by side, each with steps of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from gnn_discovery.errors import DataError

StateDerivative = Callable[[np.ndarray, np.ndarray, str], np.ndarray]
"""(R K N D) of the state (R K N D) of the runs (R,) at a place in the motion, for errors."""

INTEGRATION_TOLERANCE = 1e-7
MIN_STEP_FRACTION = 1e-10
"""Of the frame spacing: a step that has to be shorter has met a singularity, a jump, or no number."""
MAX_RELATIVE_JUMP = 1e-6
"""What so short a step across a jump of the force changes at most, as a share of the state."""
MAX_STEPS = 30_000
"""Of one run between its first frame and its last; what takes more ends there."""


@dataclass
class _Batch:
    """The B runs that go on: what they have reached since their last ``frame``, and the step to try next."""

    runs: np.ndarray
    frame: np.ndarray
    y: np.ndarray
    slope: np.ndarray
    time: np.ndarray
    step: np.ndarray
    rejected: np.ndarray

    def only(self, kept: np.ndarray) -> _Batch:
        return _Batch(**{f.name: getattr(self, f.name)[kept] for f in fields(self)})


@dataclass
class AdaptiveIntegrator:
    """Adaptive integration; runs that have ended leave the batch.

    Dormand and Prince's method of order 8 with the step control of Hairer, Norsett and Wanner, "Solving
    Ordinary Differential Equations I", II.5 and II.10, on SciPy's tableau. ``start`` is (R K N D): positions, and
    velocities for a law of second order.
    """

    slope: StateDerivative
    name: str
    start: np.ndarray
    frames: int
    spacing: float

    @cached_property
    def size(self) -> np.ndarray:
        """(1 K 1 1) what an error is measured against, beside the state itself: how large it is at the start."""
        size = np.sqrt(np.mean(self.start**2, axis=(0, 2, 3), keepdims=True))
        return 2.0 ** np.round(np.log2(np.where(size > 0, size, 1.0)))

    def integrate(self) -> tuple[np.ndarray, np.ndarray]:
        """(R T K+1 N D) the state and the highest rate of change, and (R,) how many frames of each run there are.

        A run ends early where particles meet and the force has no bound: there it can be followed no further.
        """
        states = self.start.shape[1]
        out = np.empty((len(self.start), self.frames, states + 1, *self.start.shape[2:]))
        ends: np.ndarray = np.ones(len(self.start), dtype=int)
        fallen: np.ndarray = np.zeros(len(self.start), dtype=bool)
        batch = self._batch()
        out[:, 0, :states], out[:, 0, states] = batch.y, batch.slope[:, -1]
        for _ in range(MAX_STEPS):
            framed, leaps = self._advance(batch)
            at = batch.runs[framed], batch.frame[framed]
            out[*at, :states], out[*at, states] = batch.y[framed], batch.slope[framed, -1]
            ends[batch.runs], fallen[batch.runs] = batch.frame + 1, leaps
            going = (batch.frame < self.frames - 1) & ~leaps
            if not going.any() or 2 * np.count_nonzero(fallen) > len(fallen):
                break
            if not going.all():
                batch = batch.only(going)
        else:
            fallen = ends < self.frames
        self._require_most(fallen, ends)
        return out, ends

    def _batch(self) -> _Batch:
        """All runs at their start."""
        count = len(self.start)
        runs: np.ndarray = np.arange(count)
        frame: np.ndarray = np.zeros(count, dtype=int)
        slope = self._slope(self.start, runs, frame)
        self._require_finite(slope, runs, frame)
        step: np.ndarray = np.full(count, self.spacing / 4)
        return _Batch(
            runs, frame, self.start.copy(), slope, np.zeros(count), step, rejected=np.zeros(count, dtype=bool)
        )

    def _advance(self, batch: _Batch) -> tuple[np.ndarray, np.ndarray]:
        """One step of each run, or an attempt at one: which reached their next frame, and which can go no further."""
        left = self.spacing - batch.time
        reaches = batch.step >= left * (1 - 1e-9)
        taken = np.where(reaches, left, batch.step)
        end, end_slope, error = self._step(batch, taken)
        stuck = (error >= 1) & (taken < MIN_STEP_FRACTION * self.spacing)
        self._require_finite((end + end_slope)[stuck], batch.runs[stuck], batch.frame[stuck])
        leaps = stuck & (abs(end - batch.y) > MAX_RELATIVE_JUMP * (self.size + abs(batch.y))).any((1, 2, 3))
        accepted = (error < 1) | (stuck & ~leaps)
        framed = accepted & reaches
        factor = np.clip(0.9 * np.maximum(error, 1e-30) ** (-1 / 8), 0.2, np.where(batch.rejected, 1.0, 10.0))
        step = taken * factor
        batch.step = np.minimum(np.where(framed, np.maximum(batch.step, step), step), self.spacing)
        batch.rejected = ~accepted
        batch.y[accepted], batch.slope[accepted] = end[accepted], end_slope[accepted]
        batch.time = np.where(framed, 0.0, np.where(accepted, batch.time + taken, batch.time))
        batch.frame = batch.frame + framed
        return framed, leaps

    def _step(self, batch: _Batch, step: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A step of each run: the new state, its slope, and the error in units of the tolerance."""
        from scipy.integrate import DOP853

        y, slope, runs, frame = batch.y, batch.slope, batch.runs, batch.frame
        h = step[:, None, None, None]
        slopes = np.zeros((len(DOP853.B) + 1, *y.shape))
        slopes[0] = slope
        with np.errstate(all="ignore"):  # a step that goes too far is taken back
            for s, row in enumerate(DOP853.A[1:], start=1):
                slopes[s] = self._slope(y + h * np.tensordot(row[:s], slopes[:s], 1), runs, frame)
            end = y + h * np.tensordot(DOP853.B, slopes[:-1], 1)
            slopes[-1] = self._slope(end, runs, frame)
            scale = INTEGRATION_TOLERANCE * (self.size + np.maximum(abs(y), abs(end)))
            fifth, third = (
                ((np.tensordot(weights, slopes, 1) / scale) ** 2).mean((1, 2, 3)) for weights in (DOP853.E5, DOP853.E3)
            )
            error = step * fifth / np.sqrt(np.maximum(fifth + 0.01 * third, 1e-300))
        return end, slopes[-1], np.where(np.isfinite(error), error, np.inf)

    def _slope(self, y: np.ndarray, runs: np.ndarray, frame: np.ndarray) -> np.ndarray:
        return self.slope(y, runs, _place(runs[0], frame[0]))

    def _require_finite(self, motion: np.ndarray, runs: np.ndarray, frame: np.ndarray) -> None:
        wrong = ~np.isfinite(motion).all((1, 3))
        if wrong.any():
            row, particle = np.argwhere(wrong)[0]
            quantity = "acceleration" if motion.shape[1] == 2 else "velocity"
            raise DataError(
                f"the {quantity} of particle {particle} is no finite number at {_place(runs[row], frame[row])}",
                where=self.name,
                remedy="A particle acts on itself (r = 0) in many such functions: leave the pair i = j out",
            )

    def _require_most(self, fallen: np.ndarray, ends: np.ndarray) -> None:
        """At least half of the runs can be followed to their last frame."""
        count, first = np.count_nonzero(fallen), np.argmax(fallen)
        if 2 * count > len(fallen):
            raise DataError(
                f"in {count} of {len(fallen)} runs the force has no bound, or steps become too short to go on: "
                f"{_place(first, ends[first] - 1)}",
                where=self.name,
                remedy="Soften the force at short distance, or write a class with your own integrator",
            )


def _place(run: np.integer, frame: np.integer) -> str:
    return f"run {run}, frame {frame}" if frame == 0 else f"run {run}, after frame {frame}"
