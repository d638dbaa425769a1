"""Compare the energies of the Hamiltonian network of table 3, as formulas, with those of the true law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.distillation import HamiltonianEnergies
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.types import Direction, Kind
from gnn_discovery_replication.recovery import assess_recovery

KINETIC_TERM = ({"kind": "self", "direction": "velocity", "expression": "1/m_i"},)
"""The law dH/dp = p/m is a term along the momentum, which stands in the place of the velocity."""


def score_energies(
    energies: HamiltonianEnergies | None, truth: Sequence[Mapping[str, Any]], data: Dataset
) -> dict[str, str | bool | None] | None:
    """Return both formulas, and whether each is right by the criterion of table 5.

    The pair energy is right where -dH_pair/dr is the true radial force, the self energy where dH_self/dp is p/m.

    Args:
        energies: formulas of the energies; None for a network without energies.
        truth: plain records of the true terms.
        data: snapshots over which spurious terms are measured.

    Returns:
        Plain values, or None for a network without energies.
    """
    if energies is None:
        return None
    radial = [term for term in truth if (term["kind"], term["direction"]) == ("pair", "radial")]
    pair_law = self_law = None
    if energies.pair_energy is not None:
        force = Expression.parse(f"-({energies.pair_energy.derivative('r').text})")
        pair_law = _single_term_law("pair", "radial", force)
    if energies.self_energy is not None:
        velocity = Expression.parse(f"({energies.self_energy.derivative('p').text})/p")
        self_law = _single_term_law("self", "velocity", velocity.substitute({"p": Expression.parse("v")}))
    return {
        **energies.texts,
        "pair_recovered": pair_law is not None and assess_recovery(pair_law, radial, data).recovered,
        "self_recovered": self_law is not None and assess_recovery(self_law, KINETIC_TERM, data).recovered,
    }


def _single_term_law(kind: Kind, direction: Direction, formula: Expression) -> ForceLaw:
    expression, values = formula.lift_constants()
    return ForceLaw((Term(kind, direction, expression, {k: Constant(v) for k, v in values.items()}),))
