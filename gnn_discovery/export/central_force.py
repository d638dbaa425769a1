"""The force between two particles along the line that joins them, as programs of molecular dynamics know it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gnn_discovery.export.base import required_properties, unsupported_law_error
from gnn_discovery.export.term_groups import numeric_expression
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.symbolic.expression import Expression


@dataclass(frozen=True)
class CentralForce:
    """A law of one force between two particles: equal and opposite, a function of their distance.

    Attributes:
        force: of ``r`` and properties with suffix, positive is repulsive.
        properties: their names without suffix.
        mass: the property that is the mass of a particle; None where all masses are 1.
    """

    force: Expression
    properties: tuple[str, ...]
    mass: str | None

    @property
    def masses(self) -> str:
        """Return a sentence that states the mass of a particle."""
        return f"The mass of each particle is its {self.mass}." if self.mass else "The mass of each particle is 1."


def central_force(law: ForceLaw, name: str) -> CentralForce:
    """Return the force of a law between two particles.

    A law that gives accelerations is one of forces between unit masses, or between masses ``m`` where that makes
    the forces equal and opposite.

    Args:
        law: the law.
        name: the format that needs the force, for the error.

    Raises:
        UsageError: the law is not one force along the line between two particles; the message says why.
    """
    used = required_properties(law.terms)
    if law.order != 2:
        raise unsupported_law_error(name, "a law of first order, whose forces give velocities")
    for term in law.terms:
        if term.kind != "pair":
            raise unsupported_law_error(name, f"a term of the kind {term.kind!r}: forces are between two particles")
        if term.direction != "radial":
            raise unsupported_law_error(
                name, f"a pair term of the direction {term.direction!r}: forces are along r_hat"
            )
        if moving := term.expression.names & {"v", "v_r"} - set(term.constants):
            raise unsupported_law_error(name, f"a force that depends on the velocity {min(moving)!r}")
    for inferred, latent in law.latent.items():
        if not latent.determined.all():
            raise unsupported_law_error(
                name, f"the inferred property {inferred!r}: it is not determined for every particle"
            )
    total = Expression.parse(" + ".join(f"({numeric_expression(term).text})" for term in law.terms) or "0")
    if law.divides_by_mass:
        choices = {"m": total}
    else:
        choices = {"": total, "m": Expression.parse(f"m_i*({total.text})")} if "m" in used else {"": total}
    for mass, force in choices.items():
        if is_reciprocal(force, used):
            return CentralForce(force, used, mass or None)
    raise unsupported_law_error(
        name, f"forces that are not equal and opposite: {total.text} with i and j exchanged is another"
    )


def is_reciprocal(force: Expression, used: tuple[str, ...]) -> bool:
    """Tell whether the force stays the same when the two particles are exchanged.

    Args:
        force: the force as a function of ``r`` and properties.
        used: the names of the properties, without suffix.
    """
    rng = np.random.default_rng(0)
    drawn = {f"{name}_{end}": rng.normal(size=100) for name in used for end in "ij"}
    values = {name: np.where(np.arange(100) < 50, np.exp(x), x) for name, x in drawn.items()}
    other = {name: values[name[:-1] + "ji"["ij".index(name[-1])]] for name in values}
    r, names = np.exp(rng.normal(size=100)), sorted(force.names)
    there, back = (force.numpy(names)(*[(v | {"r": r})[name] for name in names]) for v in (values, other))
    return bool(np.allclose(there, back, rtol=1e-9, atol=0, equal_nan=True))
