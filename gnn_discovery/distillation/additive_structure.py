"""This module finds the additive structure of a force: directions, exponents of the properties, profile variables.

The contributions are written as a sum of additive components, monomial(properties) x profile(variable) x direction,
with each profile a spline (see `additive_fit`). Components are added by greedy forward selection, each the one that
lowers the relative error most; the earlier ones are then searched again beside it until none changes, which is
backfitting (Hastie and Tibshirani 1990, Generalized Additive Models). The symmetry of a force shows here: a central
force needs one radial component, a drag one along the velocity. The search knows no law.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.distillation.additive_component import AdditiveComponent, pair_sum_name, property_column
from gnn_discovery.distillation.additive_fit import AdditiveFit
from gnn_discovery.messages.table import MessageTable
from gnn_discovery.types import Direction


@dataclass(frozen=True)
class AdditiveStructure:
    """A frozen record of the components that together explain a table.

    Attributes:
        components: the addends of the force.
        error: relative error that their fit leaves (root mean square), see `AdditiveFit.error`.
    """

    components: tuple[AdditiveComponent, ...]
    error: float


def find_structures(
    table: MessageTable, seed: int = 0, *, criteria: Criteria = DEFAULT_CRITERIA
) -> tuple[AdditiveStructure, ...]:
    """Return additive structures of the contributions of a table, see `search_structures`.

    Args:
        table: K contributions, of which at most ``structure.max_rows`` are used.
        seed: seed of the subsample.
        criteria: the stages ``structure`` and ``visibility`` are used.
    """
    rows = stratified_subsample(table, criteria.structure.max_rows, seed, criteria=criteria)
    return search_structures(AdditiveFit(rows, criteria=criteria), criteria=criteria)


def search_structures(fit: AdditiveFit, *, criteria: Criteria = DEFAULT_CRITERIA) -> tuple[AdditiveStructure, ...]:
    """Return structures of one, two, ... components that explain most of the table.

    After each new component the earlier ones are searched again beside it, because two forces that cancel hide each
    other. The search ends at ``structure.target_error``, at ``structure.max_components``, or where a further component
    does not lower the error below ``structure.max_error_ratio`` of what it was.

    Args:
        fit: the table, prepared for fits of components.
        criteria: the stage ``structure`` is used.

    Returns:
        The structures in the order of their number of components; the last is the largest that the data warrant. Those
        that leave more than ``structure.unexplained_error`` are returned only where no other is left.
    """
    limits = criteria.structure
    found: list[AdditiveStructure] = []
    components: tuple[AdditiveComponent, ...] = ()
    error = 1.0
    while len(components) < limits.max_components and error > limits.target_error:
        trial, trial_error = _backfit(fit, (*components, None), criteria)
        no_gain = trial_error > limits.max_error_ratio * error and error < limits.unexplained_error
        if found and (no_gain or (len(trial) <= len(components) and trial_error >= error)):
            break
        components, error = trial, trial_error
        found.append(AdditiveStructure(components, error))
        if limits.exponent_search_error_ratio * limits.target_error < error < limits.unexplained_error:
            refined, refined_error = _fit_real_exponents(fit, components, error, criteria)
            if refined_error < limits.max_error_ratio * error:
                components, error = refined, refined_error
                found.append(AdditiveStructure(components, error))
    explained = tuple(s for s in found if s.error < limits.unexplained_error)
    return explained or tuple(found[-1:])


def _backfit(
    fit: AdditiveFit, components: tuple[AdditiveComponent | None, ...], criteria: Criteria
) -> tuple[tuple[AdditiveComponent, ...], float]:
    """Return components that are searched in turns, each beside the others, until none changes, and their error.

    None in ``components`` stands for one that is still to be found. In the end each component without which the error
    grows by less than 1 / ``structure.max_error_ratio`` is removed.
    """
    limits = criteria.structure
    previous = [c for c in components if c is not None]
    added, error = _best_component(fit, tuple(previous), criteria)
    current = [*previous, added]
    changed = len(current) > 1
    while changed:
        changed = False
        for k in range(len(current)):
            others = (*current[:k], *current[k + 1 :])
            best, value = _best_component(fit, others, criteria)
            if value < error * (1 - limits.min_component_gain):
                current[k], error, changed = best, value, True
    for component in list(current):
        others = tuple(c for c in current if c != component)
        if others and error < limits.unexplained_error and fit.error(others) * limits.max_error_ratio < error:
            current, error = list(others), fit.error(others)
    return tuple(current), error


def stratified_subsample(
    table: MessageTable, rows: int, seed: int, *, criteria: Criteria = DEFAULT_CRITERIA
) -> MessageTable:
    """Return at most ``rows`` rows of a table, drawn at random.

    Where fewer than ``visibility.visible_sample_fraction`` of the rows are visible, that fraction of the sample is
    drawn from the visible ones.

    Args:
        table: K contributions; a contribution is visible above ``visibility.detection_limit`` of the total force.
        rows: largest number of rows.
        seed: seed of the draw.
        criteria: the stage ``visibility`` is used.
    """
    if len(table) <= rows:
        return table
    limits = criteria.visibility
    rng = np.random.default_rng(seed)
    visible = np.linalg.norm(table.contributions, axis=-1) > limits.detection_limit * table.total
    if np.mean(visible) >= limits.visible_sample_fraction:
        return table.select(rng.choice(len(table), rows, replace=False))
    drawn = rng.permutation(np.flatnonzero(visible))[: int(rows * limits.visible_sample_fraction)]
    filled = rng.permutation(np.flatnonzero(~visible))[: rows - len(drawn)]
    return table.select(np.concatenate([drawn, filled]))


def _best_component(
    fit: AdditiveFit, base: tuple[AdditiveComponent, ...], criteria: Criteria
) -> tuple[AdditiveComponent, float]:
    """Return the component with the lowest error beside ``base``, and that error.

    All directions are tried with the initial exponents; the best one is then refined with all exponents.
    """
    limits = criteria.structure
    starts = _initial_components(fit.table)
    tried = [_hill_climb(fit, base, start, limits.initial_exponents, criteria) for start in starts]
    best, lowest = tried[0]
    for component, error in tried[1:]:
        if error < lowest * (1 - limits.min_component_gain):
            best, lowest = component, error
    if lowest > limits.exponent_search_error_ratio * limits.target_error:
        return _hill_climb(fit, base, best, limits.positive_exponents, criteria)
    return best, lowest


def _hill_climb(
    fit: AdditiveFit,
    base: tuple[AdditiveComponent, ...],
    component: AdditiveComponent,
    exponents: tuple[float, ...],
    criteria: Criteria,
) -> tuple[AdditiveComponent, float]:
    """Change the exponents of one property after the other as long as the error falls."""
    error = fit.error((*base, component))
    improved = True
    while improved:
        improved = False
        for other in _neighbouring_components(fit.table, component, exponents, criteria):
            value = fit.error((*base, other))
            if value < error * (1 - criteria.structure.min_exponent_gain):
                component, error, improved = other, value, True
    return component, error


def _initial_components(table: MessageTable) -> list[AdditiveComponent]:
    """Return one component for each direction and variable that a table of this kind can have."""
    dim = table.position.shape[-1]
    if table.kind == "pair":
        axes: list[tuple[Direction, str | None]] = [("radial", "r"), ("velocity", "r")]
        if dim == 2:
            axes.append(("transverse", "r"))
        plain = [AdditiveComponent(direction, (), variable) for direction, variable in axes]
        return [*plain, AdditiveComponent("radial", (("v_r", 1.0),), "r")]
    self_axes: list[tuple[Direction, str | None]] = [("velocity", "v"), ("radial", "r")]
    if dim == 2:
        self_axes.append(("transverse", "v"))
    coordinates: tuple[Direction, ...] = ("x", "y", "z")
    for axis in coordinates[:dim]:
        self_axes += [(axis, None), (axis, axis)]
    return [AdditiveComponent(direction, (), variable) for direction, variable in self_axes]


def _neighbouring_components(
    table: MessageTable, component: AdditiveComponent, allowed: tuple[float, ...], criteria: Criteria
) -> list[AdditiveComponent]:
    """Return the components in which the exponents of one property (at both ends, or of its pair sum) are changed."""
    limits = criteria.structure
    powers = dict(component.monomial)
    bases = sorted({name[:-2] for name in table.properties})
    neighbours = []
    for base in bases:
        ends = [f"{base}_{end}" for end in "ij" if f"{base}_{end}" in table.properties]
        names = [*ends, pair_sum_name(base)]
        at_ends = (_candidate_exponents(table.properties[end], allowed, criteria) for end in ends)
        choices = [(*c, 0.0) for c in itertools.product(*at_ends)]
        if len(ends) == 2 and 1.0 in _candidate_exponents(table.properties[ends[0]], allowed, criteria):
            of_sum = _candidate_exponents(property_column(table, pair_sum_name(base)), allowed, criteria)
            sums = (p for p in of_sum if p in limits.sum_exponents)
            choices += [(p, p, q) for p, q in itertools.product(limits.initial_exponents, sums)]
        for choice in choices:
            new = {**powers, **dict(zip(names, choice, strict=True))}
            monomial = tuple(sorted((k, p) for k, p in new.items() if p))
            if monomial != component.monomial:
                neighbours.append(replace(component, monomial=monomial))
    return neighbours


def _candidate_exponents(column: np.ndarray, allowed: tuple[float, ...], criteria: Criteria) -> tuple[float, ...]:
    """Return those of the allowed exponents that can be told apart on the values of a property.

    A property of one value has exponent zero, and one of a single magnitude zero or one: only its sign counts. A real
    or negative exponent needs positive values.
    """
    equal = 1e-9 * np.max(np.abs(column))
    if np.ptp(column) <= equal:
        return (0.0,)
    if np.ptp(np.abs(column)) <= equal:
        return (0.0, 1.0)
    return allowed if np.all(column > 0) else tuple(p for p in allowed if p in criteria.structure.signed_exponents)


def _fit_real_exponents(
    fit: AdditiveFit, components: tuple[AdditiveComponent, ...], error: float, criteria: Criteria
) -> tuple[tuple[AdditiveComponent, ...], float]:
    """Return the components with real exponents of the positive properties in the last one, by coordinate descent."""
    limits = criteria.structure
    last = components[-1]
    names = [k for k, v in fit.table.properties.items() if np.all(v > 0) and np.ptp(v) > 0]
    powers = dict(last.monomial)
    step = 0.25
    while step > limits.exponent_resolution:
        moved = False
        for name in names:
            for change in (step, -step):
                new = {**powers, name: powers.get(name, 0.0) + change}
                monomial = tuple(sorted((k, round(p, 6)) for k, p in new.items() if abs(p) > 1e-9))
                trial = (*components[:-1], replace(last, monomial=monomial))
                value = fit.error(trial)
                if value < error * (1 - limits.min_real_exponent_gain):
                    components, error, powers, moved = trial, value, new, True
        step = step if moved else step / 2
    return components, error
