"""Units are texts that pint reads; quantities of pint and astropy become numbers in stated units.

Units are removed at the boundary of the package: inside are plain numbers, and texts beside them state their units.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from gnn_discovery.errors import DataError
from gnn_discovery.registry.properties import known_properties

if TYPE_CHECKING:
    import pint

_EXTRA_DEFINITIONS = (
    "AU = astronomical_unit",
    "@alias angstrom = Angstrom",
    "M_sun = 1.3271244e20 m^3/s^2 / newtonian_constant_of_gravitation = _ = Msun = solMass = solar_mass",
    "M_jup = 1.2668653e17 m^3/s^2 / newtonian_constant_of_gravitation = _ = Mjup = jupiterMass = jupiter_mass",
    "M_earth = 3.986004e14 m^3/s^2 / newtonian_constant_of_gravitation = _ = Mearth = earthMass = earth_mass",
    "R_sun = 6.957e8 m = _ = Rsun = solRad = solar_radius",
    "R_jup = 7.1492e7 m = _ = Rjup = jupiterRad = jupiter_radius",
    "R_earth = 6.3781e6 m = _ = Rearth = earthRad = earth_radius",
    "@alias light_year = lyr",
    "frame = [frame]",
    "timestep = [timestep] = _ = step",
)
"""These definitions are missing in pint: names that astronomers use (IAU 2015 Resolution B3), and counts of frames."""

_BASE_DIMENSIONS = {
    "length": ({"[length]": 1}, {"[printing_unit]": 1}),
    "time": ({"[time]": 1}, {"[frame]": 1}, {"[timestep]": 1}),
    "mass": ({"[mass]": 1},),
    "charge": ({"[current]": 1, "[time]": 1}, {"[mass]": 0.5, "[length]": 1.5, "[time]": -1}),
}
"""Each base may be given in these powers of pint's dimensions: SI first, then pixels, frames, and Gaussian charges."""

_EXAMPLE = "Give one as km, AU^3/day^2 or M_sun"
_INTEGER = re.compile(r"(?<![\w.])(?<![eE][+-])\d+(?![\w.])")


@cache
def unit_registry() -> pint.UnitRegistry[Any]:
    """Return the units of pint, with those that it lacks."""
    import pint

    known: pint.UnitRegistry[Any] = pint.UnitRegistry(on_redefinition="ignore")
    for line in _EXTRA_DEFINITIONS:
        known.define(line)
    return known


@cache
def parse_unit(text: str) -> pint.Quantity[Any]:
    """Parse a unit such as ``km``, ``AU^3 day^-2`` or ``yr/(2*pi)`` into a quantity.

    Raises:
        DataError: there is no such unit; the remedy names similar ones.
    """
    import pint

    longest = 100
    # integers become floats, because a tower of integer powers would take forever where floats overflow
    numbers = _INTEGER.sub(lambda match: f"{match.group()}.0", text)
    try:
        if len(text) > longest:
            raise ValueError
        quantity: pint.Quantity[Any] = unit_registry().Quantity(1.0, "") * unit_registry().parse_expression(numbers)
        size = float(quantity.to_base_units().magnitude)
    except pint.UndefinedUnitError as error:
        (name, *_) = [error.unit_names] if isinstance(error.unit_names, str) else error.unit_names
        raise DataError(f"there is no unit {name!r}", remedy=_suggestion(name)) from None
    except Exception:  # pint's reader fails in many ways
        size = math.nan
    if not 0 < size < math.inf:
        raise DataError(f"{text[:longest]!r} is no unit", remedy=_EXAMPLE)
    return quantity


def _suggestion(name: str) -> str:
    """Suggest units with names similar to an unknown one."""
    near = difflib.get_close_matches(name, dir(unit_registry()), n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(near)}?" if near else _EXAMPLE


