"""Count how often a verdict is wrong: ``python benchmarks/verdicts.py``.

As in ``laws.py``, each cell is one discovery in a process of its own, kept in ``results/verdicts/NAME.json`` and never
run again; the table in ``results/verdicts.md`` is made of whatever is there. The systems are drawn by ``generated.py``;
another ``--seed`` draws others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from typing import Any

from command import HERE, arguments, fill
from judged import LAWLESS
from readme import put
from table import made_with, markdown_table, median_with_range, read_cells, values

from gnn_discovery.runs import Cell
from gnn_discovery.runs.files import write_bytes

RESULTS = HERE / "results" / "verdicts"
SYSTEMS = {"known": 30, "altered": 20, "none": 10}
NOISE = {"clean": 0.0, "noisy": 1e-3}
SETS = 100
SEED = 6
"""The systems of the table are drawn by this seed; none was looked at while the measured code was written."""
TITLES = {"known": "a sum of known laws", "altered": "an altered law", "none": "no interaction"}
CONFIDENT = ("known", "candidate")
RIGHT = {"clean": ("57", "60"), "noisy": ("46", "52")}
"""So many verdicts of 60 have to be right at least, and so many are aimed at."""

Record = Mapping[str, Any]


def cells(seed: int) -> dict[str, list[Cell]]:
    """Return cells by group: clean and noisy systems, and motion without a law."""

    def one(what: str, kind: str, number: int) -> Cell:
        asked = {"kind": kind, "number": number, "seed": seed, "noise": NOISE[what]}
        return Cell(f"{what}-{kind}-{number:02}_s{seed}", "judged:verdict", asked)

    kinds = list(LAWLESS)
    groups = {what: [one(what, kind, k) for kind, count in SYSTEMS.items() for k in range(count)] for what in NOISE}
    groups["lawless"] = [
        Cell(
            f"lawless-{k:02}_s{seed}",
            "judged:lawless",
            {"what": kinds[k % len(kinds)], "number": k // len(kinds), "seed": seed},
        )
        for k in range(SETS)
    ]
    return groups


def write_table(seed: int) -> str:
    """Write the table, and return a line on it."""
    kept = {name: read_cells(some, RESULTS) for name, some in cells(seed).items()}
    records = [record for some in kept.values() for record in some]
    total = sum(map(len, cells(seed).values()))
    figures = markdown_table(("what", "at least (at most)", "aim", "found"), _figures(kept))
    parts = [
        "# How often a verdict is wrong",
        "Made by `python benchmarks/verdicts.py` from the cells in `verdicts/`. The systems are drawn by a seed: 30 "
        "are sums of laws of the catalogue with random constants, 20 have an altered law that differs by more than 5% "
        "from every sum that would be called known, and in 10 nothing interacts. Right is `known` with the true law "
        "as match or listed alternative, `candidate` for an altered law, and `no interaction`. Clean data are "
        "positions, velocities and accelerations; noisy ones positions alone, with errors of 1e-3 of their spread. "
        "Another 100 small sets have no law: forces or frames in random order, errors of position, random walks. "
        "Networks are trained on them for 1,000 steps. What was measured, the commits below, is from before any system "
        "of this seed was seen. "
        "The catalogue that the systems are drawn from is the one whose laws are tried beside what the search finds.",
        f"Seed {seed}. {made_with(records, total)}",
        figures,
        *(part for what in NOISE for part in _confusion(what, kept[what])),
        *_lawless(kept["lawless"]),
        *(part for what in NOISE for part in _every(what, kept[what])),
    ]
    out = HERE / "results" / "verdicts.md"
    write_bytes(out, ("\n\n".join(parts) + "\n").encode())
    commits = ", ".join(sorted({value["commit"] for value in _done(records)}))
    put("verdicts", [r["date"] for r in records], f"{len(records)} cells of seed {seed}, commit {commits}", figures)
    return f"{out}: {len(records)} of {total} cells"


def _figures(kept: Mapping[str, Sequence[Record]]) -> list[list[str]]:
    rows = []
    for what, records in kept.items():
        done, count = _done(records), f"of {len(records)}"
        wrong = [v for v in done if not v.get("right") and v["status"] in CONFIDENT]
        if what in NOISE:
            rows.append([f"{what}: right", *RIGHT[what], f"{sum(v['right'] for v in done)} {count}"])
        most = ("2", "0") if what == "lawless" else ("1", "0") if NOISE[what] else ("", "")
        rows.append([f"{what}: `known` or `candidate`, and wrong", *most, f"{len(wrong)} {count}"])
        rows.append(
            [f"{what}: seconds of a discovery", "", "", median_with_range(values(done, "seconds"), "{:.0f}".format)]
        )
    return rows


def _confusion(what: str, records: Sequence[Record]) -> list[str]:
    heads = ("truth", "known, right", "known, wrong", "candidate", "no interaction", "inconclusive else", "failed")
    rows = []
    for kind, title in TITLES.items():
        some = [r for r in records if r["arguments"]["kind"] == kind]
        counts = Counter(map(_said, some))
        rows.append([f"{title} ({len(some)})", *(str(counts[head]) for head in heads[1:])])
    return [f"## {what.capitalize()} data: the truth and the verdict", markdown_table(heads, rows)] if records else []


def _said(record: Record) -> str:
    if record["outcome"] != "done":
        return "failed"
    value = record["value"]
    if value["status"] == "known":
        return "known, right" if value["right"] else "known, wrong"
    if value["status"] == "candidate":
        return "candidate"
    return "no interaction" if value["match"] else "inconclusive else"


def _lawless(records: Sequence[Record]) -> list[str]:
    heads = ("data", "known", "candidate", "inconclusive", "failed")
    rows = []
    for what in LAWLESS:
        some = [r for r in records if r["arguments"]["what"] == what]
        counts = Counter(r["value"]["status"] if r["outcome"] == "done" else "failed" for r in some)
        rows.append([f"{what} ({len(some)})", *(str(counts[head]) for head in heads[1:])])
    return ["## Data without a law", markdown_table(heads, rows)] if records else []


def _every(what: str, records: Sequence[Record]) -> list[str]:
    rows = []
    for record in records:
        value = record["value"] or {}
        said = _said(record) + (f": {value['match']}" if value.get("match") else "")
        right = "right" if value.get("right") else "" if value else record["outcome"]
        rows.append([record["name"], f"`{value.get('truth', '')}`", f"`{value.get('law', '')}`", said, right])
    heads = ("cell", "truth", "law found", "verdict", "")
    return [f"## Every system, {what}", markdown_table(heads, rows)] if rows else []


def _done(records: Sequence[Record]) -> list[Record]:
    return [r["value"] for r in records if r["outcome"] == "done"]


def main() -> None:
    parser = arguments(__doc__, workers=2)
    parser.add_argument("--only", nargs="+", metavar="PATTERN", default=["*"], help="cells to run, as 'clean-known-*'")
    parser.add_argument("--seed", type=int, default=SEED, help="of the systems")
    options = parser.parse_args()
    every = [cell for some in cells(options.seed).values() for cell in some]
    chosen = [cell for cell in every if any(fnmatch(cell.name, pattern) for pattern in options.only)]
    fill(options, chosen, RESULTS, lambda: write_table(options.seed))


if __name__ == "__main__":
    main()
