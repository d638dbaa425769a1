"""Where static graphs come from: a registered generator, or a catalogue in a file."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from gnn_discovery.errors import UsageError
from gnn_discovery.static_graphs.static_graph import StaticGraph

GRAPH_ENTRY_POINTS = "gnn_discovery.graphs"


@runtime_checkable
class GraphGenerator(Protocol):
    """What makes a static graph. Made without arguments, and asked once for each that a user names.

    Its target, properties and links are its own to choose; the first line of its documentation is shown in lists.
    """

    def graph(self, seed: int) -> StaticGraph:
        """The graph; the same seed gives the same again."""
        ...


def graph_generators() -> dict[str, Any]:
    """The registered generators by name, as entry points; nothing is loaded."""
    return {point.name: point for point in sorted(entry_points(group=GRAPH_ENTRY_POINTS), key=lambda p: p.name)}


def open_graph(
    source: str,
    seed: int = 0,
    target: str | None = None,
    radius: float | None = None,
    properties: tuple[str, ...] = (),
    box: float | None = None,
) -> StaticGraph:
    """The graph of a registered generator, or of the catalogue in a file.

    Raises:
        UsageError: an option that is missing for a file, or has no say in a generator; a generator that does not load.
        DataError: see `read_node_table`.
    """
    known = graph_generators()
    if source in known:
        if target is not None or radius is not None or properties or box is not None:
            raise UsageError("has a target and links of its own", where=source, remedy="Leave the options of files out")
        try:
            return known[source].load()().graph(seed)
        except ImportError as error:
            raise UsageError(f"does not load: {error}", where=source, remedy="Repair the package of it") from error
    path = Path(source)
    if not path.suffix and not path.exists():
        raise UsageError(f"unknown graph {source!r}", remedy=f"A catalogue in a file, or one of {', '.join(known)}")
    if target is None or radius is None:
        raise UsageError("needs --target and --radius", where=source, remedy="As in --target delta --radius 50")
    from gnn_discovery.static_graphs.node_table import read_node_table

    return read_node_table(path, target, radius, properties or None, box)
