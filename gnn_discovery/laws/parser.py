"""The notation in which a person writes a law: ``pair radial: -m_i*m_j/r**2; self velocity: -g``."""

from __future__ import annotations

from gnn_discovery.errors import UsageError
from gnn_discovery.laws.evaluate import depends_on_velocity
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.term import Constant, Term
from gnn_discovery.laws.term_evaluator import KINEMATIC_VARIABLES
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.types import Order

TERM_DIRECTIONS = {
    "pair": ("radial", "transverse", "velocity", "x", "y", "z"),
    "self": ("velocity", "transverse"),
    "external": ("radial", "x", "y", "z"),
}


def parse_law(text: str, order: Order = 2, divides_by_mass: bool = False) -> ForceLaw:
    """Read a law from its text: terms with ``;`` between them, each ``KIND DIRECTION: EXPRESSION``.

    An expression alone is a radial pair force. A number in it is a fixed number; a name that is neither a variable nor
    a property (``m_i``, ``q_j``) is a constant, which has the value 1 until it is fitted.

    Args:
        text: the law.
        order: 2 for accelerations, 1 for velocities.
        divides_by_mass: True where the terms are forces, which the mass ``m`` divides.

    Raises:
        UsageError: a kind or a direction does not exist, or a law of velocities depends on them.
        DataError: an expression is not a formula of the language.
    """
    law = ForceLaw(tuple(_parse_term(part) for part in text.split(";")), order, divides_by_mass)
    if order == 1 and depends_on_velocity(law):
        raise UsageError(
            f"{text!r} depends on velocities, and a law of order 1 states them",
            remedy="Leave out v, v_r and the directions of velocities, or ask for order 2",
        )
    return law


def _parse_term(text: str) -> Term:
    head, colon, body = text.rpartition(":")
    kind, direction = head.split() if len(head.split()) == 2 else (head, "") if colon else ("pair", "radial")
    if direction not in TERM_DIRECTIONS.get(kind, ()):
        shown = "; ".join(f"{kind} {', '.join(directions)}" for kind, directions in TERM_DIRECTIONS.items())
        raise UsageError(f"{head.strip()!r} is not the kind and direction of a force", remedy=f"There are {shown}")
    expression = Expression.parse(body)
    ends = ("_i", "_j") if kind == "pair" else ("_i",)
    free = sorted(name for name in expression.names - KINEMATIC_VARIABLES if not name.endswith(ends))
    return Term(kind, direction, expression, {name: Constant(1.0) for name in free})  # type: ignore[arg-type]
