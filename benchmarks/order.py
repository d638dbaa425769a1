"""Count how often the order of the equation of motion is told: ``python benchmarks/order.py``.

Fifty systems of the verdict benchmark move with inertia, and fifty without, each seen in one of five ways: positions
and velocities, positions alone, positions with errors of 1e-3 or of 1e-2 of their spread, and positions of particles
that are kicked at random. All are drawn by a seed; no network is trained, the whole takes a few minutes.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from command import HERE
from generated import System, generate, noisy
from table import markdown_table

from gnn_discovery import FunctionSimulator, Trajectory
from gnn_discovery.data.dataset import select_order
from gnn_discovery.errors import DataError
from gnn_discovery.laws.evaluate import depends_on_velocity
from gnn_discovery.runs import describe_environment
from gnn_discovery.simulators import SimulationConfig
from gnn_discovery.types import Order

SEED = 12
"""Systems of other seeds were looked at while the criteria were chosen."""
COUNT, RUNS, FRAMES, SUBSTEPS = 50, 40, 100, 10
SEEN = ("positions and velocities", "positions", "errors of 1e-3", "errors of 1e-2", "random kicks")


def systems(seed: int) -> Iterator[tuple[Order, str, System, list[Trajectory]]]:
    """Yield order, way of seeing, system and motion; a first-order law is one that names no velocity."""
    number = 0
    for k in range(COUNT):
        seen, rng = SEEN[k % len(SEEN)], np.random.default_rng([seed, k])
        system, runs = generate("known", k, seed)
        yield 2, seen, system, seen_as(kicked(system, 2, rng) if seen == "random kicks" else list(runs)[:RUNS], seen, k)
        while True:
            number += 1
            system, _ = generate("known", COUNT + number, seed)
            if depends_on_velocity(system.law) or not system.law.terms:
                continue
            try:
                runs = kicked(system, 1, rng) if seen == "random kicks" else without_inertia(system, seed + k)
            except DataError:  # it ends in a singularity
                continue
            yield 1, seen, system, seen_as(list(runs), seen, k)
            break


def without_inertia(system: System, seed: int) -> tuple[Trajectory, ...]:
    """Return motion whose velocity is what the law gives, over the time in which it carries particles by a length."""

    def velocities(x: np.ndarray, properties: dict[str, np.ndarray]) -> np.ndarray:
        return system.law.acceleration(x, np.zeros_like(x), properties)

    spacing = system.length / system.strength / FRAMES
    runs = FunctionSimulator(velocities, system.text, spacing, system.start).simulate(
        SimulationConfig(RUNS, FRAMES, seed=seed)
    )
    if len(runs) < RUNS // 2:
        raise DataError("most runs end in a singularity")
    return runs


def kicked(system: System, order: Order, rng: np.random.Generator) -> list[Trajectory]:
    """Return Langevin motion (order 2) or Brownian motion (order 1), by small steps of Euler and Maruyama.

    The kicks move a particle by a third of a length while the force moves it by one.
    """
    x, v, properties = system.start(rng, RUNS, system.particles, system.dim)
    duration = 3 * system.length / max(system.speed, np.sqrt(system.strength * system.length))
    if order == 1:
        duration = system.length / system.strength
    step = duration / FRAMES / SUBSTEPS
    reach = system.length / 3 if order == 1 else system.length / 3 / duration
    frames, moving = [], np.ones(len(x), dtype=bool)
    for k in range(FRAMES * SUBSTEPS):
        if k % SUBSTEPS == 0:
            frames.append(x.copy())
        with np.errstate(all="ignore"):
            force = system.law.acceleration(x, v, properties)
        kick = reach * np.sqrt(step / duration) * rng.standard_normal(x.shape)
        moving &= (np.abs(force) * step < 0.3 * (1 + np.abs(v)) * max(system.length, system.speed)).all(axis=(1, 2))
        force, kick = (np.where(moving[:, None, None], part, 0.0) for part in (force, kick))
        v = v + step * force + kick if order == 2 else np.zeros_like(v)
        x = x + (step * v if order == 2 else step * force + kick)
    if np.count_nonzero(moving) < RUNS // 2:
        raise DataError("most runs end in a singularity")
    times = step * SUBSTEPS * np.arange(FRAMES)
    tracks = np.stack(frames, axis=1)
    return [
        Trajectory(tracks[r], times, properties={name: p[r] for name, p in properties.items()})
        for r in np.flatnonzero(moving)
    ]


def seen_as(runs: list[Trajectory], seen: str, number: int) -> list[Trajectory]:
    """Return the runs as they are seen."""
    if seen == "positions and velocities":
        return [replace(run, accelerations=None) for run in runs]
    error = {"errors of 1e-3": 1e-3, "errors of 1e-2": 1e-2}.get(seen, 0.0)
    return list(noisy(runs, error, number))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED, help="draws the systems")
    seed = parser.parse_args().seed
    counts: dict[tuple[Order, str], Counter[str]] = {}
    wrong, start = [], time.perf_counter()
    for order, seen, system, runs in systems(seed):
        found = select_order(runs)
        outcome = "cannot be told" if found.status == "ambiguous" else "right" if found.order == order else "wrong"
        counts.setdefault((order, seen), Counter())[outcome] += 1
        if outcome == "wrong":
            wrong.append(f"- order {order}, {seen}: `{system.text}`: {found.reason}")
        print(order, seen, outcome, found.reason, system.text, sep=" | ", flush=True)
    words = ("right", "cannot be told", "wrong")
    rows = [(str(order), seen, *(str(count[word]) for word in words)) for (order, seen), count in counts.items()]
    totals = [str(sum(count[word] for count in counts.values())) for word in words]
    parts = [
        "# Order of the equation of motion",
        f"Made by `python benchmarks/order.py`, seed {seed}, {describe_environment()['date']}, "
        f"{time.perf_counter() - start:.0f} s. " + str(__doc__).partition("\n\n")[2].strip(),
        markdown_table(("order", "seen", *words), [*sorted(rows), ("both", "all", *totals)]),
        *wrong,
    ]
    if seed == SEED:
        (HERE / "results" / "order.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(*parts[2:], sep="\n\n")


if __name__ == "__main__":
    main()
