"""Candidate laws: the profiles of each structure put through engines, and put together again."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import sympy

from gnn_discovery.distill.channel import Channel
from gnn_discovery.distill.formulas import Formula, regress
from gnn_discovery.distill.profile import Profile, read_profiles
from gnn_discovery.distill.structure import VISIBLE, Structure, find_structures
from gnn_discovery.expression import Expression
from gnn_discovery.law.record import Constant, ForceLaw, Term
from gnn_discovery.symbolic import EngineConfig, Progress
from gnn_discovery.table import MessageTable

SEEN = {"pair": 0.01, "self": 0.25}
"""Share of the rows of a table that must be seen for it to be read: pairs may be far apart, a field is felt by many."""
KEPT = {1: 10, 2: 4, 3: 2}
"""Formulas kept of each profile, by the number of profiles in the structure."""
SELF_KEPT = 3
"""Sums of self terms that are tried beside each sum of pair terms, in turns from each structure."""


Terms = tuple[Term, ...]


@dataclass(frozen=True)
class Distilled:
    """What symbolic regression made of the messages.

    Attributes:
        laws: candidate laws, constants as the engine left them, the best on the messages first.
        structures: of each table.
        outcome: of the engines, in words.
        alone: where several engines were asked, the candidate laws of each by itself.
    """

    laws: tuple[ForceLaw, ...]
    structures: tuple[tuple[Structure, ...], ...]
    outcome: str
    alone: Mapping[str, tuple[ForceLaw, ...]] = field(default_factory=dict)


def distill(
    tables: Sequence[MessageTable],
    engines: Sequence[str],
    config: EngineConfig,
    *,
    order: int = 2,
    divides_by_mass: bool = False,
    units: bool = False,
    report: Progress | None = None,
) -> Distilled:
    """Candidate laws from the tables of pair and self contributions; one too faint to be seen is left out. The last are
    those of one table alone: what stands in the other may be the error of the network.

    Args:
        units: whether the lengths and times of the data have units, which an engine may heed.
        report: told how far the engines are, in profiles.
    """
    tables = [t for t in tables if len(t) and visible(t)]
    structures = [find_structures(t, config.seed) for t in tables]
    profiles = [[read_profiles(t, s) for s in found] for t, found in zip(tables, structures, strict=True)]
    every = [p for found in profiles for s in found for p in s]
    offers = regress(every, engines, config, units=units, report=report)

    def laws(asked: Sequence[str]) -> tuple[ForceLaw, ...]:
        formulas = {id(p): offers.formulas(p, asked) for p in every}
        sums = [[_sums(t, one, formulas) for one in reversed(found)] for t, found in zip(tables, profiles, strict=True)]
        few = [_all(s) if t.kind == "pair" else _in_turns(s)[:SELF_KEPT] for t, s in zip(tables, sums, strict=True)]
        parts = [*(itertools.product(*few) if len(few) != 1 else ()), *([part] for some in sums for part in _all(some))]
        joined = (tuple(one for part in some for one in part) for some in parts)
        return tuple(ForceLaw(_named_apart(terms), order, divides_by_mass) for terms in joined)  # type: ignore[arg-type]

    alone = {engine: laws([engine]) for engine in engines} if len(engines) > 1 else {}
    return Distilled(laws(engines), tuple(structures), offers.outcome, alone)


def visible(table: MessageTable) -> bool:
    """Whether enough of the contributions can be seen against the whole force."""
    share = np.linalg.norm(table.contributions, axis=-1) / table.total
    return float(np.mean(share > VISIBLE)) >= SEEN[table.kind]


def _sums(table: MessageTable, profiles: Sequence[Profile], formulas: dict[int, list[Formula]]) -> list[Terms]:
    """Sums of terms for one structure of a table, best on the messages first; of several formulas at most one jumps,
    where that can be: each threshold has to be searched beside the others."""
    kept = [_kept(formulas[id(p)], KEPT[len(profiles)]) for p in profiles]
    choices = sorted(itertools.product(*kept), key=lambda fs: sum(f.price for f in fs))
    most = max(1, min((sum(map(_jumps, fs)) for fs in choices), default=0))
    choices = [fs for fs in choices if sum(map(_jumps, fs)) <= most]
    return [tuple(term(table, p.channel, f) for p, f in zip(profiles, fs, strict=True)) for fs in choices]


def _kept(formulas: Sequence[Formula], count: int) -> list[Formula]:
    """The best few, the last of them one that does not jump where none of the others is."""
    best = list(formulas[:count])
    smooth = [f for f in formulas if not _jumps(f)][:1]
    return [*best[:-1], *smooth] if smooth and all(map(_jumps, best)) else best


def _jumps(formula: Formula) -> bool:
    return bool(formula.expression.sympy.has(sympy.Piecewise))


def _all(sums: Sequence[list[Terms]]) -> list[Terms]:
    return [*itertools.chain(*sums)]


def _in_turns(sums: Sequence[list[Terms]]) -> list[Terms]:
    """The best of each structure, then the second of each, and so on."""
    return [terms for turn in itertools.zip_longest(*sums) for terms in turn if terms is not None]


def term(table: MessageTable, channel: Channel, formula: Formula) -> Term:
    """The term that a formula makes with the monomial and the direction of its channel."""
    powers = "*".join(f"({name})**({power!r})" for name, power in channel.monomial)
    expression = Expression.parse(f"({formula.expression.text})" + (f"*{powers}" if powers else ""))
    kind = "pair" if table.kind == "pair" else "self" if channel.direction in ("velocity", "transverse") else "external"
    return Term(kind, channel.direction, expression, engines=formula.engines)  # type: ignore[arg-type]


def _named_apart(terms: Sequence[Term]) -> Terms:
    """The terms with their numbers lifted into constants: a0, a1 ... in the first, b0 ... in the second."""
    out = []
    for term, prefix in zip(terms, "abcdefgh", strict=False):
        expression, values = term.expression.lift_constants(f"{prefix}")
        out.append(replace(term, expression=expression, constants={k: Constant(v) for k, v in values.items()}))
    return tuple(out)
