"""Snapshots: runs cut into instants, with the motion that a law must explain, and their honest split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from gnn_discovery.errors import DataError
from gnn_discovery.motion import complete_all
from gnn_discovery.trajectory import Trajectory
from gnn_discovery.types import Order

FEWEST_RUNS = 5
"""With fewer runs than this, contiguous blocks of frames are held out in the place of whole runs."""

_BLOCKS = 20  # all runs together are cut into about so many
_FEWEST_FOR_EXTREMES = 20  # runs or blocks
_EXTREMES, _HELD_OUT = 0.05, 0.1  # shares of the runs


@dataclass(frozen=True)
class Snapshots:
    """S instants of at most N particles, float64.

    Attributes:
        positions, velocities: (S N D).
        target: (S N D), the accelerations (order 2) or velocities (order 1) to be explained.
        properties: by name (S N).
        present: (S N), False where a run has fewer than N particles.
        run: (S,), the run, or the contiguous block of a single run, that the instant belongs to: what is
            held out and resampled as a whole.
        times: (S,).
        senders, receivers: (E,), the pairs that interact, both directions; indices of particles.
        box: (D,) side lengths when periodic.
        cutoff: distance beyond which pairs do not interact.
        order: of the equation of motion.
        noise: relative error of ``target`` as estimated from the motion itself; 0 when exact.
    """

    positions: Float[np.ndarray, "S N D"]
    velocities: Float[np.ndarray, "S N D"]
    target: Float[np.ndarray, "S N D"]
    properties: Mapping[str, Float[np.ndarray, "S N"]]
    present: Bool[np.ndarray, "S N"]
    run: Int[np.ndarray, " S"]
    times: Float[np.ndarray, " S"]
    senders: Int[np.ndarray, " E"]
    receivers: Int[np.ndarray, " E"]
    box: Float[np.ndarray, " D"] | None = None
    cutoff: float | None = None
    order: Order = 2
    noise: float = 0.0
    names: tuple[str, ...] | None = None
    units: Mapping[str, str] | None = None

    @property
    def dim(self) -> int:
        return self.positions.shape[-1]

    @property
    def has_mass(self) -> bool:
        return "m" in self.properties

    @property
    def force(self) -> Float[np.ndarray, "S N D"]:
        """m a where the data give m, else the target itself."""
        return self.target * self.properties["m"][..., None] if self.has_mass else self.target

    def separation(self) -> Float[np.ndarray, "S E D"]:
        """x_i - x_j of each pair (receiver minus sender), by the nearest image when periodic."""
        d = self.positions[:, self.receivers] - self.positions[:, self.senders]
        return d if self.box is None else d - self.box * np.round(d / self.box)

    def pair_present(self) -> Bool[np.ndarray, "S E"]:
        """Whether both particles are there, and no farther apart than the cut-off."""
        here = self.present[:, self.receivers] & self.present[:, self.senders]
        return here if self.cutoff is None else here & (np.sum(self.separation() ** 2, -1) < self.cutoff**2)

    def select(self, index: np.ndarray) -> Snapshots:
        """The instants of ``index`` (a mask or integers)."""
        return replace(
            self,
            positions=self.positions[index],
            velocities=self.velocities[index],
            target=self.target[index],
            properties={k: v[index] for k, v in self.properties.items()},
            present=self.present[index],
            run=self.run[index],
            times=self.times[index],
        )


@dataclass(frozen=True)
class Split:
    """Whole runs, apart: to train on, to stop and choose by, to report on, and the extremes kept out."""

    train: Snapshots
    valid: Snapshots
    test: Snapshots
    extreme: Snapshots | None

    def whole(self) -> Snapshots:
        """All of it together again, in the order of runs and times."""
        parts = [p for p in (self.train, self.valid, self.test, self.extreme) if p is not None]
        together = replace(
            self.train,
            positions=np.concatenate([p.positions for p in parts]),
            velocities=np.concatenate([p.velocities for p in parts]),
            target=np.concatenate([p.target for p in parts]),
            properties={k: np.concatenate([p.properties[k] for p in parts]) for k in self.train.properties},
            present=np.concatenate([p.present for p in parts]),
            run=np.concatenate([p.run for p in parts]),
            times=np.concatenate([p.times for p in parts]),
        )
        return together.select(np.lexsort((together.times, together.run)))


def assemble(trajectories: Sequence[Trajectory], order: Order = 2, where: str = "") -> Snapshots:
    """All usable frames of all runs, side by side; what is missing of the motion comes from the positions.

    Where a run has fewer particles than another, the places of the absent ones are filled with finite
    numbers, apart from each other and from the others, with properties of one and nothing to be explained.

    Args:
        trajectories: validated runs.
        order: the target is the acceleration (2) or the velocity (1).
        where: the source of the runs, for the errors.

    Raises:
        DataError: runs that do not belong together (dimension, properties, box, edges, units), too few
            frames, or none in which a derivative can be trusted.
    """
    if not trajectories:
        raise DataError("no run", where=where or None, remedy="Give at least one run of motion")
    labels = [f"{where}, run {i}" if where else f"run {i}" for i in range(len(trajectories))]
    _belong_together(trajectories, labels)
    first, most = trajectories[0], max(run.positions.shape[1] for run in trajectories)
    senders, receivers = _pairs(trajectories, labels)
    motions = [motion for motion in complete_all(trajectories, order, labels) if len(motion.frames)]
    runs = [motion.trajectory for motion in motions]
    lengths = [len(run.times) for run in runs]
    if sum(lengths) < 3:
        raise DataError(
            f"{sum(lengths)} usable frames in all",
            where=where or None,
            remedy="Store more frames, and more often, or give velocities and accelerations",
        )

    def column(name: str) -> np.ndarray:
        rows = [np.append(run.properties[name], np.ones(most - run.positions.shape[1])) for run in runs]
        return np.repeat(np.array(rows), lengths, axis=0)

    return Snapshots(
        positions=np.concatenate([_padded(run.positions, most, apart=True) for run in runs]),
        velocities=np.concatenate([_padded(run.velocities, most) for run in runs]),
        target=np.concatenate([_padded(run.accelerations if order == 2 else run.velocities, most) for run in runs]),
        properties={name: column(name) for name in first.properties},
        present=np.repeat([np.arange(most) < run.positions.shape[1] for run in runs], lengths, axis=0),
        run=_blocks(lengths),
        times=np.concatenate([run.times for run in runs]),
        senders=senders,
        receivers=receivers,
        box=first.box,
        cutoff=first.cutoff,
        order=order,
        noise=float(np.sqrt(np.average([motion.noise**2 for motion in motions], weights=lengths))),
        names=first.names if all(run.names == first.names for run in runs) else None,
        units=dict(first.units) or None,
    )


def split(snapshots: Snapshots, seed: int = 0) -> Split:
    """Whole runs set apart: a tenth each to choose by and to report on; the rest is for training.

    Of 20 runs or more, a twentieth (at least two) is kept out of all of these as ``extreme``: in turn those
    that reach the smallest and the largest distance of a pair, and the ends of each property that varies.

    Raises:
        DataError: fewer than three runs or blocks.
    """
    ids = np.unique(snapshots.run)
    if len(ids) < 3:
        raise DataError(
            f"{len(ids)} runs or blocks of frames: one is needed to train, one to choose and one to test",
            remedy="Give more frames, or more runs",
        )
    extreme = _extremes(snapshots, ids) if len(ids) >= _FEWEST_FOR_EXTREMES else ids[:0]
    rest = np.random.default_rng(seed).permutation(np.setdiff1d(ids, extreme))
    held = max(1, round(_HELD_OUT * len(ids)))
    valid, test, train = rest[:held], rest[held : 2 * held], rest[2 * held :]

    def of(some: np.ndarray) -> Snapshots:
        return snapshots.select(np.isin(snapshots.run, some))

    return Split(of(train), of(valid), of(test), of(extreme) if len(extreme) else None)


def subsample(snapshots: Snapshots, count: int, seed: int = 0) -> Snapshots:
    """At most ``count`` instants, at random, in the order of the data."""
    total = len(snapshots.run)
    if total <= count:
        return snapshots
    return snapshots.select(np.sort(np.random.default_rng(seed).choice(total, count, replace=False)))


def typical(sizes: np.ndarray) -> float:
    """A size below which an error counts as absolute; zero of nothing, or of nothing but zeros.

    The median, or a fifth of the root mean square of the lower nine tenths where that is more: the median alone
    fails where most particles have come to rest, and a plain mean belongs to close encounters.
    """
    if not sizes.size:
        return 0.0
    lower = sizes[sizes <= np.quantile(sizes, 0.9)]
    return float(max(np.median(sizes), 0.2 * np.sqrt(np.mean(lower**2))) or np.mean(sizes))


def _belong_together(runs: Sequence[Trajectory], labels: Sequence[str]) -> None:
    def kind(run: Trajectory) -> dict[str, object]:
        return {
            "dimensions of space": run.positions.shape[2],
            "properties": sorted(run.properties),
            "box": None if run.box is None else run.box.tolist(),
            "cut-off": run.cutoff,
            "units": dict(run.units),
            "edges given": run.edges is not None,
        }

    there = kind(runs[0])
    for run, label in zip(runs, labels, strict=True):
        for what, here in kind(run).items():
            if here != there[what]:
                raise DataError(
                    f"{what}: {here}, but in run 0: {there[what]}",
                    where=label,
                    remedy="One law is sought for all runs: give runs of one kind",
                )


def _pairs(runs: Sequence[Trajectory], labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Senders and receivers, both directions: all pairs, or the edges, those of the largest run in each."""
    largest = max(runs, key=lambda run: run.positions.shape[1])
    if largest.edges is None:
        receivers, senders = np.nonzero(~np.eye(largest.positions.shape[1], dtype=bool))
        return senders, receivers
    for run, label in zip(runs, labels, strict=True):
        expected = largest.edges[(largest.edges < run.positions.shape[1]).all(axis=1)]
        if run.edges is None or not np.array_equal(run.edges, expected):
            raise DataError(
                "other edges than in the largest run",
                where=label,
                remedy="Give the same pairs in all runs, or no edges",
            )
    return largest.edges[:, 0].copy(), largest.edges[:, 1].copy()


