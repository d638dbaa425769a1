"""Equivalence: does a law that was found differ from a known one, over the range of the data?

A known law with its constants fitted is the same as the one found where their deviation

    d = sqrt(mean_k ((F_known - F_found) / s_k)^2)

over the force samples k, with the local force scale ``s_k`` (`force_samples`), is at most
``max(max_rel_deviation, n_sigma * e)``, where ``e`` is the relative standard error of the law found. The numbers are
those of `criteria.EquivalenceCriteria`; both tests, the sampling and the scale were designed for this package.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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
from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset
from gnn_discovery.errors import DataError
from gnn_discovery.laws.law import ForceLaw, Term
from gnn_discovery.symbolic.expression import Expression


@dataclass(frozen=True)
class ComponentMatch:
    """The comparison of all terms of one kind and direction with the catalogue.

    Attributes:
        component: kind and direction.
        share: of the component in the force.
        tolerance: the deviation below which a known law is the same.
        matches: known laws, or sums of two, that are the same; the simplest first.
        nearest: every known law of this kind and direction, the same or not, by its deviation.
        same_form: the simplest match also reads the same as the law found, up to its constants.
        at_one_place: all samples have one distance (speed, coordinate), at which any function is any other.
        criteria: the numbers that decide.
    """

    component: ForceComponent
    share: float
    tolerance: float
    matches: tuple[CatalogueFit, ...]
    nearest: tuple[CatalogueFit, ...]
    same_form: bool
    at_one_place: bool = False
    criteria: Criteria = field(default=DEFAULT_CRITERIA, repr=False)

    @property
    def alternatives(self) -> tuple[CatalogueFit, ...]:
        """Return the matches of which the simplest is a limit, or that are the same function here."""
        return tuple(fit for fit in self.matches[1:] if self._contains_simplest(fit))

    @property
    def rivals(self) -> tuple[CatalogueFit, ...]:
        """Return the matches that are another law: the data cannot tell them apart from the simplest."""
        return tuple(fit for fit in self.matches[1:] if not self._contains_simplest(fit))

    def _contains_simplest(self, fit: CatalogueFit) -> bool:
        simplest = self.matches[0]
        same_here = not self.at_one_place and identical(simplest, fit, criteria=self.criteria)
        return nested(simplest, fit) or same_here


@dataclass(frozen=True)
class CatalogueComparison:
    """The law found against the catalogue, component by component.

    Attributes:
        components: the comparison of each kind and direction.
        criteria: the numbers that decide.
    """

    components: tuple[ComponentMatch, ...]
    criteria: Criteria = field(default=DEFAULT_CRITERIA, repr=False)

    @property
    def matched(self) -> bool:
        """Tell whether every part of the law is known; other known laws may be the same here."""
        pair_laws = sum(len(c.matches[0].forms) for c in self.components if c.matches and c.component[0] == "pair")
        return all(c.matches for c in self.components) and pair_laws <= self.criteria.equivalence.max_pair_laws

    @property
    def match(self) -> str | None:
        """Return the simplest known law, in words; None where some part of the law is not known."""
        if not self.matched:
            return None
        return " + ".join(dict.fromkeys(part for c in self.components for part in law_names(c.matches[0])))

    @property
    def alternatives(self) -> tuple[str, ...]:
        """Return the names of known laws that contain the match."""
        return tuple(dict.fromkeys(fit_label(fit) for c in self.components for fit in c.alternatives))

    @property
    def rivals(self) -> tuple[str, ...]:
        """Return the names of known laws that the data cannot tell apart from the match."""
        return tuple(dict.fromkeys(fit_label(fit) for c in self.components for fit in c.rivals))

    @property
    def nearest(self) -> str:
        """Say which known law is nearest to the component that is least like one, and how far it is away."""
        best = [c.nearest[0] if c.nearest else None for c in self.components]
        worst = max(best, key=lambda fit: fit.deviation if fit else np.inf)
        if worst is None:
            return "no known law has this kind and direction"
        return f"the nearest known law, {fit_label(worst)}, is {worst.deviation:.2g} of the force away"


def law_names(fit: CatalogueFit) -> tuple[str, ...]:
    """Return the names of the laws in a fit."""
    return tuple(form.law.name for form in fit.forms)


def fit_label(fit: CatalogueFit) -> str:
    """Return the names of the laws in a fit, written as a sum."""
    return " + ".join(law_names(fit))


def nested(simple: CatalogueFit, general: CatalogueFit) -> bool:
    """Tell whether one fit is a special case of another.

    Args:
        simple: the fit whose every law must be a limit of a law of ``general``, each of another one.
        general: the fit that may contain it.
    """
    return len(simple.forms) == len(general.forms) and any(
        all(one.law.name in other.self_and_limits for one, other in zip(simple.forms, order, strict=True))
        for order in permutations(general.forms)
    )


def identical(one: CatalogueFit, other: CatalogueFit, *, criteria: Criteria = DEFAULT_CRITERIA) -> bool:
    """Tell whether two fits are the same function of the data, as when all masses are equal.

    Args:
        one: a fit.
        other: a fit to the same samples.
        criteria: the numbers that decide.
    """
    size = np.mean(np.abs(one.total)) or 1.0
    return bool(np.mean(np.abs(one.total - other.total)) < criteria.equivalence.identical_rel_deviation * size)


def compare_with_catalogue(
    law: ForceLaw, data: Dataset, *, criteria: Criteria = DEFAULT_CRITERIA
) -> CatalogueComparison:
    """Compare every force component of a law with the catalogue, over the range of the data.

    Args:
        law: with values and standard errors of its constants.
        data: the motion whose range decides where laws must agree.
        criteria: the numbers that decide.
    """
    shares = component_shares(law, data, criteria=criteria)
    matches = tuple(
        _compare_component(key, terms, law, data, share, criteria)
        for ((key, _), terms), share in zip(terms_by_component(law).items(), shares, strict=True)
    )
    return CatalogueComparison(matches, criteria)


def _compare_component(
    component: ForceComponent, terms: Sequence[Term], law: ForceLaw, data: Dataset, share: float, criteria: Criteria
) -> ComponentMatch:
    numbers = criteria.equivalence
    samples = sample_force(terms, law, data, criteria=criteria)
    tolerance = max(numbers.max_rel_deviation, numbers.n_sigma * samples.relative_error)
    values = tuple(c.value for term in terms for c in term.constants.values())
    fitter = CatalogueFitter(samples, _abscissa(component), values, criteria)
    per_mass = law.order == 2 and not law.divides_by_mass
    variables = frozenset(samples.inputs)
    offered = (known for known in load_catalogue().laws if known.order in (None, law.order))
    candidates = (specialise(known, component, variables, per_mass=per_mass) for known in offered)
    forms = [form for form in candidates if form is not None]
    fits = [fitter.fit_single(form) for form in forms]
    same = [fit for fit in fits if fit.deviation <= tolerance]
    if not same:
        sums = fitter.fit_sums(forms, degrees_of_freedom(terms))
        least = max(numbers.min_share, tolerance)
        same = [fit for fit in sums if fit.deviation <= tolerance and fit.smallest_share > least]
        fits += sums
    fits = sorted((fit for fit in fits if np.isfinite(fit.deviation)), key=lambda fit: fit.deviation)
    if tolerance > numbers.max_tolerance:
        same = []
    same.sort(key=lambda fit: fit.complexity_key)
    matches = tuple(fit for fit in same if not _is_implied(fit, same))
    same_form = bool(matches) and has_same_form(terms, matches[0])
    place = samples.inputs.get(_abscissa(component), np.zeros(1))
    at_one_place = bool(np.ptp(place) < numbers.identical_rel_deviation * np.abs(place).max(initial=0.0))
    return ComponentMatch(component, share, tolerance, matches, tuple(fits), same_form, at_one_place, criteria)


def _abscissa(component: ForceComponent) -> str:
    kind, direction = component
    return "v" if kind == "self" else "x" if direction in ("x", "y", "z") and kind != "pair" else "r"


def _is_implied(fit: CatalogueFit, same: Sequence[CatalogueFit]) -> bool:
    """Tell whether a simpler match, other than the simplest, is already a limit of this one."""
    return any(
        other is not fit and other.complexity_key < fit.complexity_key and nested(other, fit) for other in same[1:]
    )


def _summed_expression(terms: Sequence[Term]) -> Expression:
    """Return the sum of the terms' expressions with the values of their constants."""
    parts = [t.expression.substitute({n: c.value for n, c in t.constants.items()}) for t in terms]
    return Expression.from_sympy(sympy.Add(*(part.sympy for part in parts)))


