"""Groups of terms whose variables mean the same, and the quantities that have to be computed for them, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.term import Term
from gnn_discovery.symbolic.expression import Expression

_PREREQUISITES = {
    "separation": (),
    "r": ("separation",),
    "unit": ("separation", "r"),
    "motion": (),
    "v": ("motion",),
    "v_r": ("unit", "motion"),
    "x": (),
    "y": (),
    "z": (),
}
"""The quantities that can be computed, each with those that it is made of, which stand before it."""

COORDINATE_AXES = ("x", "y", "z")


@dataclass(frozen=True)
class TermGroup:
    """A group of terms of pairs, or of single particles about one centre.

    ``separation`` is x_i - x_j or x_i - centre, ``unit`` its direction, ``motion`` is v_i - v_j or v_i.

    Attributes:
        pair: True for terms of pairs.
        centre: the centre of an external field, None for the origin and for pairs.
        terms: the terms.
    """

    pair: bool
    centre: tuple[float, ...] | None
    terms: tuple[Term, ...]

    @property
    def steps(self) -> list[str]:
        """Return the quantities that the terms need, in the order in which they can be computed."""
        needed = set().union(*[term.expression.names - set(term.constants) for term in self.terms])
        needed |= {vector_name(term) for term in self.terms if term.direction not in COORDINATE_AXES}
        for name, parts in reversed(_PREREQUISITES.items()):
            if name in needed:
                needed |= set(parts)
        return [name for name in _PREREQUISITES if name in needed]

    @property
    def property_names(self) -> list[str]:
        """Return the properties that the terms need, with suffix, ``m_i`` or ``m_j``."""
        names = set().union(*[term.expression.names - set(term.constants) for term in self.terms])
        return sorted(names - set(_PREREQUISITES))


def term_groups(law: ForceLaw) -> list[TermGroup]:
    """Return all terms of a law in groups, pairs first."""
    keys = dict.fromkeys((term.kind == "pair", None if term.kind == "pair" else term.centre) for term in law.terms)
    return [
        TermGroup(pair, centre, tuple(t for t in law.terms if _is_member(t, pair, centre)))
        for pair, centre in sorted(keys, key=lambda key: not key[0])
    ]


def _is_member(term: Term, pair: bool, centre: Sequence[float] | None) -> bool:
    return (term.kind == "pair") == pair and (pair or term.centre == centre)


def vector_name(term: Term) -> str:
    """Return the vector that a term points along, or across: ``unit`` or ``motion``."""
    across_motion = term.direction == "transverse" and term.kind == "self"
    return "motion" if term.direction == "velocity" or across_motion else "unit"


def numeric_expression(term: Term) -> Expression:
    """Return the expression of a term with its constants put in."""
    return term.expression.substitute({name: constant.value for name, constant in term.constants.items()})
