"""External networks: a message function that a user supplies, from any library, with its gauge fixed on the motion.

The function is called on pairs. Its output may be the force on the receiver, that force over the receiver's mass, or
a message that a linear map turns into one of them,

    F_ij = message_ij A + b,

the symbolic reading of Cranmer et al. 2020 (arXiv 2006.11287), section 3, where the messages of a network with a
sparse, linear node function are a linear transform of the true forces. A and b come from weighted least squares of
the sums over neighbours on the observed motion. The gauge is kept whose sums come nearest to the observed force; a
fitted map must be better than a direct reading by a clear factor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
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


@dataclass(frozen=True)
class MessageFunction:
    """A function of pairs whose messages are read as forces, a `PairForceModel`.

    Attributes:
        function: The function of the user, called as `CALL_SIGNATURE` states.
        name: Name of the function in error messages.
        names: Names of the properties, in the order of `Pairs`.
        gauge: The gauge that was kept, in words.
        matrix: Linear map (M+1 D) of a message with a one appended; None where the message is read as it is.
        times_mass: True where the result is an acceleration, to be multiplied by the receiver's mass.
        criteria: Criteria that decide; those of visibility and the robust scale of estimation are used.
    """

    function: Callable[..., Any]
    name: str
    names: tuple[str, ...]
    gauge: str = FORCE_GAUGE
    matrix: np.ndarray | None = None
    times_mass: bool = False
    criteria: Criteria = DEFAULT_CRITERIA

    def raw(self, pairs: Pairs) -> np.ndarray:
        """Return the messages (K M), as the function gives them.

        Raises:
            DataError: The function fails, or its result does not have the shape (K M).
        """
        x, v, p, _ = pairs
        properties = [{name: p[:, end, k].copy() for k, name in enumerate(self.names)} for end in (0, 1)]
        try:
            result = self.function(x[:, 0].copy(), x[:, 1].copy(), v[:, 0].copy(), v[:, 1].copy(), *properties)
            messages = np.asarray(result, dtype=np.float64)
        except Exception as error:  # the function is the user's and may fail in any way
            failure = f"the function fails: {describe_error(error)}"
            raise DataError(failure, where=self.name, remedy=_usage_remedy(self)) from error
        if messages.ndim != 2 or len(messages) != len(x) or messages.shape[1] < x.shape[-1]:
            raise DataError(
                f"the function gives shape {messages.shape} for {len(x)} pairs in {x.shape[-1]} dimensions",
                where=self.name,
                remedy=_usage_remedy(self),
            )
        return messages

    def __call__(self, pairs: Pairs) -> np.ndarray:
        """Return the force (K D) on the first of each two particles."""
        force = self.raw(pairs)
        if self.matrix is not None:
            force = _append_ones(force) @ self.matrix
        return force * pairs[2][:, 0, self.names.index("m")][:, None] if self.times_mass else force

    def predict(self, dataset: Dataset) -> np.ndarray:
        """Return the target (S N D) that follows from the sum of the messages."""
        total = _sum_over_senders(dataset, self(_all_pairs(dataset)))
        return total / dataset.properties["m"][..., None] if dataset.has_mass else total

    def raw_of_all_pairs(self, sample: Dataset) -> np.ndarray:
        """Return the messages (K M) of all pairs of ``sample``.

        Raises:
            DataError: A message is not finite.
        """
        pairs = _all_pairs(sample)
        messages = self.raw(pairs)
        if not np.isfinite(messages).all():
            k = int(np.argmin(np.isfinite(messages).all(axis=-1)))
            x, v, p, _ = (a[k] for a in pairs)
            properties = {
                f"{name}_{suffix}": float(p[end, n])
                for n, name in enumerate(self.names)
                for end, suffix in enumerate("ij")
            }
            raise DataError(
                f"the function gives {messages[k].tolist()} for a pair of the motion",
                where=self.name,
                remedy=f"It is at positions {x.tolist()}, velocities {v.tolist()}, properties {properties}",
            )
        return messages

    def read(self, sample: Dataset) -> Messages:
        """Return the contributions at all pairs of ``sample``, with a self force of zero."""
        raw, force = self.raw_of_all_pairs(sample), self(_all_pairs(sample))
        contributions = np.zeros((*sample.pair_present().shape, sample.dim))
        contributions[sample.pair_present()] = force
        scale = np.full(sample.present.shape[1], _force_scale(sample, self.criteria))
        pair_table, self_table = message_tables(
            sample, contributions.reshape(-1, sample.dim), np.zeros_like(sample.positions), scale
        )
        spectrum, n_active = variance_spectrum(raw, criteria=self.criteria)
        error = _additivity_error(sample, sum_over_neighbours(contributions, sample), self.criteria)
        return Messages(pair_table, self_table, raw, spectrum, n_active, self.gauge, {}, error)


def fit_gauge(
    function: Callable[..., Any], name: str, dataset: Dataset, *, criteria: Criteria = DEFAULT_CRITERIA
) -> MessageFunction:
    """Fix the gauge of a message function on the observed motion.

    Args:
        function: A function of pairs, called as `CALL_SIGNATURE` states.
        name: Name of the function in error messages.
        dataset: Snapshots (S N D) with the observed target.
        criteria: Criteria that decide; those of visibility and the robust scale of estimation are used.

    Returns:
        The function with the gauge whose sums over neighbours come nearest to the observed force. A gauge with a
        fitted linear map is kept only if its additivity error is below the fraction
        `VisibilityCriteria.fitted_gauge_max_error_ratio` of that of the gauges without one.

    Raises:
        DataError: The function takes other arguments, fails, or returns something that is no message.
    """
    visibility = criteria.visibility
    direct = MessageFunction(function, name, tuple(sorted(dataset.properties)), criteria=criteria)
    dataset = subsample_dataset(dataset, max(1, visibility.gauge_fit_row_limit // max(1, len(dataset.senders))))
    raw = direct.raw_of_all_pairs(dataset)
    pairs = _all_pairs(dataset)
    unfitted = [replace(direct, gauge=FORCE_GAUGE)] if raw.shape[1] == dataset.dim else []
    if unfitted and dataset.has_mass:
        unfitted.append(replace(direct, gauge=ACCELERATION_GAUGE, times_mass=True))
    matrix = _fit_linear_map(raw, dataset, dataset.force, criteria)
    fitted = [replace(direct, gauge=LINEAR_MAP_GAUGE, matrix=matrix)]
    if dataset.has_mass:
        matrix = _fit_linear_map(raw, dataset, dataset.target, criteria)
        fitted.append(replace(direct, gauge=LINEAR_MAP_OVER_MASS_GAUGE, matrix=matrix, times_mass=True))
    best, least_error = direct, np.inf
    for alternatives in (unfitted, fitted):
        sums = [_sum_over_senders(dataset, model(pairs)) for model in alternatives]
        errors = [_additivity_error(dataset, force, criteria) for force in sums]
        if errors and min(errors) < visibility.fitted_gauge_max_error_ratio * least_error:
            least_error = min(errors)
            best = alternatives[errors.index(least_error)]
    return best


def _usage_remedy(function: MessageFunction) -> str:
    """Return the sentence that tells how the function is called."""
    if function.names:
        return f"It is called as {CALL_SIGNATURE}; the properties here are {', '.join(function.names)}"
    return f"It is called as {CALL_SIGNATURE}; there are no properties"


def _all_pairs(dataset: Dataset) -> Pairs:
    """Return all pairs of present particles."""
    return pairs_at(dataset, *np.nonzero(dataset.pair_present()))


def _sum_over_senders(dataset: Dataset, messages: np.ndarray) -> np.ndarray:
    """Return the sum (S N M) over the senders of each receiver of the messages (K M) of all present pairs."""
    s, e = np.nonzero(dataset.pair_present())
    out = np.zeros((*dataset.present.shape, messages.shape[-1]))
    np.add.at(out, (s, dataset.receivers[e]), messages)
    return out


def _append_ones(raw: np.ndarray) -> np.ndarray:
    """Return the messages with a column of ones appended (K M+1)."""
    return np.concatenate([raw, np.ones((len(raw), 1))], -1)


def _force_scale(dataset: Dataset, criteria: Criteria) -> float:
    """Return the typical force of the motion, or 1 where there is none."""
    return robust_scale(np.linalg.norm(dataset.force, axis=-1)[dataset.present], criteria=criteria) or 1.0


def _additivity_error(dataset: Dataset, force: np.ndarray, criteria: Criteria) -> float:
    """Return the median of |m a - force| / (|m a| + force scale), for the sum of the contributions (S N D)."""
    size = np.linalg.norm(dataset.force, axis=-1) + _force_scale(dataset, criteria)
    return float(np.median((np.linalg.norm(dataset.force - force, axis=-1) / size)[dataset.present]))


def _fit_linear_map(raw: np.ndarray, dataset: Dataset, target: np.ndarray, criteria: Criteria) -> np.ndarray:
    """Return the linear map (M+1 D) that fits the sums of messages to a target (S N D), in relative errors.

    It minimises sum |(sum_j [message_ij, 1]) A - target_i|^2 / (|target_i| + typical target)^2.
    """
    present, size = dataset.present, np.linalg.norm(target, axis=-1)
    weight = 1.0 / (size + (robust_scale(size[present], criteria=criteria) or 1.0))[present][:, None]
    sums = _sum_over_senders(dataset, _append_ones(raw))[present] * weight
    length = np.sqrt(np.mean(sums**2, axis=0)) + 1e-300
    solution = np.linalg.lstsq(sums / length, target[present] * weight, rcond=1e-9)[0]
    return np.asarray(solution / length[:, None])
