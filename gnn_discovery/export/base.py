"""The export of a law: the formats by name, and what their files have in common."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import Protocol

from gnn_discovery.errors import UsageError
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.term import Term
from gnn_discovery.laws.term_evaluator import KINEMATIC_VARIABLES

DistanceRange = tuple[float, float]
DEFAULT_DISTANCE_RANGE: DistanceRange = (0.1, 10.0)
"""The distances in which an exported file is right where the user states none, in the unit of length of the law."""

EXPORT_FORMATS = (
    *("text", "sympy", "latex", "numpy", "jax", "c"),
    *("openmm", "jax-md", "lammps-lepton", "lammps-table"),
)


class ExportFormat(Protocol):
    """A function ``write_NAME`` of the module ``gnn_discovery.export.NAME``.

    The first line of the docstring of that module says what the file is.
    """

    def __call__(self, law: ForceLaw, distances: DistanceRange) -> str:
        """Return the text of a file with the law.

        Args:
            law: the law.
            distances: the range of distances between particles in which the file has to be right.

        Raises:
            UsageError: the format cannot express the law; the message says why.
        """


def export_to_format(law: ForceLaw, name: str, distances: DistanceRange = DEFAULT_DISTANCE_RANGE) -> str:
    """Return the text of a file that expresses a law in a format.

    Args:
        law: the law.
        name: one of `EXPORT_FORMATS`.
        distances: least and largest distance of two particles. A potential is held against the force between
            them, a table reaches from one to the other.

    Raises:
        UsageError: there is no such format, or it cannot express the law.
    """
    low, high = distances
    if not 0 < low < high < float("inf"):
        raise UsageError(f"distances from {low:g} to {high:g}", remedy="Give the least and the largest, both positive")
    write: ExportFormat = getattr(_load_format(name), f"write_{name.replace('-', '_')}")
    return write(law, (float(low), float(high)))


def export_format_summaries() -> dict[str, str]:
    """Return one line about each format, by name."""
    return {name: (_load_format(name).__doc__ or "").partition("\n")[0] for name in EXPORT_FORMATS}


def _load_format(name: str) -> ModuleType:
    if name not in EXPORT_FORMATS:
        raise UsageError(f"unknown format {name!r}", remedy=f"Choose from {', '.join(EXPORT_FORMATS)}")
    return import_module(f"gnn_discovery.export.{name.replace('-', '_')}")


def unsupported_law_error(name: str, what: str) -> UsageError:
    """Return the error of the format ``name`` that it cannot express ``what``, a part of a law in words."""
    return UsageError(
        f"it cannot express {what}", where=f"the format {name!r}", remedy="numpy, jax and c express every law"
    )


def required_properties(terms: Sequence[Term]) -> tuple[str, ...]:
    """Return the names of the properties that the terms depend on, without suffix.

    Raises:
        UsageError: a name is neither a variable nor a property of a particle of the term.
    """
    names = set()
    for term in terms:
        if term.kind == "pair" and (place := term.expression.names & {"x", "y", "z"} - set(term.constants)):
            raise UsageError(f"a pair term cannot depend on the coordinate {min(place)!r}")
        for name in term.expression.names - set(term.constants) - KINEMATIC_VARIABLES:
            if not name.endswith("_i") and not (name.endswith("_j") and term.kind == "pair"):
                raise UsageError(f"{name!r} is neither a variable of a {term.kind} term nor a constant with a value")
            names.add(name[:-2])
    return tuple(sorted(names))


def file_header(law: ForceLaw, *more: str, prefix: str = "") -> str:
    """Return the law, the sign convention and further paragraphs in lines of text, for the head of a file.

    Args:
        law: the law.
        more: further paragraphs.
        prefix: text before each line, such as a sign for comments.
    """
    origin = (
        f"Written by gnn-discovery {version('gnn-discovery')}. Force on i from j, r_hat = (x_i - x_j)/r: positive is "
        "repulsive."
    )
    wrapped = [textwrap.fill(part, 110 - len(prefix), break_long_words=False) for part in (str(law), origin, *more)]
    return "\n".join(f"{prefix}{line}".rstrip() for line in "\n\n".join(wrapped).splitlines())
