"""Time a training step of the paper's network, ours and PyTorch Geometric's: ``python benchmarks/peer.py``.

Both networks are the same: as many parameters, and with the same weights the same output, loss and gradient; this is
checked first. Then each trains on one core, the same one, in turns. The figures stand in ``results/peer.json``, the
table in ``results/peer.md``. The peer (``peer_torch.py``) needs PyTorch and PyTorch Geometric, which nothing else here
does: ``python -m pip install torch torch-geometric``, in an environment of its own if you like (``--python``).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from cells import circumstances
from gnn_discovery_replication.results import median_with_range
from gnn_discovery_replication.tables import markdown_table

from gnn_discovery.runs import describe_environment
from gnn_discovery.runs.cells import child_environment
from gnn_discovery.runs.files import read_json, write_bytes, write_json

HERE = Path(__file__).parent
RESULTS = HERE / "results"
STEPS, MOST = 100, 19
SAME = 1e-4
"""Sums in float32 may differ by so much, relative to their norm."""

Record = Mapping[str, Any]


def compare(python: str, repeats: int) -> dict[str, Any]:
    """Compare both networks, then time them in turns; return the seconds of each repeat."""
    peer = _peer_versions(python)
    record = {**describe_environment(), **circumstances(), "peer": peer, "steps": STEPS}
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        sides = {
            name: stack.enter_context(_side(interpreter, f"peer_{name}.py", folder))
            for name, interpreter in (("ours", sys.executable), ("torch", python))
        }
        record |= agreement(*(dict(np.load(Path(folder) / f"{name}.npz")) for name in sides))
        turns = [{name: _turn(side) for name, side in sides.items()} for _ in range(repeats)]
    for name in sides:
        record[name] = {what: [turn[name][what] for turn in turns] for what in turns[0][name]}
    return record


def agreement(ours: Mapping[str, np.ndarray], peer: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the number of parameters, and the differences of output, loss and gradient relative to their norm.

    Raises:
        SystemExit: they are not the same network.
    """
    names = {"output": ["output"], "loss": ["loss"], "gradient": [k for k in ours if k.startswith("gradient")]}
    joined = [
        {what: np.concatenate([side[k].ravel() for k in some]) for what, some in names.items()} for side in (ours, peer)
    ]
    differ = {
        what: float(np.linalg.norm(joined[0][what] - joined[1][what]) / np.linalg.norm(joined[0][what]))
        for what in names
    }
    if max(differ.values()) > SAME:
        raise SystemExit(f"these are two different networks: {differ}")
    return {"parameters": joined[1]["gradient"].size, "differ": differ, "operations": _operations(ours)}


