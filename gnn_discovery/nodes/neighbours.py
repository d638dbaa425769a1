"""Laws next to a fitted one: a constant more, or one less."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import replace

from gnn_discovery.errors import DataError
from gnn_discovery.expression import Expression
from gnn_discovery.law import Constant
from gnn_discovery.nodes.law import NodeLaw, compose, exponents, numbered

UNSURE = 4.0
"""Standard errors within which a constant may be another number."""
_MORE = "k_more"


def richer(law: NodeLaw) -> Iterator[NodeLaw]:
    """Laws with more constants, equal to this one at the values they begin with: every exponent free, a constant added
    to a formula, the zero of a variable moved."""
    with contextlib.suppress(DataError):
        free = compose(*numbered(law, {}), law.label, whole_exponents=False)
        if len(free.constants) > len(law.constants):
            yield free
    for part in ("message", "node"):
        formula: Expression = getattr(law, part)
        moved = {name: Expression.parse(f"{name} + {_MORE}") for name in sorted(formula.names - set(law.constants))}
        added = [Expression.parse(f"{formula.text} + {_MORE}")]
        for wider in [*added, *(formula.substitute({name: shift}) for name, shift in moved.items())]:
            one = replace(law, **{part: wider}, constants={**law.constants, _MORE: Constant(0.0)})  # type: ignore[arg-type]
            if _has_more(one, law):
                yield one


def _has_more(one: NodeLaw, law: NodeLaw) -> bool:
    """Whether the new constant says anything that the others do not."""
    try:
        return len(compose(*numbered(one, {_MORE: 0.1234567}), law.label).constants) > len(law.constants)
    except DataError:
        return False


def simpler(law: NodeLaw) -> Iterator[NodeLaw]:
    """Laws with fewer constants: nothing in the place of one, or of an exponent the whole numbers next to it."""
    powers = exponents(law)
    for name, constant in law.constants.items():
        numbers = {math.floor(constant.value), math.ceil(constant.value)} if name in powers else {0}
        for number in sorted(numbers):
            if abs(constant.value - number) > UNSURE * max(constant.std or 0.0, 1e-300):
                continue
            with contextlib.suppress(DataError):
                fewer = compose(*numbered(law, {name: number}), law.label)
                if len(fewer.constants) < len(law.constants):
                    yield fewer
