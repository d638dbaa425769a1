"""A reader of simulation archives of REBOUND."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gnn_discovery.data.readers.frame_assembly import RecordedFrame, recording_from_frames
from gnn_discovery.data.readers.frame_windows import choose_windows
from gnn_discovery.data.readers.protocol import Recording, import_extra, name_file_in_errors

_UNIT_NAMES = {
    **dict.fromkeys(("msun", "solarmass", "sunmass", "msolar"), "M_sun"),
    "mearth": "M_earth",
    "mjupiter": "M_jup",
    "aus": "AU",
    "au": "AU",
    "jyr": "yr",
    "yrs": "yr",
    "myr": "Myr",
    "gyr": "Gyr",
    "yr2pi": "5022642.89091303 s",
}
"""REBOUND has these names for units that pint names otherwise."""


class ReboundReader:
    """Reads REBOUND's simulation archives: positions, velocities, masses, names and units."""

    name = "rebound"

    def sniff(self, path: Path) -> bool:
        """Tell whether the file begins like an archive."""
        with path.open("rb") as file:
            return file.read(19) == b"REBOUND Binary File"

    def read(self, path: Path, budget: int) -> Recording:
        """Read the run, in the order of time.

        Args:
            path: the archive.
            budget: bytes of motion above which windows of frames are read.

        Raises:
            DataError: REBOUND is not installed, or the archive is damaged.
        """
        where = str(path)
        with name_file_in_errors(where), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", "(?s).*corrupt")  # REBOUND would go on with what it can read
            archive = import_extra("rebound", "rebound").Simulationarchive(str(path))
            first = archive[0]
            chosen, note = choose_windows([len(archive)], 8 * 6 * first.N, budget)
            recorded = [[_frame(archive[k]) for k in range(w.start, w.stop)] for w in chosen]
        units = {what: _UNIT_NAMES.get(unit, unit) for what, unit in first.units.items() if unit}
        if "mass" in units:
            units["m"] = units.pop("mass")
        usual = _most_frequent_names([tuple(frame.ids) for frames in recorded for frame in frames])
        recorded = [
            [replace(f, ids=usual[len(f.ids)]) for f in sorted(frames, key=lambda f: f.time)] for frames in recorded
        ]
        return recording_from_frames(recorded, where, units, [note] if note else [])


def _frame(simulation: Any) -> RecordedFrame:
    simulation.synchronize()
    count = simulation.N - simulation.N_var
    xyz, vxvyvz, m = np.zeros((simulation.N, 3)), np.zeros((simulation.N, 3)), np.zeros(simulation.N)
    simulation.serialize_particle_data(xyz=xyz, vxvyvz=vxvyvz, m=m)
    names = np.array([simulation.particles[k].name for k in range(count)], dtype=object)
    return RecordedFrame(simulation.t, names, {"positions": xyz[:count], "velocities": vxvyvz[:count], "m": m[:count]})


def _most_frequent_names(seen: Sequence[tuple[str | None, ...]]) -> dict[int, np.ndarray]:
    """Return the most frequent names for each number of particles, or numbers if they have none.

    REBOUND 5.2 gives a snapshot now and then with a name that stands in another place.
    """
    names_of_count: dict[int, np.ndarray] = {}
    for names, _ in Counter(seen).most_common():
        distinct = all(names) and len(set(names)) == len(names)
        names_of_count.setdefault(len(names), np.array(names) if distinct else np.arange(len(names)))
    return names_of_count
