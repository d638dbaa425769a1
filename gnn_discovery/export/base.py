"""The formats by name, and what they share."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any, Protocol, runtime_checkable

from gnn_discovery.errors import UsageError
from gnn_discovery.laws.law import ForceLaw, Term
from gnn_discovery.laws.term_evaluator import KINEMATIC_VARIABLES

DistanceRange = tuple[float, float]
DEFAULT_DISTANCE_RANGE: DistanceRange = (0.1, 10.0)

EXPORT_FORMATS = (
    *("text", "sympy", "latex", "numpy", "jax", "c"),
    *("openmm", "jax-md", "lammps-lepton", "lammps-table"),
)


@runtime_checkable
class ExportFormat(Protocol):
    """A module ``gnn_discovery.export.NAME``, whose docstring says in its first line what it writes."""

    def write(self, law: ForceLaw, distances: DistanceRange) -> str:
        """The law in this format; ``distances`` between particles are those at which it has to be right.

        Raises:
            UsageError: the format cannot express the law, and why.
        """


def export_to_format(law: ForceLaw, name: str, distances: DistanceRange = DEFAULT_DISTANCE_RANGE) -> str:
    """``law`` in the format ``name``; see `EXPORT_FORMATS`.

    Args:
        distances: least and largest distance of two particles. A potential is held against the force between
            them, a table reaches from one to the other.

    Raises:
        UsageError: no such format, or it cannot express the law.
    """
    low, high = distances
    if not 0 < low < high < float("inf"):
        raise UsageError(f"distances from {low:g} to {high:g}", remedy="Give the least and the largest, both positive")
    return _load_format(name).write(law, (float(low), float(high)))


def export_format_summaries() -> dict[str, str]:
    """What each format is, in a line."""
    return {name: (_load_format(name).__doc__ or "").partition("\n")[0] for name in EXPORT_FORMATS}


def _load_format(name: str) -> ExportFormat:
    if name not in EXPORT_FORMATS:
        raise UsageError(f"unknown format {name!r}", remedy=f"Choose from {', '.join(EXPORT_FORMATS)}")
    module: Any = import_module(f"gnn_discovery.export.{name.replace('-', '_')}")
    return module


def unsupported_law_error(name: str, what: str) -> UsageError:
    """The error of a format that cannot express a law."""
    return UsageError(
        f"it cannot express {what}", where=f"the format {name!r}", remedy="numpy, jax and c express every law"
    )


def required_properties(terms: Sequence[Term]) -> tuple[str, ...]:
    """Names of the properties that the terms depend on, without suffix.

    Raises:
        UsageError: a name that is neither a variable nor a property of a particle at hand.
    """
    found = set()
    for term in terms:
        if term.kind == "pair" and (place := term.expression.names & {"x", "y", "z"} - set(term.constants)):
            raise UsageError(f"a pair term cannot depend on the coordinate {min(place)!r}")
        for name in term.expression.names - set(term.constants) - KINEMATIC_VARIABLES:
            if not name.endswith("_i") and not (name.endswith("_j") and term.kind == "pair"):
                raise UsageError(f"{name!r} is no variable of a {term.kind} term and has no value")
            found.add(name[:-2])
    return tuple(sorted(found))


def file_header(law: ForceLaw, *more: str, prefix: str = "") -> str:
    """The law in words, the sign convention, and ``more``, a paragraph each, in lines of text."""
    origin = (
        f"Written by gnn-discovery {version('gnn-discovery')}. Force on i from j, r_hat = (x_i - x_j)/r: positive is "
        "repulsive."
    )
    wrapped = [textwrap.fill(part, 110 - len(prefix), break_long_words=False) for part in (str(law), origin, *more)]
    return "\n".join(f"{prefix}{line}".rstrip() for line in "\n\n".join(wrapped).splitlines())
