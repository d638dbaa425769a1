"""The search for the thresholds of piecewise laws.

The cost is a step function of a threshold, so that no gradient leads to its minimum: thresholds are searched between
the observed values of the variable that they are compared with.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.estimation.least_squares import LeastSquaresProblem, minimise, solve_linear_parameters

COARSE_GRID_SIZE = 16
"""Number of values that are tried first; a window around a threshold holds one part in so many of all values."""

FINE_GRID_SIZE = 8
"""Number of values that are tried in each round of refinement."""


def observed_values(problem: LeastSquaresProblem, parameter: tuple[int, str]) -> Float[np.ndarray, " V"]:
    """Return the sorted distinct values of the variable that a threshold is compared with.

    Args:
        problem: the problem.
        parameter: the threshold, as (index of the term, name of the constant).
    """
    variable = problem.model.thresholds[parameter]
    return np.unique(problem.evaluator.scalar(problem.model.law.terms[parameter[0]], variable))


def scan_thresholds(
    problem: LeastSquaresProblem, theta: Float[np.ndarray, " P"], *, rounds: int = 4
) -> tuple[Float[np.ndarray, " P"], float]:
    """Find the best thresholds on a coarse grid of observed values, then on finer ones around the best.

    In the coarse round the parameters in which the force is linear are solved for at each trial; later all of them are
    fitted. Each trial is a small fit, so that the problem should hold few snapshots.

    Args:
        problem: the problem.
        theta: the start.
        rounds: number of grids, each between the neighbours of the best value of the one before.

    Returns:
        The parameters, and their cost.
    """
    best, best_cost = minimise(problem, solve_linear_parameters(problem, theta), iterations=8)
    for k, parameter in enumerate(problem.model.parameters):
        if parameter not in problem.model.thresholds:
            continue
        values = observed_values(problem, parameter)
        low, high = 0, len(values) - 1
        for step in range(rounds):
            n_values = COARSE_GRID_SIZE if step == 0 else FINE_GRID_SIZE
            picks = np.unique(np.linspace(low, high, n_values).astype(int)).tolist()
            costs = np.full(len(picks), np.inf)
            for p, index in enumerate(picks):
                trial = best.copy()
                trial[k] = _midpoint(values, index)
                start = solve_linear_parameters(problem, trial)
                end, costs[p] = minimise(problem, start, iterations=4 if step else 0)
                if costs[p] < best_cost:
                    best, best_cost = end, costs[p]
            centre = int(np.argmin(costs))
            low, high = picks[max(centre - 1, 0)], picks[min(centre + 1, len(picks) - 1)]
            if high - low < 2:
                break
    return best, best_cost


def locate_thresholds(
    problem: LeastSquaresProblem, theta: Float[np.ndarray, " P"]
) -> tuple[Float[np.ndarray, " P"], dict[int, float]]:
    """Place each threshold between two neighbouring observed values, with the other parameters held.

    The range in which the cost stays within one residual variance of its minimum is taken as a flat distribution: the
    threshold is its centre, and its standard error the width / sqrt(12).

    Args:
        problem: the problem.
        theta: the parameters; thresholds are near their best values already.

    Returns:
        The parameters, and the standard error of each threshold by its place in the vector.
    """
    theta, spread = theta.copy(), {}
    points = max(1, int(np.count_nonzero(problem.weight)) * problem.evaluator.dim)
    for k, parameter in enumerate(problem.model.parameters):
        if parameter not in problem.model.thresholds:
            continue
        values = observed_values(problem, parameter)
        position = int(np.searchsorted(values, theta[k]))
        width = max(8, len(values) // COARSE_GRID_SIZE)
        low, high = max(0, position - width), min(len(values) - 1, position + width)
        costs: dict[int, float] = {}
        while True:
            picks = np.unique(np.linspace(low, high, FINE_GRID_SIZE).astype(int)).tolist()
            near = _problem_near_threshold(problem, parameter, values[low], values[min(high + 1, len(values) - 1)])
            outside = problem.cost(theta) - near.cost(theta) if near is not problem else 0.0
            for index in picks:
                if index not in costs:
                    trial = theta.copy()
                    trial[k] = _midpoint(values, index)
                    costs[index] = float(np.nan_to_num(near.cost(trial) + outside, nan=np.inf))
            ordered = sorted(costs)
            best = min(ordered, key=costs.__getitem__)
            place = ordered.index(best)
            theta[k] = _midpoint(values, best)
            new_low, new_high = ordered[max(place - 1, 0)], ordered[min(place + 1, len(ordered) - 1)]
            if new_high - new_low <= 2 or (new_low, new_high) == (low, high):
                break
            low, high = new_low, new_high
        # the sum of two parts of a cost of zero may round to less than zero
        allowed = max(costs[best] * (1 + 1 / points), costs[best]) + 1e-15 * abs(outside) + 1e-300
        good = [index for index in ordered if costs[index] <= allowed] or [best]
        left, right = values[good[0]], values[min(good[-1] + 1, len(values) - 1)]
        theta[k] = 0.5 * (left + right)
        spread[k] = float(right - left) / np.sqrt(12)
    return theta, spread


def _problem_near_threshold(
    problem: LeastSquaresProblem, parameter: tuple[int, str], low: float, high: float
) -> LeastSquaresProblem:
    """Return the part of the problem where the variable lies in a window: only there the threshold matters."""
    values = problem.evaluator.scalar(problem.model.law.terms[parameter[0]], problem.model.thresholds[parameter])
    touched = ((values >= low) & (values <= high)).any(axis=0)
    if touched.mean() > 0.5 or problem.evaluator.data.observation.window > 1:
        return problem
    data: Dataset = problem.evaluator.data.select(np.flatnonzero(touched))
    return LeastSquaresProblem(problem.model, type(problem.evaluator)(data), problem.weight[:, touched])


def _midpoint(values: np.ndarray, index: int) -> float:
    """Return the middle between an observed value and the next."""
    return float(0.5 * (values[index] + values[min(index + 1, len(values) - 1)]))
