"""Implement the commands `new`, which write files to begin with: a simulator and its test, a known law."""

from __future__ import annotations

import importlib.util
import json
import keyword
import re
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from gnn_discovery.errors import StorageError, UsageError

new_app = typer.Typer(
    help="Write a file to begin with: a simulator, a law.", no_args_is_help=True, rich_markup_mode=None
)


@new_app.command()
def simulator(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the module: letters, digits and _.")],
) -> None:
    """Write NAME.py, a simulator, and test_NAME.py."""
    if not (name.isidentifier() and name.isascii()) or keyword.iskeyword(name):
        raise UsageError(
            f"{name!r} cannot be the name of a module", remedy="Use letters, digits and _, as in my_springs"
        )
    code, test = Path(f"{name}.py"), Path(f"test_{name}.py")
    _require_new(code, test)
    if importlib.util.find_spec(name) is not None:
        raise UsageError(
            f"there is a module {name!r} already, which the new one would hide", remedy="Take another name"
        )
    _write_template(code, "simulator", name)
    _write_template(test, "test_simulator", name)
    typer.echo(
        f"{code} and {test} are written. Go on with\n"
        f"  pytest {test}\n"
        f"  gnn-discovery discover {code}:simulator\n"
        f"To install it like any other, put this into the pyproject.toml of its package:\n"
        f'  [project.entry-points."gnn_discovery.simulators"]\n'
        f'  {name} = "{name}:simulator"'
    )


@new_app.command()
def law(name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the law in reports.")]) -> None:
    """Write the record of a known law in your folder."""
    from gnn_discovery.catalogue.known_law import load_catalogue
    from gnn_discovery.registry.plugin_records import user_folder

    stem = re.sub(r"\W+", "_", name).strip("_")
    if not stem:
        raise UsageError(f"{name!r} is no name", remedy="Give a few words, as in 'inverse cube attraction'")
    if name in load_catalogue().origins:
        raise UsageError(
            f"there is a law {name!r} already", where=load_catalogue().origins[name], remedy="Give it another name"
        )
    path = user_folder() / "known_laws" / f"{stem}.yaml"
    _require_new(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_template(path, "law", json.dumps(name))
    typer.echo(f"{path} is written. Put your law into it; then\n  gnn-discovery list known-laws")


def _require_new(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise StorageError("exists already", where=str(path), remedy="Give another name; nothing is overwritten")


def _write_template(path: Path, template: str, name: str) -> None:
    text = (files("gnn_discovery.cli") / "templates" / f"{template}.txt").read_text(encoding="utf-8")
    with path.open("x", encoding="utf-8") as file:
        file.write(Template(text).substitute(name=name))
