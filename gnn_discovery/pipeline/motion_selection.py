"""The selection of a law on the motion: among candidates, and with the known laws."""

from __future__ import annotations

from collections.abc import Sequence

from gnn_discovery.data.dataset import Split
from gnn_discovery.estimation.latent_properties import inferable_properties
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.pipeline.session import Session
from gnn_discovery.selection.challengers import select_with_catalogue
from gnn_discovery.selection.select import Selection, select_law


def select_on_motion(laws: Sequence[ForceLaw], dataset: Split, session: Session) -> Selection:
    """Refit the laws to the training runs and select one on the held-out runs, without the catalogue.

    Args:
        laws: the candidates.
        dataset: the whole motion; where it has a weak form, that is fitted.
        session: its seed draws the subsets that laws are tried on.
    """
    fitted, latent = dataset.weak_form(), inferable_properties(dataset.train)
    return select_law(
        laws, fitted.train, fitted.valid, latent=latent, seed=session.config.seed, criteria=session.criteria
    )


def select_with_known_laws(laws: Sequence[ForceLaw], dataset: Split, session: Session) -> Selection:
    """Return the law that is selected among the candidates and the known laws.

    Args:
        laws: the candidates.
        dataset: the whole motion; where it has a weak form, that is fitted.
        session: its seed draws the subsets that laws are tried on.
    """
    first = select_on_motion(laws, dataset, session)
    fitted, latent = dataset.weak_form(), inferable_properties(dataset.train)
    return select_with_catalogue(first, fitted, latent=latent, seed=session.config.seed, criteria=session.criteria)
