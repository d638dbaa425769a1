"""What pages take from elsewhere when they are built, so that nothing is typed twice.

A page asks for it with ``<!-- from: NAME -->``, NAME one of `PARTS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
WIDTH = 96


def commands() -> str:
    """What ``--help`` says of every command."""
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
    """What ``gnn-discovery list`` says of a section, as a table."""
    from gnn_discovery.cli.inventory import collect_inventory

    ((_, entries),) = collect_inventory(section).items()
    rows = [f"| `{name}` | {what} |" for name, what in entries.items()]
    return "\n".join(["| name | what it is |", "| --- | --- |", *rows])


def formulas() -> str:
    """The catalogue of known laws, as a table."""
    from gnn_discovery.cli.inventory import list_known_laws

    rows = [
        f"| {name} | {law['kind']} {law['direction']} | `{law['expression']}` | {law['field']} | {law['range']} |"
        for name, law in list_known_laws().items()
    ]
    return "\n".join(["| law | kind | force | field | range |", "| --- | --- | --- | --- | --- |", *rows])


def benchmarks() -> str:
    """Every table of benchmarks/results, its headings one level down; a link to its file becomes one to its heading."""
    return "\n\n".join(_table(path) for path in sorted(RESULTS.glob("*.md")))


def _table(path: Path) -> str:
    first, rest = path.read_text(encoding="utf-8").split("\n", 1)
    deeper = re.sub(r"^#", "##", f"{first} {{#{path.stem}}}\n{rest}", flags=re.MULTILINE)
    return re.sub(r"\]\((\w+)\.md\)", r"](#\1)", deeper)


def replication() -> str:
    """The page that ``gnn-discovery replicate`` wrote beside its cells."""
    return (RESULTS / "replication" / "replication.md").read_text(encoding="utf-8")


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "systems": lambda: inventory("systems"),
    "graphs": lambda: inventory("graphs"),
    "formats": lambda: inventory("formats"),
    "exports": lambda: inventory("exports"),
    "properties": lambda: inventory("properties"),
    "known laws": formulas,
    "benchmarks": benchmarks,
    "replication": replication,
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with what it asks for; mkdocs calls this."""
    return re.sub(r"<!-- from: (.+?) -->", lambda mark: PARTS[mark[1]](), markdown)
