"""From law and network to a Discovery: errors on held-out motion, and what the figures are drawn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gnn_discovery.data.dataset import Dataset, Split, subsample_dataset
from gnn_discovery.gnn.networks import NetworkConfig
from gnn_discovery.gnn.training import TrainedNetwork
from gnn_discovery.laws.evaluate import law_pair_force, predict_with_law
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.rollout import rollout
from gnn_discovery.messages.gauge import Messages
from gnn_discovery.messages.pair_query import radial_profile
from gnn_discovery.messages.table import MessageTable
from gnn_discovery.pipeline.stages import MessageReadout
from gnn_discovery.report.discovery import Curve, Evidence, FrontPoint, GoodnessOfFit
from gnn_discovery.selection.select import Selection
from gnn_discovery.validation.accuracy import check_explains_motion
from gnn_discovery.validation.verdict import Check

EVIDENCE_ROWS = 4000
WORST = 0.1
SYMMETRIC = 0.05
"""Relative change of the force below which a symmetry of the messages holds."""

Pair = tuple[float | None, float | None]
Predict = Callable[[Dataset], np.ndarray]
"""What a network says of the target (S N D)."""


def measure_fit(law: ForceLaw, network: Predict | None, data: Split) -> GoodnessOfFit:
    """Errors of law and network, in and out of distribution; of averages where the motion is in weak form."""
    fitted = data.weak_form()
    rows = [_fit_one(law, network, part) if part is not None else [None] * 4 for part in (fitted.test, fitted.extreme)]
    columns: list[Pair] = [(rows[0][k], rows[1][k]) for k in range(4)]
    return GoodnessOfFit(*columns)


def _fit_one(law: ForceLaw, network: Predict | None, part: Dataset) -> list[float | None]:
    part = subsample_dataset(part, 20000)
    here = part.target_mask
    if not here.any():
        return [None] * 4
    target, said = part.target[here], part.average(predict_with_law(law, part))[here]
    size = float(np.sum(np.linalg.norm(target, axis=-1)))
    miss = np.sum((said - target) ** 2, axis=-1)
    spread = np.sum((target - target.mean(axis=0)) ** 2, axis=-1)
    kept = miss <= np.quantile(miss, 1 - WORST)

    def error(guess: np.ndarray) -> float | None:
        return float(np.sum(np.linalg.norm(guess - target, axis=-1)) / size) if size > 0 else None

    r2 = [
        float(1 - miss[k].sum() / spread[k].sum()) if spread[k].sum() > 0 else None
        for k in (np.ones(len(miss), bool), kept)
    ]
    learnt = None if network is None else error(part.average(network(part))[here])
    return [*r2, learnt, error(said)]


def explains_motion(fit: GoodnessOfFit, noise: float) -> bool:
    """Whether law or network, the sums of pair and self forces, explain held-out motion to the noise."""
    return any(check_explains_motion(error, noise).passed for error in (fit.law_error, fit.network_error))


def symmetry_checks(reading: MessageReadout, config: NetworkConfig) -> tuple[Check, ...]:
    """Each symmetry as a check; what depends on which input is a figure alone."""
    checks, built_in = [], _built_in(config)
    for name, change in reading.symmetry.items():
        if name.endswith("dependence"):
            detail = f"the pair force changes by {change:.2g} when it is shuffled over the pairs"
            checks.append(Check(name, None, change, detail))
        else:
            detail = f"the pair force of the network deviates by {change:.2g} (median, relative)"
            detail += f": built in, since {built_in[name]}" if name in built_in else ""
            checks.append(Check(f"{name} of the messages", change < SYMMETRIC, change, detail))
    additivity = reading.messages.additivity
    detail = f"the contributions add up to the observed force but for {additivity:.2g} of it (median)"
    checks.append(Check("additivity", additivity < SYMMETRIC, additivity, detail))
    for name, difference in reading.messages.agreement.items():
        detail = f"contributions read as {name} and as {reading.messages.gauge} differ by {difference:.2g} (median)"
        checks.append(Check(f"gauge: {name}", difference < 2 * SYMMETRIC, difference, detail))
    return tuple(checks)


def _built_in(config: NetworkConfig) -> dict[str, str]:
    """The symmetries that a network has whatever it learns, and why."""
    if config.inputs != "relative":
        return {}
    why = dict.fromkeys(("translation", "Galilean invariance"), "it is given differences only")
    if config.node == "hamiltonian":
        why["reciprocity"] = "an energy of the pair is that of both"
    return why


def collect_evidence(
    law: ForceLaw, choice: Selection, trained: TrainedNetwork, messages: Messages, data: Split
) -> Evidence:
    """Plain arrays for the figures; messages are those of held-out runs, and so is the motion, which the constants of
    ``choice.law`` have not seen."""
    table = in_units_of(law, messages.pair.select(slice(0, EVIDENCE_ROWS)))
    run = data.test.select(data.test.run == data.test.run[0])
    properties = {k: v[0] for k, v in run.properties.items()} | {k: v.values for k, v in law.latent.items()}
    rolled = rollout(
        choice.law,
        run.positions[0],
        run.velocities[0],
        properties,
        run.times,
        edges=np.stack([run.senders, run.receivers], -1),
        box=run.box,
        cutoff=run.cutoff,
    )
    residual = np.linalg.norm(predict_with_law(choice.law, data.test) - data.test.target, axis=-1)[data.test.present]
    size = np.median(np.linalg.norm(data.test.target, axis=-1)[data.test.present])
    pick = np.random.default_rng(0).permutation(len(residual))[:EVIDENCE_ROWS]
    return Evidence(
        spectrum=messages.spectrum,
        n_active_components=messages.n_active_components,
        message=table.contributions,
        message_law=law_pair_force(law.rest, table),
        message_position=table.position,
        message_velocity=table.velocity,
        message_properties=table.properties,
        curves=_curves(law.rest, trained, data),
        front=tuple(FrontPoint(s.complexity, s.error, str(s.law), s.law is choice.law) for s in choice.scoreboard),
        residuals=residual[pick] / (size or 1.0),
        observed=run.positions,
        rollout=rolled,
        history=trained.history[:, :3],
    )


def in_units_of(law: ForceLaw, table: MessageTable) -> MessageTable:
    """The table with the law's inferred properties in the place of the network's own."""
    inferred = {f"{name}_j": latent.values[table.sender] for name, latent in law.latent.items()}
    return replace(table, properties={**table.properties, **inferred})


def _curves(law: ForceLaw, trained: TrainedNetwork, data: Split) -> tuple[Curve, ...]:
    """The radial pair force over r, of two particles at rest with typical properties."""
    r, network, fixed, sender = radial_profile(trained, data.train)
    fixed |= {f"{name}_j": float(latent.values[sender]) for name, latent in law.latent.items()}
    line = np.zeros(len(r))
    for term in law.terms:
        if (term.kind, term.direction) == ("pair", "radial"):
            given = {k: c.value for k, c in term.constants.items()} | fixed | {"v_r": 0.0, "v": 0.0}
            names = sorted(term.expression.names)
            line += term.expression.numpy(names)(*(r if n == "r" else np.full(len(r), given[n]) for n in names))
    return (Curve("Pair force along the line of centres", "r", r, network, line, fixed=fixed),)
