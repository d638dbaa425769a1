"""Formulas for the energies of a Hamiltonian network, by the regression of forces."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sympy

from gnn_discovery.distill.candidates import distill
from gnn_discovery.distill.fit import weights
from gnn_discovery.distill.formulas import NOISE, PRICE
from gnn_discovery.expression import Expression
from gnn_discovery.law.record import Constant, Term
from gnn_discovery.law.text import term_text
from gnn_discovery.symbolic import EngineConfig
from gnn_discovery.table import MessageTable
from gnn_discovery.types import Kind


@dataclass(frozen=True)
class Energies:
    """H_pair as a function of ``r`` and the properties, H_self as one of the momentum ``p`` and the properties; what
    does not change with r, or with p, is left out. None where there is no formula of these alone."""

    pair: Expression | None
    own: Expression | None

    @property
    def texts(self) -> dict[str, str | None]:
        """In print, by name."""
        return {"pair_energy": _text("pair", self.pair), "self_energy": _text("self", self.own)}


def distill_energies(tables: Sequence[MessageTable], engines: Sequence[str], config: EngineConfig) -> Energies:
    """The best formulas for the tables of `gnn_discovery.messages.read_energies`."""
    terms = [term for law in distill(tables, engines, config).laws for term in law.terms]
    plain = [(t, t.expression.substitute({name: c.value for name, c in t.constants.items()})) for t in terms]
    pairs = {f for t, f in plain if (t.kind, t.direction) == ("pair", "radial")}
    alone = {f for t, f in plain if (t.kind, t.direction) == ("self", "velocity")}
    pair, own = tables
    size = np.sum(pair.contributions * pair.position, -1) / np.maximum(pair.distance, 1e-300)
    found = _best(pairs, "r", {**pair.properties, "r": pair.distance}, size, weights(pair))
    along = {Expression.parse(f"({f.substitute({'v': Expression.parse('p')}).text})*p") for f in alone}
    length = np.sum(own.contributions * own.velocity, -1) / np.maximum(own.speed, 1e-300)
    return Energies(found, _best(along, "p", {**own.properties, "p": own.speed}, length, weights(own)))


def _best(
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
        short = changing(formula, variable)
        return math.log(max(loss, NOISE)) + PRICE * short.complexity if math.isfinite(loss) else math.inf

    best = min(formulas, key=lambda f: (price(f), f.text), default=None)
    return None if best is None else changing(best, variable)


def changing(formula: Expression, variable: str) -> Expression:
    """The addends that change with the variable, of a quotient its partial fractions."""
    symbol = sympy.Symbol(variable)
    factor, tree = formula.sympy.as_independent(symbol, as_Add=False)
    tree = sympy.apart(tree, symbol) if tree.is_rational_function(symbol) else tree
    still, rest = sympy.expand_log(factor * tree, force=True).expand().as_independent(symbol, as_Add=True)
    return formula if still == 0 else Expression.from_sympy(rest)


def _text(kind: Kind, formula: Expression | None) -> str | None:
    if formula is None:
        return None
    skeleton, values = formula.lift_constants()
    return term_text(Term(kind, "radial", skeleton, {name: Constant(value) for name, value in values.items()}))
