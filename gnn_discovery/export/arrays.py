"""A law as a function of arrays in Python, for NumPy and what is called like it."""

from __future__ import annotations

import re
from collections.abc import Callable

from gnn_discovery.export.base import heading, properties
from gnn_discovery.export.groups import AXES, Group, groups, scalar, vector
from gnn_discovery.expression import Expression
from gnn_discovery.law.record import ForceLaw, Term

_PAIR = {
    "separation": "positions[..., i, :] - positions[..., j, :]",
    "motion": "velocities[..., i, :] - velocities[..., j, :]",
}
_SINGLE = {"motion": "velocities"} | {axis: f"positions[..., {k}]" for k, axis in enumerate(AXES)}
_EITHER = {
    "r": "xp.linalg.norm(separation, axis=-1)",
    "unit": "separation / r[..., None]",
    "v": "xp.linalg.norm(motion, axis=-1)",
    "v_r": "(unit * motion).sum(-1)",
}
NAMES = {1: "drift_velocities", 2: "accelerations"}
"""What the function is called, by the order of the law."""


def source(law: ForceLaw, imports: str, module: str, write: Callable[[Expression], str], decorator: str = "") -> str:
    """A Python file with one function.

    Args:
        imports: the lines that import ``module``, and NumPy as ``np``.
        module: the array library under the name that it is imported as.
        write: an expression in that library, called ``xp``.
        decorator: a line before the function.
    """
    inferred = {name: [float(value) for value in latent.values] for name, latent in law.latent.items()}
    what = "Accelerations" if law.order == 2 else "Velocities"
    body = [
        f'"""{what} (..., N, D) at positions and velocities (..., N, D) and properties by name, (..., N)."""',
        "positions = xp.asarray(positions, float)",
        "total = xp.zeros_like(positions)",
    ]
    if needed := {*properties(law.terms), *(["m"] if law.divides_by_mass else [])}:
        body += ["properties = INFERRED | dict(properties)"] if inferred else []
        body += [f"p_{name} = xp.asarray(properties['{name}'], float)" for name in sorted(needed)]
    if any("motion" in group.steps for group in groups(law)):
        body.append("velocities = xp.asarray(velocities, float)")
    for group in groups(law):
        body += _pairs(group, write) if group.pair else _singles(group, write)
    body.append("return total / p_m[..., None]" if law.divides_by_mass else "return total")
    lines = [
        f'"""{heading(law, "All pairs interact, in open space.")}\n"""\n',
        f"{imports}\n",
        *([f"INFERRED = {inferred!r}\n"] if inferred else []),
        f"\n{decorator}def {NAMES[law.order]}(positions, velocities, properties):",
        *(f"    {line}" for line in body),
    ]
    return re.sub(r"\bxp\.", f"{module}.", "\n".join(lines)) + "\n"


def _pairs(group: Group, write: Callable[[Expression], str]) -> list[str]:
    return [
        "i, j = np.nonzero(~np.eye(positions.shape[-2], dtype=bool))",
        *(f"{name} = {(_PAIR | _EITHER)[name]}" for name in group.steps),
        *(f"{name} = p_{name[:-2]}[..., {name[-1]}]" for name in group.own),
        "force = xp.zeros((*positions.shape[:-2], len(i), positions.shape[-1]))",
        *(f"force += {_force(term, write)}" for term in group.terms),
        "each = force.reshape(*positions.shape[:-1], positions.shape[-2] - 1, positions.shape[-1])",
        "total += each.sum(-2)",
    ]


def _singles(group: Group, write: Callable[[Expression], str]) -> list[str]:
    centre = "" if group.centre is None else f" - xp.array({list(group.centre)!r})"
    steps = _SINGLE | _EITHER | {"separation": f"positions{centre}"}
    return [
        *(f"{name} = {steps[name]}" for name in group.steps),
        *(f"{name} = p_{name[:-2]}" for name in group.own),
        *(f"total += {_force(term, write)}" for term in group.terms),
    ]


def _force(term: Term, write: Callable[[Expression], str]) -> str:
    arrow = vector(term)
    if term.direction in AXES:
        arrow = f"xp.eye(positions.shape[-1])[{AXES.index(term.direction)}]"
    elif term.direction == "transverse":
        arrow = f"xp.stack([-{arrow}[..., 1], {arrow}[..., 0]], axis=-1)"
    expression = scalar(term)
    size = f"({write(expression)})[..., None]" if expression.names else f"({write(expression)})"
    return f"{size} * {arrow}"
