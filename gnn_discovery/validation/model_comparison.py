"""Rivals: every known law in the place of what was found, by how well it predicts motion that it was not fitted to."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gnn_discovery.catalogue.catalogue_fit import CatalogueFit
from gnn_discovery.catalogue.equivalence import CatalogueComparison, ComponentMatch, fit_label, nested
from gnn_discovery.catalogue.force_samples import terms_by_component
from gnn_discovery.data.dataset import Dataset
from gnn_discovery.estimation.refit import refit, subsample_pairs
from gnn_discovery.estimation.residual_weights import ForceScale, force_scale, mean_relative_error, unexplained_fraction
from gnn_discovery.laws.law import ForceLaw, Term
from gnn_discovery.validation.verdict import Check, MeasuredLaw

_RANKED, _REFITTED, _MEASURED = 2_000, 8_000, 100_000
CATALOGUE_ENGINE = "catalogue"
"""Who offered a known law that the search for a law did not."""
_MOST, _OFFERED = 3, 6
_BETTER, _LEVEL, _WORSE = 0.9, 0.99, 1.05


@dataclass(frozen=True)
class ModelComparison:
    """The law found, and the known laws that come nearest to it, all fitted to the same motion.

    Attributes:
        same: the known law that the law found is, where it is one.
        others: the best of the ``count`` that it is not and that do not contain it, the one of the lowest error first.
    """

    law: MeasuredLaw
    matched_law: MeasuredLaw | None
    others: tuple[MeasuredLaw, ...]
    count: int

    @property
    def known(self) -> tuple[MeasuredLaw, ...]:
        """All known laws that were refitted."""
        return self.others if self.matched_law is None else (self.matched_law, *self.others)


def catalogue_challengers(law: ForceLaw, comparison: CatalogueComparison, data: Dataset) -> list[ForceLaw]:
    """Laws in which known ones stand in the place of the part of ``law`` that is not known, with the constants that
    bring them nearest to it; those with the lowest error on the motion of ``data`` first, at most `_OFFERED`."""
    options = _known_law_options(law, comparison, subsample_pairs(data, _RANKED), force_scale(data))
    if not any(options):
        return []
    chosen = ([fits[min(rank, len(fits) - 1)] if fits else None for fits in options] for rank in range(_OFFERED))
    laws = []
    for some in itertools.islice(chosen, max(map(len, options))):
        terms = _substituted_terms(law, comparison, some, keep=True)
        terms = tuple(term if term in law.terms else replace(term, engines=(CATALOGUE_ENGINE,)) for term in terms)
        laws.append(replace(law, terms=terms))
    return laws


def compare_models(
    law: ForceLaw, comparison: CatalogueComparison, data: Dataset, test: Dataset, extreme: Dataset | None
) -> ModelComparison:
    """Puts known laws in the place of the part of ``law`` that is not known, or of all where all is.

    Each, with the constants that bring it nearest to the law found, is held against the motion of ``data``. The best
    few of them are refitted to it, and then measured on ``test`` and ``extreme``, as ``law`` is.
    """
    scale, few = force_scale(data), subsample_pairs(data, _REFITTED)
    parts = (subsample_pairs(test, _MEASURED), None if extreme is None else subsample_pairs(extreme, _MEASURED))
    options = _known_law_options(law, comparison, subsample_pairs(data, _RANKED), scale)
    found = []
    for rank in range(min(_MOST, max(map(len, options)))):
        chosen = [fits[min(rank, len(fits) - 1)] if fits else None for fits in options]
        other = replace(law, terms=_substituted_terms(law, comparison, chosen))
        if not other.discovered_terms.terms:
            break
        names = {name for term in other.terms for name in term.expression.names}
        latent = [name for name in law.latent if {f"{name}_i", f"{name}_j"} & names]
        fitted = refit(other, few, latent=latent, scale=scale, starts=2, entries=_REFITTED, errors=False).law
        name = " + ".join(dict.fromkeys(fit_label(fit) for fit in chosen if fit is not None))
        found.append(_measure(name, fitted, parts, scale))
    same = found.pop(0) if comparison.matched else None
    others = sorted(found, key=lambda m: np.inf if m.relative[0] is None else m.relative[0])
    return ModelComparison(_measure("the law found", law, parts, scale), same, tuple(others), sum(map(len, options)))


def indistinguishable_laws(trial: ModelComparison) -> tuple[str, ...]:
    """The known laws that follow held-out motion as well as the law found, though they are others: with noise, a wrong
    one may do so even if it differs by more than the errors of the constants."""
    own = trial.law.relative[0]
    if own is None or own > _BETTER:  # held against other motion than it was found in
        return ()
    return tuple(other.name for other in trial.others if own > _LEVEL * (other.relative[0] or 0.0))


def check_better_than_known_laws(trial: ModelComparison) -> Check:
    """Whether the law follows the motion better than every known law that it is not, and no worse at the extremes."""
    name = "better than every known law" if trial.matched_law is None else "better than every other known law"
    if not trial.others:
        return Check(name, True, None, "no known law has this kind and direction")
    law, best = trial.law.relative, trial.others[0].relative
    if law[0] is None or best[0] is None:
        return Check(name, None, None, "not measured on held-out motion")
    ratio, detail = law[0] / max(best[0], 1e-300), f"mean relative error {law[0]:.2g}"
    detail += f"; the best of {trial.count} known laws, {trial.others[0].name}, refitted: {best[0]:.2g}"
    passed = ratio < _BETTER
    if law[1] is not None:
        outside = min(other.relative[1] or 0.0 for other in trial.others)
        detail += f"; outside the range of training {law[1]:.2g}, known laws {outside:.2g} at best"
        passed = passed and law[1] <= _WORSE * outside
    return Check(name, bool(passed), float(ratio), detail)


def _known_law_options(
    law: ForceLaw, comparison: CatalogueComparison, data: Dataset, scale: ForceScale
) -> list[list[CatalogueFit]]:
    """For each channel the known laws to be put there, by their error on ``data``; none where what is there stays."""
    options: list[list[CatalogueFit]] = []
    for number, part in enumerate(comparison.channels):
        if part.matches and not comparison.matched:
            options.append([])
            continue

        def error(fit: CatalogueFit, number: int = number) -> float:
            alone = [fit if k == number else None for k in range(len(comparison.channels))]
            return mean_relative_error(
                replace(law, terms=_substituted_terms(law, comparison, alone, keep=True)), data, scale
            )

        unlike = [fit for fit in part.nearest if not (comparison.matched and _contains_match(part, fit))]
        options.append([*part.matches[:1], *sorted(unlike, key=error)])
    return options


def _contains_match(part: ComponentMatch, fit: CatalogueFit) -> bool:
    """Whether the fit is the same as what is known there, or contains it: such a law follows whatever that does."""
    return fit.deviation <= part.tolerance or nested(part.matches[0], fit)


def _substituted_terms(
    law: ForceLaw, comparison: CatalogueComparison, chosen: Sequence[CatalogueFit | None], *, keep: bool = False
) -> tuple[Term, ...]:
    """The terms of ``law`` with those of ``chosen`` in their place; where there are none, those that are known stay,
    or all that are there (``keep``)."""
    terms = list(law.known_terms.terms)
    for part, fit, ((key, centre), old) in zip(
        comparison.channels, chosen, terms_by_component(law).items(), strict=True
    ):
        if fit is not None:
            terms += [f.term(key, constants, centre) for f, constants in zip(fit.forms, fit.constants, strict=True)]
        elif keep or part.matches:
            terms += old
    return tuple(terms)


def _measure(name: str, law: ForceLaw, parts: Sequence[Dataset | None], scale: ForceScale) -> MeasuredLaw:
    there = [part if part is not None and part.target_mask.any() else None for part in parts]
    error = [None if part is None else unexplained_fraction(law, part) for part in there]
    relative = [None if part is None else mean_relative_error(law, part, scale) for part in there]
    return MeasuredLaw(name, (error[0], error[1]), (relative[0], relative[1]))
