"""The figures in the README: ``python benchmarks/readme.py`` writes those of the replication, ``laws.py`` its own."""

from __future__ import annotations

from pathlib import Path

from gnn_discovery.replication import make_tables, read_results
from gnn_discovery.replication.tables import markdown
from gnn_discovery.runs.files import write_bytes

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
KEPT = HERE / "results" / "replication"
SHOWN = slice(2, 9)
"""Columns of the table in short that the README has, after the strategy."""


def put(name: str, body: str) -> None:
    """The figures of a name, between the marks that stand for them."""
    begin, end = f"<!-- figures: {name} -->", f"<!-- end of figures: {name} -->"
    before, _, rest = README.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    write_bytes(README, f"{before}{begin}\n{body}\n{end}{after}".encode())


def replicated() -> str:
    """Our recipe in short, of the kept cells."""
    results = read_results(KEPT)
    dates = sorted(r.date[:10] for r in results)
    (short,) = (table for table in make_tables(results) if table.name == "short")
    rows = [(row[0], *row[SHOWN]) for row in short.rows if row[1] == "fast"]
    return f"Made on {dates[0]} to {dates[-1]}.\n\n{markdown((short.heads[0], *short.heads[SHOWN]), rows)}"


if __name__ == "__main__":
    put("replication", replicated())
