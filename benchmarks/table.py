"""Make a table in Markdown of kept cells: counts, medians and ranges, with date, versions and machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gnn_discovery_replication.results import median_with_range
from gnn_discovery_replication.tables import markdown_table
from readme import put
from summary import summary

from gnn_discovery.report.number_format import format_r2
from gnn_discovery.runs import Cell
from gnn_discovery.runs.files import read_json, write_bytes

Record = Mapping[str, Any]


def write_table(groups: Mapping[str, Sequence[Cell]], results: Path, out: Path) -> str:
    """Write the table to ``out``, and return a line on it.

    Args:
        groups: cells by the name of their group.
        results: directory of the kept cells.
        out: file of the table.
    """
    kept = {name: [read_cell(cell, results) for cell in cells] for name, cells in groups.items()}
    records = [record for group in kept.values() for record in group if record is not None]
    total = sum(map(len, groups.values()))
    head = markdown_table(("what", "at least", "aim", "found"), summary(kept))
    parts = [
        "# Laws recovered",
        "Made by `python benchmarks/laws.py` from the cells in `laws/`. A law counts as exact where, with the right "
        "constants, it is the true one and none of its constants is superfluous; no part of the software sees the true "
        "law before. Figures are medians over seeds, with the range in brackets.",
        made_with(records, total),
        head,
        *_laws("Four laws in 2D and 3D", kept["laws"]),
        *_laws("Sums and thresholds", kept["sums"]),
        *_laws("Message strategies of the paper, MLP node function", kept["strategies"]),
        *_laws("String and free motion", [*kept["string"], *kept["free"]]),
        *_solar_system(kept["solar-system"]),
        *_timing(kept["timing"]),
        *every_law(records),
    ]
    write_bytes(out, ("\n\n".join(parts) + "\n").encode())
    put("laws", [r["date"] for r in records], f"{len(records)} cells", head)
    return f"{out}: {len(records)} of {total} cells"


def read_cells(cells: Iterable[Cell], results: Path) -> list[Record]:
    """Return the kept records of cells, without those that are not there yet."""
    return [record for record in (read_cell(cell, results) for cell in cells) if record is not None]


def read_cell(cell: Cell, results: Path) -> Record | None:
    """Return the kept record of a cell; None where there is none."""
    path = results / f"{cell.name}.json"
    return read_json(path) if path.exists() else None


def made_with(records: Sequence[Record], total: int) -> str:
    if not records:
        return f"0 of {total} cells are done."
    dates = sorted(r["date"][:10] for r in records)
    done = [r["value"] for r in records if r["outcome"] == "done"]
    versions = {f"{name} {v}" for r in records for name, v in r["versions"].items()}
    load = median_with_range([v["load"] for v in done], "{:.1f}".format)
    rows = [
        f"{len(records)} of {total} cells are done, {sum(r['outcome'] != 'done' for r in records)} of them failed.",
        "",
        f"- dates: {dates[0]} to {dates[-1]}",
        f"- commits: {', '.join(sorted({v['commit'] for v in done}))} (+: with changes that are in none)",
        f"- processes that wanted to run when a cell began: {load}",
        f"- machine: {'; '.join(sorted({r['machine'] for r in records}))}",
        f"- versions: {', '.join(sorted(versions))}",
    ]
    return "\n".join(rows)


def _laws(title: str, records: Sequence[Record | None]) -> list[str]:
    rows: dict[str, list[Record]] = {}
    for record in records:
        if record is not None:
            asked = record["arguments"]
            what = f"{asked['system']} {asked['dim']}D {asked['network'].get('strategy', '')}".strip()
            rows.setdefault(what, []).append(record)
    if not rows:
        return []
    heads = (
        *("system", "seeds", "exact", "from messages alone", "with no network", "error of constants"),
        *("R² trimmed", "R² all", "verdict", "seconds"),
    )
    table = [_law_row(what, cells) for what, cells in rows.items()]
    if len(rows) > 1:
        table.append(_law_row("all", [cell for cells in rows.values() for cell in cells]))
    return [f"## {title}", markdown_table(heads, table)]


def _law_row(what: str, records: Sequence[Record]) -> list[str]:
    done = [r["value"] for r in records if r["outcome"] == "done"]
    verdicts = [v["status"] for v in done]
    count = len(records)
    return [
        what,
        str(count),
        count_of(done, "exact", count),
        count_of(done, "from_messages", count),
        count_of(done, "without_network", count),
        median_with_range(values(done, "constants_error"), "{:.1e}".format),
        median_with_range(values(done, "direct_r2_trimmed"), format_r2),
        median_with_range(values(done, "direct_r2_all"), format_r2),
        ", ".join(f"{verdicts.count(s)} {s}" for s in sorted(set(verdicts))),
        median_with_range(values(done, "seconds"), "{:.0f}".format),
    ]


def _solar_system(records: Sequence[Record | None]) -> list[str]:
    found = [r["value"] for r in records if r is not None and r["outcome"] == "done"]
    if not found:
        return []
    percent = "{:.4%}".format
    rows = [
        ["exponent of r", median_with_range(values(found, "exponent"), "{:.6f}".format)],
        ["its error", median_with_range(values(found, "exponent_error"), percent)],
        [
            "Jupiter's source strength to the Sun's, error",
            median_with_range(values(found, "jupiter_to_sun_error"), percent),
        ],
        ["bodies determined", median_with_range(values(found, "determined"), "{:.0f}".format)],
        ["worst of them, error", median_with_range(values(found, "worst_determined_error"), percent)],
        *(_body(found, name) for name in found[0]["errors"]),
        ["verdict", "; ".join(sorted({f"{v['status']}, {v['match']}" for v in found}))],
        ["seconds", median_with_range(values(found, "seconds"), "{:.0f}".format)],
    ]
    return ["## Solar System", markdown_table(("what", "figure"), rows)]


def _body(found: Sequence[Record], name: str) -> list[str]:
    sure = sum(name in v["determined_bodies"] for v in found)
    error = median_with_range([v["errors"][name] for v in found], "{:.4%}".format)
    return [f"source strength of {name}, error", f"{error}; determined in {sure} of {len(found)}"]


def every_law(records: Sequence[Record]) -> list[str]:
    """Return the law of each cell, and the reason of each that failed."""
    rows = []
    for record in records:
        value = record["value"] or {}
        if record["outcome"] != "done":
            rows.append([record["name"], f"failed: {record['outcome']}", "", ""])
        elif "law" in value:
            exact = "" if "exact" not in value else "exact" if value["exact"] else f"not exact: {value['why']}"
            verdict = value["status"] + (f", {value['match']}" if value["match"] else "")
            rows.append([record["name"], exact, f"`{value['law']}`", verdict])
    return ["## Every cell", markdown_table(("cell", "outcome", "law", "verdict"), rows)] if rows else []


def _timing(records: Sequence[Record | None]) -> list[str]:
    done = [r for r in records if r is not None and r["outcome"] == "done"]
    if not done:
        return []
    rows = []
    whole = [r["value"]["seconds"] for r in done if r["name"].startswith("timing_discover")]
    if whole:
        rows.append(["`discover gravity`, whole command", median_with_range(whole, "{:.1f} s".format)])
    for record in done:
        value = record["value"]
        if record["name"] in ("timing_help", "timing_import"):
            rows.append([record["name"].removeprefix("timing_"), median_with_range(value["all"], "{:.2f} s".format)])
        if record["name"] == "timing_full-set":
            kept = f"{value['seconds']:.1f} s, median energy change {value['energy_change']:.1e}"
            rows.append(["gravity, 10,000 runs of 500 steps, n = 4", kept])
    return ["## Time", markdown_table(("what", "figure"), rows)]


def values(done: Iterable[Record], name: str) -> list[float]:
    return [v[name] for v in done if v.get(name) is not None]


def count_of(done: Sequence[Record], name: str, count: int) -> str:
    if all(v.get(name) is None for v in done):
        return "-"
    return f"{sum(bool(v.get(name)) for v in done)} of {count}"
