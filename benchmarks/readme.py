"""Write figures into the README: ``python benchmarks/readme.py`` those of the replication, ``laws.py`` its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gnn_discovery_replication import make_tables, read_results
from gnn_discovery_replication.tables import markdown_table

from gnn_discovery.runs.files import write_bytes

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
SHOWN = slice(2, 9)
"""The README has these columns of the summary table, after the strategy."""


def put(name: str, dates: Sequence[str], what: str, table: str) -> None:
    """Put a table between the marks of its name, with the days on which ``what`` was made.

    Args:
        name: name of the table.
        dates: ISO dates of its cells.
        what: name of the cells, for the line above it.
        table: the table in Markdown.
    """
    begin, end = f"<!-- figures: {name} -->", f"<!-- end of figures: {name} -->"
    before, _, rest = README.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    days = sorted(date[:10] for date in dates)
    made = f"Made on {' to '.join(dict.fromkeys((days[0], days[-1])))}, {what}." if days else "Not made yet."
    write_bytes(README, f"{before}{begin}\n{made}\n\n{table}\n{end}{after}".encode())


def main() -> None:
    """Write the summary of our recipe, from the kept cells of the replication."""
    results = read_results(HERE / "results" / "replication")
    (short,) = (table for table in make_tables(results) if table.name == "short")
    rows = [(row[0], *row[SHOWN]) for row in short.rows if row[1] == "fast"]
    table = markdown_table((short.headings[0], *short.headings[SHOWN]), rows)
    put("replication", [r.date for r in results], f"{len(results)} cells", table)


if __name__ == "__main__":
    main()
