"""What may import what, and what may never be done: read from the source, or seen in a child process."""

from __future__ import annotations

import ast
import builtins
import dis
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from types import CodeType

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
CORE = ROOT / "gnn_discovery"
SIMULATIONS = ROOT / "simulations" / "gnn_discovery_simulations"

ORDER = (
    *(
        "errors",
        "types",
        "records",
        "properties",
        "units",
        "trajectory",
        "motion",
        "snapshots",
        "simulator",
        "readers",
        "runs",
        "graph",
        "model",
    ),
    *("training", "table", "messages", "expression", "symbolic", "engines", "law", "posterior", "export"),
    *("distill", "nodes", "physics"),
    *("report", "pipeline", "replication", "cli"),
)
JAX_FREE = {
    "errors",
    "types",
    "records",
    "properties",
    "units",
    "table",
    "expression",
    "symbolic",
    "engines",
    "law",
    "export",
    "distill",
    "physics",
    "report",
}
LEAVES = {"table", "expression", "symbolic", "engines"}
"""These import only each other, ``errors`` and ``types``."""


def sources(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(tree: ast.AST) -> set[str]:
    """Dotted names of the modules that a tree imports, inside functions too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the order"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(path: Path) -> str:
    """The noun that a file of the core belongs to."""
    return path.relative_to(CORE).with_suffix("").parts[0]


def rooms_imported(path: Path) -> set[str]:
    found = {name.split(".")[1] for name in imports(parsed(path)) if name.startswith("gnn_discovery.")}
    return {name for name in found if name in ORDER}


CORE_FILES = [path for path in sources(CORE) if room(path) != "__init__"]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_module_has_its_place():
    assert {room(path) for path in CORE_FILES} == set(ORDER)


@pytest.mark.parametrize("path", CORE_FILES, ids=relative)
def test_imports_go_one_way(path):
    own = room(path)
    allowed = set(ORDER[: ORDER.index(own) + 1])
    if own in LEAVES:
        allowed &= LEAVES | {"errors", "types"}
    wrong = rooms_imported(path) - allowed
    assert not wrong, f"{own} may not import {sorted(wrong)}"


def top_level_packages(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(parsed(path))}


@pytest.mark.parametrize("path", CORE_FILES, ids=relative)
def test_heavy_libraries_stay_in_their_rooms(path):
    own, used = room(path), top_level_packages(path)
    assert not used & {"flax", "optax"} or own in {"model", "training", "nodes"}
    assert "jraph" not in used or own in {"graph", "model"}
    assert "gnn_discovery_simulations" not in used, "the core knows no built-in system"
    assert "pickle" not in used
    assert "multiprocessing" not in used
    if own in JAX_FREE:
        assert not used & {"jax", "jaxlib", "diffrax"} or path.parent.name == "expression"
    for library, home in {"pysr": "engines", "pyoperon": "engines"}.items():
        assert library not in used or own == home
    assert "juliacall" not in used
    assert "matplotlib" not in used or own == "report"


def test_the_expression_hands_jax_over_only_when_asked():
    for path in sources(CORE / "expression"):
        tree = parsed(path)
        at_import = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
        at_import |= {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)}
        assert not any(name.split(".")[0] == "jax" for name in at_import), path


def runs_text(node: ast.Call) -> bool:
    """Whether a call turns text into code: builtins, and the parsers of SymPy under any owner."""
    match node.func:
        case ast.Name(id="eval" | "exec" | "compile" | "sympify" | "parse_expr"):
            return True
        case ast.Attribute(attr="sympify" | "parse_expr" | "parse_latex"):
            return True
    return False


@pytest.mark.parametrize("path", sources(CORE, SIMULATIONS), ids=relative)
def test_no_text_becomes_code(path):
    found = [n.lineno for n in ast.walk(parsed(path)) if isinstance(n, ast.Call) and runs_text(n)]
    assert not found, f"lines {found} can run code from a file"


@pytest.mark.parametrize("path", sources(CORE), ids=relative)
def test_nothing_before_the_report_sees_the_truth(path):
    """Names and strings of the code; the sentences of docstrings may speak of it."""
    if any(path.is_relative_to(CORE / name) for name in ("report", "simulator", "replication")):
        return
    tree = parsed(path)
    seen = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    seen |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    seen |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    truths = {"true_law", "reference_properties"} & seen
    if path == CORE / "pipeline" / "story.py":
        readers = [f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) and "true_law" in ast.unparse(f)]
        assert [f.name for f in readers] == ["_reveal"], "only the last step hands the truth to the report"
        return
    assert not truths, f"{sorted(truths)} may be read by the report alone"


@pytest.mark.parametrize("path", sources(CORE, SIMULATIONS, ROOT / "tests", ROOT / "benchmarks"), ids=relative)
def test_files_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", sources(CORE, SIMULATIONS), ids=relative)
def test_the_global_precision_is_never_set(path):
    text = path.read_text(encoding="utf-8")
    assert "jax_enable_x64" not in text and "JAX_ENABLE_X64" not in text
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            assert "enable_x64" not in ast.unparse(node.value.func), f"line {node.lineno}: use it in a with block"


def child(code: str) -> list[str]:
    """The modules that are loaded after ``code`` in a fresh interpreter."""
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return json.loads(out.stdout.splitlines()[-1])


HEAVY = {
    "jax",
    "sympy",
    "matplotlib",
    "scipy",
    "numpy",
    "astropy",
    "flax",
    "pysr",
    "pyoperon",
    "pydantic",
    "h5py",
    "yaml",
}


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


@pytest.mark.parametrize("name", sorted(JAX_FREE))
def test_what_follows_the_messages_runs_without_jax(name):
    assert "jax" not in child(f"import gnn_discovery.{name}")


def test_every_public_name_is_there():
    import gnn_discovery

    for name in gnn_discovery.__all__:
        assert getattr(gnn_discovery, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = gnn_discovery.nothing


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_release_of_jax_with_wrong_results_is_excluded():
    (jax,) = [r for r in map(Requirement, project()["project"]["dependencies"]) if r.name == "jax"]
    assert "0.10.1" in jax.specifier
    assert "0.10.2" not in jax.specifier and "0.11.0" not in jax.specifier
    locked = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line.startswith("jax==")]
    assert locked and all("0.10.2" not in line for line in locked)


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_file_is_hashed_and_names_no_host(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text and "index-url" not in text
    pins = [line for line in text.splitlines() if "==" in line and not line.startswith((" ", "#"))]
    assert len(pins) > 40
    assert all(line.endswith("\\") for line in pins), "a pin without hashes"


def test_every_dependency_is_locked():
    locked = {line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()}
    for requirement in map(Requirement, project()["project"]["dependencies"]):
        assert requirement.name.lower() in locked


def _globals_of(code: CodeType) -> set[str]:
    """Global names that a compiled module and all functions in it look up."""
    own = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return own.union(*(_globals_of(part) for part in code.co_consts if isinstance(part, CodeType)))


@pytest.mark.parametrize("path", sources(CORE, SIMULATIONS), ids=lambda p: p.stem)
def test_every_name_that_is_looked_up_is_there(path):
    """Linters cannot say: to them the shapes in annotations are names that nobody defined."""
    text = path.read_text(encoding="utf-8")
    tree = parsed(path)
    bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    bound |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    bound |= {
        (a.asname or a.name).partition(".")[0] for n in ast.walk(tree) if hasattr(n, "names") for a in _aliases(n)
    }
    dunder = {"__name__", "__file__", "__doc__", "__annotations__", "__module__", "__qualname__", "__path__"}
    assert not _globals_of(compile(text, str(path), "exec")) - bound - set(dir(builtins)) - dunder


def _aliases(node: ast.AST) -> list[ast.alias]:
    return [name for name in node.names if isinstance(name, ast.alias)]  # type: ignore[attr-defined]
