"""A bare function of accelerations as a simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gnn_discovery.errors import DataError, UsageError
from gnn_discovery.simulator.record import SimulationConfig
from gnn_discovery.trajectory import Trajectory

Accelerations = Callable[
    [Float[np.ndarray, "R N D"], Float[np.ndarray, "R N D"], Mapping[str, Float[np.ndarray, "R N"]]],
    Float[np.ndarray, "R N D"],
]

TOLERANCE = 1e-7
SMALLEST_STEP = 1e-10
"""Of the frame spacing: a step that has to be shorter has met a singularity, a jump, or no number."""
MOST_STEPS = 30_000
"""Of one run between its first frame and its last."""


@dataclass(frozen=True)
class FunctionSimulator:
    """Runs of ``accelerations(positions, velocities, properties)`` from random starts.

    The function takes float64 NumPy arrays (R N D), (R N D) and a mapping name -> (R N), R runs side by side,
    and gives (R N D). Positions and velocities start as N(0, 1); there is one property, a log-normal ``m``.
    Velocities and accelerations are observed. What needs other starts is better written as a class with
    ``simulate``.

    Attributes:
        name: as the user gave it, for messages.
        spacing: time between frames.
    """

    accelerations: Accelerations
    name: str = "accelerations"
    spacing: float = 0.01

    def simulate(self, config: SimulationConfig) -> tuple[Trajectory, ...]:
        """By default 500 runs of 100 frames, 4 particles in 2D.

        Raises:
            UsageError: a number out of range.
            DataError: the function fails, gives another shape, or no number; run, frame, particle are named.
        """
        asked = {
            "runs": (500 if config.runs is None else config.runs, 1),
            "frames": (100 if config.frames is None else config.frames, 2),
            "particles": (4 if config.particles is None else config.particles, 2),
            "dim": (2 if config.dim is None else config.dim, 1),
            "seed": (config.seed, 0),
        }
        for name, (value, least) in asked.items():
            if value < least:
                raise UsageError(f"{name} is {value}", where=self.name, remedy=f"At least {least}")
        runs, frames, particles, dim, seed = (value for value, _ in asked.values())
        drawn = np.random.default_rng(seed).standard_normal((runs, particles, 2 * dim + 1))
        state = np.stack([drawn[..., :dim], drawn[..., dim:-1]], axis=1)
        properties = {"m": np.exp(drawn[..., -1])}
        motion = _Motion(self.accelerations, self.name, properties, state, frames, self.spacing).move()
        times = self.spacing * np.arange(frames)
        return tuple(
            Trajectory(x, times, velocities=v, accelerations=a, properties={"m": properties["m"][run]})
            for run, (x, v, a) in enumerate(motion.transpose(0, 2, 1, 3, 4))
        )


@dataclass
class _Motion:
    """Adaptive integration of many runs, each with its own steps; those that have ended leave the batch.

    Dormand and Prince's method of order 8 with the step control of Hairer, Norsett and Wanner, "Solving
    Ordinary Differential Equations I", II.5 and II.10, on SciPy's tableau. ``start`` is (R 2 N D).
    """

    function: Accelerations
    name: str
    properties: Mapping[str, np.ndarray]
    start: np.ndarray
    frames: int
    spacing: float

    def move(self) -> np.ndarray:
        """(R T 3 N D): positions, velocities, accelerations."""
        runs: np.ndarray = np.arange(len(self.start))
        frame: np.ndarray = np.zeros(len(runs), dtype=int)
        out = np.empty((len(runs), self.frames, 3, *self.start.shape[2:]))
        y = self.start.copy()
        slope = self._slope(y, runs, frame)
        self._require_finite(slope, runs, frame)
        out[:, 0, :2], out[:, 0, 2] = y, slope[:, 1]
        time: np.ndarray = np.zeros(len(runs))
        step: np.ndarray = np.full(len(runs), self.spacing / 4)
        rejected: np.ndarray = np.zeros(len(runs), dtype=bool)
        for _ in range(MOST_STEPS):
            left = self.spacing - time
            reaches = step >= left * (1 - 1e-9)
            taken = np.where(reaches, left, step)
            end, end_slope, error = self._step(y, slope, taken, runs, frame)
            stuck = (error >= 1) & (taken < SMALLEST_STEP * self.spacing)
            self._require_finite((end + end_slope)[stuck], runs[stuck], frame[stuck])
            accepted = (error < 1) | stuck
            framed = accepted & reaches
            factor = np.clip(0.9 * np.maximum(error, 1e-30) ** (-1 / 8), 0.2, np.where(rejected, 1.0, 10.0))
            rejected = ~accepted
            step = np.minimum(np.where(framed, np.maximum(step, taken * factor), taken * factor), self.spacing)
            y[accepted], slope[accepted] = end[accepted], end_slope[accepted]
            time = np.where(framed, 0.0, np.where(accepted, time + taken, time))
            frame = frame + framed
            out[runs[framed], frame[framed], :2] = y[framed]
            out[runs[framed], frame[framed], 2] = slope[framed, 1]
            going = frame < self.frames - 1
            if not going.any():
                return out
            if not going.all():
                runs, frame, y, slope = (a[going] for a in (runs, frame, y, slope))
                time, step, rejected = (a[going] for a in (time, step, rejected))
        raise DataError(
            f"run {runs[0]} took {MOST_STEPS} steps and reached frame {frame[0]} only",
            where=self.name,
            remedy="Soften the force at short distance, or write a class with your own integrator",
        )

    def _step(
        self, y: np.ndarray, slope: np.ndarray, step: np.ndarray, runs: np.ndarray, frame: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One step of each run: the new state, its slope, and the error in units of the tolerance."""
        from scipy.integrate import DOP853

        h = step[:, None, None, None]
        slopes = np.zeros((len(DOP853.B) + 1, *y.shape))
        slopes[0] = slope
        with np.errstate(all="ignore"):  # a step that goes too far is taken back
            for s, row in enumerate(DOP853.A[1:], start=1):
                slopes[s] = self._slope(y + h * np.tensordot(row[:s], slopes[:s], 1), runs, frame)
            end = y + h * np.tensordot(DOP853.B, slopes[:-1], 1)
            slopes[-1] = self._slope(end, runs, frame)
            scale = TOLERANCE * (1 + np.maximum(abs(y), abs(end)))
            fifth, third = (
                ((np.tensordot(weights, slopes, 1) / scale) ** 2).mean((1, 2, 3)) for weights in (DOP853.E5, DOP853.E3)
            )
            error = step * fifth / np.sqrt(np.maximum(fifth + 0.01 * third, 1e-300))
        return end, slopes[-1], np.where(np.isfinite(error), error, np.inf)

    def _slope(self, y: np.ndarray, runs: np.ndarray, frame: np.ndarray) -> np.ndarray:
        """Velocities and accelerations (R 2 N D) of the runs at hand."""
        properties = {name: values[runs] for name, values in self.properties.items()}
        try:
            given = self.function(y[:, 0].copy(), y[:, 1].copy(), properties)
            accelerations = np.asarray(given, dtype=np.float64)
        except Exception as error:  # the function is the user's and may fail in any way
            raise DataError(
                f"the function fails at {self._place(runs[0], frame[0])}: {type(error).__name__}: {error}",
                where=self.name,
                remedy="It is called as accelerations(positions, velocities, properties): arrays (R N D), "
                f"(R N D) and the properties {', '.join(properties)} (R N), and gives an array (R N D)",
            ) from error
        if accelerations.shape != y[:, 0].shape:
            raise DataError(
                f"the function gives accelerations of shape {accelerations.shape} for positions of shape "
                f"{y[:, 0].shape} (run, particle, space) at {self._place(runs[0], frame[0])}",
                where=self.name,
                remedy="Give one acceleration for each position; leading axes are runs side by side",
            )
        return np.stack([y[:, 1], accelerations], axis=1)

    def _require_finite(self, motion: np.ndarray, runs: np.ndarray, frame: np.ndarray) -> None:
        wrong = ~np.isfinite(motion).all((1, 3))
        if wrong.any():
            row, particle = np.argwhere(wrong)[0]
            raise DataError(
                f"the acceleration of particle {particle} is no finite number at {self._place(runs[row], frame[row])}",
                where=self.name,
                remedy="A particle acts on itself (r = 0) in many such functions: leave the pair i = j out",
            )

    def _place(self, run: np.integer, frame: np.integer) -> str:
        return f"run {run}, frame {frame}" if frame == 0 else f"run {run}, after frame {frame}"
