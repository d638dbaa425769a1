"""The library of sparse regression: powers of each variable, as it is, moved and softened, exponentials, logarithms,
and products of two of these.

The numbers in its terms are a grid to start from. None of them is a 1, which would count as a part of the formula, so
that `refine` fits them all; integer exponents are tried as they are and, with a little added, as numbers to be fitted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gnn_discovery.symbolic import Problem

HALVES = tuple(p for p in np.arange(-13.0, 4.5, 0.5).tolist() if p)
SHORT = (-3.0, -2.0, -1.0, 1.0, 2.0, 3.0)
"""The exponents that stand in products."""
RATES = (-4.8, -2.4, -1.2, -0.6, -0.3, 0.6, 1.2)
WAVES = {"sin": np.sin, "cos": np.cos}
FREQUENCIES = (0.6, 1.2, 2.4, 4.8)
MOVES = (0.01, 0.1, 1.2)
FREE = 1e-9
"""What is added to an exponent, so that it is no integer."""


@dataclass(frozen=True)
class Term:
    """A column of the library: its formula, the form of it, which leaves the numbers open, and its values.

    ``{0}`` in the formula is what is added to exponents.
    """

    text: str
    form: str
    values: Float[np.ndarray, " K"]

    def __mul__(self, other: Term) -> Term:
        return Term(f"{self.text}*{other.text}", f"{self.form}*{other.form}", self.values * other.values)


def libraries(problem: Problem, operators: Sequence[str]) -> Iterator[list[Term]]:
    """Each within the next: powers, all terms of one factor, terms of two as well. Small ones are searched further."""
    factors = [_factors(name, x, operators) for name, x in problem.inputs.items()]
    one = Term("1", "1", np.ones(problem.target.size))
    powers = [one, *(term for powers, _ in factors for term in powers.values())]
    single = [*powers, *(term for _, others in factors for term in others)]
    short = [[powers[p] for p in SHORT if p in powers] for powers, _ in factors]
    double = [
        power * other
        for k, first in enumerate(short)
        for m, (_, others) in enumerate(factors)
        for power in first
        for other in (*others, *(short[m] if m > k else ()))
    ]
    yield from (powers, single, [*single, *double])


def bases(problem: Problem, operators: Sequence[str]) -> list[Term]:
    """What stands under the exponents of a product, with its logarithm; the first is there for the amplitude."""
    found = [Term(repr(math.e), "1", np.ones(problem.target.size))]
    for name, x in problem.inputs.items():
        if (x > 0).all():
            found.append(Term(name, name, np.log(x)))
            found += [Term(f"({name} + {s!r})", f"({name} + s)", np.log(x + s)) for s in MOVES]
        found += [Term(f"({name}**2 + {s!r})", f"({name}**2 + s)", np.log(x**2 + s)) for s in MOVES]
        if "exp" in operators:
            found += [Term(f"exp({name})", f"exp({name})", x), Term(f"exp({name}**2)", f"exp({name}**2)", x**2)]
    return found


def _factors(name: str, x: Float[np.ndarray, " K"], operators: Sequence[str]) -> tuple[dict[float, Term], list[Term]]:
    """Powers of one variable by exponent, and its other functions. Without ``pow`` exponents are integers."""
    positive, halves = bool((x > 0).all()), "pow" in operators

    def powers_of(base: str, values: Float[np.ndarray, " K"], exponents: Sequence[float]) -> dict[float, Term]:
        kept = [p for p in exponents if halves or p % 1 == 0]
        added = " + {0!r}" if halves else ""
        return {p: Term(f"{base}**({p!r}{added})", f"{base}**p", values**p) for p in kept}

    powers = powers_of(name, x, HALVES if positive else ())
    if not positive:
        powers = {p: Term(f"{name}**{p:g}", f"{name}**{p:g}", x**p) for p in SHORT if p > 0}
    others: list[Term] = []
    for s in MOVES:
        others += powers_of(f"({name}**2 + {s!r})", x**2 + s, (-2.0, -1.5, -1.0, -0.5)).values()
        others += powers_of(f"({name} + {s!r})", x + s, (-3.0, -2.0, -1.0) if positive else ()).values()
    if "exp" in operators:
        others += [Term(f"exp({k!r}*{name})", f"exp(k*{name})", np.exp(k * x)) for k in RATES]
        others += [Term(f"exp({k!r}*{name}**2)", f"exp(k*{name}**2)", np.exp(k * x**2)) for k in RATES if k < 0]
    if "log" in operators and positive:
        others.append(Term(f"log({name})", f"log({name})", np.log(x)))
    for wave, function in WAVES.items():
        if wave in operators:
            others += [Term(f"{wave}({k!r}*{name})", f"{wave}(k*{name})", function(k * x)) for k in FREQUENCIES]
    return powers, others
