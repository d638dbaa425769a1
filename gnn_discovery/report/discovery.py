"""Discovery: the whole result of one run, as it is written to discovery.json and drawn in the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.types import Direction, Kind
from gnn_discovery.validation.verdict import MeasuredLaw, Verdict


@dataclass(frozen=True)
class GoodnessOfFit:
    """How well law and network predict held-out motion; each error is sum|residual| / sum|target|.

    ``r2`` and ``r2_trimmed`` are of the law's prediction of the target, all kept / worst tenth left out.
    The pairs are (in distribution, out of distribution); None where there is no such data.
    """

    r2: tuple[float | None, float | None]
    r2_trimmed: tuple[float | None, float | None]
    network_error: tuple[float | None, float | None]
    law_error: tuple[float | None, float | None]


@dataclass(frozen=True)
class FrontPoint:
    """One candidate law on the Pareto front: complexity, error on held-out runs, the law in text."""

    complexity: int
    error: float
    text: str
    chosen: bool


@dataclass(frozen=True)
class Curve:
    """One scalar of the law over one variable: points read from the network, and the law's line.

    ``kind`` and ``direction`` say which terms of the law the scalar adds up; ``fixed`` holds every other
    variable at one number (``m_i``: 1, ...). ``truth`` is filled in by the report alone, from the
    simulator, after the verdict stands.
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
    """What the figures of the report are drawn from.

    Attributes:
        spectrum: (M,) share of the variance of each message component, descending; ``n_active_components`` of them count.
        message: (K D) contributions read from the network, and ``message_law`` (K D) the law's for the same
            pairs; ``message_truth`` (K D) the true force, filled in by the report alone.
        message_position, message_velocity: x_i - x_j and v_i - v_j of those pairs (K D), and
            ``message_properties`` by name with suffix, ``m_i``, ``m_j``, ... (K,), as in ``MessageTable``:
            what the true force is computed from.
        curves: law against network over r, and over other variables.
        front: the candidates.
        residuals: (Q,) of the law on held-out data, relative to the median |target|.
        observed: (T N D) a held-out run.
        rolled: (T' N D) the law's motion from the same start; T' <= T, it ends where the motion diverges.
        history: (step, training loss, held-out loss) rows (L 3).
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
    message_truth: Float[np.ndarray, "K D"] | None = None
    message_position: Float[np.ndarray, "K D"] | None = None
    message_velocity: Float[np.ndarray, "K D"] | None = None
    message_properties: Mapping[str, Float[np.ndarray, " K"]] = field(default_factory=dict)


@dataclass(frozen=True)
class Discovery:
    """The law, the verdict on it, and the evidence.

    ``assumptions`` are sentences: what was assumed and not tested. ``messages`` are figures read from the
    messages (gauge agreement, additivity, recovered before the refit, found without a network, direct R2
    ...) by name. ``known_laws`` are those of the catalogue that come nearest, refitted to the training runs and
    measured on motion that neither they nor the law were fitted to. ``command`` is the line that makes it again,
    where there was one. ``reference`` holds accepted values (N,) of inferred properties by name; like the truth of a
    simulator it is filled in by the report alone.
    """

    source: str
    law: ForceLaw
    verdict: Verdict
    fit: GoodnessOfFit
    particles: tuple[str, ...]
    assumptions: tuple[str, ...]
    messages: Mapping[str, float | bool | str | None]
    seconds: Mapping[str, float]
    seed: int
    versions: Mapping[str, str]
    data_sha256: str
    evidence: Evidence | None = field(default=None, repr=False)
    command: str | None = None
    known_laws: tuple[MeasuredLaw, ...] = ()
    reference: Mapping[str, Float[np.ndarray, " N"]] = field(default_factory=dict)
