"""Count the laws that are found in motion that a bath kicks: ``python benchmarks/baths.py``.

Particles move in a bath, with inertia (Langevin) or without (Brownian motion), and are seen by positions alone, with
default settings. A seed draws constants and motion. Each cell is one discovery in a process of its own, kept in
``results/baths/NAME.json`` and never run again; the table in ``results/baths.md`` is made of whatever is there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from cells import circumstances
from command import HERE, arguments, fill
from gnn_discovery_replication.form_comparison import compare_with_true_law
from gnn_discovery_replication.results import median_with_range
from gnn_discovery_replication.tables import markdown_table
from table import every_law, made_with, read_cells

from gnn_discovery import Trajectory, discover
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.laws.parser import parse_law
from gnn_discovery.pipeline import DiscoverConfig
from gnn_discovery.runs import Cell
from gnn_discovery.runs.files import write_bytes
from gnn_discovery.types import Order

RESULTS = HERE / "results" / "baths"
SEEDS = range(80, 85)
"""Motion of these seeds was looked at by nobody while the method was made."""
PARTICLES, FRAMES = 6, 300
SUBSTEPS = 10
"""Number of steps of the integrator from a frame to the next."""
RELAXED = 200
"""Number of frames after which the bath has made what the start was like forgotten."""
MAX_ERROR = 0.05
DRAWN = 0.3
"""A constant is drawn between 1 - this and 1 + this times its value in `SYSTEMS`."""


@dataclass(frozen=True)
class System:
    """Particles in a bath.

    Attributes:
        law: the terms, ``{name}`` for constants that are drawn.
        constants: their values; drag g among them where there is inertia.
        order: 2 with inertia, 1 without.
        step: time from frame to frame.
        temperatures: T of the bath, in turn by seed; without inertia D.
        runs: number of runs.
        spread: of the starts.
        properties: of each particle, given with its motion.
    """

    law: str
    constants: Mapping[str, float]
    order: Order
    step: float
    temperatures: tuple[float, ...]
    runs: int
    spread: float = 1.0
    properties: Mapping[str, tuple[float, ...]] | None = None


TRAP = "external radial: -t*r"
BY_SENDER = {"q": (1.0, -1.0, 0.5, 1.5, -0.5, 1.0)}
SYSTEMS = {
    "springs": System("-k*(r - c); self velocity: -g", {"k": 2.0, "c": 1.0, "g": 0.5}, 2, 0.02, (0.2, 0.3, 0.4), 100),
    "yukawa": System(
        f"a*exp(-r/l)*(1/r + 1/l)/r; {TRAP}; self velocity: -g",
        {"a": 1.5, "l": 0.7, "t": 0.8, "g": 0.5},
        2,
        0.02,
        (0.2, 0.3, 0.4),
        100,
    ),
    "lennard-jones": System(
        f"24*e*(2*s**12/r**13 - s**6/r**7); {TRAP}; self velocity: -g",
        {"e": 0.3, "s": 0.8, "t": 0.8, "g": 0.5},
        2,
        0.01,
        (0.2, 0.3, 0.4),
        100,
        spread=1.5,
    ),
    "brownian-yukawa": System(
        f"a*exp(-r/l)*(1/r + 1/l)/r; {TRAP}", {"a": 1.5, "l": 0.7, "t": 0.8}, 1, 0.01, (0.05,), 150
    ),
    "gaussian-core": System(f"a*r*exp(-r**2/l**2); {TRAP}", {"a": 3.0, "l": 1.0, "t": 0.8}, 1, 0.01, (0.05,), 150),
    "non-reciprocal": System(
        f"a*q_j*exp(-r/l); {TRAP}", {"a": 1.0, "l": 1.0, "t": 0.8}, 1, 0.01, (0.05,), 150, properties=BY_SENDER
    ),
}
ROWS = {
    "with inertia (Langevin)": (("springs", "yukawa", "lennard-jones"), "12 of 15", "15 of 15"),
    "without (Brownian)": (("brownian-yukawa", "gaussian-core", "non-reciprocal"), "12 of 15", "15 of 15"),
}


def drawn(system: str, seed: int) -> tuple[ForceLaw, float]:
    """Return a law with constants drawn by the seed, and the temperature of the bath, or its diffusion."""
    how, rng = SYSTEMS[system], np.random.default_rng([seed, len(system)])
    values = {name: value * rng.uniform(1 - DRAWN, 1 + DRAWN) for name, value in how.constants.items()}
    terms = tuple(
        Term(term.kind, term.direction, term.expression, {name: Constant(values[name]) for name in term.constants})
        for term in parse_law(how.law, order=how.order).terms
    )
    return ForceLaw(terms, how.order), how.temperatures[seed % len(how.temperatures)]


def simulate(system: str, seed: int) -> list[Trajectory]:
    """Return motion in the bath: by BAOAB (Leimkuhler and Matthews, 2013), without inertia by Euler and Maruyama."""
    how, (law, temperature) = SYSTEMS[system], drawn(system, seed)
    rng, step = np.random.default_rng([seed, 1]), how.step / SUBSTEPS
    shape = (how.runs, PARTICLES, 2)
    properties = {name: np.tile(values, (how.runs, 1)) for name, values in (how.properties or {}).items()}
    pairs = ForceLaw(tuple(term for term in law.terms if term.kind != "self"), how.order)
    x, v, kept = _start(rng, shape, how.spread), np.zeros(shape), []
    drag = next((c.value for term in law.terms if term.kind == "self" for c in term.constants.values()), 0.0)
    decay = np.exp(-drag * step)
    force = pairs.acceleration(x, v, properties)
    for k in range((RELAXED + FRAMES) * SUBSTEPS):
        if k % SUBSTEPS == 0 and k >= RELAXED * SUBSTEPS:
            kept.append(x)
        kick = rng.normal(size=shape)
        if how.order == 1:
            x = x + step * force + np.sqrt(2 * temperature * step) * kick
        else:
            v = v + step / 2 * force
            x = x + step / 2 * v
            v = decay * v + np.sqrt(temperature * (1 - decay**2)) * kick
            x = x + step / 2 * v
        force = pairs.acceleration(x, v, properties)
        v = v + step / 2 * force if how.order == 2 else v
    given = {name: np.array(values) for name, values in (how.properties or {}).items()}
    return [Trajectory(run, how.step * np.arange(FRAMES), properties=given) for run in np.stack(kept, 1)]


def _start(rng: np.random.Generator, shape: tuple[int, int, int], spread: float) -> np.ndarray:
    """Return starts near the corners of a grid, so that no two particles are close to each other."""
    grid = np.stack(np.meshgrid([-1, 0, 1], [-0.5, 0.5]), -1).reshape(-1, 2)[: shape[1]]
    return spread * grid + 0.1 * rng.normal(size=shape)


def cell(system: str, seed: int) -> dict[str, Any]:
    """Discover the law of one system, and compare it with the true one."""
    law, temperature = drawn(system, seed)
    runs = simulate(system, seed)
    conditions, start = circumstances(), time.perf_counter()
    found = discover(runs, DiscoverConfig(seed=seed))
    truth = [
        {
            "kind": term.kind,
            "direction": term.direction,
            "expression": term.expression.text,
            "constants": {name: constant.value for name, constant in term.constants.items()},
        }
        for term in law.terms
    ]
    comparison = compare_with_true_law(found.law, truth)
    bath = found.law.temperature if law.order == 2 else found.law.diffusion
    return {
        "exact": comparison.exact,
        "why": comparison.reason,
        "constants_error": comparison.constant_error,
        "bath_error": None if bath is None else abs(bath.value / temperature - 1),
        "status": found.verdict.status,
        "match": found.verdict.match,
        "reason": found.verdict.reason,
        "law": str(found.law),
        "truth": f"{law}; {temperature:g}",
        "seconds": time.perf_counter() - start,
        "steps": found.seconds,
        **conditions,
    }


def cells() -> dict[str, list[Cell]]:
    """Return all cells, by row of the table."""
    return {
        row: [
            Cell(f"{system}_s{seed}", "baths:cell", {"system": system, "seed": seed})
            for seed in SEEDS
            for system in systems
        ]
        for row, (systems, _, _) in ROWS.items()
    }


def write_table() -> str:
    """Write the table of whatever is there, and return a line on it."""
    rows, records = [], []
    for row, group in cells().items():
        kept = read_cells(group, RESULTS)
        records += kept
        if not kept:
            continue
        found = [r["value"] for r in kept if r["outcome"] == "done"]
        right = [
            v["exact"] and v["constants_error"] <= MAX_ERROR and (v["bath_error"] or 0.0) <= MAX_ERROR for v in found
        ]
        wrong = [v["status"] != "inconclusive" and not v["exact"] for v in found]
        rows.append(
            (
                row,
                *ROWS[row][1:],
                f"{sum(right)} of {len(kept)}",
                f"{sum(v['exact'] for v in found)}",
                str(sum(v["status"] == "known" for v in found)),
                str(sum(wrong)),
                median_with_range([v["seconds"] for v in found], "{:.0f}".format),
            )
        )
    heads = ("motion", "at least", "aim", "right", "form exact", "known", "confident and wrong", "seconds")
    parts = [
        "# Laws from motion in a bath",
        "Made by `python benchmarks/baths.py` from the cells in `baths/`. Right means: the form is that of the true "
        f"law, and its constants, drag among them, and the temperature (without inertia the diffusion) are within "
        f"{MAX_ERROR:.0%}. Positions alone of {PARTICLES} particles in {FRAMES} frames of 100 or 150 runs.",
        made_with(records, sum(map(len, cells().values()))),
        markdown_table(heads, rows),
        *every_law(records),
    ]
    write_bytes(RESULTS.parent / "baths.md", ("\n\n".join(parts) + "\n").encode())
    return f"{len(records)} cells"


def main() -> None:
    parser = arguments(__doc__)
    options = parser.parse_args()
    chosen: Mapping[str, Sequence[Cell]] = cells()
    fill(options, [one for group in chosen.values() for one in group], RESULTS, write_table)


if __name__ == "__main__":
    main()
