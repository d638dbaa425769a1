"""This module finds formulas for the energies of a Hamiltonian network, with the regression that finds forces."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sympy

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.distillation.additive_component import TINY
from gnn_discovery.distillation.additive_fit import contribution_weights
from gnn_discovery.distillation.additive_structure import find_structures
from gnn_discovery.distillation.candidates import build_term
from gnn_discovery.distillation.profile_regression import regress_profiles
from gnn_discovery.distillation.profiles import estimate_profiles
from gnn_discovery.errors import DataError
from gnn_discovery.laws.law import Constant, Term
from gnn_discovery.laws.text import term_text
from gnn_discovery.messages.table import MessageTable
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import EngineConfig, FormulaSearch
from gnn_discovery.types import Kind


@dataclass(frozen=True)
class HamiltonianEnergies:
    """A frozen record of the energies H = sum H_pair + sum H_self as formulas.

    Addends that do not change with ``r`` or ``p`` are left out. An energy is None where no formula of these alone was
    found.

    Attributes:
        pair_energy: H_pair as a formula of the distance ``r`` and the properties.
        self_energy: H_self as a formula of the magnitude of the momentum ``p`` and the properties.
    """

    pair_energy: Expression | None
    self_energy: Expression | None

    @property
    def texts(self) -> dict[str, str | None]:
        """Return both formulas as text, by name."""
        return {
            "pair_energy": _energy_text("pair", self.pair_energy),
            "self_energy": _energy_text("self", self.self_energy),
        }


def distill_energies(
    tables: Sequence[MessageTable],
    engines: Sequence[str],
    config: EngineConfig,
    *,
    search: FormulaSearch | None = None,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> HamiltonianEnergies:
    """Return the best formulas for the energies of a Hamiltonian network.

    Args:
        tables: the pair table and the self table of `gnn_discovery.messages.read_energies`.
        engines: names of symbolic engines.
        config: budget and operators of an engine, and the seed.
        search: takes the place of `gnn_discovery.symbolic.search.search_formulas`.
        criteria: the stages ``visibility``, ``structure`` and ``search`` are used.
    """
    profiles = [
        [
            profile
            for structure in find_structures(table, config.seed, criteria=criteria)
            for profile in estimate_profiles(table, structure, criteria=criteria)
        ]
        for table in tables
    ]
    every = [profile for some in profiles for profile in some]
    regression = regress_profiles(every, engines, config, search=search, criteria=criteria)
    kept = criteria.search.profile_formulas_kept[0]
    found = []
    for table, some in zip(tables, profiles, strict=True):
        direction, variable = ("radial", "r") if table.kind == "pair" else ("velocity", "p")
        terms = [build_term(table, p.component, f) for p in some for f in regression.formulas(p, engines)[:kept]]
        formulas = [t.expression for t in terms if t.direction == direction]
        vectors = table.position if table.kind == "pair" else table.velocity
        if table.kind == "self":  # the table holds the momentum in the place of the velocity, and energy along it
            in_momentum = (f.substitute({"v": Expression.parse("p")}) for f in formulas)
            formulas = [Expression.parse(f"({f.text})*p") for f in in_momentum]
        size = np.linalg.norm(vectors, axis=-1)
        energy = np.sum(table.contributions * vectors, -1) / np.maximum(size, TINY)
        weight = contribution_weights(table, criteria=criteria)
        found.append(_best_energy(formulas, variable, {**table.properties, variable: size}, energy, weight, criteria))
    return HamiltonianEnergies(*found)


def _best_energy(
    formulas: Iterable[Expression],
    variable: str,
    inputs: Mapping[str, np.ndarray],
    energy: np.ndarray,
    weight: np.ndarray,
    criteria: Criteria,
) -> Expression | None:
    """Return the formula of the lowest log error + penalty * length, reduced to what changes with the variable.

    Addends that do not change with the variable are not counted in the length either.
    """
    limits = criteria.search

    def score(formula: Expression) -> float:
        residual = (formula.numpy(list(inputs))(*inputs.values()) - energy) * weight
        loss = float(np.sqrt(np.mean(residual**2) / np.mean((energy * weight) ** 2)))
        reduced = dependent_part(formula, variable)
        length = reduced.complexity + len(reduced.lift_constants()[1])  # so p**2 is shorter than p**1.998
        if not math.isfinite(loss):
            return math.inf
        return math.log(max(loss, limits.profile_error_floor)) + limits.profile_complexity_penalty * length

    defined = (f for f in formulas if f.names <= inputs.keys())
    best = min(defined, key=lambda f: (score(f), f.text), default=None)
    return None if best is None else dependent_part(best, variable)


def dependent_part(formula: Expression, variable: str, max_expanded_power: int = 4) -> Expression:
    """Return the addends of a formula that change with a variable; a quotient is split into partial fractions.

    Args:
        formula: a formula of ``variable`` and others.
        variable: name of the variable.
        max_expanded_power: a formula with a higher power of a sum is returned whole, because it would be multiplied out
            to a page.
    """
    powers = (p for p in formula.sympy.atoms(sympy.Pow) if p.exp.is_number)
    if any(p.base.is_Add and abs(p.exp) > max_expanded_power for p in powers):
        return formula
    symbol = sympy.Symbol(variable)
    factor, tree = formula.sympy.as_independent(symbol, as_Add=False)
    tree = sympy.apart(tree, symbol) if tree.is_rational_function(symbol) else tree
    expanded = sympy.expand_log(factor * tree, force=True).expand()
    independent, dependent = expanded.as_independent(symbol, as_Add=True)
    try:
        return formula if independent == 0 else Expression.from_sympy(dependent)
    except DataError:  # it is longer than a formula may be
        return formula


def _energy_text(kind: Kind, formula: Expression | None) -> str | None:
    if formula is None:
        return None
    skeleton, values = formula.lift_constants()
    return term_text(Term(kind, "radial", skeleton, {name: Constant(value) for name, value in values.items()}))
