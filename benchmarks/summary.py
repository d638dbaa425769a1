"""Compare the results with the aims: the head of the table."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gnn_discovery.report.number_format import format_r2

Record = Mapping[str, Any]
Row = tuple[str, str, str, str]

WITHIN = 1e-3
"""The constants of an exact law are right below this relative error."""


def summary(kept: Mapping[str, Sequence[Record | None]]) -> list[Row]:
    """Return rows (what, at least, aim, found); cells that are not there yet are None."""
    laws, sums, strategies = kept["laws"], kept["sums"], kept["strategies"]
    return [
        ("four laws in 2D and 3D: exact, constants within .1%", "38 of 40", "40 of 40", _recovered(laws)),
        ("their constants: largest error", ".1%", ".001%", _largest(laws)),
        ("exact from the messages, before the refit", "", "", _share(laws, lambda v: v["from_messages"])),
        (
            "exact from the accelerations, without a network",
            "",
            "",
            _share(laws, lambda v: v["without_network"]),
        ),
        (
            "the same, before the refit",
            "",
            "",
            _share(laws, lambda v: v["without_network_or_refit"]),
        ),
        (
            "direct R² of the pair force, worst tenth left out: lowest median of a system",
            ".999",
            ".9999",
            _lowest(laws, "direct_r2_trimmed"),
        ),
        ("the same, all kept", ".90", ".99", _lowest(laws, "direct_r2_all")),
        ("damped, discontinuous, superposition: exact", "13 of 15", "15 of 15", _recovered(sums)),
        ("strategies l1, bottleneck, kl, pruning: exact", "20 of 24", "24 of 24", _recovered(strategies)),
        ("string: exact", "", "2 of 2", _recovered(kept["string"])),
        (
            "free motion: no interaction",
            "",
            "2 of 2",
            _share(kept["free"], lambda v: not v["terms"] and v["match"] == "no interaction"),
        ),
        *_solar_system(kept["solar-system"]),
        *_times(kept["timing"]),
    ]


def right(value: Record) -> bool:
    """Return True where a law is exact and its constants are right."""
    return value["exact"] and value["constants_error"] <= WITHIN


def _done(records: Sequence[Record | None]) -> list[Record]:
    return [r["value"] for r in records if r is not None and r["outcome"] == "done"]


def _recovered(records: Sequence[Record | None]) -> str:
    return _share(records, right)


def _share(records: Sequence[Record | None], good: Callable[[Record], Any]) -> str:
    """Return the number of good cells among those run, failed ones included, and of those yet to come."""
    run = sum(r is not None for r in records)
    if not run:
        return "-"
    missing = f" ({len(records) - run} not yet run)" if run < len(records) else ""
    return f"{sum(bool(good(v)) for v in _done(records))} of {run}{missing}"


def _largest(records: Sequence[Record | None]) -> str:
    errors = [v["constants_error"] for v in _done(records) if v["constants_error"] is not None]
    return f"{max(errors):.1e}, median {statistics.median(errors):.1e}" if errors else "-"


def _lowest(records: Sequence[Record | None], name: str) -> str:
    """Return the system with the lowest median over its seeds."""
    systems: dict[tuple[str, int], list[float]] = {}
    for record in records:
        if record is not None and record["outcome"] == "done" and record["value"][name] is not None:
            asked = record["arguments"]
            systems.setdefault((asked["system"], asked["dim"]), []).append(record["value"][name])
    if not systems:
        return "-"
    (system, dim), values = min(systems.items(), key=lambda item: statistics.median(item[1]))
    return f"{format_r2(statistics.median(values))} ({system} {dim}D)"


def _solar_system(records: Sequence[Record | None]) -> list[Row]:
    done = _done(records)
    percent = "{:.4%}".format

    def shown(name: str) -> str:
        values = [v[name] for v in done if v[name] is not None]
        return percent(statistics.median(values)) if values else "-"

    determined = str(int(statistics.median(v["determined"] for v in done))) + " of 9" if done else "-"
    return [
        ("Solar System: exponent of r", "1%", ".01%", shown("exponent_error")),
        ("Jupiter's source strength to the Sun's", "1%", ".05%", shown("jupiter_to_sun_error")),
        ("worst body called determined", "10%", ".5%", shown("worst_determined_error")),
        ("bodies determined", "5 of 9", "9 of 9", determined),
    ]


def _times(records: Sequence[Record | None]) -> list[Row]:
    done = {r["name"]: r["value"] for r in records if r is not None and r["outcome"] == "done"}

    def seconds(start: str) -> str:
        values = [v["seconds"] for name, v in done.items() if name.startswith(start)]
        return f"{statistics.median(values):.2g} s" if values else "-"

    full = done.get("timing_full-set")
    energy = f"{full['energy_change']:.1e}" if full else "-"
    return [
        ("`discover gravity`, whole command", "60 s", "20 s", seconds("timing_discover")),
        ("`--help`", ".5 s", "", seconds("timing_help")),
        ("`import gnn_discovery`", ".3 s", "", seconds("timing_import")),
        ("the paper's full set, gravity, n = 4, 2D", "20 s", "", seconds("timing_full-set")),
        ("its energy: median of the largest change", "1e-6", "", energy),
    ]
