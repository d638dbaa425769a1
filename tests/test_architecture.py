"""Rules of the house: what may import what, what may never be done, and how names, numbers and docstrings are written.

Each rule is one test over all files; a failure lists every place that breaks it.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from gnn_discovery.criteria import Criteria

ROOT = Path(__file__).parents[1]
CORE = ROOT / "gnn_discovery"
SIMULATIONS = ROOT / "simulations" / "gnn_discovery_simulations"
EXPERIMENTS = ROOT / "experiments" / "gnn_discovery_replication"

ORDER = (
    *("errors", "types", "criteria", "registry", "runs", "data", "simulators", "gnn", "symbolic", "messages"),
    *("laws", "export", "estimation", "distillation", "catalogue", "selection", "validation", "static_graphs"),
    *("report", "pipeline", "cli"),
)
"""A room imports only from rooms that stand before it."""
JAX_FREE = (
    *("errors", "types", "criteria", "registry", "symbolic", "messages.table", "laws", "export", "estimation"),
    *("distillation", "catalogue", "selection", "validation", "report"),
)
BEFORE_SYMBOLIC = {"errors", "types", "criteria", "symbolic"}
"""The expressions and the engines import nothing else of the package."""


PENDING = pytest.mark.xfail(reason="the house is being rebuilt", strict=False)
"""Rules that the code does not keep everywhere yet."""


def sources(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sources(CORE, SIMULATIONS, EXPERIMENTS)}
CORE_FILES = [path for path in TREES if path.is_relative_to(CORE) and path != CORE / "__init__.py"]


def module_of(path: Path) -> str:
    """The dotted name of the module in a file."""
    for base in (ROOT, SIMULATIONS.parent, EXPERIMENTS.parent):
        if base != ROOT and path.is_relative_to(base):
            return ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__")
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(tree: ast.AST) -> set[str]:
    """The dotted names that a tree imports, inside functions too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the order"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules_imported(tree: ast.AST, names: set[str]) -> set[str]:
    """The modules among ``names`` that a tree takes something from; of a package its own file, or a module in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= full & names
            found |= {str(node.module)} if full - names else set()
    return found & names


def room(path: Path) -> str:
    """The room that a file of the core belongs to."""
    return path.relative_to(CORE).with_suffix("").parts[0]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_room_has_its_place():
    assert {room(path) for path in CORE_FILES} == set(ORDER)


@PENDING
def test_imports_go_one_way():
    wrong = []
    for path in CORE_FILES:
        own = room(path)
        allowed = set(ORDER[: ORDER.index(own) + 1])
        if own == "symbolic":
            allowed &= BEFORE_SYMBOLIC
        used = {name.split(".")[1] for name in imports(TREES[path]) if name.startswith("gnn_discovery.")}
        wrong += [f"{relative(path)} imports {name}" for name in sorted((used & set(ORDER)) - allowed)]
    assert not wrong, "\n".join(wrong)


@PENDING
def test_no_files_import_each_other_in_a_circle():
    """Counted over files, inside rooms too; what is imported inside a function or for types alone counts as well."""
    names = {module_of(path) for path in TREES}
    edges = {module_of(path): modules_imported(tree, names) - {module_of(path)} for path, tree in TREES.items()}
    circles, done = [], set()
    stack: list[str] = []

    def visit(name: str) -> None:
        if name in stack:
            circles.append(" -> ".join([*stack[stack.index(name) :], name]))
            return
        if name in done:
            return
        stack.append(name)
        for other in sorted(edges[name]):
            visit(other)
        done.add(stack.pop())

    for name in sorted(edges):
        visit(name)
    assert not circles, "\n".join(circles)


def test_heavy_libraries_stay_in_their_rooms():
    homes = {
        "flax": {"gnn", "static_graphs"},
        "optax": {"gnn", "static_graphs"},
        "jraph": {"gnn"},
        "pysr": {"symbolic"},
        "pyoperon": {"symbolic"},
        "matplotlib": {"report"},
        **{name: set() for name in ("gnn_discovery_simulations", "pickle", "multiprocessing", "juliacall")},
    }
    wrong = []
    for path in CORE_FILES:
        used = {name.split(".")[0] for name in imports(TREES[path])}
        wrong += [f"{relative(path)}: {name}" for name in sorted(used & homes.keys()) if room(path) not in homes[name]]
    assert not wrong, "\n".join(wrong)


def child(code: str) -> list[str]:
    """The modules that are loaded after ``code`` in a fresh interpreter."""
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return json.loads(out.stdout.splitlines()[-1])


def test_what_follows_the_messages_runs_without_jax():
    prefixes = tuple(f"gnn_discovery.{name}" for name in JAX_FREE)
    modules = [m for m in map(module_of, CORE_FILES) if m.startswith(prefixes) and not m.endswith(".worker")]
    assert "jax" not in child("\n".join(f"import {name}" for name in modules))


HEAVY = {"jax", "sympy", "matplotlib", "scipy", "numpy", "astropy", "flax", "pysr", "pyoperon", "h5py", "yaml"}


def test_importing_the_package_is_light():
    assert not HEAVY & set(child("import gnn_discovery"))


def test_help_is_light():
    code = """
