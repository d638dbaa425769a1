"""Table 3's Hamiltonian network: its energies as formulas, held against those of the true law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.distillation import HamiltonianEnergies
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery_replication.recovery import assess_recovery

KINETIC_TERM = ({"kind": "self", "direction": "velocity", "expression": "1/m_i"},)
"""dH/dp = p/m, along the momentum: its place is that of the velocity."""


def score_energies(
    found: HamiltonianEnergies | None, truth: Sequence[Mapping[str, Any]], data: Dataset
) -> dict[str, str | bool | None] | None:
    """Both formulas, and whether what follows from them is right by the criterion of table 5: -dH_pair/dr is the true
    radial force, and dH_self/dp is p/m. None where there is no energy."""
    if found is None:
        return None
    radial = [term for term in truth if (term["kind"], term["direction"]) == ("pair", "radial")]
    pair = None if found.pair_energy is None else Expression.parse(f"-({found.pair_energy.derivative('r').text})")
    own = None if found.self_energy is None else Expression.parse(f"({found.self_energy.derivative('p').text})/p")
    speed = None if own is None else own.substitute({"p": Expression.parse("v")})
    return {
        **found.texts,
        "pair_recovered": pair is not None
        and assess_recovery(_single_term_law("pair", "radial", pair), radial, data).recovered,
        "self_recovered": speed is not None
        and assess_recovery(_single_term_law("self", "velocity", speed), KINETIC_TERM, data).recovered,
    }


def _single_term_law(kind: Any, direction: Any, formula: Expression) -> ForceLaw:
    expression, values = formula.lift_constants()
    return ForceLaw((Term(kind, direction, expression, {k: Constant(v) for k, v in values.items()}),))