def degrees_of_freedom(terms: Sequence[Term]) -> int:
    """Return the number of free constants of the form of the terms, amplitudes of one included.

    A known sum with more of them is no reading of the law but a fit to it: sums of smooth functions can follow any
    other smooth function over a limited range.
    """
    count = 0
    for term in terms:
        skeleton, values = _summed_expression([term]).lift_constants()
        count += min(_count_expanded(skeleton.sympy, set(values)), _count_as_written(skeleton.sympy, set(values)))
    return count


def _count_expanded(tree: sympy.Expr, constants: set[str]) -> int:
    """Count one for each summand of the expanded tree, and one for each constant that is no factor of a summand."""
    variables = [symbol for symbol in tree.free_symbols if symbol.name not in constants]
    summands = sympy.Add.make_args(sympy.expand(tree))
    inner: set[str] = set()
    for summand in summands:
        _, dependent = summand.as_independent(*variables, as_Add=False)
        inner |= {symbol.name for symbol in dependent.free_symbols} & constants
    return len(summands) + len(inner)


def _count_as_written(tree: sympy.Expr, constants: set[str]) -> int:
    """Count one for each constant, and one for each summand without a constant before it."""
    count = len(constants)
    for total in tree.atoms(sympy.Add):
        varying = [s for s in total.args if {symbol.name for symbol in s.free_symbols} - constants]
        if len(varying) > 1:
            count += sum(_has_no_factor(summand, constants) for summand in varying)
    return count + int(not tree.is_Add and _has_no_factor(tree, constants))


