"""Whole runs set apart: an honest split."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gnn_discovery.data.dataset.dataset import Dataset, concatenate_datasets
from gnn_discovery.errors import DataError

_FEWEST_FOR_EXTREMES = 20  # runs or blocks
_EXTREMES, _HELD_OUT = 0.05, 0.1  # shares of the runs


@dataclass(frozen=True)
class Split:
    """Whole runs, apart: to train on, to stop and choose by, to report on, and the extremes kept out."""

    train: Dataset
    valid: Dataset
    test: Dataset
    extreme: Dataset | None

    def weak_form(self) -> Split:
        """The same runs in weak form, where there is one: what constants are fitted to and laws are chosen by."""
        if self.train.weak_form is None:
            return self
        weak = [None if part is None else part.weak_form for part in (self.train, self.valid, self.test, self.extreme)]
        return Split(*weak)  # type: ignore[arg-type]  # where one part has it, all have

    def whole(self) -> Dataset:
        """All of it together again, in the order of runs and times."""
        return concatenate_datasets([p for p in (self.train, self.valid, self.test, self.extreme) if p is not None])

    def resplit(self, seed: int) -> Split:
        """The same runs set apart by another seed; the extremes are the same ones."""
        weak = None if self.train.weak_form is None else self.weak_form().whole()
        return split_by_run(replace(self.whole(), weak_form=weak), seed)


def split_by_run(snapshots: Dataset, seed: int = 0) -> Split:
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
    extreme = _extreme_runs(snapshots, ids) if len(ids) >= _FEWEST_FOR_EXTREMES else ids[:0]
    rest = np.random.default_rng(seed).permutation(np.setdiff1d(ids, extreme))
    held = max(1, round(_HELD_OUT * len(ids)))
    valid, test, train = rest[:held], rest[held : 2 * held], rest[2 * held :]

    def of(some: np.ndarray) -> Dataset:
        return snapshots.select_runs(some)

    return Split(of(train), of(valid), of(test), of(extreme) if len(extreme) else None)


def _extreme_runs(snapshots: Dataset, ids: np.ndarray) -> np.ndarray:
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
