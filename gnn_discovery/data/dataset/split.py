"""The split of a dataset into whole runs, so that no part shares a run with another."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset.dataset import Dataset, concatenate_datasets
from gnn_discovery.errors import DataError


@dataclass(frozen=True)
class Split:
    """A frozen record of the parts of a dataset; each run, or block of a run, belongs to one of them.

    Attributes:
        train: the runs that networks are trained on and constants are fitted to.
        valid: the runs that stop the training and select laws.
        test: the runs that errors are reported on.
        extreme: the runs at the ends of the range of distances and properties, which nothing else has seen; None
            if there are too few runs to spare some.
    """

    train: Dataset
    valid: Dataset
    test: Dataset
    extreme: Dataset | None

    def weak_form(self) -> Split:
        """Return the same runs in weak form, to which constants are fitted, or this split if there is none."""
        if self.train.weak_form is None:
            return self
        weak = [None if part is None else part.weak_form for part in (self.train, self.valid, self.test, self.extreme)]
        return Split(*weak)  # type: ignore[arg-type]  # if one part has a weak form, all have

    @property
    def follows_paths(self) -> bool:
        """Tell whether laws are compared along paths that depend on the force: coarse frames, or increments."""
        weak = self.train.weak_form
        return weak is not None and (weak.observation.substeps > 1 or weak.observation.kind == "increments")

    def on_paths(self) -> Split:
        """Return the weak form along paths, where frames are coarse, else this split: what networks are trained on."""
        weak = self.train.weak_form
        return self if weak is None or weak.observation.substeps == 1 else self.weak_form()

    def whole(self) -> Dataset:
        """Join the parts again, in the order of runs and times."""
        return concatenate_datasets([p for p in (self.train, self.valid, self.test, self.extreme) if p is not None])

    def resplit(self, seed: int, *, criteria: Criteria = DEFAULT_CRITERIA) -> Split:
        """Split the same runs with another seed; the extreme runs stay the same.

        Args:
            seed: seed of the random assignment of runs to parts.
            criteria: the criteria of `split_by_run`.
        """
        weak = None if self.train.weak_form is None else self.weak_form().whole()
        return split_by_run(replace(self.whole(), weak_form=weak), seed, criteria=criteria)


def split_by_run(dataset: Dataset, seed: int = 0, *, criteria: Criteria = DEFAULT_CRITERIA) -> Split:
    """Split a dataset into whole runs: a tenth each for validation and test; the rest is for training.

    Of 20 runs or more, a twentieth (at least two) is kept out of all of these as ``extreme``: in turn the runs
    that reach the smallest and the largest distance of a pair, and the ends of each property that varies.

    Args:
        dataset: the instants; ``dataset.run`` labels the runs or blocks.
        seed: seed of the random assignment of runs to parts.
        criteria: ``selection`` sets the fractions and the number of runs from which extremes are kept out.

    Raises:
        DataError: there are fewer than three runs or blocks.
    """
    labels = np.unique(dataset.run)
    if len(labels) < 3:
        raise DataError(
            f"{len(labels)} runs or blocks of frames: one is needed to train, one to choose and one to test",
            remedy="Give more frames, or more runs",
        )
    limits = criteria.selection
    extreme = _extreme_runs(dataset, labels, criteria) if len(labels) >= limits.min_runs_for_extremes else labels[:0]
    shuffled = np.random.default_rng(seed).permutation(np.setdiff1d(labels, extreme))
    held_out = max(1, round(limits.held_out_fraction * len(labels)))
    valid, test, train = shuffled[:held_out], shuffled[held_out : 2 * held_out], shuffled[2 * held_out :]
    return Split(
        train=dataset.select_runs(train),
        valid=dataset.select_runs(valid),
        test=dataset.select_runs(test),
        extreme=dataset.select_runs(extreme) if len(extreme) else None,
    )


def _extreme_runs(dataset: Dataset, labels: Int[np.ndarray, " R"], criteria: Criteria) -> Int[np.ndarray, " X"]:
    """Return the runs at the ends of the ranges, one end of a range after the other.

    An end that more runs share than are wanted is left out.
    """
    wanted = max(criteria.selection.min_extreme_runs, round(criteria.selection.extreme_fraction * len(labels)))
    row_of_instant = np.searchsorted(labels, dataset.run)

    def reach(values: Float[np.ndarray, "S K"], mask: Bool[np.ndarray, "S K"]) -> list[np.ndarray]:
        """Return how far each run reaches to the low end and to the high end of the values."""
        low, high = np.full(len(labels), -np.inf), np.full(len(labels), -np.inf)
        np.maximum.at(low, row_of_instant, np.max(-values, axis=1, where=mask, initial=-np.inf))
        np.maximum.at(high, row_of_instant, np.max(values, axis=1, where=mask, initial=-np.inf))
        return [low, high]

    reaches = []
    if len(dataset.senders):
        reaches += reach(np.linalg.norm(dataset.separation(), axis=-1), dataset.pair_present())
    for values in dataset.properties.values():
        reaches += reach(values, dataset.present)
    rankings = [np.argsort(-ends) for ends in reaches if np.sum(ends == ends.max()) <= wanted]
    chosen: list[int] = []
    for rank in range(len(labels)):
        for ranking in rankings:
            if len(chosen) < wanted and ranking[rank] not in chosen:
                chosen.append(int(ranking[rank]))
    extreme: np.ndarray = labels[np.sort(np.array(chosen, dtype=int))]
    return extreme
