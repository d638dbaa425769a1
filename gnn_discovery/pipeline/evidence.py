"""Errors of law and network on held-out motion, checks of the messages, and the arrays that figures are drawn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import (
    Dataset,
    IncrementObservation,
    Split,
    explained_square,
    relative_square_left,
    subsample_dataset,
)
from gnn_discovery.gnn.networks import NetworkConfig
from gnn_discovery.gnn.training import TrainedNetwork
from gnn_discovery.laws.evaluate import law_pair_force, predict_with_law
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.rollout import realise, rollout
from gnn_discovery.messages.gauge import Messages
from gnn_discovery.messages.pair_query import radial_profile
from gnn_discovery.messages.symmetry import SymmetryDeviations
from gnn_discovery.messages.table import MessageTable
from gnn_discovery.report.discovery import Curve, Evidence, FrontPoint, GoodnessOfFit
from gnn_discovery.selection.select import Selection
from gnn_discovery.validation.accuracy import check_explains_motion
from gnn_discovery.validation.verdict import Check, CheckId

Predict = Callable[[Dataset], np.ndarray]
"""The prediction of a network for the target (S N D)."""


def measure_fit(
    law: ForceLaw, network: Predict | None, data: Split, *, criteria: Criteria = DEFAULT_CRITERIA
) -> tuple[GoodnessOfFit, float]:
    """Measure the errors of law and network in and out of distribution, on averages where there is a weak form.

    Where kicks, or errors of position whose size is known, hide the force, errors are those of the force as far as a
    library of pair forces and fields sees them.

    Args:
        law: its constants are those fitted to the training runs.
        network: None where there is none.
        data: the motion; its `test` and `extreme` parts are measured on.
        criteria: say how much the trimmed R2 leaves out.

    Returns:
        The errors, and the noise below which none is seen.
    """
    fitted, predict = data.weak_form(), partial(predict_with_law, law)
    inside = _fit_one(law, network, fitted.test, criteria)
    outside = [None] * 4 if fitted.extreme is None else _fit_one(law, network, fitted.extreme, criteria)
    r2, trimmed, network_error, law_error = zip(inside, outside, strict=True)
    noise, observation = fitted.train.noise, fitted.train.observation
    if isinstance(observation, IncrementObservation):
        runs = fitted.whole()
        error, noise = _error_under_kicks(predict, runs, criteria)
        law_error = (error, None)
        network_error = (None if network is None else _error_under_kicks(network, runs, criteria)[0], None)
    elif law.terms and _errors_account_for_the_rest(predict, fitted.test, criteria):
        law_error, noise = _errors_of_force(predict, fitted, criteria)
        if network is not None:
            network_error, _ = _errors_of_force(network, fitted, criteria)
    return GoodnessOfFit(r2, trimmed, network_error, law_error), noise


def _errors_account_for_the_rest(predict: Predict, test: Dataset, criteria: Criteria) -> bool:
    """Tell whether errors of position are known, and explain all but a part of the motion that may be left.

    A realisation of these errors says how much of the motion they make the law miss, along the path as well. Compared
    are mean relative errors, which no encounter decides whose path is wrong.
    """
    frames, rows = test.observation.frames, test.target_mask
    if frames is None or frames.exact or test.noise_realisation is None or not rows.any():
        return False
    other, size = test.with_added_noise(), np.linalg.norm(test.target[rows], axis=-1)
    missed = test.target - test.observe(predict(test))
    by_errors = other.target - other.observe(predict(other)) - missed
    left, expected = (
        float(np.mean(np.minimum(1.0, np.nan_to_num(np.linalg.norm(part[rows], axis=-1), nan=np.inf) / scale)))
        for scale in [size + np.median(size)]
        for part in (missed, by_errors)
    )
    certain = 1 + criteria.order.n_sigma * criteria.order.noise_uncertainty
    return left**2 <= certain * expected**2 + criteria.verdict.max_unexplained_noisy**2


def _errors_of_force(
    predict: Predict, fitted: Split, criteria: Criteria
) -> tuple[tuple[float | None, float | None], float]:
    """Return the errors of the force of a prediction in and out of distribution, and the least that can be told."""
    runs, extreme = fitted.whole(), fitted.extreme
    predicted = runs.observe(predict(runs))
    far = np.zeros(0, int) if extreme is None else np.unique(extreme.run)
    near = np.setdiff1d(np.unique(runs.run), far)
    square, error = relative_square_left(runs, predicted, near, criteria=criteria)
    outside, _ = relative_square_left(runs, predicted, far, criteria=criteria)  # infinite without such runs
    size_outside = float(np.sqrt(max(outside, 0.0))) if np.isfinite(outside) else None
    return (float(np.sqrt(max(square, 0.0))), size_outside), float(np.sqrt(error))


def _error_under_kicks(predict: Predict, data: Dataset, criteria: Criteria) -> tuple[float, float]:
    """Return the force that a library still sees when a prediction is subtracted, and the least that can be told.

    Both are root mean squares over that of the force which the library sees in the increments themselves. Kicks depend
    on nothing, so that nothing is left where the prediction is right.
    """
    force = explained_square(data, criteria=criteria)[0]
    left, error = explained_square(replace(data, target=data.target - predict(data)), criteria=criteria)
    scale = max(force, error, np.finfo(float).tiny)
    return float(np.sqrt(max(left, 0.0) / scale)), float(np.sqrt(error / scale))


def _fit_one(law: ForceLaw, network: Predict | None, part: Dataset, criteria: Criteria) -> list[float | None]:
    """Return R2, trimmed R2, error of the network, error of the law; None where it cannot be measured."""
    part = subsample_dataset(part, 20000)
    rows = part.target_mask
    if not rows.any():
        return [None] * 4
    target, predicted = part.target[rows], part.observe(predict_with_law(law, part))[rows]
    size = float(np.sum(np.linalg.norm(target, axis=-1)))
    squared = np.sum((predicted - target) ** 2, axis=-1)
    spread = np.sum((target - target.mean(axis=0)) ** 2, axis=-1)
    kept = squared <= np.quantile(squared, 1 - criteria.verdict.trimmed_fraction)

    def error(guess: np.ndarray) -> float | None:
        return float(np.sum(np.linalg.norm(guess - target, axis=-1)) / size) if size > 0 else None

    r2 = [
        float(1 - squared[k].sum() / spread[k].sum()) if spread[k].sum() > 0 else None
        for k in (np.ones(len(squared), bool), kept)
    ]
    network_error = None if network is None else error(part.observe(network(part))[rows])
    return [*r2, network_error, error(predicted)]


def explains_motion(fit: GoodnessOfFit, noise: float, *, criteria: Criteria = DEFAULT_CRITERIA) -> bool:
    """Return whether law or network, which are sums of pair and self forces, explain held-out motion to the noise.

    Args:
        fit: errors of both.
        noise: relative error of the target.
        criteria: say how much may be left unexplained.
    """
    errors = (fit.law_error, fit.network_error)
    return any(check_explains_motion(error, noise, criteria=criteria).passed for error in errors)


def symmetry_checks(
    messages: Messages,
    symmetry: SymmetryDeviations,
    config: NetworkConfig,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> tuple[Check, ...]:
    """Return a check for each symmetry of the messages, for their additivity, and for the agreement of gauges.

    Args:
        messages: contributions read from the network.
        symmetry: change of the pair force under transformations, and when an input is shuffled.
        config: of the network; some symmetries hold by its construction.
        criteria: say how large a change may be.
    """
    limits, built_in = criteria.verdict, _built_in_symmetries(config)
    checks = []
    for name, change in symmetry.transformations.items():
        detail = f"the pair force of the network deviates by {change:.2g} (median, relative)"
        detail += f": built in, since {built_in[name]}" if name in built_in else ""
        passed, label = change < limits.max_symmetry_violation, f"{name} of the messages"
        checks.append(Check(CheckId.MESSAGE_SYMMETRY, "informative", label, passed, change, detail))
    for name, change in symmetry.dependences.items():
        detail = f"the pair force changes by {change:.2g} when it is shuffled over the pairs"
        checks.append(Check(CheckId.MESSAGE_DEPENDENCE, "informative", f"{name} dependence", None, change, detail))
    missed = messages.additivity_error
    detail = f"the contributions add up to the observed force but for {missed:.2g} of it (median)"
    passed = missed < limits.max_symmetry_violation
    checks.append(Check(CheckId.MESSAGE_ADDITIVITY, "informative", "additivity", passed, missed, detail))
    for name, difference in messages.gauge_differences.items():
        detail = f"contributions read as {name} and as {messages.gauge} differ by {difference:.2g} (median)"
        passed = difference < limits.max_gauge_disagreement
        checks.append(Check(CheckId.GAUGE_AGREEMENT, "informative", f"gauge: {name}", passed, difference, detail))
    return tuple(checks)


def _built_in_symmetries(config: NetworkConfig) -> Mapping[str, str]:
    """Return the symmetries that a network has whatever it learns, each with the reason."""
    if config.inputs != "relative":
        return {}
    why = dict.fromkeys(("translation", "Galilean invariance"), "it is given differences only")
    if config.node == "hamiltonian":
        why["reciprocity"] = "an energy of the pair is that of both"
    return why


def collect_evidence(
    law: ForceLaw,
    choice: Selection,
    trained: TrainedNetwork,
    messages: Messages,
    data: Split,
    *,
    rows: int = 4000,
    realisations: int = 100,
) -> Evidence:
    """Collect plain arrays for the figures, of held-out runs, which the constants of ``choice.law`` have not seen.

    Args:
        law: with its final constants.
        choice: the law as it was selected, and all laws tried.
        trained: the network.
        messages: of held-out runs.
        data: the whole motion.
        rows: largest number of pairs and of residuals that are drawn.
        realisations: number of realisations of kicked motion.
    """
    table = in_units_of(law, messages.pair.select(slice(0, rows)))
    run = data.test.select(data.test.run == data.test.run[0])
    properties = {k: v[0] for k, v in run.properties.items()} | {k: v.values for k, v in law.latent.items()}
    start = (run.positions[0], run.velocities[0], properties, run.times)
    world: Any = {"edges": np.stack([run.senders, run.receivers], -1), "box": run.box, "cutoff": run.cutoff}
    kicked = None if law.diffusion is None else replace(choice.law, diffusion=law.diffusion)
    residual = np.linalg.norm(predict_with_law(choice.law, data.test) - data.test.target, axis=-1)[data.test.present]
    size = np.median(np.linalg.norm(data.test.target, axis=-1)[data.test.present])
    pick = np.random.default_rng(0).permutation(len(residual))[:rows]
    return Evidence(
        spectrum=messages.spectrum,
        n_active_components=messages.n_active_components,
        message=table.contributions,
        message_law=law_pair_force(law.discovered_terms, table),
        message_position=table.position,
        message_velocity=table.velocity,
        message_properties=table.properties,
        curves=_curves(law.discovered_terms, trained, data),
        front=tuple(FrontPoint(s.complexity, s.error, str(s.law), s.law is choice.law) for s in choice.scoreboard),
        residuals=residual[pick] / (size or 1.0),
        observed=run.positions,
        rollout=rollout(choice.law, *start, **world),
        history=trained.history[:, :3],
        realisations=None if kicked is None else realise(kicked, *start, count=realisations, **world),
    )


def in_units_of(law: ForceLaw, table: MessageTable) -> MessageTable:
    """Return the table with the inferred properties of the law (N,) in the place of those of the network."""
    inferred = {f"{name}_j": latent.values[table.sender] for name, latent in law.latent.items()}
    return replace(table, properties={**table.properties, **inferred})


def _curves(law: ForceLaw, trained: TrainedNetwork, data: Split) -> tuple[Curve, ...]:
    """Return the radial pair force over r, of two particles at rest with typical properties."""
    r, network, fixed, sender = radial_profile(trained, data.train)
    fixed |= {f"{name}_j": float(latent.values[sender]) for name, latent in law.latent.items()}
    line = np.zeros(len(r))
    for term in law.terms:
        if (term.kind, term.direction) == ("pair", "radial"):
            given = {k: c.value for k, c in term.constants.items()} | fixed | {"v_r": 0.0, "v": 0.0}
            names = sorted(term.expression.names)
            line += term.expression.numpy(names)(*(r if n == "r" else np.full(len(r), given[n]) for n in names))
    return (Curve("Pair force along the line of centres", "r", r, network, line, fixed=fixed),)
