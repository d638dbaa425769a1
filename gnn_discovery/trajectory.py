"""Trajectory: what was seen of one run of moving particles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gnn_discovery.types import Edges, Properties, Times, Vectors


@dataclass(frozen=True)
class Trajectory:
    """One run of N particles in D dimensions at T times, float64.

    Attributes:
        positions: (T N D).
        times: (T,), increasing.
        velocities, accelerations: (T N D), where they were observed.
        properties: by name, (N,) each: ``m`` is the mass, ``q`` a charge, any other name is taken as it is.
        edges: (E 2) sender, receiver, both directions, when only some pairs interact.
        box: (D,) side lengths when periodic.
        names: of the particles, where they have any.
        units: of ``length``, ``time`` and of properties by name, as text, where they are known.
    """

    positions: Vectors
    times: Times
    velocities: Vectors | None = None
    accelerations: Vectors | None = None
    properties: Properties = field(default_factory=dict)
    edges: Edges | None = None
    box: Times | None = None
    names: tuple[str, ...] | None = None
    units: Mapping[str, str] = field(default_factory=dict)
