"""The central record of the package: a force law as a sum of terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from gnn_discovery.laws.evaluate import acceleration
from gnn_discovery.laws.term import Constant as Constant
from gnn_discovery.laws.term import IdentifiedConstant as IdentifiedConstant
from gnn_discovery.laws.term import LatentProperty as LatentProperty
from gnn_discovery.laws.term import Term as Term
from gnn_discovery.laws.text import law_text
from gnn_discovery.types import Order


@dataclass(frozen=True)
class ForceLaw:
    """An equation of motion, ``m_i a_i = sum F``, ``a_i = sum F`` or ``v_i = sum F``.

    Attributes:
        terms: the terms, whose sum is the right side.
        order: 2 where the left side is an acceleration, 1 where it is a velocity.
        divides_by_mass: True where the data gave the mass ``m``; then terms are forces, else they are accelerations
            (order 2) or velocities (order 1).
        latent: the properties that were inferred, by name.
        diffusion: D of kicks without memory that act beside the terms, dx = v dt + sqrt(2 D) dW (order 1) or
            m dv = F dt + sqrt(2 D) dW; None where none do.
        temperature: T of the bath, D over the coefficient of a linear drag; None where the law has none.
    """

    terms: tuple[Term, ...]
    order: Order = 2
    divides_by_mass: bool = False
    latent: Mapping[str, LatentProperty] = field(default_factory=dict)
    diffusion: Constant | None = None
    temperature: Constant | None = None

    @property
    def known_terms(self) -> ForceLaw:
        """Return the law of the terms that the user stated."""
        return replace(self, terms=tuple(term for term in self.terms if term.known))

    @property
    def discovered_terms(self) -> ForceLaw:
        """Return the law of the terms that the user did not state."""
        return replace(self, terms=tuple(term for term in self.terms if not term.known))

    @property
    def engines(self) -> tuple[str, ...]:
        """Return the engines that offered all formulas of the law; where none did, those that offered some."""
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
        """Return the acceleration of each particle; its velocity where ``order`` is 1.

        Args:
            positions: (..., N, D) positions.
            velocities: (..., N, D) velocities; needed where the law depends on them.
            properties: properties by name, (N,) or (..., N).
            edges: (E, 2) sender and receiver of each pair; every pair by default.
            box: (D,) side lengths where space is periodic.
            cutoff: distance beyond which pairs do not interact.

        Returns:
            (..., N, D) accelerations or velocities.

        Raises:
            DataError: a shape is wrong, a property or the velocities are missing, or two particles are at one place.
        """
        return acceleration(self, positions, velocities, properties, edges, box, cutoff)

    def __str__(self) -> str:
        return law_text(self)
