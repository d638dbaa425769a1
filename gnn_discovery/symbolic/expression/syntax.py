"""The language of expressions: text to a Python syntax tree of which only listed nodes pass."""

from __future__ import annotations

import ast

from gnn_discovery.errors import DataError

UNARY_FUNCTIONS = ("sqrt", "exp", "log", "sin", "cos", "tan", "tanh", "sinh", "cosh", "Abs")
FUNCTION_NAMES = frozenset((*UNARY_FUNCTIONS, "Piecewise"))

MAX_CHARACTERS = 8000
MAX_NODES = 2000
MAX_SYNTAX_DEPTH = 80

_BINARY_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)


def formula_error(what: str) -> DataError:
    """The error of a text that is no formula."""
    names = " ".join(UNARY_FUNCTIONS)
    return DataError(
        f"not a formula: {what}",
        remedy=f"A formula has + - * / **, comparisons, Piecewise, {names}, numbers and names",
    )


def parse_syntax(text: str) -> ast.expr:
    """The checked syntax tree of ``text``.

    Raises:
        DataError: not a formula of this language, or too large.
    """
    if not isinstance(text, str):
        raise formula_error(f"a {type(text).__name__} where text is expected")
    if len(text) > MAX_CHARACTERS:
        raise formula_error(f"{len(text)} characters, more than {MAX_CHARACTERS}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise formula_error(f"{text[:60]!r} cannot be read ({type(error).__name__})") from None
    level: list[ast.AST] = [tree]
    nodes = depth = 0
    while level:
        nodes, depth = nodes + len(level), depth + 1
        if nodes > MAX_NODES or depth > MAX_SYNTAX_DEPTH:
            raise formula_error(f"more than {MAX_NODES} parts or {MAX_SYNTAX_DEPTH} levels")
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    _check_value(tree)
    return tree


def _check_value(node: ast.AST) -> None:
    match node:
        case ast.Constant(value=value):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise formula_error(f"{value!r} is not a real number")
        case ast.Name(id=name):
            if name in FUNCTION_NAMES or not name.isascii():
                raise formula_error(f"{name!r} cannot be a name")
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            _check_value(operand)
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _BINARY_OPERATORS):
            _check_value(left)
            _check_value(right)
        case ast.Call(func=ast.Name(id="Piecewise"), args=args, keywords=[]) if args:
            for pair in args:
                _check_pair(pair)
            last = args[-1].elts[1]  # type: ignore[attr-defined]
            if not (isinstance(last, ast.Constant) and last.value is True):
                raise formula_error("the last case of a Piecewise must be (expression, True)")
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in UNARY_FUNCTIONS:
            _check_value(argument)
        case ast.Call(func=ast.Name(id=name)):
            raise formula_error(f"{name!r} is not a function of one argument that it knows")
        case _:
            raise formula_error(f"{type(node).__name__} is not allowed")


def _check_pair(node: ast.AST) -> None:
    if not (isinstance(node, ast.Tuple) and len(node.elts) == 2):
        raise formula_error("each case of a Piecewise is (expression, condition)")
    _check_value(node.elts[0])
    _check_condition(node.elts[1])


def _check_condition(node: ast.AST) -> None:
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Compare(left=left, ops=ops, comparators=comparators) if all(
            isinstance(op, _COMPARISONS) for op in ops
        ):
            for part in (left, *comparators):
                _check_value(part)
        case ast.BoolOp(values=values):
            for part in values:
                _check_condition(part)
        case _:
            raise formula_error("a condition is a comparison, True, or several joined by and, or")
