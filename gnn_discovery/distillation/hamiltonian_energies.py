"""Formulas for the energies of a Hamiltonian network, by the regression of forces."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sympy

from gnn_discovery.distillation.additive_fit import contribution_weights
from gnn_discovery.distillation.additive_structure import find_structures
from gnn_discovery.distillation.candidates import KEPT, build_term
from gnn_discovery.distillation.profile_regression import NOISE, PRICE, regress_profiles
from gnn_discovery.distillation.profiles import estimate_profiles
from gnn_discovery.errors import DataError
from gnn_discovery.laws.law import Constant, Term
from gnn_discovery.laws.text import term_text
from gnn_discovery.messages.table import MessageTable
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import EngineConfig
from gnn_discovery.types import Kind

MAX_EXPANDED_POWER = 4


@dataclass(frozen=True)
class HamiltonianEnergies:
    """H_pair as a function of ``r`` and the properties, H_self as one of the momentum ``p`` and the properties; what
    does not change with r, or with p, is left out. None where there is no formula of these alone."""

    pair: Expression | None
    own: Expression | None

    @property
    def texts(self) -> dict[str, str | None]:
        """In print, by name."""
        return {"pair_energy": _energy_text("pair", self.pair), "self_energy": _energy_text("self", self.own)}


def distill_energies(
    tables: Sequence[MessageTable], engines: Sequence[str], config: EngineConfig
) -> HamiltonianEnergies:
    """The best formulas for the tables of `gnn_discovery.messages.hamiltonian_energies.read_energies`."""
    profiles = [[p for s in find_structures(t, config.seed) for p in estimate_profiles(t, s)] for t in tables]
    offers = regress_profiles([p for some in profiles for p in some], engines, config)
    found = []
    for table, some in zip(tables, profiles, strict=True):
        along, name = ("radial", "r") if table.kind == "pair" else ("velocity", "p")
        terms = [build_term(table, p.channel, f) for p in some for f in offers.formulas(p, engines)[: KEPT[1]]]
        formulas = [t.expression for t in terms if t.direction == along]
        vectors = table.position if table.kind == "pair" else table.velocity
        if table.kind == "self":  # along the momentum, which stands in the place of the velocity
            momenta = (f.substitute({"v": Expression.parse("p")}) for f in formulas)
            formulas = [Expression.parse(f"({f.text})*p") for f in momenta]
        size = np.linalg.norm(vectors, axis=-1)
        energy = np.sum(table.contributions * vectors, -1) / np.maximum(size, 1e-300)
        found.append(
            _best_energy(formulas, name, {**table.properties, name: size}, energy, contribution_weights(table))
        )
    pair, own = found
    return HamiltonianEnergies(pair, own)


def _best_energy(
    formulas: Iterable[Expression],
    variable: str,
    inputs: Mapping[str, np.ndarray],
    energy: np.ndarray,
    weight: np.ndarray,
) -> Expression | None:
    """The formula that is nearest for its length, without what does not change with the variable: it is no part of it,
    and is not paid for."""

    def price(formula: Expression) -> float:
        miss = (formula.numpy(list(inputs))(*inputs.values()) - energy) * weight
        loss = float(np.sqrt(np.mean(miss**2) / np.mean((energy * weight) ** 2)))
        short = dependent_part(formula, variable)
        length = short.complexity + len(short.lift_constants()[1])  # so p**2 is shorter than p**1.998
        return math.log(max(loss, NOISE)) + PRICE * length if math.isfinite(loss) else math.inf

    there = (f for f in formulas if f.names <= inputs.keys())
    best = min(there, key=lambda f: (price(f), f.text), default=None)
    return None if best is None else dependent_part(best, variable)


def dependent_part(formula: Expression, variable: str) -> Expression:
    """The addends that change with the variable, of a quotient its partial fractions; all of what has a higher power of
    a sum than `MAX_EXPANDED_POWER`, which would be multiplied out to a page."""
    if any(
        p.base.is_Add and abs(p.exp) > MAX_EXPANDED_POWER for p in formula.sympy.atoms(sympy.Pow) if p.exp.is_number
    ):
        return formula
    symbol = sympy.Symbol(variable)
    factor, tree = formula.sympy.as_independent(symbol, as_Add=False)
    tree = sympy.apart(tree, symbol) if tree.is_rational_function(symbol) else tree
    still, rest = sympy.expand_log(factor * tree, force=True).expand().as_independent(symbol, as_Add=True)
    try:
        return formula if still == 0 else Expression.from_sympy(rest)
    except DataError:  # longer than a formula may be
        return formula


def _energy_text(kind: Kind, formula: Expression | None) -> str | None:
    if formula is None:
        return None
    skeleton, values = formula.lift_constants()
    return term_text(Term(kind, "radial", skeleton, {name: Constant(value) for name, value in values.items()}))
