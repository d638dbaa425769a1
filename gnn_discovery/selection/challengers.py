"""Challengers from the catalogue: a search may miss a law, and a new law has to be better than those that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gnn_discovery.catalogue.equivalence import compare_with_catalogue
from gnn_discovery.catalogue.substitution import catalogue_challengers, generalisations
from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import IncrementObservation, Split
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.selection.select import Selection, select_law
from gnn_discovery.selection.simplification import signature


def select_with_catalogue(
    first: Selection, fitted: Split, *, latent: Sequence[str] = (), seed: int = 0, criteria: Criteria = DEFAULT_CRITERIA
) -> Selection:
    """Select again with the nearest known laws beside the selected one, where it left something unexplained.

    Nothing changes where the law is exact on held-out motion. Where it is itself a known law, known laws that contain
    it take part like any candidate: a softening is seen only by a law that has one; under kicks, which hide much, all
    known laws that are near. Where the null law was selected, those nearest to the best other law take part so.

    Args:
        first: the selection among the candidates of the search.
        fitted: the motion that laws are fitted to and selected on, in weak form where it has one.
        latent: names of the properties to infer.
        seed: draws the subsets that laws are tried on.
        criteria: the numbers that decide.

    Returns:
        The new selection, whose scoreboard holds the laws of both; or ``first`` itself.
    """
    exact = criteria.selection.exact_fit_error
    law = first.law
    if first.error < exact:
        return first
    if not law.terms:
        tried = [scored for scored in first.scoreboard if scored.law.discovered_terms.terms]
        if not tried:
            return first
        law = min(tried, key=lambda scored: scored.cost(criteria)).law
    comparison = compare_with_catalogue(law, fitted.train, criteria=criteria)
    is_known = bool(first.law.terms) and all(
        part.matches and part.matches[0].deviation < exact for part in comparison.components
    )
    known = generalisations(law, comparison, criteria=criteria) if is_known else []
    if not is_known or isinstance(fitted.train.observation, IncrementObservation):
        known += catalogue_challengers(law, comparison, fitted.train, criteria=criteria)
    if not known:
        return first

    def select(laws: Sequence[ForceLaw], incumbents: Sequence[ForceLaw] = ()) -> Selection:
        return select_law(
            laws,
            fitted.train,
            fitted.valid,
            incumbents=incumbents,
            latent=latent,
            seed=seed,
            criteria=criteria,
        )

    again = select([law], known) if first.law.terms and not is_known else select([law, *known])
    if len(again.law.terms) > 1:  # a sum may have more terms than are needed
        again = select([again.law])
    board = {signature(scored.law): scored for scored in (*first.scoreboard, *again.scoreboard)}
    return replace(again, scoreboard=tuple(sorted(board.values(), key=lambda s: (s.complexity, s.error))))
