"""A law as a function of arrays in Python, for NumPy and libraries with the same functions."""

from __future__ import annotations

import re
from collections.abc import Callable

from gnn_discovery.export.base import file_header, required_properties
from gnn_discovery.export.term_groups import COORDINATE_AXES, TermGroup, numeric_expression, term_groups, vector_name
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.term import Term
from gnn_discovery.symbolic.expression import Expression

_PAIR_STEPS = {
    "separation": "positions[..., i, :] - positions[..., j, :]",
    "motion": "velocities[..., i, :] - velocities[..., j, :]",
}
_PARTICLE_STEPS = {"motion": "velocities"} | {axis: f"positions[..., {k}]" for k, axis in enumerate(COORDINATE_AXES)}
_COMMON_STEPS = {
    "r": "xp.linalg.norm(separation, axis=-1)",
    "unit": "separation / r[..., None]",
    "v": "xp.linalg.norm(motion, axis=-1)",
    "v_r": "(unit * motion).sum(-1)",
}
ARRAY_FUNCTION_NAMES = {1: "drift_velocities", 2: "accelerations"}
"""The name of the function by the order of the law."""


def array_function_source(
    law: ForceLaw, imports: str, module: str, write: Callable[[Expression], str], decorator: str = ""
) -> str:
    """Return the text of a Python file with one function.

    Args:
        law: the law.
        imports: the lines that import ``module``, and NumPy as ``np``.
        module: the array library under the name that it is imported as.
        write: function that returns an expression in the words of that library, which is called ``xp``.
        decorator: a line before the function.
    """
    inferred = {name: [float(value) for value in latent.values] for name, latent in law.latent.items()}
    what = "Accelerations" if law.order == 2 else "Velocities"
    body = [
        f'"""{what} (..., N, D) at positions and velocities (..., N, D) and properties by name, (..., N)."""',
        "positions = xp.asarray(positions, float)",
        "total = xp.zeros_like(positions)",
    ]
    if needed := {*required_properties(law.terms), *(["m"] if law.divides_by_mass else [])}:
        body += ["properties = INFERRED | dict(properties)"] if inferred else []
        body += [f"p_{name} = xp.asarray(properties['{name}'], float)" for name in sorted(needed)]
    if any("motion" in group.steps for group in term_groups(law)):
        body.append("velocities = xp.asarray(velocities, float)")
    for group in term_groups(law):
        body += _pair_lines(group, write) if group.pair else _particle_lines(group, write)
    body.append("return total / p_m[..., None]" if law.divides_by_mass else "return total")
    lines = [
        f'"""{file_header(law, "All pairs interact, in open space.")}\n"""\n',
        f"{imports}\n",
        *([f"INFERRED = {inferred!r}\n"] if inferred else []),
        f"\n{decorator}def {ARRAY_FUNCTION_NAMES[law.order]}(positions, velocities, properties):",
        *(f"    {line}" for line in body),
    ]
    return re.sub(r"\bxp\.", f"{module}.", "\n".join(lines)) + "\n"


def _pair_lines(group: TermGroup, write: Callable[[Expression], str]) -> list[str]:
    return [
        "i, j = np.nonzero(~np.eye(positions.shape[-2], dtype=bool))",
        *(f"{name} = {(_PAIR_STEPS | _COMMON_STEPS)[name]}" for name in group.steps),
        *(f"{name} = p_{name[:-2]}[..., {name[-1]}]" for name in group.property_names),
        "force = xp.zeros((*positions.shape[:-2], len(i), positions.shape[-1]))",
        *(f"force += {_force_source(term, write)}" for term in group.terms),
        "each = force.reshape(*positions.shape[:-1], positions.shape[-2] - 1, positions.shape[-1])",
        "total += each.sum(-2)",
    ]


def _particle_lines(group: TermGroup, write: Callable[[Expression], str]) -> list[str]:
    centre = "" if group.centre is None else f" - xp.array({list(group.centre)!r})"
    steps = _PARTICLE_STEPS | _COMMON_STEPS | {"separation": f"positions{centre}"}
    return [
        *(f"{name} = {steps[name]}" for name in group.steps),
        *(f"{name} = p_{name[:-2]}" for name in group.property_names),
        *(f"total += {_force_source(term, write)}" for term in group.terms),
    ]


def _force_source(term: Term, write: Callable[[Expression], str]) -> str:
    arrow = vector_name(term)
    if term.direction in COORDINATE_AXES:
        arrow = f"xp.eye(positions.shape[-1])[{COORDINATE_AXES.index(term.direction)}]"
    elif term.direction == "transverse":
        arrow = f"xp.stack([-{arrow}[..., 1], {arrow}[..., 0]], axis=-1)"
    expression = numeric_expression(term)
    size = f"({write(expression)})[..., None]" if expression.names else f"({write(expression)})"
    return f"{size} * {arrow}"
