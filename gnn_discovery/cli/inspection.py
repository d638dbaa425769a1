"""Describe the motion of a source as it was understood, in plain figures and a small picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gnn_discovery import pipeline
from gnn_discovery.cli.trajectory_plot import plot_trajectory
from gnn_discovery.data.dataset import Dataset, IncrementObservation
from gnn_discovery.simulators import (
    FunctionSimulator,
    SimulationConfig,
    Simulator,
    check_simulator,
    simulator_symmetries,
)

if TYPE_CHECKING:
    from gnn_discovery.pipeline import DiscoverConfig

PLOTTED_AXES = "xyz"


def inspect_motion(source: str, config: DiscoverConfig) -> tuple[dict[str, Any], str]:
    """Describe the motion of a source.

    Args:
        source: where the motion comes from.
        config: the settings; units, order and cut-off are used.

    Returns:
        The figures by name, as JSON knows them, and the tracks of the first run as text.
    """
    motion = pipeline.load_motion(source, config.simulation)
    order, selection = pipeline.resolve_order(motion, config)
    data = pipeline.prepare_dataset(motion, replace(config, order=order))
    runs, whole = motion.trajectories, data.whole()
    steps = np.concatenate([np.diff(run.times) for run in runs])
    r = np.linalg.norm(whole.separation(), axis=-1)[whole.pair_present()]
    kicks = whole.observation
    velocities = whole.velocities if whole.order == 2 else whole.target
    figures = {
        "source": motion.label,
        "format": motion.format or "a simulator",
        "runs": len(runs),
        "frames": format_span([len(run.times) for run in runs]),
        "particles": format_span([run.positions.shape[1] for run in runs]),
        "dimensions": runs[0].positions.shape[2],
        "times": format_span(np.concatenate([run.times[[0, -1]] for run in runs])),
        "time_step": format_span(steps),
        "units": _format_units(whole.units or {}),
        "positions": {
            PLOTTED_AXES[k]: format_span(np.concatenate([run.positions[..., k].ravel() for run in runs]))
            for k in range(runs[0].positions.shape[2])
        },
        "separations": format_span(r),
        "speeds": format_span(np.linalg.norm(velocities, axis=-1)[whole.present]),
        "velocities": "given" if runs[0].velocities is not None else "from the positions",
        "accelerations": "given" if runs[0].accelerations is not None else "from the positions",
        "order": order,
        "order_from": "stated" if selection is None else f"{selection.status}: {selection.reason}",
        "properties": sorted(whole.properties),
        "names": list(runs[0].names or ()),
        "periodic": runs[0].box is not None,
        "pairs": _format_pairs(whole, runs[0].edges is not None),
        "noise": data.train.noise,
        **({"diffusion": kicks.diffusion} if isinstance(kicks, IncrementObservation) else {}),
        "snapshots": {name: 0 if part is None else len(part.run) for name, part in vars(data).items()},
        "notes": list(motion.notes),
        **({} if motion.simulator is None else _simulator_contract(motion.simulator, config.simulation)),
    }
    return figures, plot_trajectory(runs[0])


def format_span(values: Sequence[float] | np.ndarray) -> Any:
    """Return one number where all values are alike, else "least to most"; None without values."""
    if not len(values):
        return None
    least, most = np.nanmin(values).item(), np.nanmax(values).item()
    return least if np.isclose(least, most, rtol=1e-9, atol=0) else f"{least:.6g} to {most:.6g}"


def _simulator_contract(simulator: Simulator, config: SimulationConfig) -> dict[str, Any]:
    """Check a simulator against its contract on a few short runs, and list the symmetries of a bare function."""
    size = replace(config, runs=None if getattr(simulator, "recorded", False) else 2, frames=12)
    figures: dict[str, Any] = {"contract": list(check_simulator(simulator, size)) or "kept"}
    return figures | (
        {"law": simulator_symmetries(simulator, size)} if isinstance(simulator, FunctionSimulator) else {}
    )


def _format_units(units: Mapping[str, str]) -> Any:
    missing = [what for what in ("length", "time") if what not in units]
    if not missing:
        return dict(units)
    stated = "".join(f"{what} {unit}, " for what, unit in units.items())
    ask = ",".join(f"{what}=..." for what in missing)
    return f"{stated}{' and '.join(missing) + ' ' if stated else ''}not stated (give --units {ask})"


def _format_pairs(data: Dataset, has_edges: bool) -> str:
    which = f"{len(data.senders)} given" if has_edges else "all"
    return which if data.cutoff is None else f"{which}, closer than {data.cutoff:g}"
