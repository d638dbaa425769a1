"""Fast functions of canonical text: a tape of array operations in which no common subexpression is computed twice."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from gnn_discovery.symbolic.expression.syntax import formula_error, parse_syntax

_BINARY_UFUNCS = {ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide", ast.Pow: "power"}
_COMPARISON_UFUNCS = {
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}


class _Tape:
    """A list of registers in the order of evaluation: inputs, numbers, and the results of steps."""

    def __init__(self, names: tuple[str, ...]):
        self.registers: dict[Any, int] = {("input", name): k for k, name in enumerate(names)}
        self.items: list[tuple[str, Any]] = [("input", name) for name in names]

    def _register(self, key: tuple[str, Any]) -> int:
        """Return the register of a value, a new one unless the value is on the tape."""
        if key not in self.registers:
            self.registers[key] = len(self.items)
            self.items.append(key)
        return self.registers[key]

    def number(self, value: int | float) -> int:
        """Return the register of a number."""
        return self._register(("number", float(value)))

    def step(self, operation: str, *arguments: int) -> int:
        """Return the register of the result of an operation on registers."""
        return self._register((operation, arguments))

    def record(self, node: ast.expr) -> int:
        """Return the register that will hold the value of ``node``."""
        match node:
            case ast.Constant(value=int() | float() as value):
                return self.number(value)
            case ast.Name(id=name):
                if ("input", name) not in self.registers:
                    raise formula_error(f"the name {name!r} has no value")
                return self.registers["input", name]
            case ast.UnaryOp(op=op, operand=ast.Constant(value=int() | float() as value)):
                return self.number(-value if isinstance(op, ast.USub) else value)
            case ast.UnaryOp(op=op, operand=operand):
                inner = self.record(operand)
                return self.step("negative", inner) if isinstance(op, ast.USub) else inner
            case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(n))) if n <= 32:  # few products
                return self.integer_power(self.record(left), n)
            case ast.BinOp(left=left, op=op, right=right):
                return self.step(_BINARY_UFUNCS[type(op)], self.record(left), self.record(right))
            case ast.Call(func=ast.Name(id="Piecewise"), args=args):
                *cases, last = [pair.elts for pair in args]  # type: ignore[attr-defined]
                result = self.record(last[0])
                for value, condition in reversed(cases):
                    result = self.step("where", self.condition(condition), self.record(value), result)
                return result
            case ast.Call(func=ast.Name(id=name), args=[argument]):
                return self.step({"Abs": "abs"}.get(name, name), self.record(argument))
        raise AssertionError(ast.dump(node))

    def integer_power(self, base: int, n: int) -> int:
        """Return the register of an integer power by repeated squaring, many times faster than ``power``."""
        if n == 1:
            return base
        half = self.integer_power(base, n // 2)
        square = self.step("multiply", half, half)
        return self.step("multiply", square, base) if n % 2 else square

    def condition(self, node: ast.expr) -> int:
        """Return the register that will hold the value of a condition."""
        match node:
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                parts = [self.record(part) for part in (left, *comparators)]
                pairs = zip(ops, parts, parts[1:], strict=False)
                tests = [self.step(_COMPARISON_UFUNCS[type(op)], a, b) for op, a, b in pairs]
                join = "logical_and"
            case ast.BoolOp(op=op, values=values):
                tests = [self.condition(value) for value in values]
                join = "logical_and" if isinstance(op, ast.And) else "logical_or"
            case _:
                raise AssertionError(ast.dump(node))
        result = tests[0]
        for test in tests[1:]:
            result = self.step(join, result, test)
        return result


_Step = tuple[int, Callable[..., Any], tuple[int, ...]]
"""A register, the operation whose result it holds, and the registers of the arguments."""


def _program(
    texts: tuple[str, ...], names: tuple[str, ...], module: Any
) -> tuple[list[tuple[int, float]], list[_Step], list[int], int]:
    """Return the numbers of the tape, its steps, the registers of the results, and the number of registers."""
    tape = _Tape(names)
    results = [tape.record(parse_syntax(text)) for text in texts]
    numbers: list[tuple[int, float]] = []
    steps: list[_Step] = []
    for register, (kind, what) in enumerate(tape.items):
        if kind == "number":
            numbers.append((register, what))
        elif kind != "input":
            steps.append((register, getattr(module, kind), what))
    return numbers, steps, results, len(tape.items)


@lru_cache(maxsize=2048)
def joint_numpy_function(texts: tuple[str, ...], names: tuple[str, ...]) -> Callable[..., list[Any]]:
    """Return the float64 NumPy function of several canonical texts, which computes what they share once.

    Each result has the common shape of the arguments that its text depends on.

    Args:
        texts: Canonical texts.
        names: Names of the arguments, in their order.

    Raises:
        DataError: A text holds a name that is not in ``names``.
    """
    numbers, steps, results, size = _program(texts, names, np)
    width = len(names)

    def evaluate(*arrays: Any) -> list[Any]:
        if len(arrays) != width:
            raise TypeError(f"expected {width} arrays ({', '.join(names)}), got {len(arrays)}")
        values: list[Any] = [np.asarray(array, dtype=np.float64) for array in arrays] + [None] * (size - width)
        for register, value in numbers:
            values[register] = value
        with np.errstate(all="ignore"):
            for register, operation, arguments in steps:
                values[register] = operation(*[values[k] for k in arguments])
        return [np.asarray(values[result]) for result in results]

    return evaluate


@lru_cache(maxsize=2048)
def numpy_function(text: str, names: tuple[str, ...]) -> Callable[..., np.ndarray]:
    """Return the float64 NumPy function of canonical text; see `Expression.numpy`.

    Args:
        text: Canonical text.
        names: Names of the arguments, in their order.

    Raises:
        DataError: The text holds a name that is not in ``names``.
    """
    joint = joint_numpy_function((text,), names)
    tree = parse_syntax(text)
    all_used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} >= set(names)

    def evaluate(*arrays: Any) -> np.ndarray:
        value: np.ndarray = joint(*arrays)[0]
        if all_used and not isinstance(tree, ast.Name):
            return value
        return np.broadcast_to(value, np.broadcast_shapes(value.shape, *map(np.shape, arrays))).copy()

    return evaluate


@lru_cache(maxsize=256)
def jax_function(text: str, names: tuple[str, ...]) -> Callable[..., Any]:
    """Return the JAX function of canonical text; see `Expression.jax`.

    Args:
        text: Canonical text.
        names: Names of the arguments, in their order.

    Raises:
        DataError: The text holds a name that is not in ``names``.
    """
    import jax.numpy as jnp

    numbers, steps, (result,), size = _program((text,), names, jnp)
    width = len(names)

    def evaluate(*arrays: Any) -> Any:
        if len(arrays) != width:
            raise TypeError(f"expected {width} arrays ({', '.join(names)}), got {len(arrays)}")
        values: list[Any] = [jnp.asarray(array) for array in arrays] + [None] * (size - width)
        shape = jnp.broadcast_shapes(*[value.shape for value in values[:width]])
        for register, value in numbers:
            values[register] = value
        for register, operation, arguments in steps:
            values[register] = operation(*[values[k] for k in arguments])
        return jnp.broadcast_to(values[result], shape)

    return evaluate
