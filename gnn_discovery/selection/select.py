"""Choose: the simplest law that explains held-out motion as well as any."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gnn_discovery.data.dataset import Dataset, concatenate_datasets
from gnn_discovery.errors import DataError, NoResult
from gnn_discovery.estimation.latent_properties import absorb_degenerate_amplitude
from gnn_discovery.estimation.refit import REWEIGHTING_ROUNDS, PosteriorSampler, refit, subsample_pairs
from gnn_discovery.estimation.residual_weights import ForceScale, force_scale, relative_errors
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.selection.simplification import complexity, signature, simplification_moves

SELECTION_COMPLEXITY_PENALTY = 0.02
"""A law must lower the log of the held-out error by so much for each unit of complexity."""

SIGNIFICANCE_N_SIGMA = 3.0
MIN_NOISE_FRACTION = 0.3
"""Of the noise in the target, at least so much is left by any law."""
ROUNDING_ERROR_FLOOR = 1e-9
"""Relative errors below this are rounding: no law is better than another."""

_TRIAL_MAX_PAIRS, _FINAL_MAX_PAIRS, _VALIDATION_MAX_PAIRS = 5_000, 60_000, 100_000
_TRIAL_REWEIGHTING_ROUNDS = 1
"""Rounds of weights by which a law is tried; one that is kept has as many as `refit` takes."""
_LARGEST_CONSTANT = 1e100
_N_PARETO_KEPT, _SIMPLIFICATION_ROUNDS, _N_FOLDS = 4, 5, 4
_N_BOOTSTRAP_RESAMPLES = 200


@dataclass(frozen=True)
class ScoredLaw:
    """A refitted candidate. ``error``: relative error on held-out motion, 1 where it is not finite."""

    law: ForceLaw
    complexity: int
    error: float

    def cost(self, price: float = SELECTION_COMPLEXITY_PENALTY) -> float:
        """Log of the error, and so much for each unit of complexity."""
        return float(np.log(max(self.error, ROUNDING_ERROR_FLOOR))) + price * self.complexity


@dataclass(frozen=True)
class Selection:
    """The chosen law with error bars, its error on held-out motion, and all tried, simplest first.

    ``agreement``: in what share of bootstrap resamples of the held-out runs the same form is chosen.
    """

    law: ForceLaw
    error: float
    scoreboard: tuple[ScoredLaw, ...]
    agreement: float


@dataclass(frozen=True)
class _TriedLaw:
    """``groups``: (G,) the error in each held-out run; ``finite``: whether a fit was found."""

    law: ForceLaw
    size: int
    groups: np.ndarray
    finite: bool

    @property
    def error(self) -> float:
        return float(self.groups.mean())

    @property
    def scored(self) -> ScoredLaw:
        return ScoredLaw(self.law, self.size, self.error)


def select_law(
    candidates: Sequence[ForceLaw],
    train: Dataset,
    valid: Dataset,
    *,
    preferred: Sequence[ForceLaw] = (),
    latent: Sequence[str] = (),
    price: float = SELECTION_COMPLEXITY_PENALTY,
    seed: int = 0,
) -> Selection:
    """Refit every candidate on ``train``, score it on ``valid``, and take the simplest that is not beaten.

    From the simplest law upwards, a more complex one replaces it when it is better on the held-out runs
    beyond three standard errors of the paired log ratio, and its log error is lower by ``price`` for each
    unit of complexity. On exact data right forms reach 1e-7 and less and wrong ones 1e-3 to 1, so any price
    between .001 and 1 gives the same answer; with noise .02 asks a further constant (about four units) for
    8% of the error, above what constants gain by absorbing the bias of numerical derivatives. The law
    without terms, but those that are given, always takes part. Candidates are tried on few snapshots first, the
    simplest first; those that would be too dear even if they left nothing but noise are left out. The front is tried
    again in other forms (round exponents, fewer constants and terms, softened), what is left is fitted on more.
    Of noisy motion (in weak form) few runs tell little: what is left is scored on every run of both, each
    held out in its turn.

    Args:
        preferred: laws of which one is taken where what is chosen is not better than it beyond the errors.
        latent: properties to infer; then each particle's error counts by its logarithm, since the bodies of
            one system may be known to very different precision.

    Raises:
        NoResult: no candidate gives a finite force.
    """
    if not candidates:
        raise NoResult("there is no candidate law to choose from")
    scale = force_scale(train)
    few, more = subsample_pairs(valid, _TRIAL_MAX_PAIRS, seed), subsample_pairs(valid, _VALIDATION_MAX_PAIRS, seed)

    def attempt(law: ForceLaw, entries: int, held: Dataset, starts: int) -> _TriedLaw:
        names = _latent_properties_used(law, latent)
        try:
            rounds = _TRIAL_REWEIGHTING_ROUNDS if entries == _TRIAL_MAX_PAIRS else REWEIGHTING_ROUNDS
            fitted = refit(
                law, train, latent=names, scale=scale, starts=starts, entries=entries, rounds=rounds, seed=seed
            )
        except np.linalg.LinAlgError:
            return _TriedLaw(law, complexity(law), np.ones(1), False)
        if not _is_representable(fitted.law):
            return _TriedLaw(law, complexity(law), np.ones(1), False)
        groups = held_out_errors(fitted.law, held, scale, by_particle=bool(latent))
        return _TriedLaw(fitted.law, complexity(fitted.law), groups, math.isfinite(fitted.error))

    def hopeless(law: ForceLaw) -> bool:
        """Whether it is dearer than what is there even if it leaves nothing but noise."""
        least = ScoredLaw(law, complexity(law), MIN_NOISE_FRACTION * train.noise).cost(price)
        return least > min((entry.scored.cost(price) for entry in tried.values()), default=np.inf)

    nothing = replace(candidates[0].known_terms, latent={})
    given = [absorb_degenerate_amplitude(law, _latent_properties_used(law, latent)) for law in candidates]
    tried: dict[tuple, _TriedLaw] = {}
    for step in range(_SIMPLIFICATION_ROUNDS):
        fresh = (
            [n for e in _pareto_front(tried.values(), price) for n in simplification_moves(e.law)]
            if step
            else [nothing, *given]
        )
        before = len(tried)
        for law in sorted(fresh, key=complexity):
            if signature(law) not in tried and not hopeless(law):
                tried[signature(law)] = attempt(law, _TRIAL_MAX_PAIRS, few, 1 if step else 4)
        if len(tried) == before:
            break
        some = [entry for entry in tried.values() if entry.law.terms]
        if some and not any(entry.finite for entry in some):
            raise NoResult(f"none of {len(candidates)} candidate laws gives a finite force on the data")
    final = [attempt(entry.law, _FINAL_MAX_PAIRS, more, 0) for entry in _pareto_front(tried.values(), price)]
    welcome = [attempt(law, _FINAL_MAX_PAIRS, more, 2) for law in preferred]
    if train.kernel is not None:
        final, welcome = (
            [
                replace(
                    e,
                    groups=_cross_validated_errors(
                        e.law, train, valid, _latent_properties_used(e.law, latent), scale, seed
                    ),
                )
                for e in entries
            ]
            for entries in (final, welcome)
        )
    best = _select_or_keep_incumbent(final, welcome, price)
    law = refit(best.law, train, latent=_latent_properties_used(best.law, latent), scale=scale, starts=0, seed=seed).law
    board = {key: e.scored for key, e in tried.items()}
    board |= {signature(e.law): e.scored for e in (*final, *welcome)}
    error = float(held_out_errors(law, more, scale, bool(latent)).mean())
    board[signature(law)] = ScoredLaw(law, complexity(law), error)
    every = tuple(sorted(board.values(), key=lambda s: (s.complexity, s.error)))
    return Selection(law, error, every, _selection_frequency(final, welcome, best, price, seed))


def _cross_validated_errors(
    law: ForceLaw, train: Dataset, valid: Dataset, latent: Sequence[str], scale: ForceScale, seed: int
) -> np.ndarray:
    """(G,) error in each run, by the law as it is fitted to the other runs: cross-validation in a few folds."""
    whole = concatenate_datasets([train, valid])
    runs = np.random.default_rng(seed).permutation(np.unique(whole.run))
    groups = []
    for held in np.array_split(runs, min(_N_FOLDS, len(runs))):
        rest = whole.select_runs(np.setdiff1d(runs, held))
        fitted = refit(
            law, rest, latent=latent, scale=scale, starts=0, entries=_FINAL_MAX_PAIRS, errors=False, seed=seed
        )
        groups.append(held_out_errors(fitted.law, whole.select_runs(held), scale, bool(latent)))
    return np.concatenate(groups)


def refit_on_all_data(
    law: ForceLaw, data: Dataset, *, latent: Sequence[str] = (), draw: PosteriorSampler | None = None, seed: int = 0
) -> ForceLaw:
    """A chosen law with its constants fitted to more data, from where they are; ``draw`` as of `refit`."""
    return refit(law, data, latent=_latent_properties_used(law, latent), starts=0, draw=draw, seed=seed).law


def _is_representable(law: ForceLaw) -> bool:
    """Whether the law with its numbers in place is a formula: an exponent of a thousand, say, is none."""
    try:
        for term in law.terms:
            if any(abs(c.value) > _LARGEST_CONSTANT for c in term.constants.values()):
                return False
            term.expression.substitute({name: c.value for name, c in term.constants.items()})
    except DataError:
        return False
    return True


def _latent_properties_used(law: ForceLaw, latent: Sequence[str]) -> tuple[str, ...]:
    names = {name for term in law.terms for name in term.expression.names}
    return tuple(n for n in latent if {f"{n}_i", f"{n}_j"} & names)


def held_out_errors(law: ForceLaw, data: Dataset, scale: ForceScale, by_particle: bool = False) -> np.ndarray:
    """(G,) error in each run, or in eighths of the span where there are fewer than four runs.

    Mean of the relative errors; with ``by_particle`` the geometric mean over particles of each one's mean.
    """
    errors = relative_errors(law, data, scale)
    runs, group = np.unique(data.run, return_inverse=True)
    if len(runs) < 4:
        group = np.arange(len(errors)) * min(8, len(errors)) // max(1, len(errors))
    found = []
    for g in range(int(group.max(initial=-1)) + 1):
        inside = group == g
        count = data.target_mask[inside].sum(axis=0)
        each = errors[inside].sum(axis=0)
        if by_particle:
            mean = each[count > 0] / count[count > 0]
            found.append(np.exp(np.mean(np.log(np.maximum(mean, 1e-15)))))
        else:
            found.append(each.sum() / max(1, count.sum()))
    return np.array(found)


def _pareto_front(entries: Iterable[_TriedLaw], price: float) -> list[_TriedLaw]:
    """The few entries that no simpler one equals, by cost; and the simplest of all."""
    front: list[_TriedLaw] = []
    lowest = np.inf
    for entry in sorted(entries, key=lambda e: (e.size, e.error)):
        error = max(entry.error, ROUNDING_ERROR_FLOOR)
        if error < lowest:
            front.append(entry)
            lowest = error
    kept = sorted(front, key=lambda e: e.scored.cost(price))[:_N_PARETO_KEPT]
    return kept if front[0] in kept else [front[0], *kept]


def _select_by_cost(entries: Sequence[_TriedLaw], price: float) -> _TriedLaw:
    """See `select_law`."""
    ordered = sorted(entries, key=lambda e: (e.size, e.error))
    best = ordered[0]
    for entry in ordered[1:]:
        if entry.scored.cost(price) < best.scored.cost(price) and _is_significantly_better(entry, best):
            best = entry
    return best


def _select_or_keep_incumbent(entries: Sequence[_TriedLaw], welcome: Sequence[_TriedLaw], price: float) -> _TriedLaw:
    """What `_select_by_cost` finds, or the best of those welcome that it does not beat."""
    best = _select_by_cost(entries, price)
    level = [entry for entry in welcome if entry.finite and not _is_significantly_better(best, entry)]
    return min(level, key=lambda entry: entry.scored.cost(price), default=best)


def _selection_frequency(
    entries: Sequence[_TriedLaw], welcome: Sequence[_TriedLaw], best: _TriedLaw, price: float, seed: int
) -> float:
    """The share of resamples, of whole held-out runs, in which the form of ``best`` is `_select_or_keep_incumbent` too."""
    rng, same = np.random.default_rng(seed), 0
    for _ in range(_N_BOOTSTRAP_RESAMPLES):
        draw = rng.integers(len(best.groups), size=len(best.groups))
        again, offered = (
            [replace(e, groups=e.groups[draw]) if len(e.groups) == len(draw) else e for e in some]
            for some in (entries, welcome)
        )
        same += signature(_select_or_keep_incumbent(again, offered, price).law) == signature(best.law)
    return same / _N_BOOTSTRAP_RESAMPLES


def _is_significantly_better(one: _TriedLaw, other: _TriedLaw) -> bool:
    """Whether ``one`` is better than ``other`` beyond the spread of the log ratio over the groups that tell anything:
    particles that interact by contact may never meet in a run, and there both are right.

    The ratio, not the difference: a run with a close encounter has many times the error of a quiet one.
    """
    if len(one.groups) != len(other.groups):
        return one.error < other.error
    telling = np.maximum(one.groups, other.groups) > ROUNDING_ERROR_FLOOR
    if not telling.any():
        return False
    gain = np.log(np.maximum(other.groups, ROUNDING_ERROR_FLOOR) / np.maximum(one.groups, ROUNDING_ERROR_FLOOR))[
        telling
    ]
    if len(gain) < 2:
        return bool(gain.mean() > 0)
    return bool(gain.mean() > SIGNIFICANCE_N_SIGMA * gain.std(ddof=1) / np.sqrt(len(gain)))
