"""The records that pass from one stage of a discovery to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gnn_discovery.data.dataset import OrderSelection, Split
from gnn_discovery.distillation import DistillationResult, HamiltonianEnergies
from gnn_discovery.gnn.training import TrainedNetwork
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.messages.gauge import Messages
from gnn_discovery.messages.symmetry import SymmetryDeviations
from gnn_discovery.pipeline.loading import LoadedMotion
from gnn_discovery.report.discovery import GoodnessOfFit
from gnn_discovery.selection.select import Selection
from gnn_discovery.validation.decision import JudgeContext, ValidationResults


@dataclass(frozen=True)
class PreparedMotion:
    """Motion as a law has to explain it, and what the known terms leave of it.

    Attributes:
        dataset: the whole motion, whole runs held apart.
        known_terms: a law with the terms that the config states, or with none.
        residual: the motion without the force of the known terms; the network learns it.
        recording: the runs as they were simulated or read; None where the motion was made by hand.
        order_selection: how the motion told the order of its equation; None where somebody stated it.
    """

    dataset: Split
    known_terms: ForceLaw
    residual: Split
    recording: LoadedMotion | None = None
    order_selection: OrderSelection | None = None


@dataclass(frozen=True)
class MessageReadout:
    """Messages of a network in units of force, and how they change under each transformation.

    Attributes:
        messages: contributions to the force on each receiver, at pairs of the training runs.
        symmetry: change of the pair force under transformations, and when an input is shuffled.
        network: the network that they were read from; None where it is none of ours.
    """

    messages: Messages
    symmetry: SymmetryDeviations
    network: TrainedNetwork | None = None


@dataclass(frozen=True)
class CandidateLaws:
    """Candidate laws from the messages, known terms included.

    Attributes:
        distilled: the laws, best on the messages first, and those of each engine alone where several were asked.
        energies: formulas for the energies of a Hamiltonian network; None of another.
    """

    distilled: DistillationResult
    energies: HamiltonianEnergies | None = None


@dataclass(frozen=True)
class SelectedLaw:
    """The law selected on held-out motion.

    Attributes:
        selection: the law fitted to the training runs, its error, and all laws tried.
        by_engine: the law that each engine alone leads to, where several were asked; None where it leads to none.
        motion: the motion that it was selected on; between coarse frames it follows the paths that the law gives.
    """

    selection: Selection
    by_engine: Mapping[str, ForceLaw | None]
    motion: PreparedMotion


@dataclass(frozen=True)
class Validation:
    """Everything that the verdict follows from.

    Attributes:
        law: the law with its final constants.
        fit: errors of law and network on held-out motion, of what the known terms leave.
        results: comparison with the catalogue, checks of the law, comparison with rivals; None without a term.
        context: errors, noise, checks of the messages and of the search, and what other seeds found.
    """

    law: ForceLaw
    fit: GoodnessOfFit
    results: ValidationResults | None
    context: JudgeContext
