"""Rules of the architecture: what may import what, and what may never be done.

Each rule is one test over all files; a failure lists every place that breaks it.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from itertools import pairwise

from source_files import (
    BEFORE_SYMBOLIC,
    CORE,
    CORE_FILES,
    EXPERIMENTS,
    JAX_FREE,
    ORDER,
    ROOT,
    SIMULATIONS,
    TREES,
    imports,
    module_of,
    modules_imported,
    relative,
    room,
    sources,
)


def test_every_room_has_its_place():
    assert {room(path) for path in CORE_FILES} == set(ORDER)


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


def test_motion_is_loaded_and_a_law_exported_without_a_network():
    code = """
import gnn_discovery.cli.inspection, gnn_discovery.cli.run_commands, gnn_discovery.cli.check_command
from gnn_discovery.pipeline import DiscoverConfig, load_motion, prepare_dataset, resolve_order
"""
    assert not {"jax", "flax", "optax", "jraph"} & set(child(code))


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
            is_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
            if is_call and "enable_x64" in ast.unparse(node.value.func):
                wrong.append(f"{relative(path)}:{node.lineno}: use it in a with block")
    assert not wrong


def called_rooms(function: ast.FunctionDef, tree: ast.Module, within: tuple[ast.FunctionDef, ...] = ()) -> set[str]:
    """The rooms whose functions a stage calls, itself or through other functions of the pipeline."""
    homes = {a.asname or a.name: n.module for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names}
    own = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    found, within = set(), (*within, function)
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            home = homes.get(node.func.id) or ""
            path = ROOT / f"{home.replace('.', '/')}.py"
            if home.startswith("gnn_discovery.pipeline.") and path in TREES:
                there = [n for n in TREES[path].body if isinstance(n, ast.FunctionDef) and n.name == node.func.id]
                found |= set().union(*(called_rooms(n, TREES[path], within) for n in there if n not in within))
            elif home.startswith("gnn_discovery.") and home.split(".")[1] in ORDER:
                found.add(home.split(".")[1])
            elif node.func.id in own and own[node.func.id] not in within:
                found |= called_rooms(own[node.func.id], tree, within)
    return found - {"pipeline", "report"}


def test_the_stages_climb_through_the_rooms():
    """From stage to stage of `discover` the highest room that is called rises; once, for a look back, it may fall."""
    stages = TREES[CORE / "pipeline" / "stages.py"]
    own = {n.name: n for n in stages.body if isinstance(n, ast.FunctionDef)}
    discovery = TREES[CORE / "pipeline" / "discovery.py"]
    (story,) = [n for n in discovery.body if isinstance(n, ast.FunctionDef) and n.name == "discover"]
    assert story.end_lineno - story.lineno <= 40
    calls = [n for n in ast.walk(story) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    named = [n.func.id for n in sorted(calls, key=lambda n: n.lineno) if n.func.id in own]
    heights = [max(map(ORDER.index, rooms)) for name in named if (rooms := called_rooms(own[name], stages))]
    assert len(heights) >= 7
    assert sum(after < before for before, after in pairwise(heights)) <= 1, heights
