"""Accuracy checks: does the law predict motion that it was not fitted to, to the noise and as well as the network?"""

from __future__ import annotations

from functools import partial

import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset, IncrementObservation, OrderSelection, at_middle_of_increments
from gnn_discovery.laws.evaluate import predict_with_law
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.validation.verdict import Check, CheckId, ErrorPair


def check_explains_motion(law_error: ErrorPair, noise: float, *, criteria: Criteria = DEFAULT_CRITERIA) -> Check:
    """Check that the law explains held-out motion to the noise, and stays near to it outside the range of training.

    The limit is ``max(max_unexplained, min(max_unexplained_over_noise * noise, max_unexplained_noisy))``.

    Args:
        law_error: sum|residual| / sum|target| in and out of distribution; None where not measured.
        noise: relative error of the observed target, 0 when exact.
        criteria: the numbers that decide.
    """
    numbers = criteria.verdict
    limit = max(numbers.max_unexplained, min(numbers.max_unexplained_over_noise * noise, numbers.max_unexplained_noisy))
    check = partial(Check, CheckId.EXPLAINS_MOTION, "refutes", "explains the motion")
    inside, outside = law_error
    if inside is None or not np.isfinite(inside):
        return check(False, None, "no error on held-out motion was measured")
    detail = f"{inside:.2g} of held-out motion is left unexplained, at most {limit:.2g} may be"
    passed, far_limit = bool(inside <= limit), numbers.extrapolation_factor * limit
    if outside is not None and not outside <= far_limit:
        passed = False
        detail += f"; {outside:.2g} is left outside the range of training, at most {far_limit:.2g} may be"
    return check(passed, float(inside), detail)


def check_nothing_left_for_network(
    law_error: ErrorPair, network_error: ErrorPair, noise: float, *, criteria: Criteria = DEFAULT_CRITERIA
) -> Check:
    """Check that the network sees nothing in the motion that the law lacks.

    Args:
        law_error: sum|residual| / sum|target| of the law, in and out of distribution; None where not measured.
        network_error: the same for the network.
        noise: relative error of the observed target, 0 when exact.
        criteria: the numbers that decide.

    Returns:
        A check whose figure is the error of the law over that of the network on held-out motion.
    """
    law, network = law_error[0], network_error[0]
    check = partial(Check, CheckId.NOTHING_LEFT_FOR_NETWORK, "refutes", "nothing left for the network")
    if law is None or network is None:
        return check(None, None, "there is no network to compare with")
    numbers = criteria.verdict
    missed = law > numbers.missed_structure_ratio * network and law > max(numbers.missed_structure_min_error, noise)
    detail = f"the law leaves {law:.2g} of held-out motion unexplained, the network {network:.2g}"
    return check(not missed, float(law / max(network, 1e-300)), detail)


def check_pairwise_additivity(
    additive_error: float, unconstrained_error: float, *, criteria: Criteria = DEFAULT_CRITERIA
) -> Check:
    """Check that forces add up: an unconstrained network must not do clearly better than the best sum over pairs.

    Args:
        additive_error: the lower held-out error of law and network, both sums of pair and self forces.
        unconstrained_error: held-out error of a network whose node function is an MLP.
        criteria: the numbers that decide.

    Returns:
        A check whose figure is the second error over the first.
    """
    passed = bool(unconstrained_error > criteria.verdict.min_unconstrained_error_ratio * additive_error)
    conclusion = "the forces are not shown to be other than a sum" if passed else "the forces are not a sum over pairs"
    detail = f"{conclusion}: the best sum leaves {additive_error:.2g} of them unexplained, "
    detail += f"an unconstrained network {unconstrained_error:.2g}"
    ratio = unconstrained_error / max(additive_error, 1e-300)
    return Check(CheckId.PAIRWISE_ADDITIVITY, "refutes", "sum over pairs", passed, ratio, detail)


def check_no_worse_than_network(
    law_error: ErrorPair, network_error: ErrorPair, *, criteria: Criteria = DEFAULT_CRITERIA
) -> Check:
    """Check that the law predicts as well as the network, on held-out data and outside the range of training.

    Args:
        law_error: sum|residual| / sum|target| of the law, in and out of distribution; None where not measured.
        network_error: the same for the network.
        criteria: the numbers that decide.

    Returns:
        A check whose figure is the larger ratio of the two errors.
    """
    check = partial(Check, CheckId.NO_WORSE_THAN_NETWORK, "blocks_candidate", "no worse than the network")
    pairs = [(a, b) for a, b in zip(law_error, network_error, strict=True) if a is not None and b is not None]
    if len(pairs) < 2:
        return check(None, None, "the errors were not measured both on held-out data and outside the range of training")
    numbers = criteria.verdict
    worst = max(law / max(network, numbers.network_error_floor) for law, network in pairs)
    detail = "the figure is the error of the law over that of the network, the worse of held-out and out of range"
    return check(bool(worst <= numbers.max_error_over_network), float(worst), detail)


def check_order(selection: OrderSelection | None) -> tuple[Check, ...]:
    """Check that the motion tells whether it has inertia; there is no check where somebody stated the order.

    Args:
        selection: how the order was told; None where it was stated.
    """
    if selection is None:
        return ()
    passed = {"determined": True, "assumed": None, "ambiguous": False}[selection.status]
    words = {1: "without inertia", 2: "with inertia"}[selection.order]
    return (Check(CheckId.ORDER, "refutes", f"motion {words}", passed, None, selection.reason),)


def check_step(law: ForceLaw, data: Dataset, *, criteria: Criteria = DEFAULT_CRITERIA) -> tuple[Check, ...]:
    """Check that the force changes little from the instant at which it is read to the middle of an increment.

    The change is that along the motion under the law. Laws are compared with increments where the force itself has
    moved the particles by then, so that constants are off by about the square of it. There is no check where the motion
    is not seen as increments.

    Args:
        law: the law.
        data: the motion.
        criteria: the numbers that decide.
    """
    if not isinstance(data.observation, IncrementObservation) or not law.terms:
        return ()
    force = predict_with_law(law, data)
    later = predict_with_law(law, at_middle_of_increments(data, partial(predict_with_law, law)))
    size = float(np.sqrt(np.mean(force[data.present] ** 2)))
    change = float(np.sqrt(np.mean((later - force)[data.present] ** 2))) / max(size, np.finfo(float).tiny)
    most = criteria.verdict.max_change_in_step
    detail = f"the force changes by {change:.2g} of itself within a step, at most {most:.2g} may be"
    detail += "" if change <= most else ": more frames, or smaller errors of position, would help"
    return (Check(CheckId.STEP, "refutes", "short steps", change <= most, change, detail),)
