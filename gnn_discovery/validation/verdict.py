"""Check and Verdict: the records that say what was tested, what it showed, and what may be concluded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

ErrorPair = tuple[float | None, float | None]
"""An error in and out of distribution; None where it was not measured."""

CheckRole = Literal["refutes", "blocks_candidate", "informative"]
"""The effect of a check that fails: ``refutes`` forbids every confident verdict, ``blocks_candidate`` forbids to call
an unknown law a candidate, ``informative`` decides nothing."""


class CheckId(StrEnum):
    """The identity of a check, on which decisions rest; its label is for readers alone."""

    EXPLAINS_MOTION = "explains_motion"
    ORDER = "order"
    STEP = "step"
    NOTHING_LEFT_FOR_NETWORK = "nothing_left_for_network"
    PAIRWISE_ADDITIVITY = "pairwise_additivity"
    NO_WORSE_THAN_NETWORK = "no_worse_than_network"
    BETTER_THAN_KNOWN_LAWS = "better_than_known_laws"
    CATALOGUE_MATCH = "catalogue_match"
    NETWORK_FOLLOWS_LAW = "network_follows_law"
    CONSTANTS_DETERMINED = "constants_determined"
    RESAMPLING_STABILITY = "resampling_stability"
    SEARCH_REPLICATION = "search_replication"
    ENGINE_AGREEMENT = "engine_agreement"
    DIMENSIONS = "dimensions"
    TRANSLATION = "translation"
    ROTATION = "rotation"
    REFLECTION = "reflection"
    GALILEAN_INVARIANCE = "galilean_invariance"
    RECIPROCITY = "reciprocity"
    MOMENTUM = "momentum"
    ANGULAR_MOMENTUM = "angular_momentum"
    ENERGY = "energy"
    MESSAGE_SYMMETRY = "message_symmetry"
    MESSAGE_DEPENDENCE = "message_dependence"
    MESSAGE_ADDITIVITY = "message_additivity"
    GAUGE_AGREEMENT = "gauge_agreement"


LAW_PROPERTIES = frozenset(
    {
        *(CheckId.TRANSLATION, CheckId.ROTATION, CheckId.REFLECTION, CheckId.GALILEAN_INVARIANCE),
        *(CheckId.RECIPROCITY, CheckId.MOMENTUM, CheckId.ANGULAR_MOMENTUM, CheckId.ENERGY),
    }
)
"""Checks of symmetries and conservation laws: one that fails says what kind of law it is, and nothing against it."""


@dataclass(frozen=True)
class Check:
    """One test of a law or of a network.

    Attributes:
        id: the test that was made; several checks may share one, as those of each gauge do.
        role: the effect on the verdict where the test fails.
        label: the name for readers. Nothing is decided by it.
        passed: the outcome, None where the test could not be made.
        figure: the measured number, None where there is none.
        detail: what was measured, in words.
    """

    id: CheckId
    role: CheckRole
    label: str
    passed: bool | None
    figure: float | None
    detail: str

    @property
    def is_law_property(self) -> bool:
        """Tell whether the check says what kind of law it is (a symmetry, a conservation law)."""
        return self.id in LAW_PROPERTIES


@dataclass(frozen=True)
class MeasuredLaw:
    """A law by name, with its errors on motion that it was not fitted to.

    Attributes:
        name: of the law, for readers.
        error: sum|residual| / sum|target|, as in `report.discovery.GoodnessOfFit`.
        relative: mean of |residual| / (scale + |target|), which no single close encounter decides; of increments, the
            error of the force beyond the best of the laws compared, on the motion that they are fitted to.
    """

    name: str
    error: ErrorPair
    relative: ErrorPair


@dataclass(frozen=True)
class Verdict:
    """The conclusion about a law.

    Attributes:
        status: ``known``, ``candidate`` or ``inconclusive``.
        match: the known law, or the sum of known laws, that the law is.
        alternatives: other known laws that the data cannot tell from the match.
        reason: a sentence that says why.
        checks: all tests that were made.
    """

    status: Literal["known", "candidate", "inconclusive"]
    match: str | None
    alternatives: tuple[str, ...]
    reason: str
    checks: tuple[Check, ...]

    def __str__(self) -> str:
        return f"{self.status}: {self.reason}"
