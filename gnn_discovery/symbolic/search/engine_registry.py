"""The registry of symbolic engines, which are entry points of installed packages."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from gnn_discovery.errors import UsageError
from gnn_discovery.symbolic.search.engine_protocol import SymbolicEngine

ENGINE_ENTRY_POINT_GROUP = "gnn_discovery.engines"


def engine_entries() -> dict[str, Any]:
    """Return the entry point of each registered engine by its name."""
    return {entry.name: entry for entry in sorted(entry_points(group=ENGINE_ENTRY_POINT_GROUP), key=lambda e: e.value)}


def get_engine(name: str) -> SymbolicEngine:
    """Return the engine with this name.

    Raises:
        UsageError: There is no such engine, or it cannot be loaded.
    """
    entries = engine_entries()
    if name not in entries:
        raise UsageError(f"unknown engine {name!r}", remedy=f"Choose from {', '.join(sorted(entries))}")
    try:
        engine: SymbolicEngine = entries[name].load()()
    except Exception as error:
        raise UsageError(f"the engine {name!r} ({entries[name].value}) cannot be loaded: {error!r}") from error
    return engine
