"""The catalogue of known laws: plain records in ``known_laws/*.yaml``, open to plug-ins.

A plug-in is a record of the same keys: in a file ``known_laws/*.yaml`` of the user's folder, or an entry point of the
group ``gnn_discovery.known_laws``; see `gnn_discovery.registry.plugin_records`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any

import sympy

from gnn_discovery.errors import DataError
from gnn_discovery.registry.plugin_records import load_records
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.types import Direction, Kind, Order

_DIRECTIONS_OF_KIND = {
    "pair": ("radial", "transverse", "velocity"),
    "self": ("velocity", "transverse"),
    "external": ("radial", "axis"),
}
_ALLOWED_VARIABLES = {
    ("pair", "radial"): {"r", "v", "v_r"},
    ("pair", "transverse"): {"r", "v", "v_r"},
    ("pair", "velocity"): {"r", "v", "v_r"},
    ("self", "velocity"): {"v"},
    ("self", "transverse"): {"v"},
    ("external", "radial"): {"r"},
    ("external", "axis"): {"x"},
}
_SOFTENINGS = {
    "r + c": ("r + c", None),
    "r**2 + c**2": ("sqrt(r**2 + c**2)", None),
    "Plummer": ("sqrt(r**2 + c**2)", "r/sqrt(r**2 + c**2)"),
}
"""For each way of softening, the expression that stands for r, and the factor that a softened potential brings."""


@dataclass(frozen=True)
class FreeConstant:
    """A constant of a known law that the data fix.

    Attributes:
        meaning: in words.
        unit: in powers of the bases, such as ``force/length``.
        minimum: lower bound, None where there is none.
        maximum: upper bound, None where there is none.
    """

    meaning: str
    unit: str
    minimum: float | None = 0.0
    maximum: float | None = None


@dataclass(frozen=True, eq=False)
class KnownLaw:
    """One law of the literature, as a force on particle i in data that give masses.

    Attributes:
        name: by which verdicts call it.
        kind: ``pair``, ``self`` or ``external``, as in `Term`.
        direction: as in `Term`; ``axis`` stands for each of x, y, z, its coordinate is called ``x``.
        expression: its exponents are fixed numbers; names are variables, properties (``m_i``, ``q_j``) and
            the keys of ``constants``.
        constants: those that the data fix, by name.
        amplitude: the constant that the force is proportional to.
        reference: where the law is published.
        field: of physics.
        range: where it holds, in words.
        note: a remark.
        order: of the equation of motion that it is a law of; None for a force, whatever it moves.
        limits: names of the laws that it turns into for extreme values of its constants.
        softenings: the ways in which it also stands softened: ``r + c`` and ``r**2 + c**2`` put that for r (r**2)
            in the force, ``Plummer`` puts the latter in the potential.
        softened: the way in which this one is softened, None for a law as it stands in the file.
    """

    name: str
    kind: Kind
    direction: Direction | str
    expression: Expression
    constants: Mapping[str, FreeConstant]
    amplitude: str
    reference: str
    field: str = ""
    range: str = ""
    note: str = ""
    order: Order | None = None
    limits: tuple[str, ...] = ()
    softenings: tuple[str, ...] = ()
    softened: str | None = None

    @property
    def variables(self) -> frozenset[str]:
        """Return the names in the expression that are no constants."""
        return self.expression.names - set(self.constants)

    @property
    def properties(self) -> frozenset[str]:
        """Return the properties that particles must have, without suffix."""
        return frozenset(n[:-2] for n in self.variables if n.endswith(("_i", "_j")))

    def record(self) -> dict[str, Any]:
        """Return the record as plain data: the keys of a file, and the variables."""
        plain = {key: value for key, value in asdict(self).items() if key != "softened"}
        return {**plain, "expression": self.expression.text, "variables": sorted(self.variables)}


@dataclass(frozen=True)
class Catalogue:
    """All known laws.

    Attributes:
        laws: softened ones included.
        origins: where each law of a file or plug-in comes from, by name.
        broken: files and entry points that could not be read, with the reason.
    """

    laws: tuple[KnownLaw, ...]
    origins: Mapping[str, str] = field(default_factory=dict)
    broken: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, name: str) -> KnownLaw:
        return next(law for law in self.laws if law.name == name)


def parse_known_law(record: Mapping[str, Any], where: str) -> KnownLaw:
    """Return the law of a plain record.

    Args:
        record: the keys of a file.
        where: the place of the record, for error messages.

    Raises:
        DataError: a key is missing, unknown or wrong.
    """
    try:
        record = dict(record)
        constants = {str(k): _parse_constant(**v) for k, v in record.pop("constants").items()}
        expression = Expression.parse(record.pop("expression"))
        limits, softenings = tuple(record.pop("limits", ())), tuple(record.pop("softenings", ()))
        name = str(record.pop("name"))
        law = KnownLaw(name, expression=expression, constants=constants, limits=limits, softenings=softenings, **record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"not the record of a law ({error!r})",
            where=where,
            remedy="`gnn-discovery new law NAME` writes one to begin with",
        ) from None
    _validate(law, where)
    return law


def _parse_constant(meaning: str, unit: str, **bounds: Any) -> FreeConstant:
    """Return the constant of a record, with bounds as numbers: YAML takes 1e-3 for text."""
    numbers = {name: None if bound is None else float(bound) for name, bound in bounds.items()}
    return FreeConstant(str(meaning), str(unit), **numbers)


def _validate(law: KnownLaw, where: str) -> None:
    """Raise DataError where a record contradicts itself."""
    place = f"{where}, law {law.name!r}"
    if law.direction not in _DIRECTIONS_OF_KIND.get(law.kind, ()):
        raise DataError(f"a {law.kind} law cannot have direction {law.direction!r}", where=place)
    properties = {n for n in law.variables if n.endswith("_i") or (n.endswith("_j") and law.kind == "pair")}
    if unknown := law.variables - properties - _ALLOWED_VARIABLES[law.kind, law.direction]:
        raise DataError(f"unknown names {sorted(unknown)}", where=place, remedy="list constants in 'constants'")
    if unused := set(law.constants) - law.expression.names:
        raise DataError(f"constants {sorted(unused)} are not in the expression", where=place)
    if odd := set(law.softenings) - set(_SOFTENINGS):
        raise DataError(f"unknown softenings {sorted(odd)}", where=place, remedy=f"known: {[*_SOFTENINGS]}")
    if not law.reference:
        raise DataError("the law has no reference", where=place, remedy="say where the law is published")
    tree, symbol = law.expression.sympy, sympy.Symbol(law.amplitude)
    if sympy.diff(tree, symbol, 2) != 0 or tree.subs(symbol, 0) != 0 or law.amplitude not in law.constants:
        raise DataError(f"the force is not proportional to its amplitude {law.amplitude!r}", where=place)
    if any(not p.exp.is_number for p in tree.atoms(sympy.Pow) if p.base != sympy.E):
        raise DataError("an exponent is not a fixed number", where=place)


_LINEAR_FORCES = {
    "pair": ("linear spring",),
    "external": ("isotropic harmonic trap", "isotropic harmonic trap in proportion to mass"),
    "self": (),
}


def soften(law: KnownLaw, way: str) -> KnownLaw:
    """Return ``law`` with its distance softened by a free length ``c``.

    Inside a core as Plummer's, which is wide beside the range, any central force is linear in the distance.

    Args:
        law: a law that is singular at r = 0.
        way: ``r + c``, ``r**2 + c**2`` or ``Plummer``.
    """
    distance, factor = _SOFTENINGS[way]
    text = law.expression.substitute({"r": Expression.parse(distance)}).text
    linear = _LINEAR_FORCES[law.kind] if way == "Plummer" else ()
    limits = (law.name, *law.limits, *(f"{name}, softened {way}" for name in law.limits), *linear)
    return replace(
        law,
        name=f"{law.name}, softened {way}",
        expression=Expression.parse(f"({text})*{factor}" if factor else text),
        constants={**law.constants, "c": FreeConstant("softening length", "length")},
        limits=limits,
        softenings=(),
        softened=way,
    )


@cache
def load_catalogue() -> Catalogue:
    """Return the laws that come with the package and those of plug-ins, each singular law also softened."""
    records = load_records("known_laws", "gnn_discovery.catalogue", parse_known_law)
    laws = tuple(records.entries.values())
    softened = [soften(law, way) for law in laws for way in law.softenings]
    return Catalogue((*laws, *softened), records.origins, records.broken)
