"""Equivalence: does a law that was found differ from a known one, over the range of the data?

A known law with its constants fitted is the same as the one found where they differ by less than the larger
of three standard errors of the found one and 1e-3 of the force (`Rows.deviation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import sympy

from gnn_discovery.catalogue.catalogue_fit import CatalogueFit, CatalogueFitter
from gnn_discovery.catalogue.force_samples import (
    ForceComponent,
    ForceSamples,
    component_shares,
    sample_force,
    terms_by_component,
)
from gnn_discovery.catalogue.forms import specialise
from gnn_discovery.catalogue.known_law import load_catalogue
from gnn_discovery.data.dataset import Dataset
from gnn_discovery.errors import DataError
from gnn_discovery.laws.law import ForceLaw, Term
from gnn_discovery.symbolic.expression import Expression

RELATIVE = 1e-3
STANDARD_ERRORS = 3.0
LEAST_SHARE = 0.01
TOO_UNCERTAIN = 0.1
"""Beyond this tolerance nothing is called the same: too many laws would be."""

_IDENTICAL = 1e-6
_MOST_PAIR_TERMS = 2


@dataclass(frozen=True)
class ComponentMatch:
    """What the catalogue says of all terms of one kind and direction.

    Attributes:
        share: what the channel contributes to the force.
        tolerance: the deviation below which a known law is the same.
        survivors: known laws, or sums of two, that are the same; the simplest first.
        nearest: every known law of this kind and direction, the same or not, by its deviation.
        same_form: the simplest survivor also reads the same as the law found, up to its constants.
    """

    channel: ForceComponent
    share: float
    tolerance: float
    matches: tuple[CatalogueFit, ...]
    nearest: tuple[CatalogueFit, ...]
    same_form: bool

    @property
    def alternatives(self) -> tuple[CatalogueFit, ...]:
        """Survivors of which the simplest is a limit, or that are the same function here."""
        return tuple(fit for fit in self.matches[1:] if self._follows(fit))

    @property
    def rivals(self) -> tuple[CatalogueFit, ...]:
        """Survivors that are another law: the data cannot tell them apart from the simplest."""
        return tuple(fit for fit in self.matches[1:] if not self._follows(fit))

    def _follows(self, fit: CatalogueFit) -> bool:
        first = self.matches[0]
        return nested(first, fit) or identical(first, fit)


@dataclass(frozen=True)
class CatalogueComparison:
    """The law found against the catalogue, channel by channel."""

    channels: tuple[ComponentMatch, ...]

    @property
    def matched(self) -> bool:
        """Whether every part of the law is known; other known laws may be the same here."""
        pairs = sum(len(c.matches[0].forms) for c in self.channels if c.matches and c.channel[0] == "pair")
        return all(c.matches for c in self.channels) and pairs <= _MOST_PAIR_TERMS

    @property
    def match(self) -> str | None:
        """The simplest known law, in words."""
        if not self.matched:
            return None
        return " + ".join(dict.fromkeys(part for c in self.channels for part in law_names(c.matches[0])))

    @property
    def alternatives(self) -> tuple[str, ...]:
        """Known laws that contain the match."""
        return tuple(dict.fromkeys(fit_label(fit) for c in self.channels for fit in c.alternatives))

    @property
    def rivals(self) -> tuple[str, ...]:
        """Known laws that the data cannot tell apart from the match."""
        return tuple(dict.fromkeys(fit_label(fit) for c in self.channels for fit in c.rivals))

    @property
    def nearest(self) -> str:
        """The known law nearest to the channel that is least like one, and its deviation, in words."""
        best = [c.nearest[0] if c.nearest else None for c in self.channels]
        worst = max(best, key=lambda fit: fit.deviation if fit else np.inf)
        if worst is None:
            return "no known law has this kind and direction"
        return f"the nearest known law, {fit_label(worst)}, is {worst.deviation:.2g} of the force away"


def law_names(fit: CatalogueFit) -> tuple[str, ...]:
    """The names of the laws in a fit."""
    return tuple(f.law.name for f in fit.forms)


def fit_label(fit: CatalogueFit) -> str:
    """The names of the laws in a fit, as a sum."""
    return " + ".join(law_names(fit))


def nested(simple: CatalogueFit, general: CatalogueFit) -> bool:
    """Whether every law of ``simple`` is a limit of a law of its own of ``general``."""
    return len(simple.forms) == len(general.forms) and any(
        all(one.law.name in other.self_and_limits for one, other in zip(simple.forms, order, strict=True))
        for order in permutations(general.forms)
    )


def identical(one: CatalogueFit, other: CatalogueFit) -> bool:
    """Whether two fits are the same function of the data, as when all masses are equal."""
    size = np.mean(np.abs(one.total)) or 1.0
    return bool(np.mean(np.abs(one.total - other.total)) < _IDENTICAL * size)


def compare_with_catalogue(law: ForceLaw, data: Dataset) -> CatalogueComparison:
    """Every channel of ``law`` against the catalogue, over the range of ``data``."""
    parts = component_shares(law, data)
    return CatalogueComparison(
        tuple(
            _compare_component(key, terms, law, data, share)
            for ((key, _), terms), share in zip(terms_by_component(law).items(), parts, strict=True)
        )
    )


def _compare_component(
    key: ForceComponent, terms: Sequence[Term], law: ForceLaw, data: Dataset, share: float
) -> ComponentMatch:
    found = sample_force(terms, law, data)
    tolerance = max(RELATIVE, STANDARD_ERRORS * found.relative_error)
    fitter = CatalogueFitter(found, _abscissa(key), tuple(c.value for term in terms for c in term.constants.values()))
    per_mass = law.order == 2 and not law.divides_by_mass
    given = frozenset(found.inputs)
    offered = (known for known in load_catalogue().laws if known.order in (None, law.order))
    candidates = (specialise(known, key, given, per_mass=per_mass) for known in offered)
    forms = [f for f in candidates if f is not None]
    fits = [fitter.fit_single(f) for f in forms]
    same = [fit for fit in fits if fit.deviation <= tolerance]
    if not same:
        sums = fitter.fit_sums(forms, degrees_of_freedom(terms))
        same = [s for s in sums if s.deviation <= tolerance and s.share > max(LEAST_SHARE, tolerance)]
        fits += sums
    fits = sorted((fit for fit in fits if np.isfinite(fit.deviation)), key=lambda fit: fit.deviation)
    if tolerance > TOO_UNCERTAIN:
        same = []
    same.sort(key=lambda fit: fit.complexity_key)
    survivors = tuple(fit for fit in same if not _is_implied(fit, same))
    reads = bool(survivors) and has_same_form(terms, survivors[0])
    return ComponentMatch(key, share, tolerance, survivors, tuple(fits), reads)


def _abscissa(key: ForceComponent) -> str:
    kind, direction = key
    return "v" if kind == "self" else "x" if direction in ("x", "y", "z") and kind != "pair" else "r"


def _is_implied(fit: CatalogueFit, same: Sequence[CatalogueFit]) -> bool:
    """Whether a simpler survivor, not the simplest, is already a limit of this one."""
    return any(
        other is not fit and other.complexity_key < fit.complexity_key and nested(other, fit) for other in same[1:]
    )


def _summed_expression(terms: Sequence[Term]) -> Expression:
    """The sum of the terms' expressions with the values of their constants."""
    parts = [t.expression.substitute({n: c.value for n, c in t.constants.items()}) for t in terms]
    return Expression.from_sympy(sympy.Add(*(part.sympy for part in parts)))