def _has_no_factor(summand: sympy.Expr, constants: set[str]) -> bool:
    """Tell whether no constant stands before the summand."""
    return not any(f.is_Symbol and f.name in constants for f in sympy.Mul.make_args(summand))


def has_same_form(terms: Sequence[Term], fit: CatalogueFit) -> bool:
    """Tell whether terms and fit have the same canonical form once every free number is a name.

    Args:
        terms: of the law found.
        fit: known laws with the constants that bring them nearest to it.
    """
    parts = [
        form.expression.substitute({name: float(f"{value:.9g}") for name, value in constants.items()}).sympy
        for form, constants in zip(fit.forms, fit.constants, strict=True)
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


def same_law(one: ForceLaw, other: ForceLaw, data: Dataset, *, criteria: Criteria = DEFAULT_CRITERIA) -> bool:
    """Tell whether two laws, found apart, are one: the same form with the same constants, or the same values.

    The tolerance is that of the comparison with a known law.

    Args:
        one: a law with standard errors.
        other: another law with standard errors.
        data: the motion over whose range they are compared.
        criteria: the numbers that decide.
    """
    first, second = ({key: terms for (key, _), terms in terms_by_component(law).items()} for law in (one, other))
    if set(first) != set(second) or one.order != other.order:
        return False
    return all(
        _same_constants(first[key], second[key], criteria)
        or _same_samples(
            sample_force(first[key], one, data, criteria=criteria),
            sample_force(second[key], other, data, criteria=criteria),
            criteria,
        )
        for key in first
    )


def _same_constants(a: Sequence[Term], b: Sequence[Term], criteria: Criteria) -> bool:
    """Tell whether the terms read the same and agree in every constant; only this test compares thresholds."""
    first, second = (sorted(terms, key=lambda term: term.expression.text) for terms in (a, b))
    if [t.expression for t in first] != [t.expression for t in second]:
        return False
    pairs = [(s.constants[name], t.constants[name]) for s, t in zip(first, second, strict=True) for name in s.constants]
    relative, n_sigma = criteria.equivalence.max_rel_deviation, criteria.equivalence.n_sigma
    return all(
        abs(x.value - y.value) <= max(relative * abs(x.value), n_sigma * float(np.hypot(x.std or 0.0, y.std or 0.0)))
        for x, y in pairs
    )


def _same_samples(a: ForceSamples, b: ForceSamples, criteria: Criteria) -> bool:
    if a.total.shape != b.total.shape:
        return False
    numbers = criteria.equivalence
    error = float(np.hypot(a.relative_error, b.relative_error))
    tolerance = max(numbers.max_rel_deviation, numbers.n_sigma * error)
    return tolerance <= numbers.max_tolerance and a.deviation(b.total) <= tolerance