def _operations(ours: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Count the floating-point operations of the products of matrices in a step and in the product timed beside it.

    A step has them forward, for the gradient of the weights, and for that of the inputs, which the first layer of the
    edges does not need.
    """
    weights = [ours[f"weights_{k}"].size for k in range(0, 16, 2)]
    nodes = len(ours["output"])
    edges = nodes * (ours["x"].shape[1] - 1)
    step = 6.0 * (edges * sum(weights[:4]) + nodes * sum(weights[4:])) - 2.0 * edges * weights[0]
    return {"step": step, "product": 2.0 * edges * weights[1]}


def _peer_versions(python: str) -> dict[str, str]:
    ask = "import torch, torch_geometric; print(torch.__version__, torch_geometric.__version__)"
    said = subprocess.run([python, "-c", ask], check=False, capture_output=True, text=True)
    if said.returncode:
        why = (said.stderr.strip().splitlines() or ["no message"])[-1]
        raise SystemExit(
            f"{python} cannot run the peer: {why}\nTry `python -m pip install torch torch-geometric`, here or in an "
            "environment of its own, whose interpreter --python then names"
        )
    return dict(zip(("torch", "torch-geometric"), said.stdout.split(), strict=True))


@contextlib.contextmanager
def _side(python: str, script: str, folder: str) -> Iterator[subprocess.Popen[str]]:
    """Start a process that trains, ready for its first turn."""
    process = subprocess.Popen(
        [python, str(HERE / script), folder, str(STEPS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=child_environment(threads=1),
    )
    assert process.stdin is not None
    try:
        _answer(process)
        yield process
    finally:
        process.stdin.close()
        process.wait()


def _turn(side: subprocess.Popen[str]) -> dict[str, float]:
    """Run one block, and return the seconds of a step and of the product timed beside it."""
    assert side.stdin is not None
    side.stdin.write("\n")
    side.stdin.flush()
    took = _answer(side)
    return {"processor": took["processor"] / STEPS, "wall": took["wall"] / STEPS, "product": took["product"]}


def _answer(side: subprocess.Popen[str]) -> Any:
    assert side.stdout is not None
    line = side.stdout.readline()
    if not line:
        raise SystemExit(f"{Path(side.args[1]).name} ended, status {side.wait()}")  # type: ignore[index, arg-type]
    return json.loads(line)


def table(record: Record) -> str:
    """Return the figures in Markdown."""
    torch, ours = ({**record[name], **_rates(record, name)} for name in ("torch", "ours"))
    rows = [
        _row("processor time of a step, ms", torch, ours, "processor", "{:.1f}", 1e3),
        _row("wall time of a step, ms", torch, ours, "wall", "{:.1f}", 1e3),
        _row("products of matrices alone, GFLOP/s", torch, ours, "alone", "{:.0f}", 1e-9),
        _row("those of a step over its processor time, GFLOP/s", torch, ours, "used", "{:.0f}", 1e-9),
        _row("share of the rate of products alone", torch, ours, "share", "{:.2f}"),
    ]
    operations, differ = record["operations"]["step"], record["differ"]
    ratio = statistics.median(_over(ours["processor"], torch["processor"]))
    bound = operations / statistics.median(ours["alone"]) / statistics.median(torch["processor"])
    equal = statistics.median(_over(torch["share"], ours["share"]))
    versions = {**record["versions"], **record["peer"]}
    parts = [
        "# A training step against PyTorch Geometric",
        "Made by `python benchmarks/peer.py`. The network of Cranmer et al. 2020 (arXiv 2006.11287) with the L1 norm: "
        "64 graphs of four particles in 2D, edge and node function with three hidden layers of 300, messages of 100; "
        "batch drawn at random and displaced, forward, backward, Adam, in float32. Ours is the training of "
        "`gnn-discovery replicate --recipe paper`, its check on held-out runs included. The peer, in PyTorch "
        f"Geometric, is written from the paper's description. Both have {record['parameters']:,} parameters; with the "
        f"same weights and no displacement their outputs differ by {differ['output']:.0e}, losses by "
        f"{differ['loss']:.0e}, gradients by {differ['gradient']:.0e} of their norm.",
        f"Each has the same one core and one thread, in turns of {record['steps']} steps, {len(ours['wall'])} times. "
        "Medians, with the range in brackets; the ratio is that of turns side by side. Where other processes want the "
        "core too, processor time is the fairer figure.",
        f"Processor time, ours over the peer's: **{ratio:.2f}** (at least 0.50, aim 0.33).",
        markdown_table(("", "PyTorch Geometric", "ours", "ours / peer"), rows),
        f"A step is {operations / 1e9:.2f} GFLOP in products of matrices, and the same for both: the L1 norm needs "
        "each message, so none of them can be left out. With nothing but these, at the rate that such products alone "
        f"reach here, the ratio would be {bound:.2f}. Much of it is this rate, which depends on the processor and on "
        f"the library behind each: were the two rates equal, the ratio would be {equal:.2f}.",
        f"- date: {record['date']}\n"
        f"- commit: {record['commit']} (+: with changes that are in none)\n"
        f"- processes that wanted to run when it began: {record['load']}\n"
        f"- machine: {record['machine']}\n"
        f"- versions: {', '.join(f'{name} {v}' for name, v in versions.items())}",
    ]
    return "\n\n".join(parts) + "\n"


def _rates(record: Record, name: str) -> dict[str, list[float]]:
    """Return operations a second of the product alone and of a step, and the ratio of the two."""
    took, operations = record[name], record["operations"]
    alone = [operations["product"] / seconds for seconds in took["product"]]
    used = [operations["step"] / seconds for seconds in took["processor"]]
    return {"alone": alone, "used": used, "share": _over(used, alone)}


def _row(what: str, torch: Record, ours: Record, name: str, shown: str, unit: float = 1.0) -> list[str]:
    sides = [median_with_range([unit * value for value in side[name]], shown.format) for side in (torch, ours)]
    return [what, *sides, median_with_range(_over(ours[name], torch[name]), "{:.2f}".format)]


def _over(some: Sequence[float], others: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(some, others, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has torch and torch-geometric")
    parser.add_argument(
        "--repeats", type=int, default=15, choices=range(1, MOST + 1), metavar="N", help="turns of each"
    )
    parser.add_argument("--table", action="store_true", help="only write the table of what is there")
    options = parser.parse_args()
    kept = RESULTS / "peer.json"
    if not options.table:
        write_json(kept, compare(options.python, options.repeats))
    write_bytes(RESULTS / "peer.md", table(read_json(kept)).encode())
    print(RESULTS / "peer.md")


if __name__ == "__main__":
    main()
