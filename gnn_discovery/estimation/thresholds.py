"""Thresholds of piecewise laws: no gradient leads to them, so they are searched between observed values."""

from __future__ import annotations

import numpy as np

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.estimation.levenberg_marquardt import (
    LeastSquaresProblem,
    levenberg_marquardt,
    solve_linear_parameters,
)

COARSE_GRID_SIZE = 16
FINE_GRID_SIZE = 8


def observed_values(problem: LeastSquaresProblem, slot: tuple[int, str]) -> np.ndarray:
    """Sorted distinct values of the variable that a threshold is compared with."""
    variable = problem.model.thresholds[slot]
    return np.unique(problem.scene.scalar(problem.model.law.terms[slot[0]], variable))


def scan_thresholds(problem: LeastSquaresProblem, theta: np.ndarray, *, rounds: int = 4) -> tuple[np.ndarray, float]:
    """The best thresholds: coarse over the observed values, those entries refitted in which the force is linear, then
    finer, all of them refitted.

    Returns the vector and its cost. For few snapshots: each trial is a small fit.
    """
    best, best_cost = levenberg_marquardt(problem, solve_linear_parameters(problem, theta), iterations=8)
    for k, slot in enumerate(problem.model.parameters):
        if slot not in problem.model.thresholds:
            continue
        values = observed_values(problem, slot)
        low, high = 0, len(values) - 1
        for step in range(rounds):
            picks = np.unique(
                np.linspace(low, high, COARSE_GRID_SIZE if step == 0 else FINE_GRID_SIZE).astype(int)
            ).tolist()
            costs = np.full(len(picks), np.inf)
            for p, index in enumerate(picks):
                trial = best.copy()
                trial[k] = _midpoint(values, index)
                end, costs[p] = levenberg_marquardt(
                    problem, solve_linear_parameters(problem, trial), iterations=4 if step else 0
                )
                if costs[p] < best_cost:
                    best, best_cost = end, costs[p]
            centre = int(np.argmin(costs))
            low, high = picks[max(centre - 1, 0)], picks[min(centre + 1, len(picks) - 1)]
            if high - low < 2:
                break
    return best, best_cost


def locate_thresholds(problem: LeastSquaresProblem, theta: np.ndarray) -> tuple[np.ndarray, dict[int, float]]:
    """Each threshold to between two neighbouring observed values, the rest held; with standard errors.

    The cost is a step function of a threshold. The range in which it stays within the noise of its minimum
    is taken as a flat distribution: centre, and width / sqrt(12).
    """
    theta, spread = theta.copy(), {}
    points = max(1, int(np.count_nonzero(problem.weight)) * problem.scene.dim)
    for k, slot in enumerate(problem.model.parameters):
        if slot not in problem.model.thresholds:
            continue
        values = observed_values(problem, slot)
        here = int(np.searchsorted(values, theta[k]))
        width = max(8, len(values) // COARSE_GRID_SIZE)
        low, high = max(0, here - width), min(len(values) - 1, here + width)
        tried: dict[int, float] = {}
        while True:
            picks = np.unique(np.linspace(low, high, FINE_GRID_SIZE).astype(int)).tolist()
            near = _problem_near_threshold(problem, slot, values[low], values[min(high + 1, len(values) - 1)])
            rest = problem.cost(theta) - near.cost(theta) if near is not problem else 0.0
            for index in picks:
                if index not in tried:
                    trial = theta.copy()
                    trial[k] = _midpoint(values, index)
                    tried[index] = float(np.nan_to_num(near.cost(trial) + rest, nan=np.inf))
            ordered = sorted(tried)
            best = min(ordered, key=tried.__getitem__)
            place = ordered.index(best)
            theta[k] = _midpoint(values, best)
            new_low, new_high = ordered[max(place - 1, 0)], ordered[min(place + 1, len(ordered) - 1)]
            if new_high - new_low <= 2 or (new_low, new_high) == (low, high):
                break
            low, high = new_low, new_high
        # the sum of two parts of a cost of nothing may round to less than nothing
        allowed = max(tried[best] * (1 + 1 / points), tried[best]) + 1e-15 * abs(rest) + 1e-300
        good = [index for index in ordered if tried[index] <= allowed] or [best]
        left, right = values[good[0]], values[min(good[-1] + 1, len(values) - 1)]
        theta[k] = 0.5 * (left + right)
        spread[k] = float(right - left) / np.sqrt(12)
    return theta, spread


def _problem_near_threshold(
    problem: LeastSquaresProblem, slot: tuple[int, str], low: float, high: float
) -> LeastSquaresProblem:
    """The part of the problem where the variable lies in the window: only there the threshold matters."""
    values = problem.scene.scalar(problem.model.law.terms[slot[0]], problem.model.thresholds[slot])
    touched = ((values >= low) & (values <= high)).any(axis=0)
    if touched.mean() > 0.5 or problem.scene.data.kernel is not None:
        return problem
    data: Dataset = problem.scene.data.select(np.flatnonzero(touched))
    return LeastSquaresProblem(problem.model, type(problem.scene)(data), problem.weight[:, touched])


def _midpoint(values: np.ndarray, index: int) -> float:
    """Half way from an observed value to the next."""
    return float(0.5 * (values[index] + values[min(index + 1, len(values) - 1)]))
