"""The language of expressions: text becomes a Python syntax tree in which only the listed nodes are allowed.

No text is ever evaluated.
"""

from __future__ import annotations

import ast

from gnn_discovery.errors import DataError

UNARY_FUNCTIONS = ("sqrt", "exp", "log", "sin", "cos", "tan", "tanh", "sinh", "cosh", "Abs")
FUNCTION_NAMES = frozenset((*UNARY_FUNCTIONS, "Piecewise"))

_BINARY_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)


def formula_error(what: str) -> DataError:
    """Return the error that says why a text is not a formula, and what a formula may hold."""
    names = " ".join(UNARY_FUNCTIONS)
    return DataError(
        f"not a formula: {what}",
        remedy=f"A formula has + - * / **, comparisons, Piecewise, {names}, numbers and names",
    )


def parse_syntax(text: str, *, max_characters: int = 8000, max_nodes: int = 2000, max_depth: int = 80) -> ast.expr:
    """Return the checked syntax tree of a formula.

    Args:
        text: The formula.
        max_characters: Largest length of the text; the limits keep hostile text from exhausting time and memory.
        max_nodes: Largest number of nodes of the tree.
        max_depth: Largest depth of the tree.

    Raises:
        DataError: The text is not a formula of this language, or it is too large.
    """
    if not isinstance(text, str):
        raise formula_error(f"it is a {type(text).__name__}, and text is expected")
    if len(text) > max_characters:
        raise formula_error(f"it has {len(text)} characters, more than {max_characters}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise formula_error(f"{text[:60]!r} cannot be read ({type(error).__name__})") from None
    level: list[ast.AST] = [tree]
    nodes = depth = 0
    while level:
        nodes, depth = nodes + len(level), depth + 1
        if nodes > max_nodes or depth > max_depth:
            raise formula_error(f"it has more than {max_nodes} parts or {max_depth} levels")
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    _check_value(tree)
    return tree


def _check_value(node: ast.AST) -> None:
    """Raise DataError unless a node is a number-valued part of a formula."""
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
            raise formula_error(f"{name!r} is not a known function of one argument")
        case _:
            raise formula_error(f"{type(node).__name__} is not allowed")


def _check_pair(node: ast.AST) -> None:
    """Raise DataError unless a node is one case of a Piecewise."""
    if not (isinstance(node, ast.Tuple) and len(node.elts) == 2):
        raise formula_error("each case of a Piecewise is (expression, condition)")
    _check_value(node.elts[0])
    _check_condition(node.elts[1])


def _check_condition(node: ast.AST) -> None:
    """Raise DataError unless a node is a condition of a Piecewise."""
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