def _padded(vectors: np.ndarray | None, most: int, apart: bool = False) -> np.ndarray:
    """(T most D), zero in the place of absent particles, or apart from the others along the first axis."""
    assert vectors is not None  # completed
    frames, count, dim = vectors.shape
    full = np.zeros((frames, most, dim))
    full[:, :count] = vectors
    if apart and most > count:
        step = vectors.std() or 1.0
        full[:, count:, 0] = vectors[..., 0].max() + step * np.arange(1, most - count + 1)
    return full


def _blocks(lengths: Sequence[int]) -> np.ndarray:
    """The run of each frame; of few runs, the contiguous block of frames."""
    if len(lengths) >= FEWEST_RUNS:
        return np.repeat(np.arange(len(lengths)), lengths)
    each = -(-_BLOCKS // len(lengths))
    labels: list[np.ndarray] = []
    start = 0
    for length in lengths:
        blocks = min(each, length)
        labels.append(start + np.arange(length) * blocks // length)
        start += blocks
    return np.concatenate(labels)


def _extremes(snapshots: Snapshots, ids: np.ndarray) -> np.ndarray:
    """The runs at the ends of the range, each criterion in its turn; ends that many runs share are none."""
    wanted = max(2, round(_EXTREMES * len(ids)))
    place = np.searchsorted(ids, snapshots.run)

    def ends(values: np.ndarray, here: np.ndarray) -> list[np.ndarray]:
        """Of each run, how far it reaches to the low and to the high end."""
        low, high = np.full(len(ids), -np.inf), np.full(len(ids), -np.inf)
        np.maximum.at(low, place, np.max(-values, axis=1, where=here, initial=-np.inf))
        np.maximum.at(high, place, np.max(values, axis=1, where=here, initial=-np.inf))
        return [low, high]

    reaches = []
    if len(snapshots.senders):
        reaches += ends(np.linalg.norm(snapshots.separation(), axis=-1), snapshots.pair_present())
    for values in snapshots.properties.values():
        reaches += ends(values, snapshots.present)
    ranked = [np.argsort(-reach) for reach in reaches if np.sum(reach == reach.max()) <= wanted]
    chosen: list[int] = []
    for turn in range(len(ids)):
        for order in ranked:
            if len(chosen) < wanted and order[turn] not in chosen:
                chosen.append(int(order[turn]))
    return ids[np.sort(np.array(chosen, dtype=int))]
