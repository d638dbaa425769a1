"""This module writes a node law in constants that the data determine one by one, each with a unit of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from gnn_discovery.laws.law import Constant
from gnn_discovery.static_graphs.node_law import MESSAGE_SUM, NodeLaw
from gnn_discovery.symbolic.expression import Expression

if TYPE_CHECKING:
    import sympy


def reparametrise(law: NodeLaw) -> NodeLaw:
    """Return the same law with constants that are less correlated.

    A factor ``x**p + k`` of the message, with a constant p, becomes ``(x/k)**p + 1``, so that k is a length where x is
    one; ``k*(u + n)`` in the formula of the node becomes ``k*u + n``. In the first form k varies with p over many
    powers of ten, and n with the factor before it, so that their standard errors are larger than they are themselves.
    """
    return _separate_offset(_introduce_length_scales(law))


def _introduce_length_scales(law: NodeLaw) -> NodeLaw:
    """Write each factor ``(x**p + k)**q`` of the message as ``((x/k)**p + 1)**q``; its factor goes to the node."""
    import sympy

    values, tree, scale = dict(law.values), law.message.sympy, 1.0
    for factor in sympy.Mul.make_args(tree):
        base, power = factor.as_base_exp()
        found = _shifted_power(base, values)
        if found is None or tree.count(found[2]) != 1 or not _numeric_value(power, values):
            continue
        variable, exponent, constant = found
        scale *= values[constant.name] ** _numeric_value(power, values)
        values[constant.name] **= 1 / values[exponent.name]
        tree = tree.subs(factor, ((variable / constant) ** exponent + 1) ** power)
    of_node = {name: value for name, value in values.items() if name in law.node.names}
    node = law.node.substitute({**of_node, MESSAGE_SUM: Expression.parse(f"{scale!r}*{MESSAGE_SUM}")})
    outer, second = node.lift_constants("c")
    of_message = {name: value for name, value in values.items() if name not in of_node}
    constants = {name: Constant(value) for name, value in {**of_message, **second}.items()}
    written = replace(law, message=Expression.from_sympy(tree), node=outer, constants=constants)
    return written if len(constants) == len(values) else law


def _shifted_power(
    base: sympy.Expr, values: Mapping[str, float]
) -> tuple[sympy.Symbol, sympy.Symbol, sympy.Symbol] | None:
    """Return the variable, the exponent and the constant of ``x**p + k``, or None where it has another form."""
    if not base.is_Add or len(base.args) != 2:
        return None
    for constant, term in (base.args, base.args[::-1]):
        variable, exponent = term.as_base_exp()
        if not (constant.is_Symbol and variable.is_Symbol and exponent.is_Symbol):
            continue
        if values.get(constant.name, 0.0) > 0 and exponent.name in values and variable.name not in values:
            return variable, exponent, constant
    return None


def _numeric_value(tree: sympy.Expr, values: Mapping[str, float]) -> float:
    """Return the value of a number or a constant, and zero for anything else."""
    value = tree.subs(values)
    return float(value) if value.is_number else 0.0


def _separate_offset(law: NodeLaw) -> NodeLaw:
    """Write ``k*(u + n)`` in the formula of the node as ``k*u + n``."""
    import sympy

    values, tree = dict(law.values), law.node.sympy
    sums = [factor for factor in tree.args if factor.is_Add] if tree.is_Mul else []
    if len(sums) != 1 or len(tree.args) != 2:
        return law
    (factor,) = (factor for factor in tree.args if factor is not sums[0])
    offsets = [part for part in sums[0].args if part.is_Symbol and part.name in values]
    if not (factor.is_Symbol and factor.name in values and len(offsets) == 1 and tree.count(offsets[0]) == 1):
        return law
    values[offsets[0].name] *= values[factor.name]
    others = sympy.Add(*(part for part in sums[0].args if part is not offsets[0]))
    constants = {name: Constant(value) for name, value in values.items()}
    return replace(law, node=Expression.from_sympy(factor * others + offsets[0]), constants=constants)
