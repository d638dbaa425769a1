"""Judge one system in each cell: one that was drawn by a seed, or motion without a law."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from cells import circumstances
from generated import Kind, generate, noisy

from gnn_discovery import Trajectory, pipeline
from gnn_discovery.catalogue.known_law import load_catalogue
from gnn_discovery.gnn.training import TrainingConfig
from gnn_discovery.pipeline import DiscoverConfig
from gnn_discovery.validation.decision import NO_INTERACTION

SMALL, SHORT = (40, 50), TrainingConfig(steps=1000)
"""Motion without a law has so many runs and frames, and networks are trained on it with these settings."""


def verdict(kind: Kind, number: int, seed: int, noise: float) -> dict[str, Any]:
    """Return the verdict on a generated system with default settings, and whether it is right.

    Args:
        noise: of the positions, of their spread; where there is any, positions alone are seen.
    """
    conditions = circumstances()
    system, runs = generate(kind, number, seed)
    runs = noisy(runs, noise, seed) if noise else runs
    value = _judge(runs, DiscoverConfig(seed=seed))
    right = {
        "known": value["status"] == "known" and named(system.known, [value["match"], *value["alternatives"]]),
        "altered": value["status"] == "candidate",
        "none": value["status"] == "inconclusive" and value["match"] == NO_INTERACTION,
    }
    return {"truth": system.text, "known": list(system.known), "right": right[kind], **value, **conditions}


def lawless(what: str, number: int, seed: int) -> dict[str, Any]:
    """Return the verdict on a small data set without a law.

    Args:
        what: a key of `LAWLESS`.
        number: number of the set.
        seed: seed of all sets.
    """
    conditions = circumstances()
    rng = np.random.default_rng([seed, number])
    runs = LAWLESS[what](rng, number, seed)
    return {"what": what, **_judge(runs, DiscoverConfig(seed=seed, training=SHORT)), **conditions}


def _judge(runs: Sequence[Trajectory], config: DiscoverConfig) -> dict[str, Any]:
    start = time.perf_counter()
    found = pipeline.discover(runs, config)
    return {
        "status": found.verdict.status,
        "match": found.verdict.match,
        "alternatives": list(found.verdict.alternatives),
        "reason": found.verdict.reason,
        "checks": [[c.label, c.passed, c.figure] for c in found.verdict.checks],
        "law": str(found.law),
        "law_error": found.fit.law_error,
        "network_error": found.fit.network_error,
        "seconds": time.perf_counter() - start,
        "steps": found.seconds,
    }


def named(known: Sequence[str], labels: Sequence[str | None]) -> bool:
    """Return True where every law is named in the match or an alternative; a softened law has a name of its own."""
    names = sorted((law.name for law in load_catalogue().laws), key=len, reverse=True)
    said = set()
    for label in filter(None, labels):
        rest = label
        for name in names:
            if name in rest:
                said.add(name)
                rest = rest.replace(name, "")
    return set(known) <= said


def _generated(rng: np.random.Generator, number: int, seed: int) -> list[Trajectory]:
    """Return a few runs of an orderly system of the catalogue."""
    _, runs = generate("known", number, seed)
    frames = np.arange(0, len(runs[0].times), len(runs[0].times) // SMALL[1])
    return [
        Trajectory(
            run.positions[frames], run.times[frames], run.velocities[frames], run.accelerations[frames], run.properties
        )
        for run in runs[: SMALL[0]]
    ]


def _shuffled_forces(rng: np.random.Generator, number: int, seed: int) -> list[Trajectory]:
    """Shuffle accelerations over all runs, frames and particles."""
    runs = _generated(rng, number, seed)
    every = np.concatenate([run.accelerations.reshape(-1, run.accelerations.shape[-1]) for run in runs])
    parts = np.split(rng.permutation(every), len(runs))
    return [
        replace(run, accelerations=part.reshape(run.positions.shape)) for run, part in zip(runs, parts, strict=True)
    ]


def _shuffled_frames(rng: np.random.Generator, number: int, seed: int) -> list[Trajectory]:
    """Return positions alone, the frames of each run in random order."""
    return [
        replace(run, positions=rng.permutation(run.positions), velocities=None, accelerations=None)
        for run in _generated(rng, number, seed)
    ]


def _shuffled_particles(rng: np.random.Generator, number: int, seed: int) -> list[Trajectory]:
    """Give each particle the accelerations of another particle of another run, each track kept whole."""
    runs = _generated(rng, number, seed)
    tracks = np.concatenate([np.swapaxes(run.accelerations, 0, 1) for run in runs])
    parts = np.split(rng.permutation(tracks), len(runs))
    return [replace(run, accelerations=np.swapaxes(part, 0, 1)) for run, part in zip(runs, parts, strict=True)]


def _white(rng: np.random.Generator, number: int, seed: int) -> list[Trajectory]:
    """Return particles at rest, with errors of position."""
    return _noise(rng, lambda shape: rng.standard_normal(shape) * rng.uniform(0.01, 1.0))


def _random_walks(rng: np.random.Generator, number: int, seed: int) -> list[Trajectory]:
    """Return Brownian particles that do not interact."""
    return _noise(rng, lambda shape: rng.uniform(0.01, 0.3) * np.cumsum(rng.standard_normal(shape), axis=1))


def _noise(rng: np.random.Generator, moved: Callable[[tuple[int, ...]], np.ndarray]) -> list[Trajectory]:
    particles, dim = int(rng.integers(3, 6)), int(rng.integers(2, 4))
    places = rng.standard_normal((SMALL[0], 1, particles, dim))
    masses = np.exp(0.7 * rng.standard_normal((SMALL[0], particles)))
    tracks = places + moved((*SMALL, particles, dim))
    times = 0.05 * np.arange(SMALL[1])
    return [Trajectory(x, times, properties={"m": m}) for x, m in zip(tracks, masses, strict=True)]


LAWLESS: dict[str, Callable[[np.random.Generator, int, int], list[Trajectory]]] = {
    "forces shuffled": _shuffled_forces,
    "tracks of forces shuffled": _shuffled_particles,
    "frames shuffled": _shuffled_frames,
    "white noise": _white,
    "random walks": _random_walks,
}
