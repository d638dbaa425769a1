"""Notable values: a fitted constant that is 2, π or G, to within its error, and would hardly be so by luck."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import cache
from math import hypot, pi

from gnn_discovery.errors import DataError
from gnn_discovery.laws.law import Constant, ForceLaw, IdentifiedConstant
from gnn_discovery.registry.units import conversion_factor

WITHIN = 3.0
"""Standard errors."""
LUCK = 0.01
"""Chance, at most, that a number as precise as the constant lies so near to some value of the ladder."""
FINEST = 1e-9
"""Relative error below which none is believed."""

_NOTABLE_MULTIPLES = (
    *((Fraction(1), "", 1.0), (Fraction(1, 2), "", 1.0), (Fraction(1), "π", pi), (Fraction(1, 3), "", 1.0)),
    *((Fraction(1, 4), "", 1.0), (Fraction(1, 2), "π", pi), (Fraction(1), "π²", pi**2)),
)
"""Multiples of what is notable, the simpler the earlier: asked for only where those before it do not come as near."""

_CODATA_NAMES = {
    "G": "Newtonian constant of gravitation",
    "c": "speed of light in vacuum",
    "g": "standard acceleration of gravity",
    "e": "elementary charge",
    "ħ": "reduced Planck constant",
    "k_B": "Boltzmann constant",
    "m_e": "electron mass",
    "m_p": "proton mass",
}
_ASTROPY_NAMES = ("GM_sun", "GM_earth", "GM_jup")
"""By their names in astropy."""


def identify_constants(law: ForceLaw) -> ForceLaw:
    """The law with the notable value of each constant that has one."""
    terms = (
        replace(t, constants={name: replace(c, notable=identify_constant(c)) for name, c in t.constants.items()})
        for t in law.terms
    )
    return replace(law, terms=tuple(terms))


def identify_constant(constant: Constant) -> IdentifiedConstant | None:
    """The constant of nature of the same dimension, or else the simplest notable number, within three standard errors.

    None where there is none, and where the error is so large that the values asked for, all together, would be met by
    luck: they stand ``crowd`` to a unit of length, and each takes six standard errors.
    """
    if not constant.std:
        return None
    size, sign = abs(constant.value), -1 if constant.value < 0 else 1
    error, nature = max(constant.std, FINEST * size), _physical_constants_in(constant.unit) if constant.unit else ()
    crowd = len(nature) / size if size else 0.0
    for name, value, uncertainty in nature:
        both = hypot(error, uncertainty)
        if abs(size - value) <= WITHIN * both and 2 * WITHIN * both * crowd <= LUCK:
            return IdentifiedConstant("-" * (sign < 0) + name, sign * value, abs(size - value) / both)
    for step, base, unit in _NOTABLE_MULTIPLES:
        crowd += 1 / (float(step) * unit)
        if 2 * WITHIN * error * crowd > LUCK:
            return None
        multiple = step * round(size / (float(step) * unit))
        value = float(multiple) * unit
        if multiple and abs(size - value) <= WITHIN * error:
            return IdentifiedConstant(_multiple_text(sign * multiple, base), sign * value, abs(size - value) / error)
    return None


@cache
def _physical_constants_in(unit: str) -> tuple[tuple[str, float, float], ...]:
    """Name, value and standard error, in ``unit``, of the constants of nature that can be measured in it."""
    from astropy import constants
    from scipy.constants import physical_constants

    known = [(name, *physical_constants[record]) for name, record in _CODATA_NAMES.items()]
    permittivity, _, error = physical_constants["vacuum electric permittivity"]
    coulomb = 1 / (4 * pi * permittivity)
    known.append(("k_e", coulomb, "N m^2 C^-2", coulomb * error / permittivity))
    known += [(name, getattr(constants, name).value, "m^3 s^-2", 0.0) for name in _ASTROPY_NAMES]
    found = []
    for name, value, own, error in known:
        with suppress(DataError):  # of another dimension
            scale = conversion_factor(own, unit)
            found.append((name, scale * value, scale * error))
    return tuple(found)


def _multiple_text(multiple: Fraction, base: str) -> str:
    """``3/2``, ``-π``, ``3π/2``."""
    top = f"{multiple.numerator}{base}"
    if base and abs(multiple.numerator) == 1:
        top = f"{'-' * (multiple < 0)}{base}"
    return top if multiple.denominator == 1 else f"{top}/{multiple.denominator}"
