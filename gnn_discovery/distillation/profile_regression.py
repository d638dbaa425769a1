"""This module searches formulas for profiles, and joins those on both sides of a jump."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.distillation.additive_component import TINY
from gnn_discovery.distillation.profiles import ComponentProfile, find_cutoff, find_jump
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import (
    Candidate,
    EngineConfig,
    FormulaSearch,
    RegressionProblem,
    SearchProgressCallback,
    search_formulas,
)

COORDINATES = ("x", "y", "z")
PERIODIC_OPERATORS = ("sin", "cos")
"""These operators are added in the search for profiles along a coordinate, because the forces of crystals and of light
are periodic in space."""
_LENGTH, _SPEED = {"length": 1}, {"length": 1, "time": -1}
VARIABLE_DIMENSIONS = {"r": _LENGTH, "x": _LENGTH, "y": _LENGTH, "z": _LENGTH, "v": _SPEED}


@dataclass(frozen=True)
class ProfileFormula:
    """A frozen record of one formula for one profile.

    Attributes:
        expression: the formula in the variable of the profile.
        relative_loss: relative error on the points of the profile, see `_relative_loss`.
        complexity: number of nodes, and of constants where an engine counts them.
        engines: names of the engines that found it.
    """

    expression: Expression
    relative_loss: float
    complexity: int
    engines: tuple[str, ...] = ()

    def score(self, criteria: Criteria) -> float:
        """Return log(relative error) + penalty * complexity, by which formulas are ranked; lower is better."""
        limits = criteria.search
        loss = max(self.relative_loss, limits.profile_error_floor)
        return math.log(loss) + limits.profile_complexity_penalty * self.complexity


@dataclass(frozen=True)
class ProfileRegression:
    """A frozen record of what engines found for profiles.

    Attributes:
        pieces: for each profile, by its id: the profile, and both sides of its jump where it has one.
        candidates: for each piece, by its id: the formulas of all engines.
        outcome: a sentence of each engine on how it ended.
        criteria: the stages ``search`` and ``structure`` are used.
    """

    pieces: Mapping[int, Sequence[ComponentProfile]]
    candidates: Mapping[int, Sequence[Candidate]]
    outcome: str
    criteria: Criteria

    def formulas(self, profile: ComponentProfile, engines: Sequence[str]) -> list[ProfileFormula]:
        """Return the formulas for one profile, best first; a constant is always among them.

        Args:
            profile: one of the profiles that were regressed.
            engines: names of the engines whose formulas count.
        """
        _, *sides = self.pieces[id(profile)]
        constant = Expression.parse(repr(profile.weighted_mean))
        whole = _merge_duplicates(profile, self._found_by(profile, engines))
        whole.append(ProfileFormula(constant, _relative_loss(profile, constant), 1))
        if sides:
            inner, outer = (self._side_formulas(side, profile, engines) for side in sides)
            pairs = itertools.product(inner, outer)
            whole += [_join_at_jump(profile, sides[0], one, other, self.criteria) for one, other in pairs]
        return self._ranked(f for f in whole if math.isfinite(f.relative_loss))

    def _found_by(self, piece: ComponentProfile, engines: Sequence[str]) -> list[Candidate]:
        return [one for one in self.candidates.get(id(piece), ()) if one.engine in engines]

    def _ranked(self, formulas: Iterable[ProfileFormula]) -> list[ProfileFormula]:
        return sorted(formulas, key=lambda f: f.score(self.criteria))

    def _side_formulas(
        self, side: ComponentProfile, profile: ComponentProfile, engines: Sequence[str]
    ) -> list[ProfileFormula]:
        """Return the formulas for one side of a jump: zero where the side is negligible, else the best few."""
        size = np.sqrt(np.mean((side.value * side.weight) ** 2))
        whole = np.sqrt(np.mean((profile.value * profile.weight) ** 2))
        if size < self.criteria.structure.zero_side_ratio * whole:
            return [ProfileFormula(Expression.parse("0"), 1.0, 1)]
        ranked = self._ranked(_merge_duplicates(side, self._found_by(side, engines)))
        return ranked[: self.criteria.search.side_formulas_kept]


def regress_profiles(
    profiles: Sequence[ComponentProfile],
    engines: Sequence[str],
    config: EngineConfig,
    *,
    units: bool = False,
    report: SearchProgressCallback | None = None,
    search: FormulaSearch | None = None,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> ProfileRegression:
    """Search formulas for every profile, and for both sides of its jump, with every engine.

    Args:
        profiles: profiles of any components; one without a variable is a constant and is not searched.
        engines: names of engines.
        config: budget and operators of an engine.
        units: tell the engines the dimension of the variable.
        report: is called with the number of profiles done, and the number of all profiles times engines.
        search: takes the place of `search_formulas`.
        criteria: the stages ``search`` and ``structure`` are used.

    Raises:
        EngineUnavailable, UsageError: see `search_formulas`.
    """
    search = search or search_formulas
    pieces = {id(p): _split_at_jump(p, criteria) for p in profiles}
    searched = [p for p in itertools.chain(*pieces.values()) if p.component.variable is not None]
    along_coordinates = [p for p in searched if p.component.variable in COORDINATES]
    others = [p for p in searched if p.component.variable not in COORDINATES]
    periodic = replace(config, operators=tuple(dict.fromkeys((*config.operators, *PERIODIC_OPERATORS))))
    groups = [(config, others), (periodic, along_coordinates)]
    found: dict[int, list[Candidate]] = {id(p): [] for p in searched}
    outcomes: dict[str, None] = {}
    before = 0
    for engine, (settings, group) in itertools.product(engines, groups):
        if not group:
            continue

        def tell(done: float, _: int, before: int = before) -> None:
            if report is not None:
                report(before + done, len(engines) * len(searched))

        problems = [_regression_problem(p, units) for p in group]
        for p, result in zip(group, search(engine, problems, settings, tell), strict=True):
            found[id(p)] += result.candidates
            outcomes[result.outcome] = None
        before += len(group)
    return ProfileRegression(pieces, found, "; ".join(sorted(outcomes)) or "no profile to regress", criteria)


def _regression_problem(profile: ComponentProfile, units: bool) -> RegressionProblem:
    name = str(profile.component.variable)
    dimensions = {name: VARIABLE_DIMENSIONS[name]} if units else {}
    return RegressionProblem({name: profile.variable}, profile.value, profile.weight**2, dimensions)


def _split_at_jump(profile: ComponentProfile, criteria: Criteria) -> list[ComponentProfile]:
    """Return the profile, and both sides of its jump or cutoff without the points next to it."""
    jump = find_jump(profile, criteria=criteria)
    jump = find_cutoff(profile, criteria=criteria) if jump is None else jump
    if jump is None:
        return [profile]
    excluded = criteria.structure.jump_excluded_points
    sides = [slice(None, jump - excluded), slice(jump + excluded, None)]
    cut = [ComponentProfile(profile.component, profile.variable[s], profile.value[s], profile.weight[s]) for s in sides]
    return [profile, *cut]


def _join_at_jump(
    profile: ComponentProfile, left: ComponentProfile, inner: ProfileFormula, outer: ProfileFormula, criteria: Criteria
) -> ProfileFormula:
    """Return one formula up to the jump and another beyond it, with the jump where the points fit best."""
    start = len(left.variable) - 1
    best: ProfileFormula | None = None
    for k in range(start, start + 2 * criteria.structure.jump_excluded_points + 1):
        edge = 0.5 * float(profile.variable[k] + profile.variable[k + 1])
        sides = f"({inner.expression.text}, {profile.component.variable} < {edge!r}), ({outer.expression.text}, True)"
        expression = Expression.parse(f"Piecewise({sides})")
        engines = tuple(sorted({*inner.engines, *outer.engines}))
        formula = ProfileFormula(expression, _relative_loss(profile, expression), expression.complexity, engines)
        best = formula if best is None or formula.relative_loss < best.relative_loss else best
    assert best is not None
    return best


def _merge_duplicates(profile: ComponentProfile, candidates: Sequence[Candidate]) -> list[ProfileFormula]:
    """Return each form once, with the constants that fit better and the names of all engines that found it."""
    found: dict[str, ProfileFormula] = {}
    for one in candidates:
        loss = _relative_loss(profile, one.expression)
        formula = ProfileFormula(one.expression, loss, one.complexity, (one.engine,))
        form = one.expression.lift_constants()[0].text
        same = found.get(form)
        if same is not None:
            better = min(same, formula, key=lambda f: f.relative_loss)
            formula = replace(better, engines=tuple(dict.fromkeys((*same.engines, one.engine))))
        found[form] = formula
    return list(found.values())


def _relative_loss(profile: ComponentProfile, expression: Expression) -> float:
    """Return the weighted root mean square residual of a formula over that of the profile; inf where not finite."""
    names = [profile.component.variable] if profile.component.variable else []
    value = expression.numpy(names)(*[profile.variable] * len(names))
    residual = (np.asarray(value) - profile.value) * profile.weight
    size = np.mean((profile.value * profile.weight) ** 2)
    finite = np.all(np.isfinite(residual))
    return float(np.sqrt(np.mean(residual**2) / max(size, TINY))) if finite else math.inf
