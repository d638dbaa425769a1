"""Repeat discoveries whose results a change of the code has to keep: ``python benchmarks/frozen.py``.

Each is a command line in a process of its own. ``--freeze`` writes what was found to ``results/frozen/NAME.json``;
without it the discoveries are made again and held against what stands there: law and verdict have to be the same, and
constants within 1e-9 of each other. Names of checks and sentences may change, their outcomes may not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from noisy_sets import draw

from gnn_discovery.data.readers import write_trajectories
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.simulators import SimulationConfig, resolve_simulator

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "frozen"
SAME = 1e-9
"""Two laws are the same where their constants differ by no more than this, relatively."""
CASES: dict[str, list[str]] = {
    **{
        name: ["discover", name]
        for name in ("spring", "gravity", "log-gravity", "charge", "damped", "discontinuous", "superposition")
    },
    "string": ["discover", "string"],
    "free": ["discover", "free"],
    "solar-system": ["discover", "solar-system"],
    "gravity-3d": ["discover", "gravity", "--dim", "3", "--seed", "1"],
    "charge-3d": ["discover", "charge", "--dim", "3", "--seed", "1"],
    "ase-lennard-jones": ["discover", "ase-lennard-jones"],
    "jaxmd-soft-spheres": ["discover", "jaxmd-soft-spheres"],
    "openmm-pair": ["discover", "openmm-pair"],
    "rebound-drag": ["discover", "rebound-drag"],
    **{f"noisy-{k}": ["discover", f"FILES/noisy-{k}.npz"] for k in range(4)},
    "noisy-gravity": ["discover", "FILES/noisy-gravity.npz"],
    "units": ["discover", "FILES/astronomical.npz", "--units", "length=AU,time=yr,m=kg"],
    "units-stated": ["discover", "FILES/stated.h5"],
    "given-field": ["discover", "string", "--known", "external y: -m_i"],
    "given-gravity": ["discover", "superposition", "--known", "pair radial: -m_i*m_j/(r + 0.01)**2"],
    "given-everything": ["discover", "gravity", "--known", "pair radial: -G*m_i*m_j/(r + 0.01)**2"],
    "l1": ["discover", "gravity", "--strategy", "l1"],
    "pruning": ["discover", "spring", "--strategy", "pruning"],
    "hamiltonian": ["discover", "spring", "--node", "hamiltonian"],
    "explain": ["explain", "FILES/run"],
    "relate": ["relate", "haloes"],
}
PREPARED = {"explain": ["discover", "charge", "--seed", "2", "--quiet", "--out", "FILES/run"]}
"""These commands have to be run before a case."""


def files(folder: Path) -> None:
    """Write the motion that the cases read from files."""
    for k in range(4):
        write_trajectories(folder / f"noisy-{k}.npz", draw(2026, k).runs)
    gravity = resolve_simulator("gravity").simulate(SimulationConfig(runs=24, frames=200, seed=5))
    rng = np.random.default_rng(5)
    spread = np.std([run.positions for run in gravity])
    noise = (1e-4 * spread * rng.standard_normal(run.positions.shape) for run in gravity)
    write_trajectories(
        folder / "noisy-gravity.npz",
        [
            replace(run, positions=run.positions + one, velocities=None, accelerations=None)
            for run, one in zip(gravity, noise, strict=True)
        ],
    )
    astronomical = {"length": "AU", "time": "yr", "m": "M_sun"}
    write_trajectories(folder / "astronomical.npz", [_with(run, astronomical) for run in gravity])
    write_trajectories(folder / "stated.h5", [_with(run, {"length": "nm", "time": "ps", "m": "Da"}) for run in gravity])


def _with(run: Trajectory, units: dict[str, str]) -> Trajectory:
    return replace(run, units=units)


def result(name: str, folder: Path) -> dict[str, Any]:
    """Run the case ``name`` and return what it found: law, verdict, outcomes of checks, errors."""
    for arguments in [PREPARED[name]] if name in PREPARED else []:
        _run(arguments, folder, folder)
    out = folder / f"out-{name}"
    where = [] if CASES[name][0] == "explain" else ["--out", str(out)]
    found = json.loads(_run([*CASES[name], *where, "--json"], folder, folder))
    return shortened(found)


def _run(arguments: list[str], folder: Path, home: Path) -> str:
    line = [part.replace("FILES", str(folder)) for part in arguments]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "from gnn_discovery.cli import main; main()", *line],
        capture_output=True,
        text=True,
        env=environment,
        cwd=home,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(line)}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def shortened(found: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a discovery.json that may not change."""
    law, verdict = found["law"], found.get("verdict")
    return {
        "law": {key: law[key] for key in ("text", "order", "terms", "message", "node") if key in law},
        "verdict": verdict
        and {
            "status": verdict["status"],
            "match": verdict.get("match"),
            "alternatives": verdict.get("alternatives"),
            "checks": in_order([check["passed"], check["figure"]] for check in verdict.get("checks", [])),
        },
        "fit": found.get("fit"),
    }


def in_order(checks: Iterable[list[Any]]) -> list[list[Any]]:
    """Return outcomes of checks in an order that does not depend on how they are called, nor on rounding."""
    return sorted(checks, key=lambda check: (str(check[0]), -1.0 if check[1] is None else round(check[1], 9)))


def differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """Yield the places in which two results differ; numbers may differ by `SAME`, errors by that much of one."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from differences(old.get(key), new.get(key), f"{where}.{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for k, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from differences(one, other, f"{where}[{k}]")
    elif isinstance(old, float) and isinstance(new, float):
        is_error = where.startswith((".fit", ".verdict"))
        if abs(old - new) > SAME * max(abs(old), abs(new), float(is_error)):
            yield f"{where}: {old!r} -> {new!r}"
    elif old != new:
        yield f"{where}: {old!r} -> {new!r}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--freeze", action="store_true", help="write what is found; what is there stays")
    parser.add_argument("--only", nargs="*", help="names of cases")
    parser.add_argument("--workers", type=int, default=2, help="discoveries side by side")
    asked = parser.parse_args()
    names = asked.only or list(CASES)
    RESULTS.mkdir(parents=True, exist_ok=True)
    if asked.freeze:
        names = [name for name in names if not (RESULTS / f"{name}.json").exists()]
    changed = []
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(asked.workers) as pool:
        folder = Path(place)
        files(folder)
        futures = {name: pool.submit(result, name, folder) for name in names}
        for name, future in futures.items():
            try:
                new = future.result()
            except SystemExit as failure:
                print(f"{name}: {failure}", flush=True)
                changed.append(name)
                continue
            kept = RESULTS / f"{name}.json"
            if asked.freeze:
                kept.write_text(json.dumps(new, indent=1) + "\n", encoding="utf-8")
                print(f"{name}: kept", flush=True)
                continue
            old = json.loads(kept.read_text(encoding="utf-8"))
            if old["verdict"]:
                old["verdict"]["checks"] = in_order(old["verdict"]["checks"])
            found = list(differences(old, new))
            print(f"{name}: {'the same' if not found else '; '.join(found)}", flush=True)
            changed += [name] if found else []
    if changed:
        raise SystemExit(f"not the same: {', '.join(changed)}")


if __name__ == "__main__":
    main()
