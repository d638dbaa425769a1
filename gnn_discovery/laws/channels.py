"""The channels of a law: what its terms are made of where each is a sum of products g(u) f.

The profile g is a function of one kinematic variable u and of all constants; the factor f holds neither constants nor
u, but may hold properties and other kinematic variables. Whatever the constants are, the force of such a law is linear
in the values of its profiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import sympy

from gnn_discovery.errors import DataError
from gnn_discovery.laws.term import Term
from gnn_discovery.laws.term_evaluator import KINEMATIC_VARIABLES
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.types import Direction, Kind

PREFERRED_VARIABLES = ("r", "v", "v_r", "x", "y", "z")
"""The kinematic variables in the order in which one becomes that of a profile where constants do not say which."""


@dataclass(frozen=True)
class Channel:
    """A frozen record of what a profile is multiplied by: a vector and a factor.

    Attributes:
        kind: of the term.
        direction: of the vector.
        centre: of an external field; None is the origin.
        factor: an expression without constants.
        variable: the kinematic variable of the profile; None where the profile is a number.
    """

    kind: Kind
    direction: Direction
    centre: tuple[float, ...] | None
    factor: Expression
    variable: str | None

    @property
    def term(self) -> Term:
        """Return the factor as a term without constants."""
        return Term(self.kind, self.direction, self.factor, centre=self.centre)


def separate(term: Term) -> tuple[tuple[Channel, Expression], ...] | None:
    """Return the channels of a term, each with the profile in it; None where the term is no sum of such products."""
    parts = _separated(term.expression, frozenset(term.constants))
    if parts is None:
        return None
    number = "r" if term.kind == "pair" else None  # where other profiles are likely to depend on it
    return tuple(
        (Channel(term.kind, term.direction, term.centre, factor, variable or number), profile)
        for factor, variable, profile in parts
    )


@lru_cache(maxsize=4096)
def _separated(
    expression: Expression, constants: frozenset[str]
) -> tuple[tuple[Expression, str | None, Expression], ...] | None:
    """Return factor, variable and profile of each product in an expression; None where one cannot be separated."""
    variables = expression.names - constants
    tree = expression.sympy
    if tree.has(sympy.Piecewise):
        return None
    if len(variables) <= 1 and variables <= KINEMATIC_VARIABLES:
        return ((Expression.parse("1"), next(iter(variables), None), expression),)
    profiles: dict[tuple[sympy.Expr, str | None], sympy.Expr] = {}
    for product in sympy.Add.make_args(sympy.expand(tree, power_exp=False, log=False)):
        parts = _separated_product(product, constants)
        if parts is None:
            return None
        factor, variable, profile = parts
        profiles[factor, variable] = profiles.get((factor, variable), 0) + profile
    try:
        return tuple(
            (Expression.from_sympy(factor), variable, Expression.from_sympy(profile))
            for (factor, variable), profile in profiles.items()
        )
    except DataError:
        return None


def _separated_product(
    product: sympy.Expr, constants: frozenset[str]
) -> tuple[sympy.Expr, str | None, sympy.Expr] | None:
    """Return factor, variable and profile of one product; None where constants meet more than one variable."""
    variables = {
        part: {symbol.name for symbol in part.free_symbols} - constants for part in sympy.Mul.make_args(product)
    }
    bound = {part for part in variables if {symbol.name for symbol in part.free_symbols} & constants}
    fitted = set[str]().union(*(variables[part] for part in bound))
    if len(fitted) > 1 or not fitted <= KINEMATIC_VARIABLES:
        return None
    alone = fitted or {name for names in variables.values() if len(names) == 1 for name in names}
    variable = next((name for name in PREFERRED_VARIABLES if name in alone), None)
    inside = {part for part, names in variables.items() if names <= {variable}}
    profile = sympy.Mul(*(part for part in variables if part in inside))
    return sympy.Mul(*(part for part in variables if part not in inside)), variable, profile
