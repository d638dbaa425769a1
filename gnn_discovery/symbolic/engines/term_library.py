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

from gnn_discovery.symbolic.search import RegressionProblem

HALF_INTEGER_EXPONENTS = tuple(p for p in np.arange(-13.0, 4.5, 0.5).tolist() if p)
PRODUCT_EXPONENTS = (-3.0, -2.0, -1.0, 1.0, 2.0, 3.0)
"""The exponents that stand in products."""
EXPONENTIAL_RATES = (-4.8, -2.4, -1.2, -0.6, -0.3, 0.6, 1.2)
WAVE_FUNCTIONS = {"sin": np.sin, "cos": np.cos}
WAVE_NUMBERS = (0.6, 1.2, 2.4, 4.8)
SHIFTS = (0.01, 0.1, 1.2)
FREE_EXPONENT_OFFSET = 1e-9
"""What is added to an exponent, so that it is no integer."""


@dataclass(frozen=True)
class LibraryTerm:
    """A column of the library: its formula, the form of it, which leaves the numbers open, and its values.

    ``{0}`` in the formula is what is added to exponents.
    """

    text: str
    form: str
    values: Float[np.ndarray, " K"]

    def __mul__(self, other: LibraryTerm) -> LibraryTerm:
        return LibraryTerm(f"{self.text}*{other.text}", f"{self.form}*{other.form}", self.values * other.values)


def term_libraries(problem: RegressionProblem, operators: Sequence[str]) -> Iterator[list[LibraryTerm]]:
    """Each within the next: powers, all terms of one factor, terms of two as well. Small ones are searched further."""
    factors = [_single_factor_terms(name, x, operators) for name, x in problem.inputs.items()]
    one = LibraryTerm("1", "1", np.ones(problem.target.size))
    powers = [one, *(term for powers, _ in factors for term in powers.values())]
    single = [*powers, *(term for _, others in factors for term in others)]
    short = [[powers[p] for p in PRODUCT_EXPONENTS if p in powers] for powers, _ in factors]
    double = [
        power * other
        for k, first in enumerate(short)
        for m, (_, others) in enumerate(factors)
        for power in first
        for other in (*others, *(short[m] if m > k else ()))
    ]
    yield from (powers, single, [*single, *double])


def logarithmic_terms(problem: RegressionProblem, operators: Sequence[str]) -> list[LibraryTerm]:
    """What stands under the exponents of a product, with its logarithm; the first is there for the amplitude."""
    found = [LibraryTerm(repr(math.e), "1", np.ones(problem.target.size))]
    for name, x in problem.inputs.items():
        if (x > 0).all():
            found.append(LibraryTerm(name, name, np.log(x)))
            found += [LibraryTerm(f"({name} + {s!r})", f"({name} + s)", np.log(x + s)) for s in SHIFTS]
        found += [LibraryTerm(f"({name}**2 + {s!r})", f"({name}**2 + s)", np.log(x**2 + s)) for s in SHIFTS]
        if "exp" in operators:
            found += [
                LibraryTerm(f"exp({name})", f"exp({name})", x),
                LibraryTerm(f"exp({name}**2)", f"exp({name}**2)", x**2),
            ]
    return found


def _single_factor_terms(
    name: str, x: Float[np.ndarray, " K"], operators: Sequence[str]
) -> tuple[dict[float, LibraryTerm], list[LibraryTerm]]:
    """Powers of one variable by exponent, and its other functions. Without ``pow`` exponents are integers."""
    positive, halves = bool((x > 0).all()), "pow" in operators

    def powers_of(base: str, values: Float[np.ndarray, " K"], exponents: Sequence[float]) -> dict[float, LibraryTerm]:
        kept = [p for p in exponents if halves or p % 1 == 0]
        added = " + {0!r}" if halves else ""
        return {p: LibraryTerm(f"{base}**({p!r}{added})", f"{base}**p", values**p) for p in kept}

    powers = powers_of(name, x, HALF_INTEGER_EXPONENTS if positive else ())
    if not positive:
        powers = {p: LibraryTerm(f"{name}**{p:g}", f"{name}**{p:g}", x**p) for p in PRODUCT_EXPONENTS if p > 0}
    others: list[LibraryTerm] = []
    for s in SHIFTS:
        others += powers_of(f"({name}**2 + {s!r})", x**2 + s, (-2.0, -1.5, -1.0, -0.5)).values()
        others += powers_of(f"({name} + {s!r})", x + s, (-3.0, -2.0, -1.0) if positive else ()).values()
    if "exp" in operators:
        others += [LibraryTerm(f"exp({k!r}*{name})", f"exp(k*{name})", np.exp(k * x)) for k in EXPONENTIAL_RATES]
        others += [
            LibraryTerm(f"exp({k!r}*{name}**2)", f"exp(k*{name}**2)", np.exp(k * x**2))
            for k in EXPONENTIAL_RATES
            if k < 0
        ]
    if "log" in operators and positive:
        others.append(LibraryTerm(f"log({name})", f"log({name})", np.log(x)))
    for wave, function in WAVE_FUNCTIONS.items():
        if wave in operators:
            others += [LibraryTerm(f"{wave}({k!r}*{name})", f"{wave}(k*{name})", function(k * x)) for k in WAVE_NUMBERS]
    return powers, others
