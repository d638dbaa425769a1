"""The term library of sparse regression: powers, shifted and softened powers, exponentials, logarithms, and products.

The numbers in its terms are starting values. None of them is 1, which would count as a part of the formula, so that
`refine` fits them all; integer exponents are tried as they are and, with a small offset, as numbers to be fitted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gnn_discovery.symbolic.search import RegressionProblem

WAVE_FUNCTIONS = {"sin": np.sin, "cos": np.cos}


@dataclass(frozen=True)
class StartingGrid:
    """The starting values of the numbers in the terms, for variables of order one; refinement fits all of them.

    Attributes:
        exponents: Exponents of a single power of a positive variable: half-integers from -13 to 4.
        product_exponents: Exponents of powers that are factors of products.
        softened_exponents: Exponents of ``x**2 + s``.
        shifted_exponents: Exponents of ``x + s``.
        rates: Rates of exponentials.
        wave_numbers: Wave numbers of sine and cosine.
        shifts: Shifts s of the variable and softenings s of its square.
        free_exponent_offset: Number added to an integer exponent so that it is fitted.
    """

    exponents: tuple[float, ...] = tuple(p for p in np.arange(-13.0, 4.5, 0.5).tolist() if p)
    product_exponents: tuple[float, ...] = (-3.0, -2.0, -1.0, 1.0, 2.0, 3.0)
    softened_exponents: tuple[float, ...] = (-2.0, -1.5, -1.0, -0.5)
    shifted_exponents: tuple[float, ...] = (-3.0, -2.0, -1.0)
    rates: tuple[float, ...] = (-4.8, -2.4, -1.2, -0.6, -0.3, 0.6, 1.2)
    wave_numbers: tuple[float, ...] = (0.6, 1.2, 2.4, 4.8)
    shifts: tuple[float, ...] = (0.01, 0.1, 1.2)
    free_exponent_offset: float = 1e-9


GRID = StartingGrid()
"""The starting values of every library."""


@dataclass(frozen=True)
class LibraryTerm:
    """A column of the library.

    Attributes:
        text: Formula of the term; ``{0}`` in it stands for the offset that is added to exponents.
        form: The formula with names in the place of numbers, by which equal forms are recognised.
        values: Values (K,) of the term at the rows of the problem.
    """

    text: str
    form: str
    values: Float[np.ndarray, " K"]

    def __mul__(self, other: LibraryTerm) -> LibraryTerm:
        return LibraryTerm(f"{self.text}*{other.text}", f"{self.form}*{other.form}", self.values * other.values)


def term_libraries(problem: RegressionProblem, operators: Sequence[str]) -> Iterator[list[LibraryTerm]]:
    """Yield three nested libraries: powers, all terms of one factor, and products of two factors as well.

    A budget of evaluations allows longer sums from a smaller library.

    Args:
        problem: The regression problem.
        operators: Operators that are allowed.
    """
    factors = [_single_factor_terms(name, x, operators) for name, x in problem.inputs.items()]
    one = LibraryTerm("1", "1", np.ones(problem.target.size))
    powers = [one, *(term for powers, _ in factors for term in powers.values())]
    single = [*powers, *(term for _, others in factors for term in others)]
    short = [[powers[p] for p in GRID.product_exponents if p in powers] for powers, _ in factors]
    double = [
        power * other
        for k, first in enumerate(short)
        for m, (_, others) in enumerate(factors)
        for power in first
        for other in (*others, *(short[m] if m > k else ()))
    ]
    yield from (powers, single, [*single, *double])


def logarithmic_terms(problem: RegressionProblem, operators: Sequence[str]) -> list[LibraryTerm]:
    """Return the bases of a product of powers, with their logarithms as values; the first one carries the amplitude.

    Args:
        problem: The regression problem.
        operators: Operators that are allowed.
    """
    found = [LibraryTerm(repr(math.e), "1", np.ones(problem.target.size))]
    for name, x in problem.inputs.items():
        if (x > 0).all():
            found.append(LibraryTerm(name, name, np.log(x)))
            found += [LibraryTerm(f"({name} + {s!r})", f"({name} + s)", np.log(x + s)) for s in GRID.shifts]
        found += [LibraryTerm(f"({name}**2 + {s!r})", f"({name}**2 + s)", np.log(x**2 + s)) for s in GRID.shifts]
        if "exp" in operators:
            found += [
                LibraryTerm(f"exp({name})", f"exp({name})", x),
                LibraryTerm(f"exp({name}**2)", f"exp({name}**2)", x**2),
            ]
    return found


def _single_factor_terms(
    name: str, x: Float[np.ndarray, " K"], operators: Sequence[str]
) -> tuple[dict[float, LibraryTerm], list[LibraryTerm]]:
    """Return powers of one variable by exponent, and its other functions; without ``pow`` exponents are integers."""
    positive, halves = bool((x > 0).all()), "pow" in operators

    def powers_of(base: str, values: Float[np.ndarray, " K"], exponents: Sequence[float]) -> dict[float, LibraryTerm]:
        kept = [p for p in exponents if halves or p % 1 == 0]
        added = " + {0!r}" if halves else ""
        return {p: LibraryTerm(f"{base}**({p!r}{added})", f"{base}**p", values**p) for p in kept}

    powers = powers_of(name, x, GRID.exponents if positive else ())
    if not positive:
        powers = {p: LibraryTerm(f"{name}**{p:g}", f"{name}**{p:g}", x**p) for p in GRID.product_exponents if p > 0}
    others: list[LibraryTerm] = []
    for s in GRID.shifts:
        others += powers_of(f"({name}**2 + {s!r})", x**2 + s, GRID.softened_exponents).values()
        others += powers_of(f"({name} + {s!r})", x + s, GRID.shifted_exponents if positive else ()).values()
    if "exp" in operators:
        others += [LibraryTerm(f"exp({k!r}*{name})", f"exp(k*{name})", np.exp(k * x)) for k in GRID.rates]
        others += [
            LibraryTerm(f"exp({k!r}*{name}**2)", f"exp(k*{name}**2)", np.exp(k * x**2)) for k in GRID.rates if k < 0
        ]
    if "log" in operators and positive:
        others.append(LibraryTerm(f"log({name})", f"log({name})", np.log(x)))
    for wave, function in WAVE_FUNCTIONS.items():
        if wave in operators:
            others += [
                LibraryTerm(f"{wave}({k!r}*{name})", f"{wave}(k*{name})", function(k * x)) for k in GRID.wave_numbers
            ]
    return powers, others