def degrees_of_freedom(terms: Sequence[Term]) -> int:
    """How many free constants the form of the terms has, amplitudes of one included.

    A known sum with more of them is no reading of the law but a fit to it: sums of smooth functions can
    follow any other smooth function over a limited range.
    """
    count = 0
    for term in terms:
        skeleton, values = _summed_expression([term]).lift_constants()
        count += min(_count_expanded(skeleton.sympy, set(values)), _count_as_written(skeleton.sympy, set(values)))
    return count


def _count_expanded(tree: sympy.Expr, constants: set[str]) -> int:
    """One for each summand, and one for each constant that is no factor of a summand."""
    variables = [symbol for symbol in tree.free_symbols if symbol.name not in constants]
    summands = sympy.Add.make_args(sympy.expand(tree))
    inner: set[str] = set()
    for summand in summands:
        _, dependent = summand.as_independent(*variables, as_Add=False)
        inner |= {symbol.name for symbol in dependent.free_symbols} & constants
    return len(summands) + len(inner)


def _count_as_written(tree: sympy.Expr, constants: set[str]) -> int:
    """One for each constant, and one for each summand without a constant before it."""
    count = len(constants)
    for total in tree.atoms(sympy.Add):
        varying = [s for s in total.args if {symbol.name for symbol in s.free_symbols} - constants]
        if len(varying) > 1:
            count += sum(_has_no_factor(summand, constants) for summand in varying)
    return count + (not tree.is_Add and _has_no_factor(tree, constants))


