"""Weighted least squares for the parameters of a law.

The cost is sum_k w_k² |A F(theta)_k - F_k|² over instants and particles k: F(theta) is the force of the law, F the
observed one, w the weights of `residual_weights`, and A the observation operator of the data, which is the identity or,
in weak form, the average over a window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import IncrementObservation
from gnn_discovery.estimation.levenberg_marquardt import levenberg_marquardt, solve_linear, sum_of_squares
from gnn_discovery.estimation.parametric_law import ParametricLaw
from gnn_discovery.estimation.residual_weights import ForceScale, huber_weights
from gnn_discovery.laws.term_evaluator import TermEvaluator


@dataclass
class LeastSquaresProblem:
    """A law that is fitted to the force on N particles at S instants.

    Attributes:
        model: the law as a function of P parameters.
        evaluator: the data that it is fitted to.
        weight: (N S) factors of the residual vectors; zero where there is no target.
        target: (N S D) the observed force.
    """

    model: ParametricLaw
    evaluator: TermEvaluator
    weight: np.ndarray

    def __post_init__(self) -> None:
        self.target = np.swapaxes(self.evaluator.data.force, 0, 1)
        self._factor = np.repeat(self.weight[..., None], self.target.shape[-1], axis=-1)
        self._unseen = ~(self._factor > 0)
        self._all_seen = not self._unseen.any()

    def residual(self, theta: Float[np.ndarray, " P"]) -> Float[np.ndarray, "N S D"]:
        """Return the weighted residuals at the parameters ``theta``, zero where there is no target."""
        with np.errstate(all="ignore"):
            return self._weighted(self.force(theta) - self.target)

    def force(self, theta: Float[np.ndarray, " P"]) -> Float[np.ndarray, "N S D"]:
        """Return the force of the law as the data would show it."""
        force = self.model.force(theta, self.evaluator)
        return np.asarray(self.evaluator.data.observe(force, axis=1))

    def cost(self, theta: Float[np.ndarray, " P"]) -> float:
        """Return the sum of squares of the weighted residuals."""
        return sum_of_squares(self.residual(theta))

    def jacobian(
        self, theta: Float[np.ndarray, " P"], chosen: Bool[np.ndarray, " P"] | None = None
    ) -> Float[np.ndarray, "P NSD"]:
        """Return the derivatives of the flattened weighted residuals by each parameter.

        Args:
            theta: the parameters.
            chosen: a mask of the parameters by which they are differentiated; the rows of others are zero.
        """
        with np.errstate(all="ignore"):
            slope = self.evaluator.data.observe(self.model.jacobian(theta, self.evaluator, chosen), axis=2)
            return self._weighted(slope).reshape(self.model.size, -1)

    def normal_equations_by_run(
        self, slope: Float[np.ndarray, "P K"], residual: Float[np.ndarray, "N S D"]
    ) -> tuple[Float[np.ndarray, "R P P"], Float[np.ndarray, "R P"]]:
        """Return the normal matrix and the gradient of each run.

        Args:
            slope: derivatives of the K flattened residuals by each parameter, as `jacobian` gives them, or multiples.
            residual: the weighted residuals.
        """
        runs, run = np.unique(self.evaluator.data.run, return_inverse=True)
        return normal_equations_by_run(slope, residual, run, len(runs))

    def count(self, residual: Float[np.ndarray, "N S D"]) -> int:
        """Return how many independent residuals there are."""
        return int(np.count_nonzero(residual))

    def is_resolved(self, theta: Float[np.ndarray, " P"]) -> bool:
        """Tell whether the cost at the parameters ``theta`` is that of the law: always where rows are compared."""
        return True

    def with_added_noise(self, factor: float) -> LeastSquaresProblem:
        """Return the problem with the realisation of the noise of its data, times ``factor``, added to them."""
        return LeastSquaresProblem(self.model, TermEvaluator(self.evaluator.data.with_added_noise(factor)), self.weight)

    def _weighted(self, vectors: Float[np.ndarray, "*P N S D"]) -> Float[np.ndarray, "*P N S D"]:
        """Return vectors times their weights, zero where there is no target whatever the vector is."""
        weighted: np.ndarray = np.multiply(vectors, self._factor, order="C")
        if not self._all_seen:
            weighted[..., self._unseen] = 0.0
        return weighted


def solve_linear_parameters(
    problem: LeastSquaresProblem,
    theta: Float[np.ndarray, " P"],
    residual: Float[np.ndarray, "N S D"] | None = None,
) -> Float[np.ndarray, " P"]:
    """Return the parameters with those solved for in which the force is jointly linear (variable projection).

    Args:
        problem: the problem.
        theta: the parameters; they come back unchanged where the solution is not finite.
        residual: the weighted residuals there, where they are known.
    """
    chosen = problem.model.linear
    if not chosen.any():
        return theta
    slope = problem.jacobian(theta, chosen)[chosen]
    residual = problem.residual(theta) if residual is None else residual
    if not (np.isfinite(slope).all() and np.isfinite(residual).all()):
        return theta
    moved = theta.copy()
    moved[chosen] += solve_linear(slope.T, -residual.ravel(), rcond=1e-12)
    return moved if np.isfinite(moved).all() else theta


def minimise(
    problem: LeastSquaresProblem, theta: Float[np.ndarray, " P"], *, iterations: int = 30
) -> tuple[Float[np.ndarray, " P"], float]:
    """Minimise the cost by the Levenberg-Marquardt method with variable projection; thresholds stay.

    Args:
        problem: the problem.
        theta: the start.
        iterations: largest number of steps.

    Returns:
        The parameters at the end, and the cost there, infinite where it is not finite.
    """
    free = problem.model.differentiable

    def with_free(x: np.ndarray) -> np.ndarray:
        full = theta.copy()
        full[free] = x
        return full

    x, cost = levenberg_marquardt(
        lambda x: problem.residual(with_free(x)),
        lambda x: problem.jacobian(with_free(x))[free],
        theta[free],
        project=lambda x, residual: solve_linear_parameters(problem, with_free(x), residual)[free],
        iterations=iterations,
        min_cost=1e-30 * float(np.sum((problem.target * problem.weight[..., None]) ** 2)),
    )
    return with_free(x), cost


def predicted_force_weights(
    problem: LeastSquaresProblem, theta: Float[np.ndarray, " P"], scale: ForceScale
) -> Float[np.ndarray, "N S"]:
    """Return the weights w = 1 / (s + |A F(theta)|) with the force of the law, zero where there is no target.

    Args:
        problem: the problem, whose weights say where there is a target.
        theta: the parameters of the law.
        scale: (N,) the scale s of each particle.
    """
    with np.errstate(all="ignore"):  # a law far from the truth may overflow
        size = np.linalg.norm(problem.force(theta), axis=-1)
        return np.where(problem.weight > 0, 1.0 / (scale[:, None] + size), 0.0)


def iteratively_reweighted_fit(
    problem: LeastSquaresProblem,
    theta: Float[np.ndarray, " P"],
    scale: ForceScale,
    *,
    rounds: int,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> tuple[LeastSquaresProblem, Float[np.ndarray, " P"]]:
    """Minimise the cost, then again with weights from the fit itself: iteratively reweighted least squares.

    A weight is that of `predicted_force_weights` times that of `huber_weights`. Weights by the observed force favour
    instants whose noise made the force small, which biases strengths by the square of the relative noise; the force of
    the law has no such noise.

    Args:
        problem: the problem with the first weights.
        theta: the start.
        scale: (N,) the scale of each particle.
        rounds: largest number of rounds with new weights.
        criteria: the criteria of the discovery.

    Returns:
        The problem with the last weights, and the parameters.
    """
    theta, _ = minimise(problem, theta)
    current = problem
    for _ in range(rounds):
        residual = problem.residual(theta)
        if not np.isfinite(residual).all() or np.abs(residual).max(initial=0.0) < 1e-9:
            break
        current = reweighted(problem, theta, scale, criteria=criteria)
        if current is problem:
            break
        theta, _ = minimise(current, theta, iterations=8)
    return current, theta


def reweighted(
    problem: LeastSquaresProblem,
    theta: Float[np.ndarray, " P"],
    scale: ForceScale,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> LeastSquaresProblem:
    """Return the problem with the weights of `predicted_force_weights` times those of `huber_weights` at ``theta``.

    Increments keep their weights: kicks are normal and alike.

    Args:
        problem: the problem.
        theta: the parameters of the law.
        scale: (N,) the scale of each particle.
        criteria: the criteria of the discovery.
    """
    if isinstance(problem.evaluator.data.observation, IncrementObservation):
        return problem
    base = predicted_force_weights(problem, theta, scale)
    residual = LeastSquaresProblem(problem.model, problem.evaluator, base).residual(theta)
    return LeastSquaresProblem(
        problem.model, problem.evaluator, base * huber_weights(residual, base, criteria=criteria)
    )


def normal_equations_by_run(
    slope: Float[np.ndarray, "P NSD"],
    residual: Float[np.ndarray, "N S D"],
    run: Int[np.ndarray, " S"],
    n_runs: int,
) -> tuple[Float[np.ndarray, "R P P"], Float[np.ndarray, "R P"]]:
    """Return the normal matrix and the gradient of each run.

    Args:
        slope: derivatives of the flattened residuals by each parameter.
        residual: weighted residuals.
        run: the number of the run of each instant, from 0.
        n_runs: R.
    """
    n, s, d = residual.shape
    cube = np.moveaxis(slope.reshape(-1, n, s, d), 2, 0).reshape(s, len(slope), n * d)
    flat = np.moveaxis(residual, 1, 0).reshape(s, n * d)
    hessians, gradients = np.zeros((n_runs, len(slope), len(slope))), np.zeros((n_runs, len(slope)))
    np.add.at(hessians, run, cube @ np.swapaxes(cube, 1, 2))
    np.add.at(gradients, run, np.einsum("spk,sk->sp", cube, flat))
    return hessians, gradients
