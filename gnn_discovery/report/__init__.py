"""Report: a discovery as discovery.json, as one page, as figures, and as a few lines of text."""

from __future__ import annotations

from pathlib import Path

from gnn_discovery.report.document import SCHEMA_VERSION as SCHEMA_VERSION
from gnn_discovery.report.document import read_json as read_json
from gnn_discovery.report.document import to_json as to_json
from gnn_discovery.report.record import Discovery
from gnn_discovery.report.summary import summary as summary
from gnn_discovery.report.truth import direct_r2 as direct_r2
from gnn_discovery.report.truth import reveal as reveal
from gnn_discovery.runs.files import write_bytes, write_json


def write_report(discovery: Discovery, directory: str | Path) -> Path:
    """Write discovery.json, report.html and figures/*.svg into ``directory``, each whole or not at all.

    Returns:
        The path of report.html.

    Raises:
        StorageError: the directory cannot be written.
    """
    from gnn_discovery.report.figures import draw_all  # matplotlib takes half a second to import
    from gnn_discovery.report.page import render

    directory = Path(directory)
    drawings = draw_all(discovery)
    page = directory / "report.html"
    write_json(directory / "discovery.json", to_json(discovery))
    for drawing in drawings:
        write_bytes(directory / "figures" / f"{drawing.name}.svg", drawing.svg.encode())
    write_bytes(page, render(discovery, drawings).encode())
    return page
