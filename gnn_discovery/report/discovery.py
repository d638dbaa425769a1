"""Define `Discovery`, the whole result of one run, as it is written to discovery.json and drawn in the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.types import Direction, Kind
from gnn_discovery.validation.verdict import MeasuredLaw, Verdict


@dataclass(frozen=True)
class GoodnessOfFit:
    """A frozen record of how well law and network predict held-out motion.

    Each pair is (in distribution, out of distribution), None where there is no such motion.

    Attributes:
        r2: R² of the law's prediction of the target, 1 - SSE/SST over all rows.
        r2_trimmed: the same without the `VerdictCriteria.trimmed_fraction` of the rows with the largest residuals.
        network_error: error of the network, sum|residual| / sum|target|.
        law_error: error of the law, sum|residual| / sum|target|.

    Of increments, both errors are the root mean square of the force that a library still sees in all runs when the
    prediction is subtracted, over that of the force which it sees in the increments; where known errors of position
    account for what is left, over that of the prediction.
    """

    r2: tuple[float | None, float | None]
    r2_trimmed: tuple[float | None, float | None]
    network_error: tuple[float | None, float | None]
    law_error: tuple[float | None, float | None]


@dataclass(frozen=True)
class MessageSummary:
    """A frozen record of what was read from the messages of the network, and of how it led to the law.

    Attributes:
        n_active_components: number of message components with a share in the variance of the messages; the key in
            JSON is ``components_alive``.
        gauge: name of the gauge in which the contributions were read.
        additivity_error: part of the observed force that the sums of the contributions miss (median, relative); the
            key in JSON is ``additivity``.
        law_from_messages_alone: the first candidate of the search, before it was refitted to the motion.
        engines: outcome of each symbolic engine, in words.
        law_offered_by: engines that offered the formulas of the law; None where nobody did.
        gauge_differences: median relative difference of every other gauge, by its name; the keys in JSON are
            ``gauge_difference_NAME``.
        energies: energies of a Hamiltonian network as text, by the names ``pair_energy`` and ``self_energy``; empty for
            other networks.
        direct_r2: R² of the network's pair force against the true one, with nothing fitted: (worst rows left out, all
            kept). None where the truth is not known; the report alone fills it in. The keys in JSON are
            ``direct_r2_trimmed`` and ``direct_r2_all``.
    """

    n_active_components: int
    gauge: str
    additivity_error: float
    law_from_messages_alone: str
    engines: str
    law_offered_by: str | None = None
    gauge_differences: Mapping[str, float] = field(default_factory=dict)
    energies: Mapping[str, str | None] = field(default_factory=dict)
    direct_r2: tuple[float | None, float | None] | None = None

    def to_json(self) -> dict[str, float | str | None]:
        """Return the figures by their keys in discovery.json; a figure that was not asked for has no key."""
        figures: dict[str, float | str | None] = {
            "components_alive": self.n_active_components,
            "gauge": self.gauge,
            "additivity": self.additivity_error,
            "law_from_messages_alone": self.law_from_messages_alone,
            "engines": self.engines,
            "law_offered_by": self.law_offered_by,
            **{f"gauge_difference_{name}": value for name, value in self.gauge_differences.items()},
            **self.energies,
        }
        if self.direct_r2 is not None:
            figures["direct_r2_trimmed"], figures["direct_r2_all"] = self.direct_r2
        return figures


@dataclass(frozen=True)
class FrontPoint:
    """One candidate law on the Pareto front of complexity and error.

    Attributes:
        complexity: number of nodes of its formulas.
        error: error on held-out runs.
        text: the law in text.
        chosen: True for the law that was selected.
    """

    complexity: int
    error: float
    text: str
    chosen: bool


@dataclass(frozen=True)
class Curve:
    """One scalar of the law over one variable: K points read from the network, and the line of the law.

    Attributes:
        title: the name of the figure.
        variable: name of the variable along the axis.
        x: (K,) values of the variable.
        network, law: (K,) values of the scalar.
        truth: (K,) true values; the report alone fills them in, from the simulator, after the verdict stands.
        kind, direction: the terms of the law that the scalar sums.
        fixed: values at which all other variables are held (``m_i``: 1, ...).
    """

    title: str
    variable: str
    x: Float[np.ndarray, " K"]
    network: Float[np.ndarray, " K"]
    law: Float[np.ndarray, " K"]
    truth: Float[np.ndarray, " K"] | None = None
    kind: Kind = "pair"
    direction: Direction = "radial"
    fixed: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """A frozen record of the arrays that the figures of the report are drawn from.

    Attributes:
        spectrum: (M,) share of each message component in the variance of the messages, descending.
        n_active_components: number of components that carry the messages, the first ones of the spectrum.
        message: (K D) pair forces read from the network.
        message_law: (K D) pair forces of the law for the same pairs.
        curves: network and law over the distance.
        front: the candidates.
        residuals: (Q,) residuals of the law on held-out data, relative to the median |target|.
        observed: (T N D) positions of a held-out run.
        rollout: (T' N D) positions under the law from the same start; T' <= T, it ends where the motion diverges.
        history: (L 3) rows of (step, training loss, validation loss).
        realisations: (R T' N D) positions under the law and its kicks from the same start; None without kicks.
        message_truth: (K D) true pair forces; the report alone fills them in.
        message_position, message_velocity: (K D) x_i - x_j and v_i - v_j of the pairs, for the true pair force.
        message_properties: (K,) properties of the pairs by name with suffix, ``m_i``, ``m_j``, ..., as in
            `MessageTable`.
    """

    spectrum: Float[np.ndarray, " M"]
    n_active_components: int
    message: Float[np.ndarray, "K D"]
    message_law: Float[np.ndarray, "K D"]
    curves: tuple[Curve, ...]
    front: tuple[FrontPoint, ...]
    residuals: Float[np.ndarray, " Q"]
    observed: Float[np.ndarray, "T N D"]
    rollout: Float[np.ndarray, "_ N D"]
    history: Float[np.ndarray, "L 3"]
    realisations: Float[np.ndarray, "R _ N D"] | None = None
    message_truth: Float[np.ndarray, "K D"] | None = None
    message_position: Float[np.ndarray, "K D"] | None = None
    message_velocity: Float[np.ndarray, "K D"] | None = None
    message_properties: Mapping[str, Float[np.ndarray, " K"]] = field(default_factory=dict)


@dataclass(frozen=True)
class Discovery:
    """The law, the verdict on it, and the evidence.

    Attributes:
        source: name of the motion.
        law: the law that was found, its known terms included.
        verdict: the conclusion about it, with all checks.
        fit: errors of law and network on held-out motion.
        particles: names of the N particles, empty where they have none.
        assumptions: sentences that say what was assumed and not tested.
        messages: figures read from the messages; None where no network was trained.
        seconds: time spent in each stage, by its name.
        seed: seed of every random choice.
        versions: versions of the packages, by name.
        data_sha256: fingerprint of the motion.
        evidence: arrays that the figures are drawn from; None where there is nothing to draw.
        command: the command line that repeats the discovery, where there was one.
        known_laws: laws of the catalogue that come nearest, refitted to the training runs and measured on motion that
            neither they nor the law were fitted to.
        reference: accepted values (N,) of inferred properties, by name; like the truth of a simulator they are filled
            in by the report alone.
        criteria: the numbers that decided.
    """

    source: str
    law: ForceLaw
    verdict: Verdict
    fit: GoodnessOfFit
    particles: tuple[str, ...]
    assumptions: tuple[str, ...]
    messages: MessageSummary | None
    seconds: Mapping[str, float]
    seed: int
    versions: Mapping[str, str]
    data_sha256: str
    evidence: Evidence | None = field(default=None, repr=False)
    command: str | None = None
    known_laws: tuple[MeasuredLaw, ...] = ()
    reference: Mapping[str, Float[np.ndarray, " N"]] = field(default_factory=dict)
    criteria: Criteria = field(default=DEFAULT_CRITERIA, repr=False)
