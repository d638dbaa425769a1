"""The properties of particles that are known by name, such as the mass ``m``.

A plug-in is a record with the keys of ``built_in.yaml``: in a file ``properties/*.yaml`` of the user's folder, or an
entry point of the group ``gnn_discovery.properties``; see `gnn_discovery.registry.plugin_records`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

from gnn_discovery.errors import DataError
from gnn_discovery.registry.plugin_records import PluginRecords, load_records


@dataclass(frozen=True)
class ParticleProperty:
    """A frozen record of a property by the name that data give it.

    Attributes:
        name: the name of the array in the data.
        meaning: the meaning in words, including the sign where that is a convention.
        dimension: powers of length, time, mass, charge, and of any other base.
        positive: True if zero and negative values are refused, as for a mass.
    """

    name: str
    meaning: str
    dimension: Mapping[str, Fraction]
    positive: bool = False

    def __str__(self) -> str:
        powers = " ".join(base if power == 1 else f"{base}^{power}" for base, power in self.dimension.items())
        return f"{self.meaning}  ({powers or 'a pure number'}{', positive' if self.positive else ''})"


def parse_property(record: Mapping[str, Any], where: str) -> ParticleProperty:
    """Build the property of a plain record.

    Args:
        record: a mapping with the keys ``name``, ``meaning``, ``dimension`` and perhaps ``positive``.
        where: the source of the record, for the errors.

    Raises:
        DataError: a key is missing, unknown or wrong.
    """
    try:
        record = dict(record)
        dimension = {str(base): Fraction(power) for base, power in record.pop("dimension").items()}
        found = ParticleProperty(str(record.pop("name")), str(record.pop("meaning")), dimension, **record)
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise DataError(
            f"not the record of a property ({error!r})",
            where=where,
            remedy="It has a name, a meaning, a dimension such as {mass: 1, time: -2}, and may have positive: true",
        ) from None
    if not (found.name.isidentifier() and found.name.isascii()) or not isinstance(found.positive, bool):
        raise DataError(
            f"{found.name!r} (positive: {found.positive!r}) cannot be a property",
            where=where,
            remedy="Use letters, digits and _ for the name, and true or false for positive",
        )
    return found


@cache
def known_properties() -> PluginRecords[ParticleProperty]:
    """Return the properties that come with the package and those of plug-ins."""
    return load_records("properties", "gnn_discovery.registry", parse_property)
