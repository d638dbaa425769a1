"""Catalogue forms: known laws as the data at hand can show them, with the properties that they lack set to one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Bool

from gnn_discovery.catalogue.force_samples import ForceComponent
from gnn_discovery.catalogue.known_law import KnownLaw
from gnn_discovery.laws.law import Constant, Term
from gnn_discovery.symbolic.expression import Expression


@dataclass(frozen=True)
class CatalogueForm:
    """A known law as these data can show it: the properties that they lack are part of the amplitude.

    Attributes:
        law: the record of the catalogue.
        expression: its expression, in the variables of the data.
    """

    law: KnownLaw
    expression: Expression

    @cached_property
    def shape_constants(self) -> tuple[str, ...]:
        """Return the names of the constants beside the amplitude."""
        return tuple(name for name in self.law.constants if name != self.law.amplitude)

    @cached_property
    def self_and_limits(self) -> frozenset[str]:
        """Return the name of the law and those of its limits."""
        return frozenset((self.law.name, *self.law.limits))

    @cached_property
    def complexity_key(self) -> tuple[int, int]:
        """Return (free constants, size of the expression), by which forms are ordered from the simplest on."""
        return len(self.law.constants), self.expression.complexity

    @cached_property
    def _variables(self) -> tuple[str, ...]:
        return tuple(sorted(self.expression.names - set(self.law.constants)))

    @cached_property
    def _function(self) -> Callable[..., np.ndarray]:
        return self.expression.numpy((self.law.amplitude, *self.shape_constants, *self._variables))

    def unit_values(self, inputs: Mapping[str, np.ndarray], shape: Sequence[np.ndarray | float]) -> np.ndarray:
        """Return the values of the form for an amplitude of one.

        Args:
            inputs: (K,) of every variable by name.
            shape: a value for each of `shape_constants`; arrays broadcast against the inputs.
        """
        with np.errstate(all="ignore"):
            values = self._function(1.0, *shape, *[inputs[name] for name in self._variables])
        return np.asarray(values, dtype=float)

    def as_term(self, component: ForceComponent, values: Mapping[str, float], centre: tuple[float, ...] | None) -> Term:
        """Return the form as a term of a law; the coordinate of an axis gets its own name.

        Args:
            component: kind and direction of the term.
            values: of all constants by name.
            centre: of an external field; None for the origin.
        """
        kind, direction = component
        expression = self.expression
        if direction in ("y", "z"):
            expression = expression.substitute({"x": Expression.parse(direction)})
        return Term(kind, direction, expression, {k: Constant(v) for k, v in values.items()}, centre)

    def allows_amplitude(self, amplitude: np.ndarray) -> Bool[np.ndarray, "..."]:
        """Mark the amplitudes whose sign is one that the law can have."""
        free = self.law.constants[self.law.amplitude]
        low = -np.inf if free.minimum is None else free.minimum
        high = np.inf if free.maximum is None else free.maximum
        return np.asarray((amplitude >= low) & (amplitude <= high))


@lru_cache(maxsize=4096)
def specialise(
    law: KnownLaw, component: ForceComponent, names: frozenset[str], *, per_mass: bool
) -> CatalogueForm | None:
    """Return ``law`` in the variables of the data, or None where it is of another kind or direction.

    Data that lack a property have it in the amplitude, as if all particles were alike.

    Args:
        law: the record of the catalogue.
        component: kind and direction of the force that it is compared with.
        names: variables that the data have.
        per_mass: the values to compare with are accelerations, so the law is divided by ``m_i``.
    """
    kind, direction = component
    law_direction = direction if law.direction == "axis" and direction in ("x", "y", "z") else law.direction
    if (law.kind, law_direction) != (kind, direction):
        return None
    expression = law.expression
    if per_mass:
        expression = Expression.parse(f"({expression.text})/m_i")
    lacking = {n: 1.0 for n in expression.names - set(law.constants) - names if n.endswith(("_i", "_j"))}
    return CatalogueForm(law, expression.substitute(lacking) if lacking else expression)
