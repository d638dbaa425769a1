"""Selection of the simplest law that explains held-out motion as well as any other.

Each candidate is refitted on the training runs and scored on held-out runs by

    cost = ln max(e, e_0) + lambda n,

with the mean relative error e on held-out motion, the complexity n of the law, ``selection.complexity_penalty`` lambda
and ``selection.rounding_error_floor`` e_0. From the simplest law upwards, a law replaces the best so far where its cost
is lower and its error is lower on the held-out runs g beyond ``selection.n_sigma`` k standard errors:

    mean_g ln(e'_g / e_g) > k std_g(ln(e'_g / e_g)) / sqrt(G).

This is the rule of one standard error for the choice among models of growing complexity (Breiman, Friedman, Olshen and
Stone, Classification and Regression Trees, 1984), here with pairs of runs and k errors. The ratio, not the difference,
is compared: a run with a close encounter has many times the error of a quiet one. The selection is repeated on
bootstrap resamples of the held-out runs (Efron, Ann. Stat. 7, 1, 1979); the share of resamples that select the same
form is its selection frequency.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset
from gnn_discovery.errors import NoResult
from gnn_discovery.estimation.latent_properties import absorb_degenerate_amplitude, latent_properties_used
from gnn_discovery.estimation.refit import PosteriorSampler, refit
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.selection.paired_comparison import standard_error_of_mean, successive_improvements
from gnn_discovery.selection.simplification import signature, simplification_moves
from gnn_discovery.selection.trials import ScoredLaw, Trials, TriedLaw, trials_of


@dataclass(frozen=True)
class Selection:
    """The selected law and the laws that it was selected from.

    Attributes:
        law: the selected law with error bars.
        error: its mean relative error on held-out motion.
        scoreboard: all laws that were tried, the simplest first.
        selection_frequency: the share of bootstrap resamples of the held-out runs that select the same form.
    """

    law: ForceLaw
    error: float
    scoreboard: tuple[ScoredLaw, ...]
    selection_frequency: float


def select_law(
    candidates: Sequence[ForceLaw],
    train: Dataset,
    valid: Dataset,
    *,
    incumbents: Sequence[ForceLaw] = (),
    latent: Sequence[str] = (),
    seed: int = 0,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> Selection:
    """Refit every candidate, score it on held-out motion, and select the simplest law that no other beats.

    The rule stands at the head of this module. On exact data right forms reach relative errors of 1e-7 and less and
    wrong ones 1e-3 to 1, so that the penalty matters little; with noise, a penalty of 0.02 asks a further constant
    (about four nodes) for 8% of the error.

    Candidates are tried on few snapshots first, the simplest first. The law of the known terms alone always takes part.
    A candidate is left out where it could not win even if it left only ``selection.min_noise_fraction`` of the noise.
    The laws on the Pareto front are tried again in simpler forms (`simplification_moves`), and what is on the front
    then is fitted to more data. Noisy motion in weak form has few independent runs: there the laws on the front are
    scored on every run of both data sets by cross-validation. Increments are mostly kicks: every law is fitted to all
    of both data sets, and scored on them by Schwarz's criterion.

    Args:
        candidates: the laws to select from.
        train: the motion that laws are fitted to.
        valid: the held-out motion.
        incumbents: laws of which one is selected where the best candidate does not beat it beyond the errors.
        latent: names of the properties that are inferred. Then the error of each particle counts by its logarithm,
            since the bodies of one system may be known to very different precision.
        seed: of all random numbers.
        criteria: the criteria of the discovery.

    Raises:
        NoResult: no candidate gives a finite force.
    """
    if not candidates:
        raise NoResult("there is no candidate law to choose from")
    limits = criteria.selection
    trials = trials_of(train, valid, latent=latent, seed=seed, criteria=criteria)
    tried = _try_with_simplifications(candidates, trials)
    held_out = trials.held_out(limits.validation_max_pairs)
    front = _pareto_front(tried.values(), criteria)
    front = [trials.fit(entry.law, limits.final_max_pairs, held_out, 0) for entry in front]
    known = [trials.fit(law, limits.final_max_pairs, held_out, limits.incumbent_starts) for law in incumbents]
    if train.observation.kind == "weak":
        front, known = [trials.cross_validated(e) for e in front], [trials.cross_validated(e) for e in known]
    best = _select_or_keep_incumbent(front, known, criteria)
    used = latent_properties_used(best.law, latent)
    law = refit(best.law, trials.train, latent=used, scale=trials.scale, n_starts=0, seed=seed, criteria=criteria).law
    board = {key: entry.scored for key, entry in tried.items()}
    board |= {signature(entry.law): entry.scored for entry in (*front, *known)}
    error = float(trials.errors(law, held_out).mean())
    board[signature(law)] = ScoredLaw(law, trials.complexity(law), error, trials.n_increments)
    scoreboard = tuple(sorted(board.values(), key=lambda s: (s.complexity, s.error)))
    return Selection(law, error, scoreboard, _selection_frequency(front, known, best, seed, criteria))


def _try_with_simplifications(candidates: Sequence[ForceLaw], trials: Trials) -> dict[tuple[object, ...], TriedLaw]:
    """Try candidates, then simpler forms of the laws on the Pareto front, until nothing new comes; by signature."""
    criteria, limits = trials.criteria, trials.criteria.selection
    held_out = trials.held_out(limits.trial_max_pairs)
    null_law = replace(candidates[0].known_terms, latent={})
    first = [absorb_degenerate_amplitude(law, latent_properties_used(law, trials.latent)) for law in candidates]
    tried: dict[tuple[object, ...], TriedLaw] = {}

    def cannot_win(law: ForceLaw) -> bool:
        """Tell whether a law costs more than another even if it leaves only part of the noise."""
        if trials.n_increments is not None:
            return False
        least = ScoredLaw(law, trials.complexity(law), limits.min_noise_fraction * trials.train.noise).cost(criteria)
        return least > min((entry.cost(criteria) for entry in tried.values()), default=np.inf)

    for step in range(limits.max_simplification_rounds):
        if step:
            front = _pareto_front(tried.values(), criteria)
            fresh = [move for entry in front for move in simplification_moves(entry.law, criteria=criteria)]
        else:
            fresh = [null_law, *first]
        before, n_starts = len(tried), 1 if step else limits.trial_starts
        for law in sorted(fresh, key=trials.complexity):
            if signature(law) not in tried and not cannot_win(law):
                tried[signature(law)] = trials.fit(
                    law, limits.trial_max_pairs, held_out, n_starts, limits.trial_reweighting_rounds
                )
        if len(tried) == before:
            break
        with_terms = [entry for entry in tried.values() if entry.law.terms]
        if with_terms and not any(entry.finite for entry in with_terms):
            raise NoResult(f"none of {len(candidates)} candidate laws gives a finite force on the data")
    return tried


def refit_on_all_data(
    law: ForceLaw,
    data: Dataset,
    *,
    latent: Sequence[str] = (),
    posterior_sampler: PosteriorSampler | None = None,
    seed: int = 0,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> ForceLaw:
    """Return a selected law with its constants fitted to more data, from the values they have.

    Args:
        law: the law.
        data: the motion.
        latent: names of the properties that are inferred, where the law depends on them.
        posterior_sampler: function that gives error bars in the place of the jackknife.
        seed: of all random numbers.
        criteria: the criteria of the discovery.
    """
    used = latent_properties_used(law, latent)
    return refit(
        law, data, latent=used, n_starts=0, posterior_sampler=posterior_sampler, seed=seed, criteria=criteria
    ).law


def _pareto_front(entries: Iterable[TriedLaw], criteria: Criteria) -> list[TriedLaw]:
    """Return the few laws of the lowest cost among those that no simpler one equals, and the simplest of all."""
    limits = criteria.selection
    floor = limits.rounding_error_floor
    front = successive_improvements(
        sorted(entries, key=lambda e: (e.complexity, e.error)),
        lambda entry, last: max(entry.error, floor) < max(last.error, floor),
    )
    kept = sorted(front, key=lambda e: e.cost(criteria))[: limits.n_pareto_kept]
    return kept if front[0] in kept else [front[0], *kept]


def _select_by_cost(entries: Sequence[TriedLaw], criteria: Criteria) -> TriedLaw:
    """Return the law that the rule at the head of this module selects."""
    ordered = sorted(entries, key=lambda e: (e.complexity, e.error))
    best = ordered[0]
    for entry in ordered[1:]:
        if entry.cost(criteria) < best.cost(criteria) and _is_significantly_better(entry, best, criteria):
            best = entry
    return best


def _select_or_keep_incumbent(
    entries: Sequence[TriedLaw], incumbents: Sequence[TriedLaw], criteria: Criteria
) -> TriedLaw:
    """Return the law that `_select_by_cost` selects, or the best of the incumbents that it does not beat."""
    best = _select_by_cost(entries, criteria)
    unbeaten = [entry for entry in incumbents if entry.finite and not _is_significantly_better(best, entry, criteria)]
    return min(unbeaten, key=lambda entry: entry.cost(criteria), default=best)


def _selection_frequency(
    entries: Sequence[TriedLaw], incumbents: Sequence[TriedLaw], best: TriedLaw, seed: int, criteria: Criteria
) -> float:
    """Return the share of resamples, of whole held-out runs, in which the form of ``best`` is selected too."""
    rng, same, count = np.random.default_rng(seed), 0, criteria.selection.n_bootstrap_resamples
    for _ in range(count):
        draw = rng.integers(len(best.run_errors), size=len(best.run_errors))
        resampled, known = (
            [replace(e, run_errors=e.run_errors[draw]) if len(e.run_errors) == len(draw) else e for e in some]
            for some in (entries, incumbents)
        )
        same += signature(_select_or_keep_incumbent(resampled, known, criteria).law) == signature(best.law)
    return same / count


def _is_significantly_better(one: TriedLaw, other: TriedLaw, criteria: Criteria) -> bool:
    """Tell whether ``one`` has a lower error beyond the spread of the log ratio over runs.

    Only runs count in which one of the laws is off by more than rounding: particles that interact by contact may never
    meet in a run, and there both are right. Of increments, whose scatter is known, the cost must be lower by what
    ``selection.n_sigma`` standard errors of one constant gain.
    """
    limits = criteria.selection
    if one.n_increments is not None:
        return one.cost(criteria) + limits.n_sigma**2 / 2 < other.cost(criteria)
    floor = limits.rounding_error_floor
    if len(one.run_errors) != len(other.run_errors):
        return one.error < other.error
    informative = np.maximum(one.run_errors, other.run_errors) > floor
    if not informative.any():
        return False
    gain = np.log(np.maximum(other.run_errors, floor) / np.maximum(one.run_errors, floor))[informative]
    if len(gain) < 2:
        return bool(gain.mean() > 0)
    return bool(gain.mean() > limits.n_sigma * standard_error_of_mean(gain))
