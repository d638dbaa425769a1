"""Make the table of error bars, how often 95% intervals hold the true constant: ``python benchmarks/coverage.py``.

A cell is fifty small noisy sets of known form (``noisy_sets.py``) in a separate process; the one constant that is
estimated stands in ``results/coverage/NAME.json``, and a cell that is there is not run again. The
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
from table import made_with, markdown_table, read_cells

from gnn_discovery import pipeline
from gnn_discovery.errors import GnnDiscoveryError
from gnn_discovery.pipeline import Session
from gnn_discovery.runs import Cell
from gnn_discovery.runs.files import write_bytes

RESULTS = HERE / "results" / "coverage"
TABLE = HERE / "results" / "coverage.md"
SETS, CELL = 1000, 50
"""There are so many sets, and so many in a cell."""
NORMAL = 1.959964
"""A 95% interval of a normal distribution reaches so many standard errors to either side."""

Estimate = Mapping[str, Any]


def hold(first: int, count: int, seed: int) -> dict[str, Any]:
    """Estimate the constants of the sets ``first`` to ``first + count``.

    Args:
        first: number of the first set.
        count: number of sets.
        seed: seed of all sets.
    """
    return {"sets": [_fit(k, draw(seed, k)) for k in range(first, first + count)], **circumstances()}


def _fit(index: int, sample: NoisySet) -> dict[str, Any]:
    """Estimate the constant of a set as a discovery does once it has the form."""
    session = Session()
    truth, estimate = sample.constant_of(sample.law).value, None
    try:
        motion = pipeline.prepare_motion(sample.runs, session)
        estimate = sample.constant_of(pipeline.estimate_constants(sample.start, motion, session))
    except (GnnDiscoveryError, np.linalg.LinAlgError) as error:
        why = str(error)
    else:
        why = None if estimate.std else "no error is known"
    is_known = estimate is not None and estimate.std
    off = abs(estimate.value - truth) / estimate.std if is_known else None
    return {
        "index": index,
        "system": sample.system,
        "constant": sample.constant[1],
        "true": truth,
        "value": estimate.value if is_known else None,
        "std": estimate.std if is_known else None,
        "off": off,
        "covered": off is not None and off < NORMAL,
        "failed": why,
    }


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the figures of all cells in Markdown."""
    sets = [found for record in records if record["outcome"] == "done" for found in record["value"]["sets"]]
    kinds = {name: [s for s in sets if s["system"] == name] for name in SYSTEMS}
    heads = ("system", "sets", "covered", "95% interval of that", "median of error / std", "std / constant", "failed")
    rows = [_row(name, members) for name, members in [*kinds.items(), ("**all**", sets)] if members]
    parts = [
        "# Error bars that cover",
        f"Made by `python benchmarks/coverage.py`: {SETS} sets, each of 20 to 60 runs of 3 to 5 particles over 50 to "
        f"100 frames in 2D or 3D, of positions alone, with noise of {NOISE:g} of their spread. System, constants, size "
        "and the one constant to estimate are drawn before the fit, which is that of a discovery once it has the form: "
        "`prepare_motion`, then `estimate_constants`. Covered: the true value lies within 1.96 standard errors. Bias "
        "and sets that fail count against it. Were the errors exact, error / std would have the median 0.67.",
        made_with(records, SETS // CELL),
        markdown_table(heads, rows),
    ]
    return "\n\n".join(parts) + "\n"


def _row(name: str, sets: Sequence[Estimate]) -> list[str]:
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
    options = parser.parse_args()
    cells = [
        Cell(f"s{options.seed}_{first:04d}", "coverage:hold", {"first": first, "count": CELL, "seed": options.seed})
        for first in range(0, SETS, CELL)
    ]
    fill(options, cells, RESULTS, lambda: write_table(cells))


def write_table(cells: Sequence[Cell]) -> str:
    """Write the table, and return a line on it."""
    records = read_cells(cells, RESULTS)
    write_bytes(TABLE, table(records).encode())
    return f"{TABLE}: {len(records)} of {len(cells)} cells"


if __name__ == "__main__":
    main()
