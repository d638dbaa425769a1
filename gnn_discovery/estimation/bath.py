"""The bath behind a law: the diffusion of its kicks, and the temperature that they and the drag make."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset, IncrementObservation
from gnn_discovery.data.differentiation import acceleration_moments, covariances_in_time
from gnn_discovery.laws.evaluate import force
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.term import Constant


def with_bath(law: ForceLaw, data: Dataset, *, criteria: Criteria = DEFAULT_CRITERIA) -> ForceLaw:
    """Return the law with D of its kicks and, where it has a linear drag, their temperature; as it is without kicks.

    Of order 2, kicks and errors of position are told apart by the covariances of what the law leaves
    (`gnn_discovery.data.differentiation.increments`). By fluctuation and dissipation D = gamma T, with the drag
    -gamma v (R. Kubo, Rep. Prog. Phys. 29, 255, 1966); without masses this T is that over the mass.

    Args:
        law: the fitted law.
        data: increments, where they were read.
        criteria: the stage ``order`` says how many standard errors D must have above zero; else that of the increments
            stays.
    """
    kicks = data.observation
    if not isinstance(kicks, IncrementObservation):
        return law
    diffusion = Constant(kicks.diffusion, kicks.diffusion_std)
    if data.order == 1:
        return replace(law, diffusion=diffusion)
    steps, span = np.diff(data.times), 2 * kicks.behind
    step = float(np.min(steps, where=steps > 0, initial=np.inf))
    stride, lag = round(span / step), round((kicks.delay - span) / step)
    parts = [data.select(data.run == label) for label in np.unique(data.run)]
    left = [_left_at_middle(law, part, stride, lag) for part in parts if len(part.run) > 2 * stride + lag]
    covariances = covariances_in_time(left, stride)
    if len(covariances) > 1:  # blocks of few frames may be too short for the differences
        moments = acceleration_moments(covariances, span)
        if moments.diffusion > criteria.order.n_sigma * moments.diffusion_std:
            diffusion = Constant(moments.diffusion, moments.diffusion_std)
    drag = _linear_drag(law)
    if drag is None or drag.std is None or drag.value <= 0 or diffusion.std is None:
        return replace(law, diffusion=diffusion)
    value = diffusion.value / drag.value
    std = value * float(np.hypot(diffusion.std / diffusion.value, drag.std / drag.value))
    return replace(law, diffusion=diffusion, temperature=Constant(value, std))


def _left_at_middle(law: ForceLaw, run: Dataset, stride: int, lag: int) -> Float[np.ndarray, "T N D"]:
    """Return what the law leaves of second differences, at their middle and the mean velocity about it.

    What kicks do to the force within a difference is odd in time about its middle, and adds nothing to covariances.
    """
    middle = np.arange(lag + stride, len(run.run) - stride)
    moving = replace(run.select(middle), velocities=(run.velocities[middle] + run.velocities[middle + stride]) / 2)
    target = run.force[: len(middle)]
    return np.where(moving.present[..., None], target - force(law, moving), np.nan)


def _linear_drag(law: ForceLaw) -> Constant | None:
    """Return gamma of a single term -gamma v, None where the law holds none or more of them."""
    drags = [term for term in law.terms if (term.kind, term.direction) == ("self", "velocity")]
    if len(drags) != 1 or set(drags[0].expression.names) != set(drags[0].constants) or len(drags[0].constants) != 1:
        return None
    (constant,), expression = drags[0].constants.values(), drags[0].expression.sympy
    (symbol,) = expression.free_symbols
    slope = float(expression.diff(symbol).subs(symbol, constant.value))
    value = -float(expression.subs(symbol, constant.value))
    return replace(constant, value=value, std=None if constant.std is None else abs(slope) * constant.std, unit=None)
