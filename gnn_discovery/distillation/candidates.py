"""This module turns message tables into candidate laws: it regresses profiles and adds the terms up."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import sympy

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.distillation.additive_component import AdditiveComponent
from gnn_discovery.distillation.additive_structure import AdditiveStructure, find_structures
from gnn_discovery.distillation.profile_regression import ProfileFormula, regress_profiles
from gnn_discovery.distillation.profiles import ComponentProfile, estimate_profiles
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.messages.table import MessageTable
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import EngineConfig, FormulaSearch, SearchProgressCallback
from gnn_discovery.types import Kind, Order

Terms = tuple[Term, ...]


@dataclass(frozen=True)
class DistillationResult:
    """A frozen record of what symbolic regression made of the messages.

    Attributes:
        laws: candidate laws with the constants of the engines; the best on the messages first.
        structures: additive structures of each visible table.
        outcome: a sentence of each engine on how it ended.
        laws_by_engine: where several engines were asked, the candidate laws of each engine alone.
    """

    laws: tuple[ForceLaw, ...]
    structures: tuple[tuple[AdditiveStructure, ...], ...]
    outcome: str
    laws_by_engine: Mapping[str, tuple[ForceLaw, ...]] = field(default_factory=dict)


def distill_tables(
    tables: Sequence[MessageTable],
    engines: Sequence[str],
    config: EngineConfig,
    *,
    order: Order = 2,
    divides_by_mass: bool = False,
    units: bool = False,
    report: SearchProgressCallback | None = None,
    search: FormulaSearch | None = None,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> DistillationResult:
    """Return candidate laws for tables of pair and self contributions.

    A table that is not visible is left out. Each sum of terms for the pair table is combined with each of the best sums
    for the self table; in the end come the laws of one table alone, because a small contribution in the other may be an
    error of the network.

    Args:
        tables: at most one table of each kind.
        engines: names of symbolic engines.
        config: budget and operators of an engine, and the seed.
        order: 2 where the law gives m a or a, 1 where it gives a velocity.
        divides_by_mass: the law gives a force, which is divided by the mass of the receiver.
        units: the lengths and times of the data have units, which an engine may respect.
        report: is called with the number of profiles that are done, and that of all.
        search: takes the place of `gnn_discovery.symbolic.search.search_formulas`.
        criteria: the stages ``visibility``, ``structure`` and ``search`` are used.

    Raises:
        EngineUnavailable, UsageError: see `gnn_discovery.symbolic.search.search_formulas`.
    """
    tables = [t for t in tables if len(t) and is_visible(t, criteria=criteria)]
    structures = [find_structures(t, config.seed, criteria=criteria) for t in tables]
    profiles = [
        [estimate_profiles(t, s, criteria=criteria) for s in found] for t, found in zip(tables, structures, strict=True)
    ]
    every = [p for found in profiles for some in found for p in some]
    regression = regress_profiles(every, engines, config, units=units, report=report, search=search, criteria=criteria)

    def laws_of(asked: Sequence[str]) -> tuple[ForceLaw, ...]:
        formulas = {id(p): regression.formulas(p, asked) for p in every}
        sums = [
            [_ranked_sums(t, some, formulas, criteria) for some in reversed(found)]
            for t, found in zip(tables, profiles, strict=True)
        ]
        combined = [
            _flatten(s) if t.kind == "pair" else _interleave(s)[: criteria.search.self_sums_kept]
            for t, s in zip(tables, sums, strict=True)
        ]
        parts: list[Sequence[Terms]] = [
            *(itertools.product(*combined) if len(combined) != 1 else ()),
            *([alone] for some in sums for alone in _flatten(some)),
        ]
        joined = [tuple(term for part in some for term in part) for some in parts]
        return tuple(ForceLaw(_name_constants(terms), order, divides_by_mass) for terms in joined)

    laws_by_engine = {engine: laws_of([engine]) for engine in engines} if len(engines) > 1 else {}
    return DistillationResult(laws_of(engines), tuple(structures), regression.outcome, laws_by_engine)


def is_visible(table: MessageTable, *, criteria: Criteria = DEFAULT_CRITERIA) -> bool:
    """Tell whether enough contributions of a table can be detected beside the total force.

    Args:
        table: K contributions.
        criteria: the stage ``visibility`` is used: a contribution is detectable above ``detection_limit`` of the total
            force, and at least ``min_visible_pair_fraction`` or ``min_visible_self_fraction`` of them must be.
    """
    limits = criteria.visibility
    fraction = np.linalg.norm(table.contributions, axis=-1) / table.total
    needed = limits.min_visible_pair_fraction if table.kind == "pair" else limits.min_visible_self_fraction
    return float(np.mean(fraction > limits.detection_limit)) >= needed


def _ranked_sums(
    table: MessageTable,
    profiles: Sequence[ComponentProfile],
    formulas: dict[int, list[ProfileFormula]],
    criteria: Criteria,
) -> list[Terms]:
    """Return sums of terms for one structure of a table, the best on the messages first.

    Where possible at most one formula of a sum has a jump, because each threshold has to be searched beside the others.
    """
    kept_by_length = criteria.search.profile_formulas_kept
    count = kept_by_length[min(len(profiles), len(kept_by_length)) - 1]
    kept = [_select_formulas(formulas[id(p)], count) for p in profiles]
    choices = sorted(itertools.product(*kept), key=lambda some: sum(f.score(criteria) for f in some))
    most = max(1, min((sum(map(_has_jump, some)) for some in choices), default=0))
    choices = [some for some in choices if sum(map(_has_jump, some)) <= most]
    return [tuple(build_term(table, p.component, f) for p, f in zip(profiles, some, strict=True)) for some in choices]


def _select_formulas(formulas: Sequence[ProfileFormula], count: int) -> list[ProfileFormula]:
    """Return the best ``count`` formulas; where all of them have a jump, the last is replaced by one without."""
    best = list(formulas[:count])
    smooth = [f for f in formulas if not _has_jump(f)][:1]
    return [*best[:-1], *smooth] if smooth and all(map(_has_jump, best)) else best


def _has_jump(formula: ProfileFormula) -> bool:
    return bool(formula.expression.sympy.has(sympy.Piecewise))


def _flatten(sums: Sequence[list[Terms]]) -> list[Terms]:
    return [*itertools.chain(*sums)]


def _interleave(sums: Sequence[list[Terms]]) -> list[Terms]:
    """Return the best sum of each structure, then the second best of each, and so on."""
    return [terms for turn in itertools.zip_longest(*sums) for terms in turn if terms is not None]


def build_term(table: MessageTable, component: AdditiveComponent, formula: ProfileFormula) -> Term:
    """Return the term of a law that multiplies a formula by the monomial of its component, along its direction.

    Args:
        table: the table that the component explains; its kind decides the kind of the term.
        component: monomial, variable and direction.
        formula: the profile in the variable of the component.
    """
    powers = "*".join(f"({name})**({power!r})" for name, power in component.monomial)
    expression = Expression.parse(f"({formula.expression.text})" + (f"*{powers}" if powers else ""))
    kind: Kind = "pair"
    if table.kind != "pair":
        kind = "self" if component.direction in ("velocity", "transverse") else "external"
    return Term(kind, component.direction, expression, engines=formula.engines)


def _name_constants(terms: Sequence[Term]) -> Terms:
    """Return the terms with their numbers as named constants: a0, a1, ... in the first term, b0, ... in the second."""
    named = []
    for term, prefix in zip(terms, "abcdefgh", strict=False):
        expression, values = term.expression.lift_constants(prefix)
        named.append(replace(term, expression=expression, constants={k: Constant(v) for k, v in values.items()}))
    return tuple(named)
