"""Identification of constants: a fitted number that is 2, π or G to within its error, and hardly so by coincidence."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import cache
from math import hypot, pi

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.errors import DataError
from gnn_discovery.laws.law import Constant, ForceLaw, IdentifiedConstant
from gnn_discovery.registry.units import conversion_factor

_NOTABLE_MULTIPLES = (
    *((Fraction(1), "", 1.0), (Fraction(1, 2), "", 1.0), (Fraction(1), "π", pi), (Fraction(1, 3), "", 1.0)),
    *((Fraction(1, 4), "", 1.0), (Fraction(1, 2), "π", pi), (Fraction(1), "π²", pi**2)),
)
"""Steps of the sets of notable numbers, with the name and the value of their unit. Simpler sets stand earlier: a set is
tried only where none before it holds a number as near."""

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
"""Names of constants of nature in the tables of CODATA."""
_ASTROPY_NAMES = ("GM_sun", "GM_earth", "GM_jup")
"""Names of further constants in astropy."""


def identify_constants(law: ForceLaw, *, criteria: Criteria = DEFAULT_CRITERIA) -> ForceLaw:
    """Return the law with the notable value of each constant that has one.

    Args:
        law: with values, standard errors and units of its constants.
        criteria: the numbers that decide.
    """

    def identified(constant: Constant) -> Constant:
        return replace(constant, notable=identify_constant(constant, criteria=criteria))

    terms = (replace(t, constants={name: identified(c) for name, c in t.constants.items()}) for t in law.terms)
    return replace(law, terms=tuple(terms))


def identify_constant(constant: Constant, *, criteria: Criteria = DEFAULT_CRITERIA) -> IdentifiedConstant | None:
    """Return the constant of nature of the same dimension, or else the simplest notable number, near to a constant.

    A value is near where it is within ``n`` standard errors ``e``. With ``d`` values tried so far to a unit of length,
    one of them is so near by chance with a probability of at most ``2 n e d``.

    Args:
        constant: with a standard error; without one it is not identified.
        criteria: ``n``, the largest probability of a coincidence, and the smallest relative error that is believed.

    Returns:
        The notable value, None where there is none or where the error is so large that it may be a coincidence.
    """
    if not constant.std:
        return None
    numbers = criteria.verdict
    n_sigma, max_probability = numbers.identification_n_sigma, numbers.max_coincidence_probability
    size, sign = abs(constant.value), -1 if constant.value < 0 else 1
    error = max(constant.std, numbers.identification_min_rel_error * size)
    nature = _physical_constants_in(constant.unit) if constant.unit else ()
    density = len(nature) / size if size else 0.0
    for name, value, uncertainty in nature:
        both = hypot(error, uncertainty)
        if abs(size - value) <= n_sigma * both and 2 * n_sigma * both * density <= max_probability:
            return IdentifiedConstant("-" * (sign < 0) + name, sign * value, abs(size - value) / both)
    for step, base, unit in _NOTABLE_MULTIPLES:
        density += 1 / (float(step) * unit)
        if 2 * n_sigma * error * density > max_probability:
            return None
        multiple = step * round(size / (float(step) * unit))
        value = float(multiple) * unit
        if multiple and abs(size - value) <= n_sigma * error:
            return IdentifiedConstant(_multiple_text(sign * multiple, base), sign * value, abs(size - value) / error)
    return None


@cache
def _physical_constants_in(unit: str) -> tuple[tuple[str, float, float], ...]:
    """Return name, value and standard error, in ``unit``, of the constants of nature that can be measured in it."""
    from astropy import constants
    from scipy.constants import physical_constants

    known = [(name, *physical_constants[record]) for name, record in _CODATA_NAMES.items()]
    permittivity, _, error = physical_constants["vacuum electric permittivity"]
    coulomb = 1 / (4 * pi * permittivity)
    known.append(("k_e", coulomb, "N m^2 C^-2", coulomb * error / permittivity))
    known += [(name, getattr(constants, name).value, "m^3 s^-2", 0.0) for name in _ASTROPY_NAMES]
    found = []
    for name, value, unit_of_record, error in known:
        with suppress(DataError):  # of another dimension
            scale = conversion_factor(unit_of_record, unit)
            found.append((name, scale * value, scale * error))
    return tuple(found)


def _multiple_text(multiple: Fraction, base: str) -> str:
    """Return ``3/2``, ``-π`` or ``3π/2``."""
    top = f"{multiple.numerator}{base}"
    if base and abs(multiple.numerator) == 1:
        top = f"{'-' * (multiple < 0)}{base}"
    return top if multiple.denominator == 1 else f"{top}/{multiple.denominator}"
