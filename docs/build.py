"""Parts of pages that are made when the pages are built, so that nothing is typed twice.

A page asks for a part with ``<!-- from: NAME -->``, NAME one of `PARTS`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
WIDTH = 96
"""Characters of a line of ``--help``."""


def commands() -> str:
    """Return the text of ``--help`` of every command."""
    import typer

    from gnn_discovery.cli import app

    return "\n".join(_help(typer.main.get_command(app), None))


def _help(command: Any, parent: Any) -> list[str]:
    name = "gnn-discovery" if parent is None else command.name
    context = command.context_class(command, info_name=name, parent=parent, terminal_width=WIDTH)
    found = [f"## {context.command_path}\n", f"```text\n{command.get_help(context)}\n```\n"]
    for inner in getattr(command, "commands", {}).values():
        found += _help(inner, context)
    return found


def inventory(section: str) -> str:
    """Return a section of ``gnn-discovery list`` as a table."""
    from gnn_discovery.cli.inventory import collect_inventory

    ((_, entries),) = collect_inventory(section).items()
    rows = [f"| `{name}` | {what} |" for name, what in entries.items()]
    return "\n".join(["| name | what it is |", "| --- | --- |", *rows])


def formulas() -> str:
    """Return the catalogue of known laws as a table."""
    from gnn_discovery.cli.inventory import list_known_laws

    rows = [
        f"| {name} | {law['kind']} {law['direction']} | `{law['expression']}` | {law['field']} | {law['range']} |"
        for name, law in list_known_laws().items()
    ]
    return "\n".join(["| law | kind | force | field | range |", "| --- | --- | --- | --- | --- |", *rows])


def criteria() -> str:
    """Return the fields of criteria.py, a table for each stage."""
    tree = ast.parse((ROOT / "gnn_discovery" / "criteria.py").read_text(encoding="utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    parts = []
    for stage in classes["Criteria"].body:
        match stage:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id=kind)):
                about = ast.get_docstring(classes[kind]) or ""
                rows = [" | ".join(["", *row, ""]).strip() for row in _criteria_of(classes[kind])]
                head = ["| criterion | default | decides | unit | source |", "| --- | --- | --- | --- | --- |"]
                parts.append("\n".join([f"## {name}", "", about, "", *head, *rows, ""]))
    return "\n".join(parts)


def _criteria_of(stage: ast.ClassDef) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield name, default, meaning, unit and source of each field of a stage."""
    for field, below in zip(stage.body, stage.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name), value=value), ast.Expr(value=ast.Constant(value=str(text))):
                said = re.fullmatch(r"(.*?)\s+Unit: (.*?)\.\s+Source: (.*?)\.?", " ".join(text.split()))
                if said is None or value is None:
                    raise ValueError(f"the docstring of {stage.name}.{name} lacks its unit or its source")
                yield f"`{name}`", f"`{ast.unparse(value)}`", *(part.replace("|", "\\|") for part in said.groups())


def benchmarks() -> str:
    """Return every table of benchmarks/results: headings one level down, links to files as links to headings."""
    return "\n\n".join(_table(path) for path in sorted(RESULTS.glob("*.md")))


def _table(path: Path) -> str:
    first, rest = path.read_text(encoding="utf-8").split("\n", 1)
    deeper = re.sub(r"^#", "##", f"{first} {{#{path.stem}}}\n{rest}", flags=re.MULTILINE)
    return re.sub(r"\]\((\w+)\.md\)", r"](#\1)", deeper)


def replication() -> str:
    """Return the page that ``gnn-discovery replicate`` wrote beside its cells."""
    return (RESULTS / "replication" / "replication.md").read_text(encoding="utf-8")


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "systems": lambda: inventory("systems"),
    "graphs": lambda: inventory("graphs"),
    "formats": lambda: inventory("formats"),
    "exports": lambda: inventory("exports"),
    "properties": lambda: inventory("properties"),
    "known laws": formulas,
    "criteria": criteria,
    "benchmarks": benchmarks,
    "replication": replication,
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return the page with the parts that it asks for; mkdocs calls this."""
    return re.sub(r"<!-- from: (.+?) -->", lambda mark: PARTS[mark[1]](), markdown)
