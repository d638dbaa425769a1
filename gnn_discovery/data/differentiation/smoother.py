"""The smoother: where particles were, by frames that have errors and a force that is known roughly.

All positions x_k of a stretch of motion, at its frames and between them, minimise

    sum over what was seen |x_k - observed_k|^2 / s^2
        + sum over instants |x_k-1 - 2 x_k + x_k+1 - h^2 (f_k-1 + 10 f_k + f_k+1) / 12|^2 / (h^2 e_k)^2,

with the standard error s of the positions, the force f_k = f(x_k) and its error e_k. The second sum is Numerov's scheme
of x'' = f, of fourth order; for order 1 it is that of Adams and Moulton, of third. This is the weak-constraint form of
variational assimilation (Tremolet, Q. J. R. Meteorol. Soc. 132, 2483, 2006), and the iterated Kalman smoother in one
system of equations: Gauss-Newton steps, damped after Levenberg and Marquardt, solve it for all particles of a stretch
at once. What was not seen has no term.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.linalg import solveh_banded

from gnn_discovery.types import Order

Rate = Callable[[Float[np.ndarray, "S N D"]], Float[np.ndarray, "S N D"]]
"""The target, an acceleration or a velocity, at all instants of a path."""

_Stencil = tuple[tuple[float, float, float], tuple[float, float, float]]
_STENCILS: dict[Order, tuple[_Stencil, ...]] = {
    2: (((1.0, -2.0, 1.0), (1 / 12, 10 / 12, 1 / 12)),),
    1: (((0.0, -1.0, 1.0), (-1 / 12, 8 / 12, 5 / 12)), ((-1.0, 1.0, 0.0), (5 / 12, 8 / 12, -1 / 12))),
}
"""By order: the weights of positions and of forces at three instants in a row; the second at the first three only."""
_SHIFTED = (slice(None, -2), slice(1, -1), slice(2, None))
_DAMPING_RANGE = (1e-15, 1e6)
"""Smallest and largest share of the diagonal that is added to it; the smallest comes first."""
_DAMPING_AFTER_FAILURE = 1e-3
"""Share that is added at least after a step that raised the sum of squares."""
_ROUNDS_WITH_NEW_GRADIENT = 3
"""Number of steps after which the derivatives of the forces stay those of the last: they hardly change any more."""
_SETTLED = 0.01
"""Change of all positions, in standard errors, from which on no further step is taken."""


@dataclass(frozen=True)
class SmoothedMotion:
    """A frozen record of smoothed positions.

    Attributes:
        positions: (S N D).
        noise: (S N D), what the realisation of the noise of the frames makes of them, to first order.
    """

    positions: Float[np.ndarray, "S N D"]
    noise: Float[np.ndarray, "S N D"]


def smooth_under_force(
    start: Float[np.ndarray, "S N D"],
    observed: Float[np.ndarray, "S N D"],
    realisation: Float[np.ndarray, "S N D"],
    stretches: Sequence[Int[np.ndarray, " _"]],
    rate: Rate,
    step: float,
    order: Order,
    *,
    std: float,
    relative_force_error: float,
    rounds: int = 10,
) -> SmoothedMotion:
    """Return the positions of least squares under a force, from frames with errors.

    Args:
        start: positions to begin with.
        observed: positions as they were seen, nan elsewhere.
        realisation: of the noise of the frames; elsewhere it does not count.
        stretches: the instants of each stretch of motion without a gap; those of fewer than three stay as they are.
        rate: the target along any path.
        step: time between two instants.
        order: order of the equation of motion.
        std: standard error s of each coordinate of the frames.
        relative_force_error: error e_k of the force, relative to its own size and the typical one.
        rounds: number of Gauss-Newton steps.
    """
    x = start.copy()
    f = rate(x)
    size = np.linalg.norm(f, axis=-1, keepdims=True)
    typical = float(np.median(size[size > 0])) if (size > 0).any() else 1.0
    error = relative_force_error * (size + typical)
    lengths = sorted({len(stretch) for stretch in stretches if len(stretch) > 2})
    rows = [np.array([stretch for stretch in stretches if len(stretch) == length]) for length in lengths]
    problems = [_Stretches(start.shape[1:], observed, group, step**order, order, std, error) for group in rows]
    damping = [np.full(len(group), _DAMPING_RANGE[0]) for group in rows]
    cost = [problem.cost(x, f) for problem in problems]
    for n_round in range(rounds):
        if n_round < _ROUNDS_WITH_NEW_GRADIENT:
            gradient = _force_gradient(rate, x, f)
        moved, settled = x.copy(), True
        for k, problem in enumerate(problems):
            normal = problem.normal_matrix(gradient)
            change = problem.solve(normal, -problem.gradient(x, f, normal), damping[k])
            moved[rows[k]] += change
            settled &= bool(np.all(np.abs(change) <= _SETTLED * std))
        force = rate(moved)
        for k, problem in enumerate(problems):
            new = problem.cost(moved, force)
            better = new < cost[k]
            accepted = rows[k][better]
            x[accepted], f[accepted] = moved[accepted], force[accepted]
            cost[k] = np.where(better, new, cost[k])
            more = np.maximum(10 * damping[k], _DAMPING_AFTER_FAILURE)
            damping[k] = np.clip(np.where(better, 0.1 * damping[k], more), *_DAMPING_RANGE)
        if settled:
            break
    noise = np.zeros_like(x)
    for group, problem in zip(rows, problems, strict=True):
        response = problem.solve(problem.normal_matrix(gradient), problem.response(realisation), np.zeros(len(group)))
        noise[group] = response
    return SmoothedMotion(x, noise)


def _force_gradient(
    rate: Rate, x: Float[np.ndarray, "S N D"], f: Float[np.ndarray, "S N D"]
) -> Float[np.ndarray, "S M M"]:
    """Return the derivatives of all M = N D forces by all positions of an instant, by differences."""
    instants, coordinates = len(x), x[0].size
    gradient = np.empty((instants, coordinates, coordinates))
    delta = 1e-6 * float(np.std(x))
    for k in range(coordinates):
        moved = x.reshape(instants, -1).copy()
        moved[:, k] += delta
        gradient[:, :, k] = (rate(moved.reshape(x.shape)) - f).reshape(instants, -1) / delta
    return np.nan_to_num(gradient, posinf=0.0, neginf=0.0)


@dataclass(frozen=True)
class _Normal:
    """A frozen record of Jacobians and of the blocks of the normal matrix on its diagonal and the next two.

    Attributes:
        jacobians: by stencil, of the dynamic residuals by the positions at the three instants of each.
        blocks: (T R M M), (T-1 R M M), (T-2 R M M).
    """

    jacobians: list[list[np.ndarray]]
    blocks: tuple[np.ndarray, np.ndarray, np.ndarray]


class _Stretches:
    """The least-squares problem of all stretches, arrays of shape (T R M): instant, stretch, coordinate."""

    def __init__(
        self,
        shape: tuple[int, ...],
        observed: Float[np.ndarray, "S N D"],
        stretches: Int[np.ndarray, "R T"],
        scale: float,
        order: Order,
        std: float,
        error: Float[np.ndarray, "S N 1"],
    ) -> None:
        self.stretches, self.scale, self.shape = stretches, scale, shape
        self.stencils = _STENCILS[order]
        seen = self._rows(observed)
        self.seen: Bool[np.ndarray, "T R M"] = np.isfinite(seen)
        self.observed = np.where(self.seen, seen, 0.0)
        self.precision = self.seen / std**2
        weight = 1.0 / (scale * self._rows(np.broadcast_to(error, observed.shape))[1:-1]) ** 2
        first = (np.arange(len(weight)) == 0)[:, None, None]
        self.weights = (weight, weight * first)[: len(self.stencils)]

    def _rows(self, values: Float[np.ndarray, "S N D"]) -> Float[np.ndarray, "T R M"]:
        rows = values[self.stretches]
        return np.asarray(rows.reshape(*rows.shape[:2], -1).swapaxes(0, 1))

    def _dynamics(self, x: np.ndarray, f: np.ndarray) -> list[Float[np.ndarray, "I R M"]]:
        """Return by stencil what the scheme of the equation of motion leaves."""
        return [
            np.asarray(sum(a * x[at] - self.scale * b * f[at] for a, b, at in zip(*stencil, _SHIFTED, strict=True)))
            for stencil in self.stencils
        ]

    def cost(self, x: Float[np.ndarray, "S N D"], f: Float[np.ndarray, "S N D"]) -> Float[np.ndarray, " R"]:
        """Return the sum of squares of each stretch, infinite where it is not finite."""
        x, f = self._rows(x), self._rows(f)
        total = np.sum(self.precision * (x - self.observed) ** 2, axis=(0, 2))
        for weight, left in zip(self.weights, self._dynamics(x, f), strict=True):
            total = total + np.sum(weight * left**2, axis=(0, 2))
        return np.asarray(np.where(np.isfinite(total), total, np.inf))

    def normal_matrix(self, force_gradient: Float[np.ndarray, "S M M"]) -> _Normal:
        """Return Jacobians and normal matrix by the derivatives of the forces at all instants."""
        gradient = force_gradient[self.stretches].swapaxes(0, 1)
        unit = np.eye(gradient.shape[-1])
        diagonal = self.precision[..., None] * unit
        next_one, next_two = np.zeros_like(diagonal[1:]), np.zeros_like(diagonal[2:])
        jacobians = []
        for weight, stencil in zip(self.weights, self.stencils, strict=True):
            one, two, three = (
                a * unit - self.scale * b * gradient[at] for a, b, at in zip(*stencil, _SHIFTED, strict=True)
            )
            turned = [(part * weight[..., None]).swapaxes(-1, -2) for part in (one, two, three)]
            diagonal[:-2] += turned[0] @ one
            diagonal[1:-1] += turned[1] @ two
            diagonal[2:] += turned[2] @ three
            next_one[:-1] += turned[0] @ two
            next_one[1:] += turned[1] @ three
            next_two += turned[0] @ three
            jacobians.append([one, two, three])
        return _Normal(jacobians, (diagonal, next_one, next_two))

    def gradient(
        self, x: Float[np.ndarray, "S N D"], f: Float[np.ndarray, "S N D"], normal: _Normal
    ) -> Float[np.ndarray, "T R M"]:
        """Return half the gradient of the cost."""
        x, f = self._rows(x), self._rows(f)
        total = self.precision * (x - self.observed)
        for weight, left, parts in zip(self.weights, self._dynamics(x, f), normal.jacobians, strict=True):
            weighed = (weight * left)[..., None]
            for at, jacobian in zip(_SHIFTED, parts, strict=True):
                total[at] += (jacobian.swapaxes(-1, -2) @ weighed)[..., 0]
        return np.asarray(total)

    def response(self, realisation: Float[np.ndarray, "S N D"]) -> Float[np.ndarray, "T R M"]:
        """Return the right side for a change of what was seen."""
        return np.asarray(self.precision * np.where(self.seen, self._rows(realisation), 0.0))

    def solve(
        self, normal: _Normal, right: Float[np.ndarray, "T R M"], damping: Float[np.ndarray, " R"]
    ) -> Float[np.ndarray, "R T N D"]:
        """Solve the banded normal equations of each stretch; zero where they cannot be solved."""
        instants, stretches, size = right.shape
        width = 3 * size - 1
        row, column = np.indices((size, size))
        solution = np.zeros((stretches, instants, *self.shape))
        for r in range(stretches):
            band = np.zeros((width + 1, instants, size))
            for distance, block in enumerate(normal.blocks):
                place = width + row - column - distance * size
                kept = place <= width
                rows, columns = row[kept], column[kept]
                at = np.arange(distance, instants)[:, None]
                band[place[kept], at, columns] = block[:, r, rows, columns]
            band[width] *= 1 + damping[r]
            try:
                solved = solveh_banded(band.reshape(width + 1, -1), right[:, r].ravel(), check_finite=False)
            except np.linalg.LinAlgError:
                continue
            if np.isfinite(solved).all():
                solution[r] = solved.reshape(instants, *self.shape)
        return solution
