"""Candidate laws: the profiles of each structure put through engines, and put together again."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import sympy

from gnn_discovery.distillation.additive_component import AdditiveComponent
from gnn_discovery.distillation.additive_structure import VISIBLE, AdditiveStructure, find_structures
from gnn_discovery.distillation.profile_regression import ProfileFormula, regress_profiles
from gnn_discovery.distillation.profiles import ComponentProfile, estimate_profiles
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.messages.table import MessageTable
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import EngineConfig, SearchProgressCallback

SEEN = {"pair": 0.01, "self": 0.25}
"""Share of the rows of a table that must be seen for it to be read: pairs may be far apart, a field is felt by many."""
KEPT = {1: 10, 2: 4, 3: 2}
"""Formulas kept of each profile, by the number of profiles in the structure."""
SELF_KEPT = 3
"""Sums of self terms that are tried beside each sum of pair terms, in turns from each structure."""


Terms = tuple[Term, ...]


@dataclass(frozen=True)
class DistillationResult:
    """What symbolic regression made of the messages.

    Attributes:
        laws: candidate laws, constants as the engine left them, the best on the messages first.
        structures: of each table.
        outcome: of the engines, in words.
        alone: where several engines were asked, the candidate laws of each by itself.
    """

    laws: tuple[ForceLaw, ...]
    structures: tuple[tuple[AdditiveStructure, ...], ...]
    outcome: str
    alone: Mapping[str, tuple[ForceLaw, ...]] = field(default_factory=dict)


def distill_tables(
    tables: Sequence[MessageTable],
    engines: Sequence[str],
    config: EngineConfig,
    *,
    order: int = 2,
    divides_by_mass: bool = False,
    units: bool = False,
    report: SearchProgressCallback | None = None,
) -> DistillationResult:
    """Candidate laws from the tables of pair and self contributions; one too faint to be seen is left out. The last are
    those of one table alone: what stands in the other may be the error of the network.

    Args:
        units: whether the lengths and times of the data have units, which an engine may heed.
        report: told how far the engines are, in profiles.
    """
    tables = [t for t in tables if len(t) and is_visible(t)]
    structures = [find_structures(t, config.seed) for t in tables]
    profiles = [[estimate_profiles(t, s) for s in found] for t, found in zip(tables, structures, strict=True)]
    every = [p for found in profiles for s in found for p in s]
    offers = regress_profiles(every, engines, config, units=units, report=report)

    def laws(asked: Sequence[str]) -> tuple[ForceLaw, ...]:
        formulas = {id(p): offers.formulas(p, asked) for p in every}
        sums = [
            [_ranked_sums(t, one, formulas) for one in reversed(found)]
            for t, found in zip(tables, profiles, strict=True)
        ]
        few = [
            _flatten(s) if t.kind == "pair" else _interleave(s)[:SELF_KEPT] for t, s in zip(tables, sums, strict=True)
        ]
        parts = [
            *(itertools.product(*few) if len(few) != 1 else ()),
            *([part] for some in sums for part in _flatten(some)),
        ]
        joined = (tuple(one for part in some for one in part) for some in parts)
        return tuple(ForceLaw(_name_constants(terms), order, divides_by_mass) for terms in joined)  # type: ignore[arg-type]

    alone = {engine: laws([engine]) for engine in engines} if len(engines) > 1 else {}
    return DistillationResult(laws(engines), tuple(structures), offers.outcome, alone)


def is_visible(table: MessageTable) -> bool:
    """Whether enough of the contributions can be seen against the whole force."""
    share = np.linalg.norm(table.contributions, axis=-1) / table.total
    return float(np.mean(share > VISIBLE)) >= SEEN[table.kind]


def _ranked_sums(
    table: MessageTable, profiles: Sequence[ComponentProfile], formulas: dict[int, list[ProfileFormula]]
) -> list[Terms]:
    """Sums of terms for one structure of a table, best on the messages first; of several formulas at most one jumps,
    where that can be: each threshold has to be searched beside the others."""
    kept = [_select_formulas(formulas[id(p)], KEPT[len(profiles)]) for p in profiles]
    choices = sorted(itertools.product(*kept), key=lambda fs: sum(f.price for f in fs))
    most = max(1, min((sum(map(_has_jump, fs)) for fs in choices), default=0))
    choices = [fs for fs in choices if sum(map(_has_jump, fs)) <= most]
    return [tuple(build_term(table, p.channel, f) for p, f in zip(profiles, fs, strict=True)) for fs in choices]


def _select_formulas(formulas: Sequence[ProfileFormula], count: int) -> list[ProfileFormula]:
    """The best few, the last of them one that does not jump where none of the others is."""
    best = list(formulas[:count])
    smooth = [f for f in formulas if not _has_jump(f)][:1]
    return [*best[:-1], *smooth] if smooth and all(map(_has_jump, best)) else best


def _has_jump(formula: ProfileFormula) -> bool:
    return bool(formula.expression.sympy.has(sympy.Piecewise))


def _flatten(sums: Sequence[list[Terms]]) -> list[Terms]:
    return [*itertools.chain(*sums)]


def _interleave(sums: Sequence[list[Terms]]) -> list[Terms]:
    """The best of each structure, then the second of each, and so on."""
    return [terms for turn in itertools.zip_longest(*sums) for terms in turn if terms is not None]


def build_term(table: MessageTable, channel: AdditiveComponent, formula: ProfileFormula) -> Term:
    """The term that a formula makes with the monomial and the direction of its channel."""
    powers = "*".join(f"({name})**({power!r})" for name, power in channel.monomial)
    expression = Expression.parse(f"({formula.expression.text})" + (f"*{powers}" if powers else ""))
    kind = "pair" if table.kind == "pair" else "self" if channel.direction in ("velocity", "transverse") else "external"
    return Term(kind, channel.direction, expression, engines=formula.engines)  # type: ignore[arg-type]


def _name_constants(terms: Sequence[Term]) -> Terms:
    """The terms with their numbers lifted into constants: a0, a1 ... in the first, b0 ... in the second."""
    out = []
    for term, prefix in zip(terms, "abcdefgh", strict=False):
        expression, values = term.expression.lift_constants(f"{prefix}")
        out.append(replace(term, expression=expression, constants={k: Constant(v) for k, v in values.items()}))
    return tuple(out)
