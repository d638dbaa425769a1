"""NodeLaw: what a node's target is, as a formula of the sum of a formula over its neighbours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float

from gnn_discovery.laws.law import Constant
from gnn_discovery.laws.text import format_constant
from gnn_discovery.static_graphs.static_graph import StaticGraph
from gnn_discovery.symbolic.expression import Expression

MESSAGE_SUM = "e"
"""What the sum of messages is called in a node's formula."""
NAME_SUFFIXES = ("", "_i", "_j")
"""Suffixes of names: what lies between has none."""


@dataclass(frozen=True)
class NodeLaw:
    """target_i = ``node``(e, properties of i), e = sum_j ``message``(what lies between, properties of j).

    Names that are keys of ``constants`` are constants. A message has no factor of its own: the node's formula holds it.
    """

    message: Expression
    node: Expression
    constants: Mapping[str, Constant] = field(default_factory=dict)
    label: str = "target"

    @property
    def complexity(self) -> int:
        return self.message.complexity + self.node.complexity + len(self.constants)

    @property
    def values(self) -> dict[str, float]:
        return {name: constant.value for name, constant in self.constants.items()}

    def predict(self, graph: StaticGraph) -> Float[np.ndarray, " N"]:
        """The target of every node; nan or inf where the formulas have no value."""
        return prediction_function(self, graph)(np.array(list(self.values.values())))

    def __str__(self) -> str:
        return f"{self.label}_i = {self._text(self.node)}, {MESSAGE_SUM} = sum_j {self._text(self.message)}"

    def _text(self, expression: Expression) -> str:
        text = with_explicit_signs(expression, self.values).text.replace("**", "^").replace("*", " ")
        names = "|".join(sorted(self.constants, key=len, reverse=True))
        return (
            re.sub(rf"\b({names})\b", lambda found: format_constant(self.constants[found.group()]), text)
            if names
            else text
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as a law of one term in discovery.json."""
        constants = {n: {"value": c.value, "std": c.std, "unit": c.unit} for n, c in self.constants.items()}
        term = {"kind": "node", "message": self.message.text, "node": self.node.text, "constants": constants}
        latex = rf"{self._latex(self.node)},\quad {MESSAGE_SUM} = \sum_j {self._latex(self.message)}"
        return {
            "terms": [term],
            "order": 0,
            "text": str(self),
            "latex": rf"\mathrm{{{self.label}}}_i = {latex}".replace("_i =", "_{i} ="),
            "latent_properties": {},
        }

    def _latex(self, expression: Expression) -> str:
        rounded = {name: float(f"{value:.4g}") for name, value in self.values.items()}
        return expression.substitute(rounded).latex


def with_explicit_signs(expression: Expression, values: Mapping[str, float]) -> Expression:
    """The formula with the signs of its constants in the open, so that their sizes can be put in."""
    negative = {n: Expression.parse(f"-{n}") for n in expression.names if values.get(n, 0.0) < 0}
    return expression.substitute(negative) if negative else expression


def prediction_function(law: NodeLaw, graph: StaticGraph) -> Any:
    """The predictions (N,) as a function of the constants (P,)."""
    inputs, own, names = graph.inputs, graph.own, list(law.constants)
    inner = [k for k, name in enumerate(names) if name in law.message.names]
    message = law.message.numpy([*inputs, *(names[k] for k in inner)])
    node = law.node.numpy([MESSAGE_SUM, *own, *names])

    @lru_cache(maxsize=16)  # links are many: they are asked again only where a constant of theirs has changed
    def totals(*constants: float) -> Float[np.ndarray, " N"]:
        return graph.gather(message(*inputs.values(), *constants))

    def predict(values: Float[np.ndarray, " P"]) -> Float[np.ndarray, " N"]:
        with np.errstate(all="ignore"):
            return np.asarray(node(totals(*values[inner].tolist()), *own.values(), *values), float)

    return predict


def compose_node_law(message: Expression, node: Expression, label: str, whole_exponents: bool = True) -> NodeLaw:
    """The law of two formulas with numbers in them: those become constants, and a factor of the message the node's."""
    inner, first = message.lift_constants("a", whole_exponents)
    for name, value in list(first.items()):
        if name not in inner.derivative(name).names and inner.substitute({name: 0}).text == "0":
            inner, node = (
                inner.substitute({name: 1}),
                node.substitute({MESSAGE_SUM: Expression.parse(f"{value!r}*{MESSAGE_SUM}")}),
            )
            del first[name]
    outer, second = node.lift_constants("c", whole_exponents)
    return NodeLaw(inner, outer, {n: Constant(v) for n, v in {**first, **second}.items()}, label)


def restore_units(law: NodeLaw, units: Mapping[str, float]) -> NodeLaw:
    """A law of numbers in ``units`` (see `StaticGraph.divided`) as one of the numbers themselves."""
    message, node = substitute_constants(law, {})
    back = {
        f"{name}{end}": Expression.parse(f"{name}{end}*{1 / u!r}") for name, u in units.items() for end in NAME_SUFFIXES
    }
    scaled = Expression.parse(f"{units.get(law.label, 1.0)!r}*({node.substitute(back).text})")
    return compose_node_law(message.substitute(back), scaled, law.label)


def substitute_constants(law: NodeLaw, changed: Mapping[str, float]) -> tuple[Expression, Expression]:
    """Both formulas with numbers for constants, some of them changed."""
    values = {**law.values, **changed}
    return law.message.substitute(values), law.node.substitute(values)


def exponent_constants(law: NodeLaw) -> set[str]:
    """The constants that stand as exponents."""
    return set(re.findall(r"\*\*\(?-?([ac]\d+)\b", f"{law.message.text} {law.node.text}"))
