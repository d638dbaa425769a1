"""Forms: known laws as the data at hand can show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from gnn_discovery.catalogue.force_samples import ForceComponent
from gnn_discovery.catalogue.known_law import KnownLaw
from gnn_discovery.laws.law import Constant, Term
from gnn_discovery.symbolic.expression import Expression


@dataclass(frozen=True)
class CatalogueForm:
    """A known law as these data can show it: what they lack is part of the amplitude."""

    law: KnownLaw
    expression: Expression

    @cached_property
    def shape(self) -> tuple[str, ...]:
        """The constants beside the amplitude."""
        return tuple(name for name in self.law.constants if name != self.law.amplitude)

    @cached_property
    def self_and_limits(self) -> frozenset[str]:
        """Its own name and those of its limits."""
        return frozenset((self.law.name, *self.law.limits))

    @cached_property
    def complexity_key(self) -> tuple[int, int]:
        """Free constants, then size: the smaller, the simpler."""
        return len(self.law.constants), self.expression.complexity

    @cached_property
    def _variables(self) -> tuple[str, ...]:
        return tuple(sorted(self.expression.names - set(self.law.constants)))

    @cached_property
    def _function(self) -> Callable[..., np.ndarray]:
        return self.expression.numpy((self.law.amplitude, *self.shape, *self._variables))

    def unit(self, inputs: Mapping[str, np.ndarray], shape: Sequence[np.ndarray | float]) -> np.ndarray:
        """Values for an amplitude of one."""
        with np.errstate(all="ignore"):
            values = self._function(1.0, *shape, *[inputs[name] for name in self._variables])
        return np.asarray(values, dtype=float)

    def term(self, channel: ForceComponent, values: Mapping[str, float], centre: tuple[float, ...] | None) -> Term:
        """The form as a term of a law; the coordinate of an axis gets its own name."""
        kind, direction = channel
        expression = self.expression
        if direction in ("y", "z"):
            expression = expression.substitute({"x": Expression.parse(direction)})
        return Term(kind, direction, expression, {k: Constant(v) for k, v in values.items()}, centre)

    def allows_amplitude(self, amplitude: np.ndarray) -> np.ndarray:
        """Whether the sign of the amplitude is one that the law can have."""
        free = self.law.constants[self.law.amplitude]
        low = -np.inf if free.minimum is None else free.minimum
        high = np.inf if free.maximum is None else free.maximum
        return np.asarray((amplitude >= low) & (amplitude <= high))


@lru_cache(maxsize=4096)
def specialise(
    law: KnownLaw, channel: ForceComponent, names: frozenset[str], *, per_mass: bool
) -> CatalogueForm | None:
    """``law`` with the variables ``names`` of the data, or None where it is of another kind or direction.

    Data that lack a property have it in the amplitude, as if all particles were alike. ``per_mass``: the
    values to compare with are accelerations, so the law is divided by ``m_i``.
    """
    kind, direction = channel
    axis = direction if law.direction == "axis" and direction in ("x", "y", "z") else law.direction
    if (law.kind, axis) != (kind, direction):
        return None
    expression = law.expression
    if per_mass:
        expression = Expression.parse(f"({expression.text})/m_i")
    lacking = {n: 1.0 for n in expression.names - set(law.constants) - names if n.endswith(("_i", "_j"))}
    return CatalogueForm(law, expression.substitute(lacking) if lacking else expression)
