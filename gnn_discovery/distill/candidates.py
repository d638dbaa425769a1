"""Candidate laws: the profiles of each structure put through an engine, and put together again."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gnn_discovery.distill.channel import Channel
from gnn_discovery.distill.profile import Profile, find_jump, read_profiles
from gnn_discovery.distill.structure import Structure, find_structures
from gnn_discovery.expression import Expression
from gnn_discovery.law.record import Constant, ForceLaw, Term
from gnn_discovery.symbolic import Candidate, EngineConfig, Problem, search
from gnn_discovery.table import MessageTable

VISIBLE = 0.01
"""Part of the force on the receiver that a contribution has to reach to be seen."""
SEEN = {"pair": 0.01, "self": 0.25}
"""Share of the rows of a table that must be seen for it to be read: pairs may be far apart, a field is felt by many."""
NOISE = 1e-3
"""Relative error of the messages below which two formulas fit them equally well."""
GAP = 3
"""Points on either side of a jump that are left out of the regression: a network is smooth there."""
KEPT = {1: 10, 2: 4, 3: 2}
"""Formulas kept of each profile, by the number of profiles in the structure."""
SIDE_KEPT = 6
"""Formulas kept of each side of a jump: near it a network is smooth, so the right one need not fit best."""
SELF_KEPT = 3
"""Sums of self terms that are tried beside each sum of pair terms."""


@dataclass(frozen=True)
class Formula:
    """One formula for one profile, in the profile's variable; ``loss`` is relative, on the messages."""

    expression: Expression
    loss: float
    complexity: int

    @property
    def price(self) -> float:
        """What formulas are ordered by: log of the loss, and a little for each node."""
        return math.log(max(self.loss, NOISE)) + 0.05 * self.complexity


@dataclass(frozen=True)
class Distilled:
    """What symbolic regression made of the messages.

    Attributes:
        laws: candidate laws, constants as the engine left them, the best on the messages first.
        structures: of each table.
        outcome: of the engine, in words.
    """

    laws: tuple[ForceLaw, ...]
    structures: tuple[tuple[Structure, ...], ...]
    outcome: str


def distill(
    tables: Sequence[MessageTable],
    engine: str,
    config: EngineConfig,
    *,
    order: int = 2,
    divides_by_mass: bool = False,
) -> Distilled:
    """Candidate laws from the tables of pair and self contributions; one too faint to be seen is left out."""
    tables = [t for t in tables if len(t) and visible(t)]
    structures = [find_structures(t, config.seed) for t in tables]
    profiles = [[read_profiles(t, s) for s in found] for t, found in zip(tables, structures, strict=True)]
    formulas, outcome = _regress([p for found in profiles for s in found for p in s], engine, config)
    sums = [_sums(t, found, formulas) for t, found in zip(tables, profiles, strict=True)]
    laws = []
    for parts in itertools.product(
        *(s if t.kind == "pair" else s[:SELF_KEPT] for t, s in zip(tables, sums, strict=True))
    ):
        terms = tuple(term for part in parts for term in part)
        laws.append(ForceLaw(_named_apart(terms), order, divides_by_mass))  # type: ignore[arg-type]
    return Distilled(tuple(laws), tuple(structures), outcome)


def visible(table: MessageTable) -> bool:
    """Whether enough of the contributions can be seen against the whole force."""
    share = np.linalg.norm(table.contributions, axis=-1) / table.total
    return float(np.mean(share > VISIBLE)) >= SEEN[table.kind]


def _sums(
    table: MessageTable, structures: Sequence[Sequence[Profile]], formulas: dict[int, list[Formula]]
) -> list[tuple[Term, ...]]:
    """Sums of terms for one table, best on the messages first: of each structure, the largest first."""
    out = []
    for profiles in reversed(structures):
        kept = [formulas[id(p)][: KEPT[len(profiles)]] for p in profiles]
        choices = sorted(itertools.product(*kept), key=lambda fs: sum(f.price for f in fs))
        out += [tuple(_term(table, p.channel, f) for p, f in zip(profiles, fs, strict=True)) for fs in choices]
    return out


def _term(table: MessageTable, channel: Channel, formula: Formula) -> Term:
    powers = "*".join(f"{name}**({power!r})" for name, power in channel.monomial)
    expression = Expression.parse(f"({formula.expression.text})" + (f"*{powers}" if powers else ""))
    kind = "pair" if table.kind == "pair" else "self" if channel.direction in ("velocity", "transverse") else "external"
    return Term(kind, channel.direction, expression)  # type: ignore[arg-type]


