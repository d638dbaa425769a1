"""A reader of ephemerides as JPL publishes them (.bsp), by jplephem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gnn_discovery.data.readers.frame_windows import choose_windows
from gnn_discovery.data.readers.protocol import Recording, import_extra, name_file_in_errors
from gnn_discovery.data.trajectory import Trajectory, validate_trajectory
from gnn_discovery.errors import DataError

_PLANETARY_SYSTEMS = range(1, 10)
"""JPL numbers the barycentres of the planets with their moons so."""


class EphemerisReader:
    """Reads .bsp kernels: daily places of all their bodies about the Solar System's barycentre, in km and days."""

    name = "ephemeris"

    def sniff(self, path: Path) -> bool:
        """Tell whether the file begins like an SPK kernel, or like a DAF as older kernels do."""
        with path.open("rb") as file:
            return file.read(8) in (b"DAF/SPK ", b"NAIF/DAF")

    def read(self, path: Path, budget: int) -> Recording:
        """Read positions and velocities on each whole day, counted from the first, that all bodies have.

        Planets with moons of their own in the kernel stand for themselves, and not as the barycentre of all.
        Times are Julian dates (TDB).

        Args:
            path: the kernel.
            budget: bytes of motion above which windows of days are read.

        Raises:
            DataError: jplephem is not installed, the kernel is damaged, or a body is not tied to the barycentre.
        """
        where = str(path)
        with name_file_in_errors(where):
            spk = import_extra("jplephem.spk", "ephemeris").SPK
            titles = import_extra("jplephem.names", "ephemeris").target_names
            with spk.open(str(path)) as kernel:
                chains = _chains([(s.center, s.target) for s in kernel.segments], where)
                days = _days(kernel.segments)
                chosen, note = choose_windows([len(days)], 8 * 6 * len(chains), budget)
                parts = [days[w.start : w.stop] for w in chosen]
                motion = [_motion(kernel.segments, chains, part) for part in parts]
        names = tuple(titles.get(body, str(body)).title() for body in chains)
        units = {"length": "km", "time": "day"}
        runs = [
            validate_trajectory(Trajectory(x, part, v, names=names, units=units), where)
            for part, (x, v) in zip(parts, motion, strict=True)
        ]
        return Recording(runs, [note] if note else [])


def _chains(pairs: Sequence[tuple[int, int]], where: str) -> dict[int, list[tuple[int, int]]]:
    """Return the segments, center and target, that lead to each body from the barycentre."""
    center = {target: middle for middle, target in pairs}
    middles = set(center.values())
    chains = {}
    for body in sorted(center):
        if body in _PLANETARY_SYSTEMS and body in middles:
            continue
        chain: list[tuple[int, int]] = []
        current = body
        while current != 0:  # the barycentre of the Solar System
            if current not in center or len(chain) > len(center):
                raise DataError(
                    f"body {body} is given relative to {current}, whose own motion is not in the kernel",
                    where=where,
                    remedy="Join it with a planetary kernel, as by jplephem or brief",
                )
            chain.append((center[current], current))
            current = center[current]
        chains[body] = chain
    return chains


def _days(segments: Sequence[Any]) -> np.ndarray:
    """Return the Julian dates, one a day, that every pair of bodies has."""
    pairs = {(s.center, s.target) for s in segments}
    first = max(min(s.start_jd for s in segments if (s.center, s.target) == pair) for pair in pairs)
    last = min(max(s.end_jd for s in segments if (s.center, s.target) == pair) for pair in pairs)
    days: np.ndarray = first + np.arange(max(int(last - first) + 1, 0))
    return days


def _motion(
    segments: Sequence[Any], chains: Mapping[int, list[tuple[int, int]]], days: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions and velocities (T N 3)."""
    steps: dict[tuple[int, int], np.ndarray] = {}
    for segment in segments:
        whole = steps.setdefault((segment.center, segment.target), np.zeros((2, 3, len(days))))
        covered = (segment.start_jd <= days) & (days <= segment.end_jd)
        if covered.any():
            whole[:, :, covered] = [part[:3] for part in segment.compute_and_differentiate(days[covered])]
    both = np.stack([sum(steps[pair] for pair in chain) for chain in chains.values()])
    return tuple(np.ascontiguousarray(np.moveaxis(both[:, k], -1, 0)) for k in range(2))  # type: ignore[return-value]
