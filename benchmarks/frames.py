"""Count the laws that are found in coarse or noisy frames, or in tracks with gaps: ``python benchmarks/frames.py``.

The four laws of table 5 of Cranmer et al. (arXiv 2006.11287), in 2D and 3D, are seen by positions alone, with default
settings. Each cell is one discovery in a process of its own, kept in ``results/frames/NAME.json`` and never run again;
the table in ``results/frames.md`` is made of whatever is there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from cells import circumstances
from command import HERE, arguments, fill
from generated import System, noisy
from gnn_discovery_replication.form_comparison import compare_with_true_law
from gnn_discovery_replication.results import median_with_range
from gnn_discovery_replication.tables import markdown_table
from table import every_law, made_with, read_cells

from gnn_discovery import Trajectory, discover
from gnn_discovery.data.trajectory import MAX_GAP
from gnn_discovery.laws.law import ForceLaw, Term
from gnn_discovery.pipeline import DiscoverConfig
from gnn_discovery.runs import Cell
from gnn_discovery.runs.files import write_bytes
from gnn_discovery.simulators import SimulationConfig, resolve_simulator
from gnn_discovery.symbolic.expression import Expression

RESULTS = HERE / "results" / "frames"
YUKAWA_IN_TRAP = "yukawa-in-trap"
TABLE_5 = tuple((system, dim) for system in ("spring", "log-gravity", "gravity", "charge") for dim in (2, 3))
WITH_GAPS = (("spring", 2), ("gravity", 2), ("charge", 2), (YUKAWA_IN_TRAP, 2))
SEEDS = range(70, 75)
"""Motion of these seeds was looked at by nobody while the method was made."""
RUNS, FRAMES = 300, 20


@dataclass(frozen=True)
class Seen:
    """How motion is seen, and how many of its laws are to be found.

    Attributes:
        step: median step of a pair between frames over its distance; None takes the frames of the system by default.
        error: of the positions, over their spread.
        lost: share of the rows that are missing, at random.
        at_least, aim: numbers of laws.
        cases: systems and dimensions.
    """

    step: float | None = None
    error: float = 0.0
    lost: float = 0.0
    at_least: str = ""
    aim: str = ""
    cases: Sequence[tuple[str, int]] = TABLE_5


SEEN = {
    "coarse": Seen(0.5, at_least="30 of 40", aim="38 of 40"),
    "coarse-noisy": Seen(0.5, 1e-2, at_least="20 of 40", aim="30 of 40"),
    "half-coarse": Seen(0.25),
    "noise-1e-3": Seen(None, 1e-3, at_least="36 of 40", aim="40 of 40"),
    "noise-1e-2": Seen(None, 1e-2, at_least="24 of 40", aim="32 of 40"),
    "noise-7.5e-2": Seen(None, 7.5e-2, at_least="12 of 40", aim="20 of 40"),
    "gaps": Seen(None, 0.0, 0.3, at_least="18 of 20", aim="20 of 20", cases=WITH_GAPS),
    "gaps-noisy": Seen(None, 1e-2, 0.3, at_least="14 of 20", aim="18 of 20", cases=WITH_GAPS),
}
MAX_CONSTANT_ERROR = 0.03


def cell(system: str, dim: int, seed: int, seen: str) -> dict[str, Any]:
    """Discover the law of one system, and compare it with the true one."""
    how = SEEN[seen]
    if system == YUKAWA_IN_TRAP:
        own = System("known", (), _yukawa_in_trap(), dim, 6, 1.0, 1.0, 1.0)
        stride, truth = 1, [_record(term) for term in own.law.terms]
        full = [replace(run, properties={}) for run in own.runs(seed, RUNS)]
    else:
        simulator: Any = resolve_simulator(system)
        stride = 1 if how.step is None else _stride(simulator, dim, seed, how.step)
        frames = None if how.step is None else FRAMES * stride
        config = SimulationConfig(runs=RUNS, frames=frames, dim=dim, seed=seed)
        truth, full = simulator.true_law(config), simulator.simulate(config)
    runs = [Trajectory(run.positions[::stride], run.times[::stride], properties=run.properties) for run in full]
    runs = list(noisy(runs, how.error, seed)) if how.error else runs
    runs = [_without_rows(run, how.lost, np.random.default_rng([seed, k])) for k, run in enumerate(runs)]
    conditions, start = circumstances(), time.perf_counter()
    found = discover(runs, DiscoverConfig(seed=seed))
    comparison = compare_with_true_law(found.law, truth)
    return {
        "exact": comparison.exact,
        "why": comparison.reason,
        "constants_error": comparison.constant_error,
        "status": found.verdict.status,
        "match": found.verdict.match,
        "reason": found.verdict.reason,
        "law": str(found.law),
        "frames_apart": stride,
        "share_of_frames": next((text for text in found.assumptions if "the path is not known" in text), None),
        "seconds": time.perf_counter() - start,
        "steps": found.seconds,
        **conditions,
    }


def _yukawa_in_trap() -> ForceLaw:
    """Return a law of colloids: a screened repulsion of strength 1.5 and range .7, in a trap of .8."""
    pair = Expression.parse("1.5*exp(-r/0.7)*(1/r + 1/0.7)/r")
    return ForceLaw((Term("pair", "radial", pair), Term("external", "radial", Expression.parse("-0.8*r"))), 2)


def _record(term: Term) -> dict[str, Any]:
    return {"kind": term.kind, "direction": term.direction, "expression": term.expression.text, "constants": {}}


def _without_rows(run: Trajectory, share: float, rng: np.random.Generator) -> Trajectory:
    """Lose rows at random, never more than `MAX_GAP` of a particle one after the other."""
    lost = rng.random(run.positions.shape[:2]) < share
    for frame in range(MAX_GAP, len(lost)):
        lost[frame] &= ~lost[frame - MAX_GAP : frame].all(axis=0)
    return replace(run, positions=np.where(lost[..., None], np.nan, run.positions))


def _stride(simulator: Any, dim: int, seed: int, step: float) -> int:
    """Return how many frames of the simulator apart a pair has moved by this part of its distance, in the median."""
    first, second = np.triu_indices(4, 1)
    frames = simulator.simulate(SimulationConfig(runs=20, frames=400, particles=4, dim=dim, seed=seed))
    separation = np.stack([run.positions[:, first] - run.positions[:, second] for run in frames])
    for stride in range(1, 200):
        moved = np.linalg.norm(separation[:, stride:] - separation[:, :-stride], axis=-1)
        if np.median(moved / np.linalg.norm(separation[:, :-stride], axis=-1)) >= step:
            return stride
    raise ValueError(f"pairs never move by {step} of their distance")


def cells() -> dict[str, list[Cell]]:
    """Return all cells, by what is seen."""
    return {
        seen: [
            Cell(
                f"{seen}_{system}-{dim}d_s{seed}",
                "frames:cell",
                {"system": system, "dim": dim, "seed": seed, "seen": seen},
            )
            for seed in SEEDS
            for system, dim in how.cases
        ]
        for seen, how in SEEN.items()
    }


def write_table() -> str:
    """Write the table of whatever is there, and return a line on it."""
    rows, records = [], []
    for seen, group in cells().items():
        kept = read_cells(group, RESULTS)
        records += kept
        if not kept:
            continue
        found = [r["value"] for r in kept if r["outcome"] == "done"]
        right = [v["exact"] and v["constants_error"] <= MAX_CONSTANT_ERROR for v in found]
        wrong = [v["status"] != "inconclusive" and not ok for v, ok in zip(found, right, strict=True)]
        known = sum(v["status"] == "known" for v in found)
        how = SEEN[seen]
        spacing = "as by default" if how.step is None else f"{how.step:g} of the distance"
        lost = f", {how.lost:.0%} of rows lost" if how.lost else ""
        rows.append(
            (
                f"{spacing}, error {how.error:g}{lost}",
                how.at_least,
                how.aim,
                f"{sum(right)} of {len(kept)}",
                str(known),
                str(sum(wrong)),
                median_with_range([v["seconds"] for v in found], "{:.0f}".format),
            )
        )
    parts = [
        "# Laws from coarse and noisy frames",
        "Made by `python benchmarks/frames.py` from the cells in `frames/`. Right means: the form is that of the true "
        f"law, and its constants are within 3%. Positions of {RUNS} runs, of {FRAMES} frames where they are coarse; "
        "the spacing is that at which a pair moves by the stated part of its distance, in the median.",
        made_with(records, sum(map(len, cells().values()))),
        markdown_table(("frames", "at least", "aim", "right", "known", "confident and wrong", "seconds"), rows),
        *every_law(records),
    ]
    write_bytes(RESULTS.parent / "frames.md", ("\n\n".join(parts) + "\n").encode())
    return f"{len(records)} cells"


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seen", choices=tuple(SEEN), help="only frames that are seen so")
    options = parser.parse_args()
    chosen: Mapping[str, Sequence[Cell]] = cells()
    names = [options.seen] if options.seen else list(chosen)
    fill(options, [one for name in names for one in chosen[name]], RESULTS, write_table)


if __name__ == "__main__":
    main()
