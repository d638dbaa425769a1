"""Print results on standard output, as JSON or as aligned lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer


def print_result(value: Any, as_json: bool, text: str) -> None:
    """Print a result on standard output.

    Args:
        value: the result, as JSON knows it.
        as_json: print it as JSON.
        text: print this otherwise.
    """
    from gnn_discovery.runs.files import to_json_text

    typer.echo(to_json_text(value) if as_json else text)


def format_lines(values: Mapping[str, Any]) -> str:
    """Return names and values, one pair a line."""
    width = max(len(name) for name in values)
    return "\n".join(f"{name.replace('_', ' '):<{width}}  {format_value(value)}" for name, value in values.items())


def format_value(value: Any) -> str:
    """Return one value in words."""
    match value:
        case None:
            return "not measured"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}"
        case Mapping():
            return ", ".join(f"{name} {format_value(part)}" for name, part in value.items())
        case list():
            return ("\n  " if any(": " in p or p.endswith(".") for p in value) else ", ").join(value) or "none"
    return str(value)
