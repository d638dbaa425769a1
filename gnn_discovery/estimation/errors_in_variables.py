r"""The bias of fitted constants by noise in the positions and velocities (errors in variables).

Noise in the variables of a law adds a mean b_r to the gradient g_r of each run. Adding the same noise once more, and
subtracting it, changes the gradient by as much on average, to second order:

    b_r = (g_r(z + e) + g_r(z - e)) / 2 - g_r(z),

with the observed motion z and a realisation e of its noise. This is extrapolation from simulated noise (Cook and
Stefanski, J. Am. Stat. Assoc. 89, 1314, 1994), applied to the score (Novick and Stefanski, J. Am. Stat. Assoc. 97, 472,
2002). With both signs nothing of first order is left, so that one realisation is enough.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.estimation.least_squares import LeastSquaresProblem, reweighted
from gnn_discovery.estimation.residual_weights import ForceScale


def errors_in_variables_bias(
    problem: LeastSquaresProblem,
    theta: Float[np.ndarray, " P"],
    scale: ForceScale,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> Float[np.ndarray, "R P"]:
    """Return the bias b_r of the gradient of each run by the noise of positions, velocities and target.

    Args:
        problem: the problem; its data hold a realisation of their noise.
        theta: the parameters at the minimum of the cost.
        scale: (N,) the scale of each particle.
        criteria: the criteria of the discovery.
    """

    def gradients(noisy: LeastSquaresProblem) -> np.ndarray:
        weighed = reweighted(noisy, theta, scale, criteria=criteria)
        return weighed.normal_equations_by_run(weighed.jacobian(theta), weighed.residual(theta))[1]

    more, less = (gradients(problem.with_added_noise(sign)) for sign in (1.0, -1.0))
    return np.asarray((more + less) / 2 - gradients(problem))
