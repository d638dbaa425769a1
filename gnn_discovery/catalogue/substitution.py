"""Substitution: known laws in the place of those components of a law that are not known, ranked by their error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from gnn_discovery.catalogue.catalogue_fit import CatalogueFit
from gnn_discovery.catalogue.equivalence import CatalogueComparison, ComponentMatch, nested
from gnn_discovery.catalogue.force_samples import terms_by_component
from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset, IncrementObservation, subsample_pairs
from gnn_discovery.estimation.residual_weights import ForceScale, force_scale, mean_relative_error
from gnn_discovery.laws.evaluate import predict_with_law
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
    most = criteria.selection.n_catalogue_challengers
    return [_with_fits(law, comparison, chosen) for chosen in islice(choices_of_fits(options, most), most)]


def generalisations(
    law: ForceLaw, comparison: CatalogueComparison, *, criteria: Criteria = DEFAULT_CRITERIA
) -> list[ForceLaw]:
    """Return laws in which a known law that contains the match stands in the place of one component.

    Args:
        law: the law found, each component of which is known.
        comparison: of that law with the catalogue.
        criteria: the largest number of laws; the simplest of each component come first.
    """
    laws = []
    for number, part in enumerate(comparison.components):
        match = part.matches[0]
        wider = [fit for fit in part.nearest if fit.n_free > match.n_free and nested(match, fit)]
        for fit in sorted(wider, key=lambda fit: fit.complexity_key):
            chosen = [fit if k == number else None for k in range(len(comparison.components))]
            laws.append(_with_fits(law, comparison, chosen))
    return laws[: criteria.selection.n_catalogue_challengers]


def _with_fits(law: ForceLaw, comparison: CatalogueComparison, chosen: Sequence[CatalogueFit | None]) -> ForceLaw:
    """Return the law with known laws in the place of components, as laws that the catalogue offered."""
    terms = substitute_known_laws(law, comparison, chosen, keep=True).terms
    terms = tuple(term if term in law.terms else replace(term, engines=(CATALOGUE_ENGINE,)) for term in terms)
    return replace(law, terms=terms)


def rank_known_laws(
    law: ForceLaw,
    comparison: CatalogueComparison,
    data: Dataset,
    scale: ForceScale,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> list[list[CatalogueFit]]:
    """Rank the known laws that may stand in the place of each component, by their error on the motion.

    Of increments, which are mostly kicks, it is their difference from the law found.

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
    if isinstance(data.observation, IncrementObservation):  # few kicks would rank them by chance
        data = replace(data, target=predict_with_law(law, data))
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


def choices_of_fits(options: Sequence[Sequence[CatalogueFit]], ranks: int) -> Iterator[list[CatalogueFit | None]]:
    """Yield which known law stands in the place of each component: the best of each, then others, one at a time.

    Where another law takes the place of one component, the best ones hold those of the rest: a sum in which two
    components are wrong says nothing about either.

    Args:
        options: as `rank_known_laws` returns them; a component without any gets None.
        ranks: number of laws that are tried for each component.
    """
    best = [fits[0] if fits else None for fits in options]
    if any(options):
        yield list(best)
    for rank in range(1, ranks):
        for number, fits in enumerate(options):
            if rank < len(fits):
                yield [fits[rank] if k == number else fit for k, fit in enumerate(best)]


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
