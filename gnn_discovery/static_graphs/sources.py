"""This module opens static graphs: those of registered generators, and tables of nodes in files."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.errors import UsageError
from gnn_discovery.static_graphs.static_graph import StaticGraph

GRAPH_ENTRY_POINTS = "gnn_discovery.graphs"


@runtime_checkable
class GraphGenerator(Protocol):
    """A plug-in that generates static graphs; it is made without arguments.

    It decides on its target, its properties and its edges; lists show the first line of its documentation.
    """

    def graph(self, seed: int) -> StaticGraph:
        """Return a graph; the same seed gives the same graph."""
        ...


def graph_generators() -> dict[str, Any]:
    """Return the entry points of the registered generators by name, without loading any."""
    return {point.name: point for point in sorted(entry_points(group=GRAPH_ENTRY_POINTS), key=lambda p: p.name)}


def open_graph(
    source: str,
    seed: int = 0,
    target: str | None = None,
    radius: float | None = None,
    properties: tuple[str, ...] = (),
    box: float | None = None,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> StaticGraph:
    """Return the graph of a registered generator, or of the table of nodes in a file.

    Args:
        source: name of a generator, or path of a file; the options after ``seed`` belong to a file.
        seed: seed of a generator.
        target: column that is to be explained.
        radius: distance within which nodes are neighbours.
        properties: columns that are properties; all others that hold numbers where none is named.
        box: side of a periodic cube.
        criteria: the stage ``estimation`` is used.

    Raises:
        UsageError: an option is missing for a file, or is given to a generator, or a generator does not load.
        DataError: see `read_node_table`.
    """
    generators = graph_generators()
    if source in generators:
        if target is not None or radius is not None or properties or box is not None:
            raise UsageError(
                "a generator defines its own target and edges", where=source, remedy="Leave out the options of files"
            )
        try:
            generator: GraphGenerator = generators[source].load()()
        except ImportError as error:
            raise UsageError(
                f"the generator does not load: {error}", where=source, remedy="Repair its package"
            ) from error
        return generator.graph(seed)
    path = Path(source)
    if not path.suffix and not path.exists():
        remedy = f"Give the path of a file, or one of {', '.join(generators)}"
        raise UsageError(f"{source!r} is no known graph", remedy=remedy)
    if target is None or radius is None:
        raise UsageError("a file needs --target and --radius", where=source, remedy="As in --target delta --radius 50")
    from gnn_discovery.static_graphs.node_table import read_node_table

    return read_node_table(path, target, radius, properties or None, box, criteria=criteria)
