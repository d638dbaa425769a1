"""Rules of names, numbers and docstrings: one meaning for a name, one place for what decides, sentences with a verb."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields

from source_files import CORE_FILES, TREES, module_of, relative

from gnn_discovery.criteria import Criteria


def public_definitions(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """The top-level functions, classes and constants of a module whose names do not begin with an underscore."""
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found = [name]
            case ast.Assign(targets=targets):
                found = [t.id for t in targets if isinstance(t, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                found = [name]
            case _:
                found = []
        yield from ((name, node) for name in found if not name.startswith("_"))


def test_a_public_name_means_one_thing():
    homes = defaultdict(list)
    for path in CORE_FILES:
        for name, _ in public_definitions(TREES[path]):
            homes[name].append(relative(path))
    twice = {name: where for name, where in homes.items() if len(where) > 1}
    assert len(twice) <= 10, "\n".join(f"{name}: {', '.join(where)}" for name, where in sorted(twice.items()))


# ---- numbers ----


def is_number(node: ast.expr | None) -> bool:
    """Tell whether an expression is made of numbers alone."""
    match node:
        case ast.Constant(value=value):
            return isinstance(value, int | float | complex) and not isinstance(value, bool)
        case ast.UnaryOp(operand=operand):
            return is_number(operand)
        case ast.BinOp(left=left, right=right):
            return is_number(left) and is_number(right)
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return bool(parts) and all(map(is_number, parts))
    return False


def numeric_constants() -> Iterator[tuple[str, bool]]:
    """Each bare numeric constant of a module outside criteria.py, and whether a docstring stands below it."""
    for path in CORE_FILES:
        if path.name == "criteria.py":
            continue
        body = TREES[path].body
        for k, node in enumerate(body):
            if isinstance(node, ast.Assign | ast.AnnAssign) and is_number(node.value):
                below = body[k + 1] if k + 1 < len(body) else None
                documented = (
                    isinstance(below, ast.Expr)
                    and isinstance(below.value, ast.Constant)
                    and isinstance(below.value.value, str)
                )
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                yield f"{relative(path)}:{node.lineno} {ast.unparse(target)}", documented


def test_numbers_that_decide_stand_in_one_file():
    found = list(numeric_constants())
    assert len(found) <= 40, "\n".join(place for place, _ in found)
    assert all(documented for _, documented in found), [place for place, documented in found if not documented]


def calls_without_criteria() -> Iterator[str]:
    """Calls inside the package that leave the criteria of a function at their defaults."""
    takes: dict[str, set[str]] = defaultdict(set)
    for path in CORE_FILES:
        for node in TREES[path].body:
            if isinstance(node, ast.FunctionDef) and "criteria" in {
                a.arg for a in (*node.args.args, *node.args.kwonlyargs)
            }:
                takes[node.name].add(module_of(path))
    for path in CORE_FILES:
        known = {}
        for node in ast.walk(TREES[path]):
            if isinstance(node, ast.ImportFrom):
                known |= {a.asname or a.name: (node.module, a.name) for a in node.names if a.name in takes}
        own = {name: (module_of(path), name) for name in takes if module_of(path) in takes[name]}
        known |= own
        for node in ast.walk(TREES[path]):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known:
                module, name = known[node.func.id]
                if not any(module == m or m.startswith(f"{module}.") for m in takes[name]):
                    continue
                passed = {k.arg for k in node.keywords} | {a.id for a in node.args if isinstance(a, ast.Name)}
                passed |= {a.attr for a in node.args if isinstance(a, ast.Attribute)}
                if not passed & {"criteria", None}:
                    yield f"{relative(path)}:{node.lineno} {node.func.id}"


def test_criteria_are_passed_on():
    assert not list(calls_without_criteria()), "\n".join(calls_without_criteria())


def criteria_fields() -> list[str]:
    """Every number that decides, as stage.field."""
    return [f"{stage.name}.{field.name}" for stage in fields(Criteria) for field in fields(stage.default_factory)]


def test_every_criterion_is_used():
    text = "\n".join(path.read_text(encoding="utf-8") for path in CORE_FILES if path.name != "criteria.py")
    unused = [name for name in criteria_fields() if not re.search(rf"\.{name.split('.')[1]}\b", text)]
    assert not unused


# ---- docstrings ----

RIDDLES = ("What", "Whether", "Of", "How", "Who", "Where", "As")
"""Words with which a noun clause begins; a docstring is a sentence with a verb."""


def documented(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """All docstrings, those below constants included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            yield node, text
    for node in ast.walk(tree):
        for part in getattr(node, "body", []) if isinstance(getattr(node, "body", []), list) else []:
            match part:
                case ast.Expr(value=ast.Constant(value=str() as text)) if part is not node.body[0]:
                    yield part, text


def test_docstrings_are_sentences():
    wrong = [
        f"{relative(path)}:{getattr(node, 'lineno', 1)} {text.splitlines()[0]}"
        for path, tree in TREES.items()
        for node, text in documented(tree)
        if text.split()[0].rstrip(",.:") in RIDDLES
    ]
    assert not wrong, "\n".join(wrong)


def documents_arguments() -> tuple[list[str], list[str]]:
    """Public functions of two or more arguments: those that document them, and those that do not."""
    good, bad = [], []
    for path in CORE_FILES:
        owners = [(TREES[path], "")] + [(c, f"{c.name}.") for c in TREES[path].body if isinstance(c, ast.ClassDef)]
        for owner, prefix in owners:
            for node in owner.body:
                if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
                    continue
                given = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
                given = [name for name in given if name not in ("self", "cls")]
                if len(given) < 2:
                    continue
                text = ast.get_docstring(node) or ""
                (good if "Args:" in text else bad).append(f"{relative(path)}:{node.lineno} {prefix}{node.name}")
    return good, bad


def test_public_functions_document_their_arguments():
    good, bad = documents_arguments()
    assert len(good) >= 0.6 * (len(good) + len(bad)), "\n".join(bad)
