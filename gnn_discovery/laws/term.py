"""The records that a law is made of: constants, terms, and properties that were inferred."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.types import Direction, Kind, Order


@dataclass(frozen=True)
class IdentifiedConstant:
    """A value with a name, such as 2, π or G, with which a fitted constant is identified.

    Attributes:
        name: the name of the value, as it is printed.
        value: the value in the units of the data.
        distance: the distance of the fitted constant from the value, in standard errors.
    """

    name: str
    value: float
    distance: float

    def __str__(self) -> str:
        return f"{self.name} to {self.distance:.1f} standard errors"


@dataclass(frozen=True)
class Constant:
    """A fitted number.

    Attributes:
        value: the number, in the units of the data.
        std: one standard error; None where it was not measured.
        unit: the unit as text; None where it is not known.
        notable: the named value that the number is identified with, if there is one.
    """

    value: float
    std: float | None = None
    unit: str | None = None
    notable: IdentifiedConstant | None = None


@dataclass(frozen=True)
class Term:
    """One term of the force on particle i: a scalar ``expression`` times the vector of ``direction``.

    The vectors are, with r = |x_i - x_j| and r_hat = (x_i - x_j)/r:

    - ``pair``: radial is r_hat, so positive is repulsive; transverse is z x r_hat (two dimensions); velocity is
      v_i - v_j, not normalised; x, y and z are the axes.
    - ``self``: velocity is v_i; transverse is z x v_i (two dimensions).
    - ``external``: radial is (x_i - centre)/|x_i - centre|; x, y and z are the axes.

    Attributes:
        kind: ``pair``, ``self`` or ``external``.
        direction: the name of the vector.
        expression: the scalar. Names that are keys of ``constants`` are constants; all others are variables: ``r``,
            ``v``, ``v_r``, ``x``, ``y``, ``z``, and properties with the suffix ``_i`` or ``_j``.
        constants: the fitted numbers by their names in ``expression``.
        centre: (D,) the centre of an external field; None is the origin.
        engines: the symbolic engines that offered the formula that the term goes back to; no engine offers a mere
            number.
        known: True where the user stated the term; then only its constants are fitted.
    """

    kind: Kind
    direction: Direction
    expression: Expression
    constants: Mapping[str, Constant] = field(default_factory=dict)
    centre: tuple[float, ...] | None = None
    engines: tuple[str, ...] = ()
    known: bool = False


@dataclass(frozen=True)
class LatentProperty:
    """A property of the particles, such as a mass, that was inferred from the motion.

    Attributes:
        values: (N,) the value of each particle.
        std: (N,) one standard error of each value; infinite where the data say nothing.
        determined: (N,) True where the interval of 95% is narrow beside the value.
    """

    values: Float[np.ndarray, " N"]
    std: Float[np.ndarray, " N"]
    determined: Bool[np.ndarray, " N"]


@runtime_checkable
class ForceLawLike(Protocol):
    """The attributes of a `ForceLaw` that its evaluation and its printing read."""

    @property
    def terms(self) -> tuple[Term, ...]:
        """Return the terms, whose sum is the force."""

    @property
    def order(self) -> Order:
        """Return 2 where the law gives accelerations, 1 where it gives velocities."""

    @property
    def divides_by_mass(self) -> bool:
        """Return True where the terms are forces, which the mass divides."""

    @property
    def latent(self) -> Mapping[str, LatentProperty]:
        """Return the inferred properties by name."""

    @property
    def diffusion(self) -> Constant | None:
        """Return D of the kicks that act beside the terms."""

    @property
    def temperature(self) -> Constant | None:
        """Return the temperature of the bath."""
