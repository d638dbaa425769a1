"""Report a discovery as discovery.json, as one page, as figures, and as a few lines of text."""

from __future__ import annotations

from pathlib import Path

from gnn_discovery.report.discovery import Discovery
from gnn_discovery.report.discovery_file import SCHEMA_VERSION as SCHEMA_VERSION
from gnn_discovery.report.discovery_file import discovery_to_json as discovery_to_json
from gnn_discovery.report.discovery_file import read_discovery_json as read_discovery_json
from gnn_discovery.report.ground_truth import direct_r2 as direct_r2
from gnn_discovery.report.ground_truth import with_ground_truth as with_ground_truth
from gnn_discovery.report.summary import discovery_summary as discovery_summary
from gnn_discovery.runs.files import write_bytes, write_json


def write_report(discovery: Discovery, directory: str | Path) -> Path:
    """Write discovery.json, report.html and figures/*.svg, each whole or not at all.

    Args:
        discovery: the result.
        directory: where they are written; it is made if it is missing.

    Returns:
        The path of report.html.

    Raises:
        StorageError: the directory cannot be written.
    """
    from gnn_discovery.report.figures import draw_all  # matplotlib takes half a second to import
    from gnn_discovery.report.html_page import render_page

    directory = Path(directory)
    drawings = draw_all(discovery)
    page = directory / "report.html"
    write_json(directory / "discovery.json", discovery_to_json(discovery))
    for drawing in drawings:
        write_bytes(directory / "figures" / f"{drawing.name}.svg", drawing.svg.encode())
    write_bytes(page, render_page(discovery, drawings).encode())
    return page
