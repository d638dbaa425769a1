"""Notable values: a fitted constant that is 2, or π, to within its error, and would hardly be so by luck."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import pi

from gnn_discovery.law.record import Constant, ForceLaw, Notable

WITHIN = 3.0
"""Standard errors."""
LUCK = 0.01
"""Chance, at most, that a number as precise as the constant lies so near to some value of the ladder."""
FINEST = 1e-9
"""Relative error below which none is believed."""

_LADDER = (
    *((Fraction(1), "", 1.0), (Fraction(1, 2), "", 1.0), (Fraction(1), "π", pi), (Fraction(1, 3), "", 1.0)),
    *((Fraction(1, 4), "", 1.0), (Fraction(1, 2), "π", pi), (Fraction(1), "π²", pi**2)),
)
"""Multiples of what is notable, the simpler the earlier: asked for only where those before it do not come as near."""


def with_notable(law: ForceLaw) -> ForceLaw:
    """The law with the notable value of each constant that has one."""
    terms = (
        replace(t, constants={name: replace(c, notable=notable(c)) for name, c in t.constants.items()})
        for t in law.terms
    )
    return replace(law, terms=tuple(terms))


def notable(constant: Constant) -> Notable | None:
    """The simplest notable value within three standard errors; None where there is none.

    None too where the error is so large that the values asked for, all together, would be met by luck: they stand
    ``crowd`` to a unit of length, and each takes six standard errors.
    """
    if not constant.std:
        return None
    size, sign = abs(constant.value), -1 if constant.value < 0 else 1
    error, crowd = max(constant.std, FINEST * size), 0.0
    for step, base, unit in _LADDER:
        crowd += 1 / (float(step) * unit)
        if 2 * WITHIN * error * crowd > LUCK:
            return None
        multiple = step * round(size / (float(step) * unit))
        value = float(multiple) * unit
        if multiple and abs(size - value) <= WITHIN * error:
            return Notable(_text(sign * multiple, base), sign * value, abs(size - value) / error)
    return None


def _text(multiple: Fraction, base: str) -> str:
    """``3/2``, ``-π``, ``3π/2``."""
    top = f"{multiple.numerator}{base}"
    if base and abs(multiple.numerator) == 1:
        top = f"{'-' * (multiple < 0)}{base}"
    return top if multiple.denominator == 1 else f"{top}/{multiple.denominator}"
