"""Simulated motion of which only positions with white noise are observed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnn_discovery.data.dataset import Dataset, assemble_dataset
from gnn_discovery.simulators import SimulationConfig, Simulator


def noisy_dataset(system: Simulator, sigma: float, runs: int, frames: int = 100, seed: int = 0) -> Dataset:
    """Assemble positions alone, with white noise of ``sigma`` times their spread."""
    exact = system.simulate(SimulationConfig(runs=runs, frames=frames, seed=seed))
    spread = np.std(np.concatenate([run.positions.ravel() for run in exact]))
    rng = np.random.default_rng(seed + 1)
    observed = [
        replace(
            run,
            positions=run.positions + sigma * spread * rng.standard_normal(run.positions.shape),
            velocities=None,
            accelerations=None,
        )
        for run in exact
    ]
    return assemble_dataset(observed)
