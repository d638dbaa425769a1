"""Weighted least squares of a model on a scene: Levenberg-Marquardt, a linear start, Huber weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gnn_discovery.estimation.parametric_law import ParametricLaw
from gnn_discovery.laws.term_evaluator import TermEvaluator

HUBER_THRESHOLD = 3.0
"""Residuals beyond this many robust standard deviations weigh less."""


@dataclass
class LeastSquaresProblem:
    """A model, the scene it is fitted to, and the weights (N S) of the residual vectors."""

    model: ParametricLaw
    scene: TermEvaluator
    weight: np.ndarray

    def __post_init__(self) -> None:
        self.target = np.swapaxes(self.scene.data.force, 0, 1)

    def residual(self, theta: np.ndarray) -> np.ndarray:
        """(N S D), weighted; entries of absent particles are zero."""
        with np.errstate(all="ignore"):
            miss = self.force(theta) - self.target
            return np.where(self.weight[..., None] > 0, miss, 0.0) * self.weight[..., None]

    def force(self, theta: np.ndarray) -> np.ndarray:
        """(N S D), what the law says of the target."""
        return self.scene.data.apply_kernel(self.model.force(theta, self.scene), axis=1)

    def cost(self, theta: np.ndarray) -> float:
        return sum_of_squares(self.residual(theta))

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """(P, N*S*D), weighted."""
        with np.errstate(all="ignore"):
            slope = self.scene.data.apply_kernel(self.model.jacobian(theta, self.scene), axis=2)
            slope = np.where(self.weight[..., None] > 0, slope, 0.0)
            return (slope * self.weight[..., None]).reshape(self.model.size, -1)


def sum_of_squares(residual: np.ndarray) -> float:
    """Sum of squares, inf where it is not finite."""
    flat = residual.ravel()
    with np.errstate(all="ignore"):
        total = float(flat @ flat)
    return total if np.isfinite(total) else np.inf


def solve_linear_parameters(problem: LeastSquaresProblem, theta: np.ndarray) -> np.ndarray:
    """``theta`` with the entries in which the force is linear solved for; unchanged where that fails."""
    chosen = problem.model.linear()
    if not chosen.any():
        return theta
    slope = problem.jacobian(theta)[chosen]
    residual = problem.residual(theta).ravel()
    if not (np.isfinite(slope).all() and np.isfinite(residual).all()):
        return theta
    with np.errstate(over="ignore"):
        size = np.linalg.norm(slope, axis=1)
        size[size == 0] = 1.0
        step = np.linalg.lstsq((slope / size[:, None]).T, -residual, rcond=1e-12)[0] / size
    moved = theta.copy()
    moved[chosen] += step
    return moved if np.isfinite(moved).all() else theta


def levenberg_marquardt(
    problem: LeastSquaresProblem, theta: np.ndarray, *, iterations: int = 30
) -> tuple[np.ndarray, float]:
    """Levenberg-Marquardt from ``theta``; thresholds stay. The end and its cost, inf where not finite.

    Where a step fails, amplitudes are solved for at its end before shorter ones are tried: variable projection (Golub
    and Pereyra 1973). So a law's progress does not hang on its units, in which one constant may follow another's power.
    """
    free = problem.model.differentiable
    residual, cost = _residual_and_cost(problem, theta)
    if not np.isfinite(cost) or not free.any():
        return theta, cost
    floor = 1e-30 * float(np.sum((problem.target * problem.weight[..., None]) ** 2))
    damping = 1e-4
    for _ in range(iterations):
        slope = problem.jacobian(theta)[free]
        if not np.isfinite(slope).all() or cost <= floor:
            break
        with np.errstate(over="ignore"):
            size = np.linalg.norm(slope, axis=1)
        size[size == 0] = 1.0
        slope /= size[:, None]
        normal, gradient = slope @ slope.T, slope @ residual.ravel()
        better, gained = False, 0.0
        for attempt in range(10):
            step = -np.linalg.solve(normal + damping * np.eye(len(normal)), gradient)
            trial = theta.copy()
            trial[free] += step / size
            moved, new = _residual_and_cost(problem, trial)
            if new >= cost and not attempt:  # where a valley bends, amplitudes have to follow for a step to be long
                trial = solve_linear_parameters(problem, trial)
                moved, new = _residual_and_cost(problem, trial)
            if new < cost:
                better, gained = True, cost - new
                theta, residual, cost, damping = trial, moved, new, max(damping * 0.05, 1e-15)
                break
            if np.abs(gradient @ step) < 1e-13 * cost:
                break
            damping = max(damping * 10, 1e-10)
        if not better or gained < 1e-9 * cost:
            break
    return theta, cost


def _residual_and_cost(problem: LeastSquaresProblem, theta: np.ndarray) -> tuple[np.ndarray, float]:
    residual = problem.residual(theta)
    return residual, sum_of_squares(residual)


def huber_weights(residual: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(N S) square roots of Huber's weights for residual vectors (N S D); each particle by its own spread."""
    size = np.linalg.norm(residual, axis=-1)
    factor = np.ones_like(size)
    for n in range(len(size)):
        seen = weight[n] > 0
        if seen.any():
            spread = 1.2 * np.median(size[n, seen])
            factor[n] = (
                np.sqrt(np.minimum(1.0, HUBER_THRESHOLD * spread / np.maximum(size[n], 1e-300))) if spread > 0 else 1.0
            )
    return factor


def iteratively_reweighted_fit(
    problem: LeastSquaresProblem, theta: np.ndarray, scale: np.ndarray, *, rounds: int
) -> tuple[LeastSquaresProblem, np.ndarray]:
    """Descend, then again weighed by the law's own force and with outliers down; the last problem comes back.

    Weights that follow the observed force favour instants whose noise made it small, which biases strengths
    by the square of the relative noise; the law's force has no such noise. ``scale`` is (N,).
    """
    theta, _ = levenberg_marquardt(problem, theta)
    current = problem
    for _ in range(rounds):
        residual = problem.residual(theta)
        if not np.isfinite(residual).all() or np.abs(residual).max(initial=0.0) < 1e-9:
            break
        base = predicted_force_weights(problem, theta, scale)
        residual = LeastSquaresProblem(problem.model, problem.scene, base).residual(theta)
        current = LeastSquaresProblem(problem.model, problem.scene, base * huber_weights(residual, base))
        theta, _ = levenberg_marquardt(current, theta, iterations=8)
    return current, theta


def predicted_force_weights(problem: LeastSquaresProblem, theta: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(N S) 1 / (scale + |F|) with the force of the law, zero for absent particles."""
    with np.errstate(all="ignore"):  # a hopeless law may say anything
        size = np.linalg.norm(problem.force(theta), axis=-1)
        return np.where(problem.weight > 0, 1.0 / (scale[:, None] + size), 0.0)
