"""Formulas for profiles: what each engine offers, a jump or an end cut and both sides regressed apart."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gnn_discovery.distillation.profiles import ComponentProfile, find_cutoff, find_jump
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import (
    Candidate,
    EngineConfig,
    RegressionProblem,
    SearchProgressCallback,
    search_formulas,
)

NOISE = 1e-3
"""Relative error of the messages below which two formulas fit them equally well."""
PRICE = 0.05
"""Of each node of a formula, in units of the log of its loss."""
GAP = 3
"""Points on either side of a jump that are left out of the regression: a network is smooth there."""
SIDE_KEPT = 6
"""Formulas kept of each side of a jump: near it a network is smooth, so the right one need not fit best."""

_LENGTH, _SPEED = {"length": 1}, {"length": 1, "time": -1}
COORDINATES = ("x", "y", "z")
PERIODIC_OPERATORS = ("sin", "cos")
"""Operators of profiles along a coordinate, beside those that were asked for: the forces of crystals and of light
repeat in space."""
VARIABLE_DIMENSIONS = {"r": _LENGTH, "x": _LENGTH, "y": _LENGTH, "z": _LENGTH, "v": _SPEED}


@dataclass(frozen=True)
class ProfileFormula:
    """One formula for one profile, in the profile's variable; ``loss`` is relative, on the messages.

    ``engines``: who offered it.
    """

    expression: Expression
    loss: float
    complexity: int
    engines: tuple[str, ...] = ()

    @property
    def price(self) -> float:
        """What formulas are ordered by: log of the loss, and a little for each node."""
        return math.log(max(self.loss, NOISE)) + PRICE * self.complexity


@dataclass(frozen=True)
class ProfileRegression:
    """What engines offered for profiles.

    Attributes:
        pieces: of each profile, by its id: the profile, and where it jumps both sides of the jump.
        candidates: for each piece, by its id.
        outcome: of the engines, in words.
    """

    pieces: Mapping[int, Sequence[ComponentProfile]]
    candidates: Mapping[int, Sequence[Candidate]]
    outcome: str

    def formulas(self, profile: ComponentProfile, engines: Sequence[str]) -> list[ProfileFormula]:
        """Those for one profile by some of the engines, best first; a mere number is always there."""
        _, *sides = self.pieces[id(profile)]
        number = Expression.parse(repr(profile.constant))
        whole = [
            *_merge_duplicates(profile, self._by(profile, engines)),
            ProfileFormula(number, _relative_loss(profile, number), 1),
        ]
        if sides:
            inner, outer = (_side_formulas(piece, profile, self._by(piece, engines)) for piece in sides)
            whole += [_join_at_jump(profile, sides[0], one, other) for one, other in itertools.product(inner, outer)]
        return sorted((f for f in whole if math.isfinite(f.loss)), key=lambda f: f.price)

    def _by(self, piece: ComponentProfile, engines: Sequence[str]) -> list[Candidate]:
        return [one for one in self.candidates.get(id(piece), ()) if one.engine in engines]


def regress_profiles(
    profiles: Sequence[ComponentProfile],
    engines: Sequence[str],
    config: EngineConfig,
    *,
    units: bool = False,
    report: SearchProgressCallback | None = None,
) -> ProfileRegression:
    """Every profile, and both sides of its jump, put through every engine; see `distill`."""
    pieces = {id(p): _split_at_jump(p) for p in profiles}
    asked = [p for p in itertools.chain(*pieces.values()) if p.channel.variable is not None]
    places = [p for p in asked if p.channel.variable in COORDINATES]
    periodic = replace(config, operators=tuple(dict.fromkeys((*config.operators, *PERIODIC_OPERATORS))))
    others = [p for p in asked if p.channel.variable not in COORDINATES]
    groups = [(config, others), (periodic, places)]
    found: dict[int, list[Candidate]] = {id(p): [] for p in asked}
    outcomes: dict[str, None] = {}
    before = 0
    for engine, (settings, group) in itertools.product(engines, groups):
        if not group:
            continue

        def tell(done: float, _: int, before: int = before) -> None:
            if report is not None:
                report(before + done, len(engines) * len(asked))

        problems = [_regression_problem(p, units) for p in group]
        for p, result in zip(group, search_formulas(engine, problems, settings, tell), strict=True):
            found[id(p)] += result.candidates
            outcomes[result.outcome] = None
        before += len(group)
    return ProfileRegression(pieces, found, "; ".join(sorted(outcomes)) or "no profile to regress")


def _regression_problem(profile: ComponentProfile, units: bool) -> RegressionProblem:
    name = str(profile.channel.variable)
    dimensions = {name: VARIABLE_DIMENSIONS[name]} if units else {}
    return RegressionProblem({name: profile.variable}, profile.value, profile.weight**2, dimensions)


def _split_at_jump(profile: ComponentProfile) -> list[ComponentProfile]:
    """The profile, and where it jumps or ends both sides of that place, the points next to it left out."""
    jump = find_jump(profile)
    jump = find_cutoff(profile) if jump is None else jump
    if jump is None:
        return [profile]
    sides = [slice(None, jump - GAP), slice(jump + GAP, None)]
    cut = [ComponentProfile(profile.channel, profile.variable[s], profile.value[s], profile.weight[s]) for s in sides]
    return [profile, *cut]


def _join_at_jump(
    profile: ComponentProfile, left: ComponentProfile, inner: ProfileFormula, outer: ProfileFormula
) -> ProfileFormula:
    """One formula up to the jump and another beyond it; the jump is put where it fits the points best."""
    start = len(left.variable) - 1
    best: ProfileFormula | None = None
    for k in range(start, start + 2 * GAP + 1):
        edge = 0.5 * float(profile.variable[k] + profile.variable[k + 1])
        sides = f"({inner.expression.text}, {profile.channel.variable} < {edge!r}), ({outer.expression.text}, True)"
        expression = Expression.parse(f"Piecewise({sides})")
        engines = tuple(sorted({*inner.engines, *outer.engines}))
        formula = ProfileFormula(expression, _relative_loss(profile, expression), expression.complexity, engines)
        best = formula if best is None or formula.loss < best.loss else best
    assert best is not None
    return best


def _side_formulas(
    piece: ComponentProfile, profile: ComponentProfile, offered: Sequence[Candidate]
) -> list[ProfileFormula]:
    """What may stand on one side of a jump: nothing where the profile is next to nothing, else a few formulas."""
    size = np.sqrt(np.mean((piece.value * piece.weight) ** 2))
    if size < 0.1 * np.sqrt(np.mean((profile.value * profile.weight) ** 2)):
        return [ProfileFormula(Expression.parse("0"), 1.0, 1)]
    return sorted(_merge_duplicates(piece, offered), key=lambda f: f.price)[:SIDE_KEPT]


def _merge_duplicates(profile: ComponentProfile, offered: Sequence[Candidate]) -> list[ProfileFormula]:
    """The formulas offered, each form once with the better numbers and all who offered it."""
    found: dict[str, ProfileFormula] = {}
    for one in offered:
        formula = ProfileFormula(one.expression, _relative_loss(profile, one.expression), one.complexity, (one.engine,))
        form = one.expression.lift_constants()[0].text
        known = found.get(form)
        if known is not None:
            better = min(known, formula, key=lambda f: f.loss)
            formula = replace(better, engines=tuple(dict.fromkeys((*known.engines, one.engine))))
        found[form] = formula
    return list(found.values())


def _relative_loss(profile: ComponentProfile, expression: Expression) -> float:
    """Relative error of a formula on the points of a profile, root mean square."""
    names = [profile.channel.variable] if profile.channel.variable else []
    value = expression.numpy(names)(*[profile.variable] * len(names))
    rest = (np.asarray(value) - profile.value) * profile.weight
    size = np.mean((profile.value * profile.weight) ** 2)
    return float(np.sqrt(np.mean(rest**2) / max(size, 1e-300))) if np.all(np.isfinite(rest)) else math.inf
