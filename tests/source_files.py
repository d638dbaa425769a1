"""The source files of the package and what they import, for the tests of its rules."""

from __future__ import annotations

import ast
from pathlib import Path

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
