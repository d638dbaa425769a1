"""The Solar System: real positions of the Sun and the planets, from an ephemeris."""

from __future__ import annotations

import erfa  # type: ignore[import-untyped]  # comes with astropy
import numpy as np

from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import UsageError
from gnn_discovery.simulators import SimulationConfig
from gnn_discovery_simulations.pair_system import LawTerm, law_term

START_JULIAN_DATE = 2440587.5
"""The Julian date, TDB, of the first frame: 1970-01-01, 0 h."""

DEFAULT_DAYS = 18263
"""The number of frames where the config leaves it open: fifty years, one frame a day."""

CUBIC_AU_PER_DAY2 = 86400.0**2 / 149597870.7**3
"""One km^3/s^2 in AU^3/day^2."""

GM = {
    "Sun": 132712440041.279419,
    "Mercury": 22031.868551,
    "Venus": 324858.592,
    "Earth-Moon barycentre": 403503.235625,
    "Mars": 42828.375816,
    "Jupiter": 126712764.1,
    "Saturn": 37940584.8418,
    "Uranus": 5794556.4,
    "Neptune": 6836527.10058,
}
"""The source strengths in km^3/s^2, moons included: DE440, Park et al. 2021, Astron. J. 161, 105, table 2."""


class SolarSystem:
    """The barycentric positions in AU, one frame a day, axes of the ICRS; neither velocities nor masses are given.

    They are astropy's built-in ephemeris, which needs neither a file nor a network: Sun and Earth after
    VSOP2000 (Moisson and Bretagnon 2001), the other planets after Simon et al. 1994 (Astron. Astrophys. 282,
    663), good to 4 (Mercury) ... 86 (Uranus) arc seconds. ``erfa`` is called as astropy does, but works out
    the Sun once and not once for each planet. The Earth-Moon barycentre stands for the Earth.

    Attributes:
        recorded: the motion is given; there is one run, and the seed has no effect.
    """

    recorded = True

    def simulate(self, config: SimulationConfig) -> tuple[Trajectory, ...]:
        """Return one run of nine bodies; ``config.frames`` is the number of days from the start of 1970."""
        for name, asked, fixed in (
            ("runs", config.runs, 1),
            ("particles", config.particles, 9),
            ("dim", config.dim, 3),
        ):
            if asked not in (None, fixed):
                raise UsageError(f"{name} is {asked}", where="solar-system", remedy=f"There is only {fixed}")
        frames = DEFAULT_DAYS if config.frames is None else config.frames
        if not 2 <= frames <= 47481:
            raise UsageError(
                f"frames is {frames}",
                where="solar-system",
                remedy="From 2 to 47481: days from 1970 to the end of 2099",
            )
        days = np.arange(frames, dtype=np.float64)
        return (
            Trajectory(
                positions=_barycentric(days),
                times=days,
                names=tuple(GM),
                units={"length": "AU", "time": "day"},
            ),
        )

    def true_law(self, config: SimulationConfig) -> tuple[LawTerm, ...]:
        """Return the acceleration of each body, for the report alone; ``m_j`` is the source strength GM."""
        return (law_term("pair", "radial", "-m_j/r**2"),)

    def reference_properties(self) -> dict[str, np.ndarray]:
        """Return the accepted source strengths ``m`` (N,), AU^3/day^2, in the order of the names, for the report."""
        return {"m": np.array(list(GM.values())) * CUBIC_AU_PER_DAY2}


def _barycentric(days: np.ndarray) -> np.ndarray:
    """Return positions (T 9 3) at days (T) after ``START_JULIAN_DATE``."""
    heliocentric, barycentric = erfa.epv00(START_JULIAN_DATE, days)
    sun = barycentric["p"] - heliocentric["p"]
    planets = [sun + erfa.plan94(START_JULIAN_DATE, days, number)["p"] for number in range(1, 9)]
    return np.stack([sun, *planets], axis=1)
