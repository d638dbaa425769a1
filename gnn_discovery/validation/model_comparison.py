"""Model comparison: known laws, refitted in the place of the law found, on motion that none of them was fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from gnn_discovery.catalogue.equivalence import CatalogueComparison, fit_label
from gnn_discovery.catalogue.substitution import choices_of_fits, rank_known_laws, substitute_known_laws
from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset, IncrementObservation, explained_square, subsample_pairs
from gnn_discovery.estimation.compressed_problem import mean_squares_under_kicks
from gnn_discovery.estimation.refit import refit
from gnn_discovery.estimation.residual_weights import ForceScale, force_scale, mean_relative_error, unexplained_fraction
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.validation.verdict import Check, CheckId, MeasuredLaw


@dataclass(frozen=True)
class ModelComparison:
    """The law found and the known laws that come nearest to it, all fitted to the same motion.

    Attributes:
        law: the law found.
        matched_law: the known law that it is, None where it is none.
        others: the best of the known laws that it is not and that do not contain the match, the one of the lowest error
            first.
        count: number of the known laws that were ranked.
    """

    law: MeasuredLaw
    matched_law: MeasuredLaw | None
    others: tuple[MeasuredLaw, ...]
    count: int

    @property
    def known(self) -> tuple[MeasuredLaw, ...]:
        """Return all known laws that were refitted."""
        return self.others if self.matched_law is None else (self.matched_law, *self.others)


def compare_models(
    law: ForceLaw,
    comparison: CatalogueComparison,
    data: Dataset,
    test: Dataset,
    extreme: Dataset | None,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> ModelComparison:
    """Compare the law found with known laws in the place of its unknown components, or of all where all are known.

    Known laws, with the constants that bring them nearest to the law found, are ranked on the motion of ``data``. The
    best few of them are refitted to it, and then measured like the law itself.

    Args:
        law: the law found, fitted to ``data``.
        comparison: of that law with the catalogue.
        data: the motion that laws are fitted to.
        test: motion that no law was fitted to.
        extreme: the same, outside the range of ``data``; None where there is none.
        criteria: the numbers of laws and of pairs.
    """
    numbers = criteria.verdict

    def subsampled(part: Dataset, max_pairs: int) -> Dataset:
        return subsample_pairs(part, max_pairs, criteria=criteria)

    kicked, scale = isinstance(data.observation, IncrementObservation), force_scale(data, criteria=criteria)
    few = data if kicked else subsampled(data, numbers.max_refit_pairs)
    most = numbers.max_measurement_pairs
    parts = (subsampled(test, most), None if extreme is None else subsampled(extreme, most))
    options = rank_known_laws(law, comparison, data, scale, criteria=criteria)

    def measure(laws: Sequence[tuple[str, ForceLaw]]) -> list[MeasuredLaw]:
        if kicked:
            return _measure_under_kicks(laws, data, criteria)
        return [_measure(name, each, parts, scale) for name, each in laws]

    found: list[tuple[str, ForceLaw]] = []
    for chosen in choices_of_fits(options, numbers.n_refitted_known_laws):
        other = substitute_known_laws(law, comparison, chosen)
        if not other.discovered_terms.terms:
            break
        names = {name for term in other.terms for name in term.expression.names}
        latent = [name for name in law.latent if {f"{name}_i", f"{name}_j"} & names]
        fitted = refit(
            other,
            few,
            latent=latent,
            scale=scale,
            n_starts=2,
            max_pairs=numbers.max_refit_pairs,
            with_errors=False,
            criteria=criteria,
        ).law
        name = " + ".join(dict.fromkeys(fit_label(fit) for fit in chosen if fit is not None))
        found.append((name, fitted))
    measured, *known = measure([("the law found", law), *found])
    matched_law = known.pop(0) if comparison.matched else None
    others = sorted(known, key=lambda m: np.inf if m.relative[0] is None else m.relative[0])
    return ModelComparison(measured, matched_law, tuple(others), sum(map(len, options)))


def indistinguishable_laws(comparison: ModelComparison, *, criteria: Criteria = DEFAULT_CRITERIA) -> tuple[str, ...]:
    """Return the known laws that follow held-out motion as well as the law found, though they are others.

    With noise, a wrong law may do so even if it differs by more than the errors of the constants. There are none where
    the law does not follow the motion at all, as where it is held against other motion than it was found in.

    Args:
        comparison: of the law with known laws.
        criteria: the numbers that decide.
    """
    numbers, error = criteria.verdict, comparison.law.relative[0]
    if error is None or error > numbers.max_error_over_known_laws:
        return ()
    ratio = numbers.indistinguishable_error_ratio
    return tuple(other.name for other in comparison.others if error > ratio * (other.relative[0] or 0.0))


def check_better_than_known_laws(comparison: ModelComparison, *, criteria: Criteria = DEFAULT_CRITERIA) -> Check:
    """Check that the law follows the motion better than every known law that it is not, and no worse at the extremes.

    Args:
        comparison: of the law with known laws.
        criteria: the numbers that decide.

    Returns:
        A check whose figure is the mean relative error of the law over that of the best known law.
    """
    numbers = criteria.verdict
    label = "better than every known law" if comparison.matched_law is None else "better than every other known law"
    check = partial(Check, CheckId.BETTER_THAN_KNOWN_LAWS, "blocks_candidate", label)
    if not comparison.others:
        return check(True, None, "no known law has this kind and direction")
    law, best = comparison.law.relative, comparison.others[0].relative
    if law[0] is None or best[0] is None:
        return check(None, None, "the errors on held-out motion were not measured")
    ratio = law[0] / max(best[0], 1e-300)
    detail = f"the mean relative error is {law[0]:.2g}, that of the best of {comparison.count} known laws, "
    detail += f"{comparison.others[0].name}, refitted, {best[0]:.2g}"
    passed = ratio < numbers.max_error_over_known_laws
    if law[1] is not None:
        outside = min(other.relative[1] or 0.0 for other in comparison.others)
        detail += f"; outside the range of training it is {law[1]:.2g}, that of known laws {outside:.2g} at best"
        passed = passed and law[1] <= numbers.max_extrapolation_error_over_known_laws * outside
    return check(bool(passed), float(ratio), detail)


def _measure(name: str, law: ForceLaw, parts: Sequence[Dataset | None], scale: ForceScale) -> MeasuredLaw:
    measurable = [part if part is not None and part.target_mask.any() else None for part in parts]
    error = [None if part is None else unexplained_fraction(law, part) for part in measurable]
    relative = [None if part is None else mean_relative_error(law, part, scale) for part in measurable]
    return MeasuredLaw(name, (error[0], error[1]), (relative[0], relative[1]))


def _measure_under_kicks(laws: Sequence[tuple[str, ForceLaw]], data: Dataset, criteria: Criteria) -> list[MeasuredLaw]:
    """Return the laws with their errors of the force beyond the best of them, on the increments they are fitted to.

    Kicks hide the error of any one law, not differences of errors. With n coordinates, the mean square F^2 of the force
    that a library sees, and the variance s^2 of the kicks, laws whose log likelihoods differ by half of ln n are not
    told apart (Schwarz's criterion for one constant): errors below sqrt(ln n / n) s / F are equal to it.
    """
    squares = np.array([_mean_square(law, data, criteria) for _, law in laws])
    assert isinstance(data.observation, IncrementObservation)
    count = data.dim * np.count_nonzero(data.target_mask) / data.observation.overlap
    force = max(explained_square(data, criteria=criteria)[0], np.finfo(float).tiny) / np.mean(data.target_variance)
    errors = np.sqrt(np.maximum(squares - squares.min(), np.log(count) / count) / force)
    few = subsample_pairs(data, criteria.verdict.max_refit_pairs, criteria=criteria)
    unexplained = [unexplained_fraction(law, few) for _, law in laws]
    return [
        MeasuredLaw(name, (whole, None), (float(error), None))
        for (name, _), whole, error in zip(laws, unexplained, errors, strict=True)
    ]


def _mean_square(law: ForceLaw, data: Dataset, criteria: Criteria) -> float:
    """Return the mean square of the residuals over what kicks make of it."""
    squares = mean_squares_under_kicks(law, data, criteria=criteria)
    if squares is None:
        return mean_relative_error(law, data, force_scale(data, criteria=criteria))
    run = np.unique(data.run, return_inverse=True)[1]
    return float(np.average(squares, weights=np.bincount(run, np.count_nonzero(data.target_mask, axis=1))))
