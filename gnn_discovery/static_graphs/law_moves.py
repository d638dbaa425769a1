"""Laws next to a fitted one: a constant more, or one less."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import replace

from gnn_discovery.errors import DataError
from gnn_discovery.laws.law import Constant
from gnn_discovery.static_graphs.node_law import NodeLaw, compose_node_law, exponent_constants, substitute_constants
from gnn_discovery.symbolic.expression import Expression

UNSURE = 4.0
"""Standard errors within which a constant may be another number."""
_EXTRA_CONSTANT = "k_more"


def extended_laws(law: NodeLaw) -> Iterator[NodeLaw]:
    """Laws with more constants, equal to this one at the values they begin with: every exponent free, a constant added
    to a formula, the zero of a variable moved."""
    with contextlib.suppress(DataError):
        free = compose_node_law(*substitute_constants(law, {}), law.label, whole_exponents=False)
        if len(free.constants) > len(law.constants):
            yield free
    for part in ("message", "node"):
        formula: Expression = getattr(law, part)
        moved = {
            name: Expression.parse(f"{name} + {_EXTRA_CONSTANT}") for name in sorted(formula.names - set(law.constants))
        }
        added = [Expression.parse(f"{formula.text} + {_EXTRA_CONSTANT}")]
        for wider in [*added, *(formula.substitute({name: shift}) for name, shift in moved.items())]:
            one = replace(law, **{part: wider}, constants={**law.constants, _EXTRA_CONSTANT: Constant(0.0)})  # type: ignore[arg-type]
            if _adds_freedom(one, law):
                yield one


def _adds_freedom(one: NodeLaw, law: NodeLaw) -> bool:
    """Whether the new constant says anything that the others do not."""
    try:
        return len(
            compose_node_law(*substitute_constants(one, {_EXTRA_CONSTANT: 0.1234567}), law.label).constants
        ) > len(law.constants)
    except DataError:
        return False


def simplified_laws(law: NodeLaw) -> Iterator[NodeLaw]:
    """Laws with fewer constants: nothing in the place of one, or of an exponent the whole numbers next to it."""
    powers = exponent_constants(law)
    for name, constant in law.constants.items():
        numbers = {math.floor(constant.value), math.ceil(constant.value)} if name in powers else {0}
        for number in sorted(numbers):
            if abs(constant.value - number) > UNSURE * max(constant.std or 0.0, 1e-300):
                continue
            with contextlib.suppress(DataError):
                fewer = compose_node_law(*substitute_constants(law, {name: number}), law.label)
                if len(fewer.constants) < len(law.constants):
                    yield fewer