from gnn_discovery.cli import app
try:
    app(["--help"])
except SystemExit:
    pass
"""
    assert not HEAVY & set(child(code))


def runs_text(node: ast.Call) -> bool:
    """Tell whether a call turns text into code: builtins, and the parsers of SymPy under any owner."""
    match node.func:
        case ast.Name(id="eval" | "exec" | "compile" | "sympify" | "parse_expr"):
            return True
        case ast.Attribute(attr="sympify" | "parse_expr" | "parse_latex"):
            return True
    return False


def test_no_text_becomes_code():
    found = [
        f"{relative(path)}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and runs_text(node)
    ]
    assert not found, f"these can run code from a file: {found}"


@PENDING
def test_nothing_before_the_report_sees_the_truth():
    """Names and strings of the code; the sentences of docstrings may speak of it."""
    wrong = []
    for path in CORE_FILES:
        if room(path) in ("report", "simulators"):
            continue
        tree = TREES[path]
        seen = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        seen |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        seen |= {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        if not {"true_law", "reference_properties"} & seen:
            continue
        functions = [f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) and "true_law" in ast.unparse(f)]
        if path.parent.name != "pipeline" or [f.name for f in functions] != ["add_truth"]:
            wrong.append(relative(path))
    assert not wrong, f"only the last step may hand the truth to the report: {wrong}"


def test_files_are_short():
    everything = sources(CORE, SIMULATIONS, EXPERIMENTS, ROOT / "tests", ROOT / "benchmarks")
    long = [relative(path) for path in everything if len(path.read_text(encoding="utf-8").splitlines()) > 400]
    long = [name for name in long if not name.endswith("gnn_discovery/criteria.py")]
    assert not long


def test_the_global_precision_is_never_set():
    wrong = []
    for path, tree in TREES.items():
        text = path.read_text(encoding="utf-8")
        if "jax_enable_x64" in text or "JAX_ENABLE_X64" in text:
            wrong.append(relative(path))
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                if "enable_x64" in ast.unparse(node.value.func):
                    wrong.append(f"{relative(path)}:{node.lineno}: use it in a with block")
    assert not wrong


# ---- names ----


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


@PENDING
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


@PENDING
def test_numbers_that_decide_stand_in_one_file():
    found = list(numeric_constants())
    assert len(found) <= 40, "\n".join(place for place, _ in found)
    assert all(documented for _, documented in found), [place for place, documented in found if not documented]


def calls_without_criteria() -> Iterator[str]:
    """Calls inside the package that leave the criteria of a function at their defaults."""
    takes: dict[str, set[str]] = defaultdict(set)
    for path in CORE_FILES:
        for node in TREES[path].body:
            if isinstance(node, ast.FunctionDef):
                if any(a.arg == "criteria" for a in (*node.args.args, *node.args.kwonlyargs)):
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


@PENDING
def test_criteria_are_passed_on():
    assert not list(calls_without_criteria()), "\n".join(calls_without_criteria())


def criteria_fields() -> list[str]:
    """Every number that decides, as stage.field."""
    return [f"{stage.name}.{field.name}" for stage in fields(Criteria) for field in fields(stage.default_factory)]


@PENDING
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


@PENDING
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


@PENDING
def test_public_functions_document_their_arguments():
    good, bad = documents_arguments()
    assert len(good) >= 0.6 * (len(good) + len(bad)), "\n".join(bad)
