"""ForceLaw: a sum of terms, each a kind, a direction and a scalar expression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float

from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.types import Direction, Kind, Order


@dataclass(frozen=True)
class IdentifiedConstant:
    """A value with a name, such as 2, π or G, that a constant is ``distance`` standard errors away from."""

    name: str
    value: float
    distance: float

    def __str__(self) -> str:
        return f"{self.name} to {self.distance:.1f} standard errors"


@dataclass(frozen=True)
class Constant:
    """A fitted number. ``std`` is one standard error, None where it was not measured."""

    value: float
    std: float | None = None
    unit: str | None = None
    notable: IdentifiedConstant | None = None


@dataclass(frozen=True)
class Term:
    """One term of the force on particle i: ``expression`` times the unit vector of ``direction``.

    ``pair``: radial is (x_i - x_j)/r, so positive is repulsive; transverse is z x radial (2D);
    velocity is v_i - v_j (not normalised); x, y, z are the fixed axes.
    ``self``: velocity is v_i; transverse is z x v_i (2D).
    ``external``: radial is (x_i - centre)/|x_i - centre|; x, y, z are the fixed axes.

    Names in ``expression`` that are keys of ``constants`` are constants; all others are variables:
    ``r``, ``v``, ``v_r``, ``x``, ``y``, ``z`` and properties with suffix ``_i`` or ``_j``. ``engines`` are those that
    offered the formula that the term goes back to; none offers a mere number. ``given``: the user stated the term, and
    no more than its constants are fitted.
    """

    kind: Kind
    direction: Direction
    expression: Expression
    constants: Mapping[str, Constant] = field(default_factory=dict)
    centre: tuple[float, ...] | None = None
    engines: tuple[str, ...] = ()
    given: bool = False


@dataclass(frozen=True)
class LatentProperty:
    """A property of the particles that was inferred, not given."""

    values: Float[np.ndarray, " N"]
    std: Float[np.ndarray, " N"]
    determined: Bool[np.ndarray, " N"]


@dataclass(frozen=True)
class ForceLaw:
    """The equation of motion ``m_i a_i = sum F`` (or ``a_i = sum F``, or ``v_i = sum F``).

    ``divides_by_mass`` says whether the data gave ``m``: then terms are forces, else they are
    accelerations (order 2) or velocities (order 1).
    """

    terms: tuple[Term, ...]
    order: Order = 2
    divides_by_mass: bool = False
    latent: Mapping[str, LatentProperty] = field(default_factory=dict)

    @property
    def given(self) -> ForceLaw:
        """The terms that the user stated."""
        return replace(self, terms=tuple(term for term in self.terms if term.given))

    @property
    def rest(self) -> ForceLaw:
        """The terms that nobody stated."""
        return replace(self, terms=tuple(term for term in self.terms if not term.given))

    @property
    def engines(self) -> tuple[str, ...]:
        """Those that offered all of its formulas; where none did, those that offered some."""
        offered = [set(term.engines) for term in self.terms if term.engines]
        if not offered:
            return ()
        return tuple(sorted(set.intersection(*offered) or set.union(*offered)))

    def acceleration(
        self,
        positions: np.ndarray,
        velocities: np.ndarray | None = None,
        properties: Mapping[str, np.ndarray] | None = None,
        edges: np.ndarray | None = None,
        box: np.ndarray | None = None,
        cutoff: float | None = None,
    ) -> np.ndarray:
        """(..., N, D), see `evaluate.acceleration`; the velocity where ``order`` is 1."""
        from gnn_discovery.laws.evaluate import acceleration

        return acceleration(self, positions, velocities, properties, edges, box, cutoff)

    def __str__(self) -> str:
        from gnn_discovery.laws.text import law_text

        return law_text(self)
