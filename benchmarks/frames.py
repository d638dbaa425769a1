"""Count the laws that are found in coarse or noisy frames: ``python benchmarks/frames.py``.

The four laws of table 5 of Cranmer et al. (arXiv 2006.11287), in 2D and 3D, are seen by positions alone, with default
settings. Each cell is one discovery in a process of its own, kept in ``results/frames/NAME.json`` and never run again;
the table in ``results/frames.md`` is made of whatever is there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from cells import circumstances
from command import HERE, arguments, fill
from generated import noisy
from gnn_discovery_replication.form_comparison import compare_with_true_law
from gnn_discovery_replication.results import median_with_range
from gnn_discovery_replication.tables import markdown_table
from table import every_law, made_with, read_cells

from gnn_discovery import Trajectory, discover
from gnn_discovery.pipeline import DiscoverConfig
from gnn_discovery.runs import Cell
from gnn_discovery.runs.files import write_bytes
from gnn_discovery.simulators import SimulationConfig, resolve_simulator

RESULTS = HERE / "results" / "frames"
SYSTEMS = ("spring", "log-gravity", "gravity", "charge")
SEEDS = range(70, 75)
"""Motion of these seeds was looked at by nobody while the method was made."""
RUNS, FRAMES = 300, 20
SEEN: dict[str, tuple[float | None, float]] = {
    "coarse": (0.5, 0.0),
    "coarse-noisy": (0.5, 1e-2),
    "half-coarse": (0.25, 0.0),
    "noise-1e-3": (None, 1e-3),
    "noise-1e-2": (None, 1e-2),
    "noise-7.5e-2": (None, 7.5e-2),
}
"""How frames are seen: median step of a pair over its distance (None: frames of the system as they are by default), and
error of the positions over their spread."""
RIGHT = {
    "coarse": ("30 of 40", "38 of 40"),
    "coarse-noisy": ("20 of 40", "30 of 40"),
    "half-coarse": ("", ""),
    "noise-1e-3": ("36 of 40", "40 of 40"),
    "noise-1e-2": ("24 of 40", "32 of 40"),
    "noise-7.5e-2": ("12 of 40", "20 of 40"),
}
MAX_CONSTANT_ERROR = 0.03


def cell(system: str, dim: int, seed: int, seen: str) -> dict[str, Any]:
    """Discover the law of one system, and compare it with the true one."""
    step, error = SEEN[seen]
    simulator: Any = resolve_simulator(system)
    stride = 1 if step is None else _stride(simulator, dim, seed, step)
    frames = None if step is None else FRAMES * stride
    config = SimulationConfig(runs=RUNS, frames=frames, dim=dim, seed=seed)
    runs = [
        Trajectory(run.positions[::stride], run.times[::stride], properties=run.properties)
        for run in simulator.simulate(config)
    ]
    conditions, start = circumstances(), time.perf_counter()
    found = discover(list(noisy(runs, error, seed)) if error else runs, DiscoverConfig(seed=seed))
    comparison = compare_with_true_law(found.law, simulator.true_law(config))
    return {
        "exact": comparison.exact,
        "why": comparison.reason,
        "constants_error": comparison.constant_error,
        "status": found.verdict.status,
        "match": found.verdict.match,
        "reason": found.verdict.reason,
        "law": str(found.law),
        "frames_apart": stride,
        "share_of_frames": next((text for text in found.assumptions if "Frames are coarse" in text), None),
        "seconds": time.perf_counter() - start,
        "steps": found.seconds,
        **conditions,
    }


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
            for system in SYSTEMS
            for dim in (2, 3)
        ]
        for seen in SEEN
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
        step, error = SEEN[seen]
        rows.append(
            (
                f"{'as by default' if step is None else f'{step:g} of the distance'}, error {error:g}",
                *RIGHT[seen],
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
