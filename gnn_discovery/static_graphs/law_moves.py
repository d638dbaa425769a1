"""This module proposes laws next to a fitted one: with one constant more, or with one less."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import replace

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.errors import DataError
from gnn_discovery.laws.law import Constant
from gnn_discovery.static_graphs.node_law import NodeLaw, compose_node_law, exponent_constants, substitute_constants
from gnn_discovery.symbolic.expression import Expression

_EXTRA_CONSTANT = "k_more"


def extended_laws(law: NodeLaw) -> Iterator[NodeLaw]:
    """Yield laws with more constants that equal ``law`` at the values that they start with.

    Every exponent becomes a constant, a constant is added to a formula, or the zero of a variable is shifted.
    """
    with contextlib.suppress(DataError):
        free = compose_node_law(*substitute_constants(law, {}), law.label, whole_exponents=False)
        if len(free.constants) > len(law.constants):
            yield free
    constants = {**law.constants, _EXTRA_CONSTANT: Constant(0.0)}
    for part in ("message", "node"):
        formula = law.message if part == "message" else law.node
        variables = sorted(formula.names - set(law.constants))
        shifts = {name: Expression.parse(f"{name} + {_EXTRA_CONSTANT}") for name in variables}
        added = [Expression.parse(f"{formula.text} + {_EXTRA_CONSTANT}")]
        for wider in [*added, *(formula.substitute({name: shift}) for name, shift in shifts.items())]:
            if part == "message":
                extended = replace(law, message=wider, constants=constants)
            else:
                extended = replace(law, node=wider, constants=constants)
            if _adds_freedom(extended, law):
                yield extended


def _adds_freedom(extended: NodeLaw, law: NodeLaw, value: float = 0.1234567) -> bool:
    """Tell whether the new constant changes anything that the others cannot; ``value`` is an arbitrary one of it."""
    try:
        changed = compose_node_law(*substitute_constants(extended, {_EXTRA_CONSTANT: value}), law.label)
    except DataError:
        return False
    return len(changed.constants) > len(law.constants)


def simplified_laws(law: NodeLaw, *, criteria: Criteria = DEFAULT_CRITERIA) -> Iterator[NodeLaw]:
    """Yield laws with fewer constants: zero in the place of a constant, or a whole number in that of an exponent.

    Args:
        law: a fitted law; its standard errors decide which constants may be replaced.
        criteria: a constant within ``selection.node_constant_sigma`` standard errors of the number is replaced.
    """
    exponents = exponent_constants(law)
    for name, constant in law.constants.items():
        numbers = {math.floor(constant.value), math.ceil(constant.value)} if name in exponents else {0}
        allowed = criteria.selection.node_constant_sigma * max(constant.std or 0.0, 1e-300)
        for number in sorted(numbers):
            if abs(constant.value - number) > allowed:
                continue
            with contextlib.suppress(DataError):
                fewer = compose_node_law(*substitute_constants(law, {name: number}), law.label)
                if len(fewer.constants) < len(law.constants):
                    yield fewer
