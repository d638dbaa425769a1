"""The table of error bars: ``python benchmarks/coverage.py``. How often 95% intervals hold the true constant.

A cell is fifty small noisy sets of known form (``noisy_sets.py``) in a process of its own; what was found of the one
constant that is asked for stands in ``results/coverage/NAME.json``, and a cell that is there is not run again. The
table is ``results/coverage.md``.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from cells import circumstances
from command import HERE, arguments, fill
from noisy_sets import NOISE, SYSTEMS, NoisySet, draw
from scipy.stats import binomtest
from table import made_with, markdown, read_cells

from gnn_discovery import pipeline
from gnn_discovery.errors import GnnDiscoveryError
from gnn_discovery.pipeline import DiscoverConfig
from gnn_discovery.runs import Cell
from gnn_discovery.runs.files import write_bytes

RESULTS = HERE / "results" / "coverage"
TABLE = HERE / "results" / "coverage.md"
SETS, CELL, NORMAL = 1000, 50, 1.959964

Found = Mapping[str, Any]


def hold(first: int, count: int, seed: int) -> dict[str, Any]:
    """What is found of the sets ``first`` to ``first + count``."""
    return {"sets": [_fit(k, draw(seed, k)) for k in range(first, first + count)], **circumstances()}


def _fit(index: int, given: NoisySet) -> dict[str, Any]:
    """The constant that was asked for, as a discovery settles it once it has the form."""
    config = DiscoverConfig()
    truth, found = given.of(given.law).value, None
    try:
        data = pipeline.prepare_dataset(pipeline.load_motion(given.runs, config.simulation), config)
        found = given.of(pipeline.estimate_constants(given.start, data, config))
    except (GnnDiscoveryError, np.linalg.LinAlgError) as error:
        why = str(error)
    else:
        why = None if found.std else "no error is known"
    sure = found is not None and found.std
    off = abs(found.value - truth) / found.std if sure else None
    return {
        "index": index,
        "system": given.system,
        "constant": given.asked[1],
        "true": truth,
        "value": found.value if sure else None,
        "std": found.std if sure else None,
        "off": off,
        "covered": off is not None and off < NORMAL,
        "failed": why,
    }


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """All cells in Markdown."""
    sets = [found for record in records if record["outcome"] == "done" for found in record["value"]["sets"]]
    kinds = {name: [s for s in sets if s["system"] == name] for name in SYSTEMS}
    heads = ("system", "sets", "covered", "95% interval of that", "median of error / std", "std / constant", "failed")
    rows = [_row(name, some) for name, some in [*kinds.items(), ("**all**", sets)] if some]
    parts = [
        "# Error bars that cover",
        f"Made by `python benchmarks/coverage.py`: {SETS} sets, each of 20 to 60 runs of 3 to 5 particles over 50 to "
        f"100 frames in 2D or 3D, of positions alone, with noise of {NOISE:g} of their spread. System, constants, size "
        "and the one constant that is asked for are drawn before the fit, which is that of a discovery once it has the "
        "form: `observe`, then `settle`. Covered: the true value lies within 1.96 standard errors. Bias and sets that "
        "fail count against it. Were the errors exact, error / std would have the median 0.67.",
        made_with(records, SETS // CELL),
        markdown(heads, rows),
    ]
    return "\n\n".join(parts) + "\n"


def _row(name: str, sets: Sequence[Found]) -> list[str]:
    covered = sum(s["covered"] for s in sets)
    low, high = binomtest(covered, len(sets)).proportion_ci(method="wilson")
    known = [s for s in sets if s["off"] is not None]
    off = statistics.median(s["off"] for s in known) if known else float("nan")
    size = statistics.median(s["std"] / abs(s["true"]) for s in known) if known else float("nan")
    return [
        name,
        str(len(sets)),
        f"{covered / len(sets):.1%}",
        f"{low:.1%} to {high:.1%}",
        f"{off:.2f}",
        f"{size:.1e}",
        str(len(sets) - len(known)),
    ]


def main() -> None:
    parser = arguments(__doc__, workers=2)
    parser.add_argument("--seed", type=int, default=0, help="of all sets; another one draws other sets")
    asked = parser.parse_args()
    cells = [
        Cell(f"s{asked.seed}_{first:04d}", "coverage:hold", {"first": first, "count": CELL, "seed": asked.seed})
        for first in range(0, SETS, CELL)
    ]
    fill(asked, cells, RESULTS, lambda: write_table(cells))


def write_table(cells: Sequence[Cell]) -> str:
    """Write the table; what is said about it, in a line."""
    records = read_cells(cells, RESULTS)
    write_bytes(TABLE, table(records).encode())
    return f"{TABLE}: {len(records)} of {len(cells)} cells"


if __name__ == "__main__":
    main()
