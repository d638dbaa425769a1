"""The least-squares problem of a separable law on all increments, compressed to a row for each node of its profiles.

With G = R^T R and R^T z = b the cost is |R c - z|^2 + const (`gnn_discovery.estimation.increment_statistics`): each row
of R is a linear combination of all residuals, and the Levenberg-Marquardt method, variable projection and the jackknife
see a problem like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset, IncrementObservation
from gnn_discovery.estimation.increment_statistics import IncrementStatistics
from gnn_discovery.estimation.least_squares import LeastSquaresProblem
from gnn_discovery.estimation.parametric_law import ParametricLaw
from gnn_discovery.laws.channels import Channel, separate
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.term import Term
from gnn_discovery.laws.term_evaluator import (
    KINEMATIC_VARIABLES,
    DerivativeVariables,
    TermEvaluator,
    VariableValues,
    values_of_derivatives,
)
from gnn_discovery.symbolic.expression import Expression

MAX_INTERPOLATION_COST = 1e-4
"""Cost of the errors of interpolation up to which a law counts as resolved by its nodes.

It is the square of the largest shift that they may give a constant, in standard errors."""


class CompressedEvaluator(TermEvaluator):
    """The forces of terms at compressed rows, which stand for all increments of a data set.

    Scalars (V,) are the values of the profiles of a term at all nodes of their channels. Forces are (1 S 1), where S is
    the number of rows; the last one has no force, and the part of the target that no law could reach.

    Attributes:
        original: the increments.
        statistics: their sums.
        channels: of all terms.
        compression: R, its inverse, and z.
    """

    def __init__(self, original: Dataset, terms: Sequence[Term]):
        self.original, self.statistics = original, IncrementStatistics.of(original)
        self.channels = tuple(dict.fromkeys(channel for term in terms for channel, _ in separate(term) or ()))
        self.statistics.require(self.channels, original)
        self.compression = self.statistics.compression(self.channels)
        super().__init__(_rows(original, self.compression.target))
        self._columns = self.statistics.columns(self.channels)

    def _evaluate(self, term: Term, constants: VariableValues, by: tuple[DerivativeVariables, ...]) -> list[np.ndarray]:
        places = [
            (profile, channel.variable, self.statistics.interpolations[channel].nodes)
            for channel, profile in _parts(term)
        ]
        return _profiles(places, constants, by)

    def force_of_scalars(self, term: Term, scalars: np.ndarray) -> np.ndarray:
        """Return the force (1 S 1) of scalars (V,): the values of all profiles of a term at their nodes."""
        columns = np.concatenate(
            [self.compression.rows[:, self._columns[channel]] for channel, _ in _parts(term)], axis=1
        )
        return np.append(columns @ scalars, 0.0)[None, :, None]

    def interpolation_cost(self, term: Term, constants: VariableValues) -> float:
        """Return the cost of the errors of interpolation, from those in the middle of each interval of the nodes."""
        cost = 0.0
        for channel, profile in _parts(term):
            splines = self.statistics.interpolations[channel]
            here, between = (
                _profiles([(profile, channel.variable, places)], constants, ((),))[0]
                for places in (splines.nodes, splines.middles)
            )
            cost += float(self.statistics.masses[channel] @ (splines.to_middles @ here - between) ** 2)
        return cost


def _parts(term: Term) -> tuple[tuple[Channel, Expression], ...]:
    parts = separate(term)
    assert parts is not None  # only separable laws are compressed
    return parts


def _profiles(
    places: Sequence[tuple[Expression, str | None, np.ndarray]],
    constants: VariableValues,
    by: tuple[DerivativeVariables, ...],
) -> list[np.ndarray]:
    """Return (V,) values of profiles at their places, one after the other, for each of some derivatives."""
    columns: list[list[np.ndarray]] = [[] for _ in by]
    for profile, variable, nodes in places:
        known = constants if variable is None else {**constants, variable: nodes}
        for column, values in zip(columns, values_of_derivatives(profile, by, known.__getitem__), strict=True):
            column.append(np.broadcast_to(values, nodes.shape))
    return [np.concatenate(column) for column in columns]


def _rows(original: Dataset, target: Float[np.ndarray, " S"]) -> Dataset:
    """Return compressed rows as the motion of one particle on a line."""
    count, none = len(target), np.zeros(0, dtype=int)
    return Dataset(
        positions=np.zeros((count, 1, 1)),
        velocities=np.zeros((count, 1, 1)),
        target=target[:, None, None],
        properties={},
        present=np.ones((count, 1), dtype=bool),
        run=np.zeros(count, dtype=int),
        times=np.arange(count, dtype=float),
        senders=none,
        receivers=none,
        order=original.order,
        observation=original.observation,
        noise_realisation=None if original.noise_realisation is None else np.zeros((3, count, 1, 1)),
    )


class CompressedProblem(LeastSquaresProblem):
    """A separable law that is fitted to all increments of a data set by their statistics.

    Attributes:
        compressed: the evaluator.
    """

    def __init__(self, model: ParametricLaw, evaluator: CompressedEvaluator):
        self.compressed = evaluator
        super().__init__(model, evaluator, np.ones((1, evaluator.n_snapshots)))

    def normal_equations_by_run(
        self, slope: Float[np.ndarray, "P K"], residual: Float[np.ndarray, "N S D"]
    ) -> tuple[Float[np.ndarray, "R P P"], Float[np.ndarray, "R P"]]:
        """Return the normal matrix and the gradient of each run of the increments.

        Args:
            slope: derivatives of the residuals by each parameter, as `jacobian` gives them, or multiples.
            residual: the residuals.
        """
        one = self.compressed
        slopes, values = slope[:, :-1] @ one.compression.inverse.T, self._values(residual)
        hessians = one.statistics.products(one.channels, slopes, slopes)
        gradients = one.statistics.products(one.channels, slopes, values[None])[..., 0]
        return hessians, gradients - one.statistics.load(one.channels) @ slopes.T

    def mean_squares_by_run(self, residual: Float[np.ndarray, "N S D"]) -> Float[np.ndarray, " R"]:
        """Return the mean square of a coordinate of the residual of each run, over what kicks make of it."""
        one, values = self.compressed, self._values(residual)
        square = one.statistics.products(one.channels, values[None], values[None])[:, 0, 0]
        cost = one.statistics.squares - 2 * one.statistics.load(one.channels) @ values + square
        mean: np.ndarray = cost / (one.original.dim * np.maximum(one.statistics.counts, 1))
        return mean

    def _values(self, residual: Float[np.ndarray, "N S D"]) -> Float[np.ndarray, " B"]:
        """Return the values of all profiles at their nodes that leave a residual."""
        rows: np.ndarray = self.compressed.compression.inverse @ (residual + self.target)[0, :-1, 0]
        return rows

    def count(self, residual: Float[np.ndarray, "N S D"]) -> int:
        """Return how many residuals of increments the rows stand for, whatever the ``residual`` of rows is."""
        return int(self.compressed.original.dim * self.compressed.statistics.counts.sum())

    def with_added_noise(self, factor: float) -> CompressedProblem:
        """Return the problem with the realisation of the noise of its data, times ``factor``, added to them."""
        original, name = self.compressed.original, f"added noise {factor:g}"
        if name not in original.derived:
            original.derived[name] = original.with_added_noise(factor)
        return CompressedProblem(self.model, CompressedEvaluator(original.derived[name], self.model.law.terms))

    def is_resolved(self, theta: Float[np.ndarray, " P"]) -> bool:
        """Tell whether the profiles at the parameters ``theta`` are smooth enough for their nodes."""
        law = self.model.fitted(theta)
        with np.errstate(all="ignore"):
            costs = [
                self.compressed.interpolation_cost(term, {name: c.value for name, c in term.constants.items()})
                for term in law.terms
            ]
        return bool(sum(costs) <= MAX_INTERPOLATION_COST)


def compress(model: ParametricLaw, data: Dataset, *, criteria: Criteria = DEFAULT_CRITERIA) -> CompressedProblem | None:
    """Return the compressed problem of a law on increments; None for other motion and laws, and of very few runs.

    Args:
        model: the law as a function of its parameters.
        data: the motion.
        criteria: ``estimation.min_jackknife_runs`` is the least number of runs.
    """
    if not isinstance(data.observation, IncrementObservation) or model.latent:
        return None
    separated = [separate(term) for term in model.law.terms]
    if any(parts is None for parts in separated):
        return None
    known = KINEMATIC_VARIABLES | {f"{name}_{end}" for name in data.properties for end in "ij"}
    factors = {name for parts in separated for channel, _ in parts or () for name in channel.factor.names}
    if factors - known or len(np.unique(data.run)) < criteria.estimation.min_jackknife_runs:
        return None
    return CompressedProblem(model, CompressedEvaluator(data, model.law.terms))


def mean_squares_under_kicks(
    law: ForceLaw, data: Dataset, *, criteria: Criteria = DEFAULT_CRITERIA
) -> Float[np.ndarray, " R"] | None:
    """Return the mean square of the residual over what kicks make of it in each run; None where rows must be summed.

    Args:
        law: the law.
        data: the motion.
        criteria: the criteria of the discovery.
    """
    if not isinstance(data.observation, IncrementObservation):
        return None
    model = ParametricLaw(replace(law, latent={}), data.positions.shape[1])
    problem = compress(model, data, criteria=criteria)
    if problem is None or not problem.is_resolved(model.start):
        return None
    return problem.mean_squares_by_run(problem.residual(model.start))
