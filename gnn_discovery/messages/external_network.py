"""A message function that somebody gives, in any library: called on pairs, and its gauge fixed on the motion.

What it gives may be the force on the receiver, that force over the receiver's mass, or numbers that a linear map turns
into one of them: the way of Cranmer et al., arXiv 2006.11287, section 3. Each is a reading; the one whose sums come
nearest to the observed force is kept, a force as it is before one that had to be fitted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnn_discovery.data.dataset import Dataset, robust_scale, subsample_dataset
from gnn_discovery.errors import DataError
from gnn_discovery.messages.gauge import Messages, message_tables, sum_over_neighbours, variance_spectrum
from gnn_discovery.messages.pair_query import Pairs, pairs_at
from gnn_discovery.simulators import describe_error

CALL_SIGNATURE = (
    "messages(positions_i, positions_j, velocities_i, velocities_j, properties_i, properties_j): arrays (E D), and "
    "mappings name -> (E,), i receives and j sends; it gives an array (E M), M at least D"
)
FORCE_GAUGE, ACCELERATION_GAUGE = "the force itself", "the acceleration itself"
LINEAR_MAP_GAUGE = "the force, by a linear map that was fitted to the motion"
LINEAR_MAP_OVER_MASS_GAUGE = "the acceleration, by a linear map that was fitted to the motion"
MAX_FITTED_GAUGE_ERROR_RATIO = 0.5
"""A reading that had to be fitted must lower the miss of the motion to this part of it."""
_GAUGE_FIT_ROW_LIMIT = 20_000


@dataclass(frozen=True)
class MessageFunction:
    """A function of pairs whose messages can be read as forces.

    Attributes:
        names: of the properties, in the order of `Pairs`.
        gauge: the reading that was kept, in words.
        matrix: (M+1 D), the linear map of a message, and of a one behind it; None where the message is read as it is.
        times_mass: whether what comes out is an acceleration, to be multiplied by the receiver's mass.
    """

    function: Callable[..., Any]
    name: str
    names: tuple[str, ...]
    gauge: str = FORCE_GAUGE
    matrix: np.ndarray | None = None
    times_mass: bool = False

    def raw(self, pairs: Pairs) -> np.ndarray:
        """The messages (K M), as the function gives them.

        Raises:
            DataError: it fails, or gives something else than (K M).
        """
        x, v, p, _ = pairs
        ends = [{name: p[:, end, k].copy() for k, name in enumerate(self.names)} for end in (0, 1)]
        try:
            found = self.function(x[:, 0].copy(), x[:, 1].copy(), v[:, 0].copy(), v[:, 1].copy(), *ends)
            found = np.asarray(found, dtype=np.float64)
        except Exception as error:  # the function is the user's and may fail in any way
            raise DataError(
                f"the function fails: {describe_error(error)}", where=self.name, remedy=_usage_remedy(self)
            ) from error
        if found.ndim != 2 or len(found) != len(x) or found.shape[1] < x.shape[-1]:
            raise DataError(
                f"the function gives shape {found.shape} for {len(x)} pairs in {x.shape[-1]} dimensions",
                where=self.name,
                remedy=_usage_remedy(self),
            )
        return found

    def __call__(self, pairs: Pairs) -> np.ndarray:
        """The force (K D) on the first of each two particles."""
        found = self.raw(pairs)
        if self.matrix is not None:
            found = _append_ones(found) @ self.matrix
        return found * pairs[2][:, 0, self.names.index("m")][:, None] if self.times_mass else found

    def predict(self, snapshots: Dataset) -> np.ndarray:
        """The target (S N D) that the messages add up to."""
        total = _sum_over_senders(snapshots, self(_all_pairs(snapshots)))
        return total / snapshots.properties["m"][..., None] if snapshots.has_mass else total

    def finite(self, sample: Dataset) -> np.ndarray:
        """The messages (K M) of all pairs of ``sample``.

        Raises:
            DataError: one is no number.
        """
        pairs = _all_pairs(sample)
        found = self.raw(pairs)
        if not np.isfinite(found).all():
            k = int(np.argmin(np.isfinite(found).all(axis=-1)))
            x, v, p, _ = (a[k] for a in pairs)
            given = {f"{name}_{end}": float(p[e, n]) for n, name in enumerate(self.names) for e, end in enumerate("ij")}
            raise DataError(
                f"the function gives {found[k].tolist()} for a pair of the motion",
                where=self.name,
                remedy=f"It is at positions {x.tolist()}, velocities {v.tolist()}, properties {given}",
            )
        return found

    def read(self, sample: Dataset) -> Messages:
        """Contributions at all pairs of ``sample``; a particle does nothing to itself."""
        raw, force = self.finite(sample), self(_all_pairs(sample))
        each = np.zeros((*sample.pair_present().shape, sample.dim))
        each[sample.pair_present()] = force
        scale = np.full(sample.present.shape[1], _force_scale(sample))
        pair, own = message_tables(sample, each.reshape(-1, sample.dim), np.zeros_like(sample.positions), scale)
        return Messages(
            pair,
            own,
            raw,
            *variance_spectrum(raw),
            self.gauge,
            {},
            _additivity_error(sample, sum_over_neighbours(each, sample)),
        )


def fit_gauge(function: Callable[..., Any], name: str, data: Dataset) -> MessageFunction:
    """The function, its gauge fixed on the observed motion.

    Raises:
        DataError: it takes other arguments, fails, or gives what is no message.
    """
    bare = MessageFunction(function, name, tuple(sorted(data.properties)))
    data = subsample_dataset(data, max(1, _GAUGE_FIT_ROW_LIMIT // max(1, len(data.senders))))
    raw = bare.finite(data)
    given = [(FORCE_GAUGE, None, False)] if raw.shape[1] == data.dim else []
    given += [(ACCELERATION_GAUGE, None, True)] if given and data.has_mass else []
    fitted = [(LINEAR_MAP_GAUGE, _fit_linear_map(raw, data, data.force), False)]
    fitted += [(LINEAR_MAP_OVER_MASS_GAUGE, _fit_linear_map(raw, data, data.target), True)] if data.has_mass else []
    best, least = bare, np.inf
    for readings in (given, fitted):
        tried = [MessageFunction(function, name, bare.names, *reading) for reading in readings]
        misses = [_additivity_error(data, _sum_over_senders(data, one(_all_pairs(data)))) for one in tried]
        if misses and min(misses) < MAX_FITTED_GAUGE_ERROR_RATIO * least:
            least = min(misses)
            best = tried[misses.index(least)]
    return best


def _usage_remedy(function: MessageFunction) -> str:
    known = f"; the properties here are {', '.join(function.names)}" if function.names else "; there are no properties"
    return f"It is called as {CALL_SIGNATURE}{known}"


def _all_pairs(snapshots: Dataset) -> Pairs:
    """All pairs that are there."""
    return pairs_at(snapshots, *np.nonzero(snapshots.pair_present()))


def _sum_over_senders(snapshots: Dataset, each: np.ndarray) -> np.ndarray:
    """What is given of all pairs that are there (K M), summed over the neighbours of each particle (S N M)."""
    there = snapshots.pair_present()
    s, e = np.nonzero(there)
    out = np.zeros((*snapshots.present.shape, each.shape[-1]))
    np.add.at(out, (s, snapshots.receivers[e]), each)
    return out


def _append_ones(raw: np.ndarray) -> np.ndarray:
    return np.concatenate([raw, np.ones((len(raw), 1))], -1)


def _force_scale(data: Dataset) -> float:
    return robust_scale(np.linalg.norm(data.force, axis=-1)[data.present]) or 1.0


def _additivity_error(data: Dataset, force: np.ndarray) -> float:
    """Median of |m a - sum of contributions|, relative."""
    size = np.linalg.norm(data.force, axis=-1) + _force_scale(data)
    return float(np.median((np.linalg.norm(data.force - force, axis=-1) / size)[data.present]))


def _fit_linear_map(raw: np.ndarray, data: Dataset, target: np.ndarray) -> np.ndarray:
    """(M+1 D), least squares of the sums of messages on the target, relative errors alike."""
    here, size = data.present, np.linalg.norm(target, axis=-1)
    weight = 1.0 / (size + (robust_scale(size[here]) or 1.0))[here][:, None]
    sums = _sum_over_senders(data, _append_ones(raw))[here] * weight
    length = np.sqrt(np.mean(sums**2, axis=0)) + 1e-300
    found = np.linalg.lstsq(sums / length, target[here] * weight, rcond=1e-9)[0]
    return found / length[:, None]
