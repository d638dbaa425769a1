"""Property: what is known of a property of particles by its name.

A plug-in is a record with the keys of ``built_in.yaml``: in a file ``properties/*.yaml`` of the user's folder, or an
entry point of the group ``gnn_discovery.registry.properties``; see `gnn_discovery.registry.plugin_records`.
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
    """A property by the name that data give it.

    Attributes:
        meaning: in words, its sign too where that is a convention.
        dimension: powers of length, time, mass, charge, and of any other base.
        positive: zero and negative values are refused, as of a mass.
    """

    name: str
    meaning: str
    dimension: Mapping[str, Fraction]
    positive: bool = False

    def __str__(self) -> str:
        powers = " ".join(base if power == 1 else f"{base}^{power}" for base, power in self.dimension.items())
        return f"{self.meaning}  ({powers or 'a pure number'}{', positive' if self.positive else ''})"


def parse_property(record: Mapping[str, Any], where: str) -> ParticleProperty:
    """The property of a plain record.

    Raises:
        DataError: a key is missing, unknown or wrong; ``where`` says whose record it is.
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
    """Those that come with the package, and those of plug-ins."""
    return load_records("properties", "gnn_discovery.registry", parse_property)
