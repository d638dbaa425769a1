"""Substitution: known laws in the place of those components of a law that are not known, ranked by their error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from gnn_discovery.catalogue.catalogue_fit import CatalogueFit
from gnn_discovery.catalogue.equivalence import CatalogueComparison, ComponentMatch, nested
from gnn_discovery.catalogue.force_samples import terms_by_component
from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset, subsample_pairs
from gnn_discovery.estimation.residual_weights import ForceScale, force_scale, mean_relative_error
from gnn_discovery.laws.law import ForceLaw

CATALOGUE_ENGINE = "catalogue"
"""Name that stands in the place of an engine in a term that the catalogue offered."""


def catalogue_challengers(
    law: ForceLaw, comparison: CatalogueComparison, data: Dataset, *, criteria: Criteria = DEFAULT_CRITERIA
) -> list[ForceLaw]:
    """Return laws in which known ones stand in the place of those components of ``law`` that are not known.

    Their constants are those that bring them nearest to the law found.

    Args:
        law: the law found.
        comparison: of that law with the catalogue.
        data: the motion by which the laws are ranked.
        criteria: the largest number of challengers.

    Returns:
        Laws with the smallest mean relative error on the data first.
    """
    options = rank_known_laws(law, comparison, data, force_scale(data, criteria=criteria), criteria=criteria)
    if not any(options):
        return []
    ranks = range(criteria.selection.n_catalogue_challengers)
    laws = []
    for rank in islice(ranks, max(map(len, options))):
        terms = substitute_known_laws(law, comparison, fits_of_rank(options, rank), keep=True).terms
        terms = tuple(term if term in law.terms else replace(term, engines=(CATALOGUE_ENGINE,)) for term in terms)
        laws.append(replace(law, terms=terms))
    return laws


def rank_known_laws(
    law: ForceLaw,
    comparison: CatalogueComparison,
    data: Dataset,
    scale: ForceScale,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> list[list[CatalogueFit]]:
    """Rank the known laws that may stand in the place of each component, by their error on the motion.

    Args:
        law: the law found.
        comparison: of that law with the catalogue.
        data: the motion.
        scale: (N,) force scale of each particle.
        criteria: the number of pairs that are enough.

    Returns:
        For each component the match, if any, and the others from the smallest error on; none for a component that is
        known where another one is not. Laws that contain the match are left out where all components are known.
    """
    data = subsample_pairs(data, criteria.verdict.max_ranking_pairs, criteria=criteria)
    options: list[list[CatalogueFit]] = []
    for number, part in enumerate(comparison.components):
        if part.matches and not comparison.matched:
            options.append([])
            continue

        def error(fit: CatalogueFit, number: int = number) -> float:
            alone = [fit if k == number else None for k in range(len(comparison.components))]
            return mean_relative_error(substitute_known_laws(law, comparison, alone, keep=True), data, scale)

        unlike = [fit for fit in part.nearest if not (comparison.matched and _contains_match(part, fit))]
        options.append([*part.matches[:1], *sorted(unlike, key=error)])
    return options


def fits_of_rank(options: Sequence[Sequence[CatalogueFit]], rank: int) -> list[CatalogueFit | None]:
    """Return the fit of a rank for each component: the last where there are fewer, None where there is none.

    Args:
        options: as `rank_known_laws` returns them.
        rank: counted from zero.
    """
    return [fits[min(rank, len(fits) - 1)] if fits else None for fits in options]


def substitute_known_laws(
    law: ForceLaw, comparison: CatalogueComparison, chosen: Sequence[CatalogueFit | None], *, keep: bool = False
) -> ForceLaw:
    """Return ``law`` with known laws in the place of its components; terms that the user stated stay.

    Args:
        law: the law found.
        comparison: of that law with the catalogue.
        chosen: the known law for each component, None for none.
        keep: components for which none is chosen stay; by default only those that are known do.
    """
    terms = list(law.known_terms.terms)
    components = terms_by_component(law).items()
    for part, fit, ((key, centre), old) in zip(comparison.components, chosen, components, strict=True):
        if fit is not None:
            terms += [f.as_term(key, constants, centre) for f, constants in zip(fit.forms, fit.constants, strict=True)]
        elif keep or part.matches:
            terms += old
    return replace(law, terms=tuple(terms))


def _contains_match(part: ComponentMatch, fit: CatalogueFit) -> bool:
    """Tell whether the fit is the same as the match, or contains it: such a law follows whatever the match does."""
    return fit.deviation <= part.tolerance or nested(part.matches[0], fit)
