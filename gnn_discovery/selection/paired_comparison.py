"""This module compares laws on held-out data: which of them improve on simpler ones, and beyond which error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np
from jaxtyping import Float

Entry = TypeVar("Entry")


def successive_improvements(entries: Iterable[Entry], improves: Callable[[Entry, Entry], bool]) -> list[Entry]:
    """Return the first entry and each that improves on the last one returned before it.

    Of laws in the order of their complexity, these are the ones that no simpler law equals: the Pareto front of error
    and complexity.

    Args:
        entries: the entries, the simplest first.
        improves: function of an entry and of the last one kept, that tells whether the entry improves on it.
    """
    kept: list[Entry] = []
    for entry in entries:
        if not kept or improves(entry, kept[-1]):
            kept.append(entry)
    return kept


def standard_error_of_mean(differences: Float[np.ndarray, " G"], ddof: int = 1) -> float:
    """Return the standard error std / sqrt(G) of the mean of paired differences.

    Args:
        differences: (G,) differences of two errors, one for each held-out group.
        ddof: number that is subtracted from G in the standard deviation.
    """
    return float(np.std(differences, ddof=ddof) / np.sqrt(len(differences)))
