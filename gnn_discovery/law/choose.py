"""Choose: the simplest law that explains held-out motion as well as any."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gnn_discovery.errors import DataError, NoResult
from gnn_discovery.law.latent import structural_amplitude
from gnn_discovery.law.record import ForceLaw
from gnn_discovery.law.refit import ROUNDS, Draw, refit, thin
from gnn_discovery.law.simpler import complexity, neighbours, signature
from gnn_discovery.law.weights import Scale, force_scale, relative_errors
from gnn_discovery.snapshots import Snapshots, concatenate

PRICE = 0.02
"""A law must lower the log of the held-out error by so much for each unit of complexity."""

SIGNIFICANT = 3.0
NOISE_LEFT = 0.3
"""Of the noise in the target, at least so much is left by any law."""
EXACT = 1e-9
"""Relative errors below this are rounding: no law is better than another."""

_TRIAL, _FINAL, _VALID = 5_000, 60_000, 100_000
_QUICK = 1
"""Rounds of weights by which a law is tried; one that is kept has as many as `refit` takes."""
_LARGEST = 1e100
_KEPT, _ROUNDS, _FOLDS = 4, 5, 4
_RESAMPLES = 200


@dataclass(frozen=True)
class Scored:
    """A refitted candidate. ``error``: relative error on held-out motion, 1 where it is not finite."""

    law: ForceLaw
    complexity: int
    error: float

    def cost(self, price: float = PRICE) -> float:
        """Log of the error, and so much for each unit of complexity."""
        return float(np.log(max(self.error, EXACT))) + price * self.complexity


@dataclass(frozen=True)
class Choice:
    """The chosen law with error bars, its error on held-out motion, and all tried, simplest first.

    ``agreement``: in what share of bootstrap resamples of the held-out runs the same form is chosen.
    """

    law: ForceLaw
    error: float
    scoreboard: tuple[Scored, ...]
    agreement: float


@dataclass(frozen=True)
class _Entry:
    """``groups``: (G,) the error in each held-out run; ``finite``: whether a fit was found."""

    law: ForceLaw
    size: int
    groups: np.ndarray
    finite: bool

    @property
    def error(self) -> float:
        return float(self.groups.mean())

    @property
    def scored(self) -> Scored:
        return Scored(self.law, self.size, self.error)


def choose(
    candidates: Sequence[ForceLaw],
    train: Snapshots,
    valid: Snapshots,
    *,
    preferred: Sequence[ForceLaw] = (),
    latent: Sequence[str] = (),
    price: float = PRICE,
    seed: int = 0,
) -> Choice:
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
    few, more = thin(valid, _TRIAL, seed), thin(valid, _VALID, seed)

    def attempt(law: ForceLaw, entries: int, held: Snapshots, starts: int) -> _Entry:
        names = _used(law, latent)
        try:
            rounds = _QUICK if entries == _TRIAL else ROUNDS
            fitted = refit(
                law, train, latent=names, scale=scale, starts=starts, entries=entries, rounds=rounds, seed=seed
            )
        except np.linalg.LinAlgError:
            return _Entry(law, complexity(law), np.ones(1), False)
        if not _can_be_written(fitted.law):
            return _Entry(law, complexity(law), np.ones(1), False)
        groups = held_errors(fitted.law, held, scale, by_particle=bool(latent))
        return _Entry(fitted.law, complexity(fitted.law), groups, math.isfinite(fitted.error))

    def hopeless(law: ForceLaw) -> bool:
        """Whether it is dearer than what is there even if it leaves nothing but noise."""
        least = Scored(law, complexity(law), NOISE_LEFT * train.noise).cost(price)
        return least > min((entry.scored.cost(price) for entry in tried.values()), default=np.inf)

    nothing = replace(candidates[0].given, latent={})
    given = [structural_amplitude(law, _used(law, latent)) for law in candidates]
    tried: dict[tuple, _Entry] = {}
    for step in range(_ROUNDS):
        fresh = [n for e in _front(tried.values(), price) for n in neighbours(e.law)] if step else [nothing, *given]
        before = len(tried)
        for law in sorted(fresh, key=complexity):
            if signature(law) not in tried and not hopeless(law):
                tried[signature(law)] = attempt(law, _TRIAL, few, 1 if step else 4)
        if len(tried) == before:
            break
        some = [entry for entry in tried.values() if entry.law.terms]
        if some and not any(entry.finite for entry in some):
            raise NoResult(f"none of {len(candidates)} candidate laws gives a finite force on the data")
    final = [attempt(entry.law, _FINAL, more, 0) for entry in _front(tried.values(), price)]
    welcome = [attempt(law, _FINAL, more, 2) for law in preferred]
    if train.kernel is not None:
        final, welcome = (
            [replace(e, groups=_crossed(e.law, train, valid, _used(e.law, latent), scale, seed)) for e in entries]
            for entries in (final, welcome)
        )
    best = _chosen(final, welcome, price)
    law = refit(best.law, train, latent=_used(best.law, latent), scale=scale, starts=0, seed=seed).law
    board = {key: e.scored for key, e in tried.items()}
    board |= {signature(e.law): e.scored for e in (*final, *welcome)}
    error = float(held_errors(law, more, scale, bool(latent)).mean())
    board[signature(law)] = Scored(law, complexity(law), error)
    every = tuple(sorted(board.values(), key=lambda s: (s.complexity, s.error)))
    return Choice(law, error, every, _agreement(final, welcome, best, price, seed))


def _crossed(
    law: ForceLaw, train: Snapshots, valid: Snapshots, latent: Sequence[str], scale: Scale, seed: int
) -> np.ndarray:
    """(G,) error in each run, by the law as it is fitted to the other runs: cross-validation in a few folds."""
    whole = concatenate([train, valid])
    runs = np.random.default_rng(seed).permutation(np.unique(whole.run))
    groups = []
    for held in np.array_split(runs, min(_FOLDS, len(runs))):
        rest = whole.of_runs(np.setdiff1d(runs, held))
        fitted = refit(law, rest, latent=latent, scale=scale, starts=0, entries=_FINAL, errors=False, seed=seed)
        groups.append(held_errors(fitted.law, whole.of_runs(held), scale, bool(latent)))
    return np.concatenate(groups)


def settle(
    law: ForceLaw, data: Snapshots, *, latent: Sequence[str] = (), draw: Draw | None = None, seed: int = 0
) -> ForceLaw:
    """A chosen law with its constants fitted to more data, from where they are; ``draw`` as of `refit`."""
    return refit(law, data, latent=_used(law, latent), starts=0, draw=draw, seed=seed).law


def _can_be_written(law: ForceLaw) -> bool:
    """Whether the law with its numbers in place is a formula: an exponent of a thousand, say, is none."""
    try:
        for term in law.terms:
            if any(abs(c.value) > _LARGEST for c in term.constants.values()):
                return False
            term.expression.substitute({name: c.value for name, c in term.constants.items()})
    except DataError:
        return False
    return True


def _used(law: ForceLaw, latent: Sequence[str]) -> tuple[str, ...]:
    names = {name for term in law.terms for name in term.expression.names}
    return tuple(n for n in latent if {f"{n}_i", f"{n}_j"} & names)


def held_errors(law: ForceLaw, data: Snapshots, scale: Scale, by_particle: bool = False) -> np.ndarray:
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
        count = data.aimed[inside].sum(axis=0)
        each = errors[inside].sum(axis=0)
        if by_particle:
            mean = each[count > 0] / count[count > 0]
            found.append(np.exp(np.mean(np.log(np.maximum(mean, 1e-15)))))
        else:
            found.append(each.sum() / max(1, count.sum()))
    return np.array(found)


def _front(entries: Iterable[_Entry], price: float) -> list[_Entry]:
    """The few entries that no simpler one equals, by cost; and the simplest of all."""
    front: list[_Entry] = []
    lowest = np.inf
    for entry in sorted(entries, key=lambda e: (e.size, e.error)):
        error = max(entry.error, EXACT)
        if error < lowest:
            front.append(entry)
            lowest = error
    kept = sorted(front, key=lambda e: e.scored.cost(price))[:_KEPT]
    return kept if front[0] in kept else [front[0], *kept]


def _select(entries: Sequence[_Entry], price: float) -> _Entry:
    """See `choose`."""
    ordered = sorted(entries, key=lambda e: (e.size, e.error))
    best = ordered[0]
    for entry in ordered[1:]:
        if entry.scored.cost(price) < best.scored.cost(price) and _better(entry, best):
            best = entry
    return best


def _chosen(entries: Sequence[_Entry], welcome: Sequence[_Entry], price: float) -> _Entry:
    """What `_select` finds, or the best of those welcome that it does not beat."""
    best = _select(entries, price)
    level = [entry for entry in welcome if entry.finite and not _better(best, entry)]
    return min(level, key=lambda entry: entry.scored.cost(price), default=best)


def _agreement(entries: Sequence[_Entry], welcome: Sequence[_Entry], best: _Entry, price: float, seed: int) -> float:
    """The share of resamples, of whole held-out runs, in which the form of ``best`` is `_chosen` too."""
    rng, same = np.random.default_rng(seed), 0
    for _ in range(_RESAMPLES):
        draw = rng.integers(len(best.groups), size=len(best.groups))
        again, offered = (
            [replace(e, groups=e.groups[draw]) if len(e.groups) == len(draw) else e for e in some]
            for some in (entries, welcome)
        )
        same += signature(_chosen(again, offered, price).law) == signature(best.law)
    return same / _RESAMPLES


def _better(one: _Entry, other: _Entry) -> bool:
    """Whether ``one`` is better than ``other`` beyond the spread of the log ratio over the groups that tell anything:
    particles that interact by contact may never meet in a run, and there both are right.

    The ratio, not the difference: a run with a close encounter has many times the error of a quiet one.
    """
    if len(one.groups) != len(other.groups):
        return one.error < other.error
    telling = np.maximum(one.groups, other.groups) > EXACT
    if not telling.any():
        return False
    gain = np.log(np.maximum(other.groups, EXACT) / np.maximum(one.groups, EXACT))[telling]
    if len(gain) < 2:
        return bool(gain.mean() > 0)
    return bool(gain.mean() > SIGNIFICANT * gain.std(ddof=1) / np.sqrt(len(gain)))
