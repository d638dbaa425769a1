"""This module defines node laws: the target of a node as a formula of the sum of a formula over its neighbours."""

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
"""This name stands for the sum of messages in the formula of a node."""
NAME_SUFFIXES = ("", "_i", "_j")
"""These suffixes end the names of edge features, of properties of the receiver, and of the sender."""


@dataclass(frozen=True)
class NodeLaw:
    """A frozen record of the law target_i = ``node``(e, properties of i), e = sum_j ``message``(edge, properties of j).

    A message has no factor of its own, because the formula of the node holds it.

    Attributes:
        message: formula of the edge features, of the properties of the sender with the suffix ``_j``, and constants.
        node: formula of ``e``, of the properties of the receiver with the suffix ``_i``, and constants.
        constants: constants by name; every other name is a variable.
        label: name of the target.
    """

    message: Expression
    node: Expression
    constants: Mapping[str, Constant] = field(default_factory=dict)
    label: str = "target"

    @property
    def complexity(self) -> int:
        """Return the number of nodes of both formulas and of constants."""
        return self.message.complexity + self.node.complexity + len(self.constants)

    @property
    def values(self) -> dict[str, float]:
        """Return the values of the constants by name."""
        return {name: constant.value for name, constant in self.constants.items()}

    def predict(self, graph: StaticGraph) -> Float[np.ndarray, " N"]:
        """Return the target of every node; nan or inf where the formulas have no value."""
        return NodeLawPrediction(self, graph)(np.array(list(self.values.values())))

    def __str__(self) -> str:
        return f"{self.label}_i = {self._text(self.node)}, {MESSAGE_SUM} = sum_j {self._text(self.message)}"

    def _text(self, expression: Expression) -> str:
        text = with_explicit_signs(expression, self.values).text.replace("**", "^").replace("*", " ")
        names = "|".join(sorted(self.constants, key=len, reverse=True))
        if not names:
            return text
        return re.sub(rf"\b({names})\b", lambda found: format_constant(self.constants[found.group()]), text)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for discovery.json, as a law of one term."""
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
    """Return the formula with -c for each constant c that is negative, so that magnitudes can be put in its place.

    Args:
        expression: a formula of constants and variables.
        values: values of the constants by name.
    """
    negative = {n: Expression.parse(f"-{n}") for n in expression.names if values.get(n, 0.0) < 0}
    return expression.substitute(negative) if negative else expression


class NodeLawPrediction:
    """The predictions of all N nodes by a law, and their derivatives, as functions of its P constants.

    Args:
        law: both formulas; the order of its constants is that of the argument of the functions.
        graph: edges and properties.
    """

    def __init__(self, law: NodeLaw, graph: StaticGraph):
        self.law, self.graph, self.names = law, graph, list(law.constants)
        self.inner = [k for k, name in enumerate(self.names) if name in law.message.names]
        self.message_inputs, self.node_inputs = graph.message_inputs, list(graph.node_inputs.values())
        self.message_names = [*self.message_inputs, *(self.names[k] for k in self.inner)]
        self.node_names = [MESSAGE_SUM, *graph.node_inputs, *self.names]
        # edges are many: their sums are computed again only where a constant of theirs has changed
        self.message_sums = lru_cache(maxsize=16)(self._message_sums)

    def __call__(self, values: Float[np.ndarray, " P"]) -> Float[np.ndarray, " N"]:
        """Return the predictions; nan or inf where the formulas have no value."""
        with np.errstate(all="ignore"):
            sums, node = self.message_sums(*values[self.inner].tolist()), self.law.node.numpy(self.node_names)
            return np.asarray(node(sums, *self.node_inputs, *values), float)

    def slopes(self, values: Float[np.ndarray, " P"]) -> Float[np.ndarray, "N P"]:
        """Return the derivatives of the predictions, d node/dc + (d node/de) sum_j d message/dc for a constant c."""
        by_node = [self.law.node.derivative(name) for name in (MESSAGE_SUM, *self.names)]
        by_message = [self.law.message.derivative(self.names[k]) for k in self.inner]
        constants, n_edges = values[self.inner].tolist(), len(self.graph.senders)
        with np.errstate(all="ignore"):
            sums, node = self.message_sums(*constants), Expression.joint_numpy(by_node, self.node_names)
            by_sum, *direct = node(sums, *self.node_inputs, *values)
            found = np.stack([np.broadcast_to(slope, sums.shape) for slope in direct], axis=1)
            message = Expression.joint_numpy(by_message, self.message_names)
            for k, slope in zip(self.inner, message(*self.message_inputs.values(), *constants), strict=True):
                found[:, k] += by_sum * self.graph.aggregate(np.broadcast_to(slope, n_edges))
        return found

    def _message_sums(self, *constants: float) -> Float[np.ndarray, " N"]:
        message = self.law.message.numpy(self.message_names)
        return self.graph.aggregate(message(*self.message_inputs.values(), *constants))


def compose_node_law(message: Expression, node: Expression, label: str, whole_exponents: bool = True) -> NodeLaw:
    """Return the law of two formulas whose numbers become constants; a factor of the message goes to the node.

    Args:
        message: formula of one neighbour, with numbers.
        node: formula of the sum ``e`` and the receiver, with numbers.
        label: name of the target.
        whole_exponents: leave exponents that are whole numbers as they are.

    Raises:
        DataError: a formula is longer than a formula may be.
    """
    inner, first = message.lift_constants("a", whole_exponents)
    for name, value in list(first.items()):
        if name not in inner.derivative(name).names and inner.substitute({name: 0}).text == "0":
            inner = inner.substitute({name: 1})
            node = node.substitute({MESSAGE_SUM: Expression.parse(f"{value!r}*{MESSAGE_SUM}")})
            del first[name]
    outer, second = node.lift_constants("c", whole_exponents)
    return NodeLaw(inner, outer, {n: Constant(v) for n, v in {**first, **second}.items()}, label)


def restore_units(law: NodeLaw, units: Mapping[str, float]) -> NodeLaw:
    """Return a law of rescaled columns as a law of the columns themselves.

    Args:
        law: a law of a graph that was rescaled by ``units``, see `StaticGraph.rescaled`.
        units: unit of each column by name.
    """
    message, node = substitute_constants(law, {})
    columns = {
        f"{name}{suffix}": Expression.parse(f"{name}{suffix}*{1 / unit!r}")
        for name, unit in units.items()
        for suffix in NAME_SUFFIXES
    }
    scaled = Expression.parse(f"{units.get(law.label, 1.0)!r}*({node.substitute(columns).text})")
    return compose_node_law(message.substitute(columns), scaled, law.label)


def substitute_constants(law: NodeLaw, changed: Mapping[str, float]) -> tuple[Expression, Expression]:
    """Return the formulas of message and node with numbers in the place of constants.

    Args:
        law: formulas and constants.
        changed: constants whose values are replaced, by name.
    """
    values = {**law.values, **changed}
    return law.message.substitute(values), law.node.substitute(values)


def exponent_constants(law: NodeLaw) -> set[str]:
    """Return the names of the constants that stand as exponents."""
    return set(re.findall(r"\*\*\(?-?([ac]\d+)\b", f"{law.message.text} {law.node.text}"))
