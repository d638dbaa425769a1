"""A Python file with the law as SymPy expressions, nothing rounded or multiplied out."""

from __future__ import annotations

import pprint
from collections.abc import Mapping
from typing import Any

from sympy.printing.str import StrPrinter

from gnn_discovery.export.base import DistanceRange, file_header, unsupported_law_error
from gnn_discovery.export.number_printers import ExactNumberPrinter
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.serialisation import from_dict, to_dict
from gnn_discovery.symbolic.expression import Expression

_IMPORTS = "Abs, Eq, Ne, Piecewise, S, Symbol, cos, cosh, evaluate, exp, log, sin, sinh, sqrt, tan, tanh"


class _Printer(StrPrinter):  # type: ignore[misc]  # SymPy has no types
    _print_Float = ExactNumberPrinter._print_Float


class _Code(str):
    """A text that stands as code among plain data."""

    __repr__ = str.__str__


def write_sympy(law: ForceLaw, distances: DistanceRange) -> str:
    """Return the text of a Python file with a mapping ``law``; see `base.ExportFormat`."""
    record = to_dict(law)
    for plain, term in zip(record["terms"], law.terms, strict=True):
        plain["expression"] = _Code(_Printer({"sympy_integers": True}).doprint(term.expression.sympy))
    names = sorted(set().union(*[term.expression.names for term in law.terms]))
    if taken := set(names) & set(_IMPORTS.split(", ")):
        raise unsupported_law_error("sympy", f"the name {taken.pop()!r}, which SymPy has for something else")
    return "\n".join(
        [
            f'"""{file_header(law)}\n"""\n',
            f"from sympy import {_IMPORTS}\n",
            *(f'{name} = Symbol("{name}")' for name in names),
            "with evaluate(False):",
            f"    law = {_indented(pprint.pformat(record, width=110, sort_dicts=False))}\n",
        ]
    )


def law_from_sympy(record: Mapping[str, Any]) -> ForceLaw:
    """Return the law of the mapping that such a file makes when it is run.

    Raises:
        DataError: the mapping is not a law, or an expression is not in the language of formulas.
    """
    terms = [{**term, "expression": Expression.from_sympy(term["expression"]).text} for term in record["terms"]]
    return from_dict({**record, "terms": terms})


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")