def _named_apart(terms: Sequence[Term]) -> tuple[Term, ...]:
    """The terms with their numbers lifted into constants: a0, a1 ... in the first, b0 ... in the second."""
    out = []
    for term, prefix in zip(terms, "abcdefgh", strict=False):
        expression, values = term.expression.lift_constants(f"{prefix}")
        out.append(Term(term.kind, term.direction, expression, {k: Constant(v) for k, v in values.items()}))
    return tuple(out)


def _regress(profiles: Sequence[Profile], engine: str, config: EngineConfig) -> tuple[dict[int, list[Formula]], str]:
    """Formulas for each profile, by its id, best first; jumps are cut and both sides regressed apart."""
    pieces = {id(p): _pieces(p) for p in profiles}
    asked = [piece for p in profiles for piece in pieces[id(p)] if piece.channel.variable is not None]
    problems = [Problem({p.channel.variable: p.variable}, p.value, p.weight**2) for p in asked]  # type: ignore[dict-item]
    results = search(engine, problems, config) if problems else []
    found = {id(p): list(r.candidates) for p, r in zip(asked, results, strict=True)}
    outcome = "; ".join(sorted({r.outcome for r in results})) or "no profile to regress"
    return {id(p): _formulas(p, pieces[id(p)], found) for p in profiles}, outcome


def _pieces(profile: Profile) -> list[Profile]:
    """The profile, and where it jumps both sides of the jump, the points next to it left out."""
    jump = find_jump(profile)
    if jump is None:
        return [profile]
    sides = [slice(None, jump - GAP), slice(jump + GAP, None)]
    cut = [Profile(profile.channel, profile.variable[s], profile.value[s], profile.weight[s]) for s in sides]
    return [profile, *cut]


def _formulas(profile: Profile, pieces: Sequence[Profile], found: dict[int, list[Candidate]]) -> list[Formula]:
    whole = [Formula(c.expression, _loss(profile, c.expression), c.complexity) for c in found.get(id(profile), [])]
    number = Expression.parse(repr(profile.constant))
    whole.append(Formula(number, _loss(profile, number), 1))
    if len(pieces) == 3:
        sides = (_side(p, profile, found[id(p)]) for p in pieces[1:])
        whole += [_joined(profile, pieces[1], inner, outer) for inner, outer in itertools.product(*sides)]
    whole = [f for f in whole if math.isfinite(f.loss)]
    return sorted(whole, key=lambda f: f.price)


def _joined(profile: Profile, left: Profile, inner: Expression, outer: Expression) -> Formula:
    """One formula up to the jump and another beyond it; the jump is put where it fits the points best."""
    start = len(left.variable) - 1
    best: Formula | None = None
    for k in range(start, start + 2 * GAP + 1):
        edge = 0.5 * float(profile.variable[k] + profile.variable[k + 1])
        text = f"Piecewise(({inner.text}, {profile.channel.variable} < {edge!r}), ({outer.text}, True))"
        expression = Expression.parse(text)
        formula = Formula(expression, _loss(profile, expression), expression.complexity)
        best = formula if best is None or formula.loss < best.loss else best
    assert best is not None
    return best


def _side(piece: Profile, profile: Profile, candidates: Sequence[Candidate]) -> list[Expression]:
    """What may stand on one side of a jump: nothing where the profile is next to nothing, else a few formulas."""
    size = np.sqrt(np.mean((piece.value * piece.weight) ** 2))
    if size < 0.1 * np.sqrt(np.mean((profile.value * profile.weight) ** 2)):
        return [Expression.parse("0")]
    formulas = [Formula(c.expression, _loss(piece, c.expression), c.complexity) for c in candidates]
    return [f.expression for f in sorted(formulas, key=lambda f: f.price)[:SIDE_KEPT]]


def _loss(profile: Profile, expression: Expression) -> float:
    """Relative error of a formula on the points of a profile, root mean square."""
    names = [profile.channel.variable] if profile.channel.variable else []
    value = expression.numpy(names)(*[profile.variable] * len(names))
    rest = (np.asarray(value) - profile.value) * profile.weight
    size = np.mean((profile.value * profile.weight) ** 2)
    return float(np.sqrt(np.mean(rest**2) / max(size, 1e-300))) if np.all(np.isfinite(rest)) else math.inf