def conversion_factor(unit: str, other: str) -> float:
    """Return the number of ``other`` in one ``unit``.

    Args:
        unit: the unit to convert from.
        other: the unit to convert to.

    Raises:
        DataError: one of them is no unit, or they measure different things.
    """
    import pint

    if unit == other:
        return 1.0
    try:
        return float((parse_unit(unit) / parse_unit(other)).to("").magnitude)
    except pint.DimensionalityError:
        raise DataError(f"{unit} cannot be converted to {other}", remedy="They measure different things") from None


def keep_known_units(units: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the units that `check_units` accepts, and a note on each other one, because a file may state anything."""
    kept, notes = {}, []
    for what, unit in units.items():
        try:
            check_units({what: unit}, "")
            kept[what] = unit
        except DataError:
            notes.append(f"{unit!r} is no unit of {_meaning(what)} that is known, and left out.")
    return kept, notes


def check_units(units: Mapping[str, str], where: str) -> None:
    """Refuse texts that are no units, and units of another quantity, such as a length for a mass.

    Args:
        units: units of ``length``, ``time`` and of properties by name.
        where: the source of the units, for the errors.

    Raises:
        DataError: a unit is unknown or measures something else.
    """
    for what, unit in units.items():
        try:
            powers = dict(parse_unit(unit).dimensionality)
        except DataError as error:
            raise DataError(f"{what}: {error.what}", where=where, remedy=error.remedy) from None
        powers.pop("[substance]", None)  # g/mol is a mass to a chemist
        allowed = _allowed_dimensions(what)
        if allowed and powers not in allowed:
            stated = " ".join(f"{base}^{power:g}" for base, power in powers.items()) or "a pure number"
            raise DataError(
                f"{what} is in {unit}, {stated}",
                where=where,
                remedy=f"Give {what} in a unit of {_meaning(what)}",
            )


def _allowed_dimensions(what: str) -> tuple[Mapping[str, float], ...]:
    """Return the dimensions that a unit of ``what`` may have; an empty tuple allows any."""
    if what in ("length", "time"):
        return _BASE_DIMENSIONS[what]
    known = known_properties().entries.get(what)
    if known is None:
        return ()
    if list(known.dimension.values()) == [1]:
        return _BASE_DIMENSIONS.get(next(iter(known.dimension)), ())
    if not set(known.dimension) <= set(_BASE_DIMENSIONS):
        return ()
    total: dict[str, float] = {}
    for base, power in known.dimension.items():
        for name, part in _BASE_DIMENSIONS[base][0].items():
            total[name] = total.get(name, 0.0) + part * float(power)
    return ({name: power for name, power in total.items() if power},)


def _meaning(what: str) -> str:
    """Return the meaning of a property if it is known, else its name."""
    known = known_properties().entries.get(what)
    return what if known is None else known.meaning


def unit_of(value: Any) -> str | None:
    """Return the unit of a quantity of astropy or pint as text, or None for plain numbers."""
    if hasattr(value, "unit") and hasattr(value, "to_value"):
        parts = zip(value.unit.bases, value.unit.powers, strict=True)
        powers = [base.name if power == 1 else f"{base.name}^{float(power):g}" for base, power in parts]
        scale = value.unit.scale
        return " ".join([f"{scale!r}"] * (scale != 1) + powers)
    if hasattr(value, "units") and hasattr(value, "magnitude"):
        return f"{value.units:~C}"
    return None


def require_plain_numbers(value: Any, what: str) -> Any:
    """Return plain numbers unchanged, and refuse a quantity that a function made of numbers without units.

    Args:
        value: the result of a user's function.
        what: a description of the value, for the error.

    Raises:
        DataError: the value is a quantity, and nothing says which units fit.
    """
    if (unit := unit_of(value)) is not None:
        raise DataError(
            f"{what} in {unit}, from numbers without units",
            remedy="Give plain numbers, and say what they are with --units length=AU,time=day",
        )
    return value


def magnitude_of(value: Any) -> np.ndarray:
    """Return the numbers of a quantity in its own unit."""
    return np.asarray(value.magnitude if hasattr(value, "magnitude") else value.value)
