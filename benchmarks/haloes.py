"""Make the table of the halo catalogues, the paper's third experiment: ``python benchmarks/haloes.py``.

As in ``laws.py``, each cell is one catalogue in a process of its own, kept in ``results/haloes/NAME.json`` and never
run again; the table in ``results/haloes.md`` is made of whatever is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from command import HERE, arguments, fill
from gnn_discovery_replication.results import median_with_range
from gnn_discovery_replication.tables import markdown_table
from table import every_law, made_with, read_cells, values

from gnn_discovery.runs import Cell
from gnn_discovery.runs.files import write_bytes

RESULTS = HERE / "results" / "haloes"
WHO = ("constant", "hand-made", "network", "law", "true formula")
PUBLISHED = 0.63
"""The law of the paper has this error on its densest haloes, in units of that of its network."""

Record = Mapping[str, Any]


def cells(seeds: int) -> list[Cell]:
    return [Cell(f"haloes_s{seed}", "cells:haloes", {"seed": seed}) for seed in range(seeds)]


def write_table(seeds: int) -> str:
    """Write the table, and return a line on it."""
    records = read_cells(cells(seeds), RESULTS)
    done = [record["value"] for record in records if record["outcome"] == "done"]
    exact = [value for value in done if value["exact"]]
    worst = median_with_range(values(exact, "constants_error"), "{:.1%}".format)
    over_network = median_with_range([_ratio(v, "network") for v in done], "{:.2f}".format)
    over_truth = median_with_range([_ratio(v, "true formula") for v in done], "{:.3f}".format)
    away = [_away(constant) for value in exact for constant in value["constants"].values()]
    parts = [
        "# The formula of the halo catalogues",
        "Made by `python benchmarks/haloes.py` from the cells in `haloes/`. A seed draws a clustered catalogue, its "
        "scatter, the network and the search. The network is trained, and the law fitted and chosen, on haloes of low "
        "density; the tenth with most neighbours is kept out of all of it. The form counts as found where, with the "
        "right constants, it is the true one for any number of neighbours and has no constant too many; no part of the "
        "software sees the true one before.",
        made_with(records, seeds),
        f"Form found: **{len(exact)} of {len(records)}**. Its constants: the worst of each law is off by "
        f"{worst}; {sum(a <= 2 for a in away)} of {len(away)} are within two of their standard errors.",
        "Mean absolute error, in units of that of the best constant there; median over seeds, with the range:",
        markdown_table(("predicted by", "low density, held out", "high density"), [_row(who, done) for who in WHO]),
        f"On high density the law errs by {over_network} of what the network does ({PUBLISHED} in the paper, on "
        f"another catalogue), and by {over_truth} of what the true formula does.",
        *every_law(records),
    ]
    out = HERE / "results" / "haloes.md"
    write_bytes(out, ("\n\n".join(parts) + "\n").encode())
    return f"{out}: {len(records)} of {seeds} cells"


def _away(constant: Mapping[str, float]) -> float:
    return abs(constant["value"] - constant["true"]) / constant["std"]


def _row(who: str, done: Sequence[Record]) -> list[str]:
    places = [[v["errors"][who][k] / v["errors"]["constant"][k] for v in done] for k in (0, 1)]
    return [who, *(median_with_range(place, "{:.3f}".format) for place in places)]


def _ratio(value: Record, other: str) -> float:
    return value["errors"]["law"][1] / value["errors"][other][1]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="of the catalogue, the network and the search")
    options = parser.parse_args()
    fill(options, cells(options.seeds), RESULTS, lambda: write_table(options.seeds))


if __name__ == "__main__":
    main()
