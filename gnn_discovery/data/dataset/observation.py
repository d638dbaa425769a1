"""Observations: how the target of a dataset follows from the values of a law at its instants.

A new kind of observation is one class here: everything else asks the dataset for its `Observation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import correlate1d

ObservationKind = Literal["pointwise", "weak", "increments"]
"""The name of an observation: ``pointwise`` derivatives, averages in ``weak`` form, or ``increments`` by kicks."""


@dataclass(frozen=True)
class ObservedFrames:
    """A frozen record of positions as they were seen, with errors or gaps.

    Attributes:
        positions: (S N D), nan at instants between two frames, and in frames in which a particle was not seen.
        realisation: (S N D), one realisation of their noise; it is in the targets too.
        complete: (S N), True in the frames around which the particle was seen in all frames of a target.
        std: standard error of each coordinate; where ``exact``, so small that a path passes through them.
        exact: no errors can be seen.
    """

    positions: Float[np.ndarray, "S N D"]
    realisation: Float[np.ndarray, "S N D"]
    complete: Bool[np.ndarray, "S N"]
    std: float
    exact: bool = False

    def select(self, index: np.ndarray) -> ObservedFrames:
        """Return the frames at the instants of ``index`` (a mask or integers)."""
        return replace(
            self,
            positions=self.positions[index],
            realisation=self.realisation[index],
            complete=self.complete[index],
        )

    def join(self, parts: Sequence[ObservedFrames]) -> ObservedFrames:
        """Return the frames of all parts one after the other."""
        return replace(
            self,
            positions=np.concatenate([part.positions for part in parts]),
            realisation=np.concatenate([part.realisation for part in parts]),
            complete=np.concatenate([part.complete for part in parts]),
        )


@runtime_checkable
class Observation(Protocol):
    """The operator between the values of a law at S instants and the target that they are compared with.

    Attributes:
        kind: its name.
        window: number of consecutive instants that one target depends on; 1 where instants stand alone.
        substeps: number of instants from one frame that was seen to the next.
        frames: positions as they were seen, where they lie on a path and have errors or gaps, else None.
    """

    kind: ClassVar[ObservationKind]

    @property
    def window(self) -> int: ...

    @property
    def substeps(self) -> int: ...

    @property
    def frames(self) -> ObservedFrames | None: ...

    @property
    def weights(self) -> Float[np.ndarray, " W"]:
        """Return the weights of the values at the instants of a window, the target being at its middle."""
        ...

    def apply(self, values: Float[np.ndarray, "..."], axis: int = 0) -> Float[np.ndarray, "..."]:
        """Return what would be observed of ``values``, whose axis ``axis`` runs over the instants."""
        ...

    def mask(
        self, present: Bool[np.ndarray, "S N"], run: Int[np.ndarray, " S"], times: Float[np.ndarray, " S"]
    ) -> Bool[np.ndarray, "S N"]:
        """Mark the instants and particles at which a target exists.

        Args:
            present: the particles that are there.
            run: label of the run of each instant.
            times: time of each instant.
        """
        ...

    def select(self, index: np.ndarray) -> Any:
        """Return the observation of the instants of ``index`` (a mask or integers)."""
        ...

    def join(self, parts: Sequence[Any]) -> Any:
        """Return the observation of all parts one after the other; they are of one kind."""
        ...


@dataclass(frozen=True)
class PointwiseObservation:
    """The target belongs to the instant itself: a derivative that was given or is dense and exact enough."""

    kind: ClassVar[ObservationKind] = "pointwise"

    @property
    def window(self) -> int:
        """Return 1: instants stand alone."""
        return 1

    @property
    def substeps(self) -> int:
        """Return 1: every instant is a frame."""
        return 1

    @property
    def frames(self) -> ObservedFrames | None:
        """Return None: nothing is smoothed."""
        return None

    @property
    def weights(self) -> Float[np.ndarray, " W"]:
        """Return the single weight 1."""
        return np.ones(1)

    def apply(self, values: Float[np.ndarray, "..."], axis: int = 0) -> Float[np.ndarray, "..."]:
        """Return the values unchanged, whatever their ``axis`` of instants."""
        return values

    def mask(
        self, present: Bool[np.ndarray, "S N"], run: Int[np.ndarray, " S"], times: Float[np.ndarray, " S"]
    ) -> Bool[np.ndarray, "S N"]:
        """Return ``present``, whatever ``run`` and ``times`` are."""
        return present

    def select(self, index: np.ndarray) -> PointwiseObservation:
        """Return this observation, which is the same for any instants."""
        return self

    def join(self, parts: Sequence[PointwiseObservation]) -> PointwiseObservation:
        """Return this observation, which is the same for all parts."""
        return self


@dataclass(frozen=True)
class WeakFormObservation:
    """The target is an average over a window of instants (`gnn_discovery.data.differentiation.weak_form`).

    Attributes:
        kernel: (W,) weights of the average.
        valid: (S N), True where the average can be trusted; None where it can everywhere.
        substeps: number of instants from one frame to the next; where it is above 1, the instants between were not
            seen but lie on a path.
        frames: positions as they were seen, where they lie on a path and have errors or gaps, else None.
    """

    kernel: Float[np.ndarray, " W"]
    valid: Bool[np.ndarray, "S N"] | None = None
    substeps: int = 1
    frames: ObservedFrames | None = None
    kind: ClassVar[ObservationKind] = "weak"

    @property
    def window(self) -> int:
        """Return the number W of instants in an average."""
        return len(self.kernel)

    @property
    def weights(self) -> Float[np.ndarray, " W"]:
        """Return the kernel."""
        return self.kernel

    def apply(self, values: Float[np.ndarray, "..."], axis: int = 0) -> Float[np.ndarray, "..."]:
        """Return the averages over the kernel along ``axis``."""
        averages: np.ndarray = correlate1d(values, self.kernel, axis=axis, mode="nearest")
        return averages

    def mask(
        self, present: Bool[np.ndarray, "S N"], run: Int[np.ndarray, " S"], times: Float[np.ndarray, " S"]
    ) -> Bool[np.ndarray, "S N"]:
        """Mark where the window lies within one run without a missing frame, and the average is valid.

        Args:
            present: the particles that are there.
            run: label of the run of each instant.
            times: time of each instant.
        """
        half, count = self.window // 2, len(run)
        complete = np.zeros(count, dtype=bool)
        if count > 2 * half:
            first, last = slice(None, count - 2 * half), slice(2 * half, None)
            step = np.min(np.diff(times), where=np.diff(times) > 0, initial=np.inf)
            span = (times[last] - times[first]) / (2 * half * step)
            # one missing frame lengthens the span by 1 / (2 half): half of that tells it from rounding
            complete[half : count - half] = (run[first] == run[last]) & (np.abs(span - 1) < 0.25 / half)
        return present & complete[:, None] & (True if self.valid is None else self.valid)

    def select(self, index: np.ndarray) -> WeakFormObservation:
        """Return the observation of the instants of ``index`` (a mask or integers)."""
        valid = None if self.valid is None else self.valid[index]
        return replace(self, valid=valid, frames=None if self.frames is None else self.frames.select(index))

    def join(self, parts: Sequence[WeakFormObservation]) -> WeakFormObservation:
        """Return the observation of all parts one after the other."""
        valid = [part.valid for part in parts if part.valid is not None]
        frames = [part.frames for part in parts if part.frames is not None]
        return replace(
            self,
            valid=np.concatenate(valid) if valid else None,
            frames=frames[0].join(frames) if frames else None,
        )


@dataclass(frozen=True)
class IncrementObservation(PointwiseObservation):
    """The target is the increment over the next step, over the step: the force at the instant, and a kick.

    Of order 2, it is the second difference over the next two steps, and the velocity is the last increment.

    Attributes:
        variance: of each coordinate of the target about the law; of order 2, of the force (mass x target).
        delay: time from the instant to the middle of the increment.
        diffusion: D of the kicks.
        diffusion_std: its standard error.
        behind: time from the middle of the increment that is the velocity to the instant.
        overlap: number of targets that tell as much as one that shares no kick with another.
    """

    variance: float
    delay: float
    diffusion: float
    diffusion_std: float
    behind: float = 0.0
    overlap: float = 1.0
    kind: ClassVar[ObservationKind] = "increments"


POINTWISE = PointwiseObservation()
"""The observation of motion whose derivatives are exact."""