def _has_no_factor(summand: sympy.Expr, constants: set[str]) -> bool:
    """Whether no constant stands before the summand."""
    return not any(f.is_Symbol and f.name in constants for f in sympy.Mul.make_args(summand))


def has_same_form(terms: Sequence[Term], fit: CatalogueFit) -> bool:
    """Whether terms and fit have the same canonical form once every free number is a name."""
    parts = [
        f.expression.substitute({name: float(f"{value:.9g}") for name, value in constants.items()}).sympy
        for f, constants in zip(fit.forms, fit.constants, strict=True)
    ]
    found, known = _summed_expression(terms).sympy, sympy.Add(*parts)
    try:
        return any(_skeleton(change(found)) == _skeleton(change(known)) for change in (lambda e: e, sympy.expand))
    except DataError:  # multiplied out, a number in it is beyond what a formula may hold
        return False


def _skeleton(tree: sympy.Expr) -> str:
    # a number that no law has, since an amplitude of 1 would not be given a name
    scaled = Expression.from_sympy(sympy.Mul(sympy.Float(1.2345678), tree, evaluate=False))
    return scaled.lift_constants()[0].text


def same_law(one: ForceLaw, other: ForceLaw, data: Dataset) -> bool:
    """Whether two laws, found apart, are one: the same form with the same constants, or the same values.

    The tolerance is that of a known law: three standard errors, or 1e-3.
    """
    first, second = ({key: terms for (key, _), terms in terms_by_component(law).items()} for law in (one, other))
    if set(first) != set(second) or one.order != other.order:
        return False
    return all(
        _same_constants(first[key], second[key])
        or _same_samples(sample_force(first[key], one, data), sample_force(second[key], other, data))
        for key in first
    )


def _same_constants(a: Sequence[Term], b: Sequence[Term]) -> bool:
    """Whether the terms read the same and agree in every constant; only this compares thresholds."""
    mine, theirs = (sorted(terms, key=lambda term: term.expression.text) for terms in (a, b))
    if [t.expression for t in mine] != [t.expression for t in theirs]:
        return False
    pairs = [(s.constants[name], t.constants[name]) for s, t in zip(mine, theirs, strict=True) for name in s.constants]
    return all(
        abs(x.value - y.value)
        <= max(RELATIVE * abs(x.value), STANDARD_ERRORS * float(np.hypot(x.std or 0.0, y.std or 0.0)))
        for x, y in pairs
    )


def _same_samples(a: ForceSamples, b: ForceSamples) -> bool:
    if a.total.shape != b.total.shape:
        return False
    error = float(np.hypot(a.relative_error, b.relative_error))
    tolerance = max(RELATIVE, STANDARD_ERRORS * error)
    return tolerance <= TOO_UNCERTAIN and a.deviation(b.total) <= tolerance
