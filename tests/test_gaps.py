"""Gaps: frames in which a particle was not seen, from the file to the path that the law gives through them."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from gnn_discovery_simulations.spring import Spring

from gnn_discovery.data.dataset import assemble_dataset, split_by_run, trace_paths
from gnn_discovery.data.differentiation import SUBSTEPS, bridge_gaps, complete_stretches
from gnn_discovery.data.readers import read_trajectories
from gnn_discovery.data.trajectory import MAX_GAP, Trajectory, validate_trajectory
from gnn_discovery.errors import DataError
from gnn_discovery.laws.evaluate import predict_with_law
from gnn_discovery.laws.parser import parse_law
from gnn_discovery.simulators import SimulationConfig


def lost(shape, share: float, seed: int = 0) -> np.ndarray:
    """Draw frames (T N) in which particles are not seen; the first and the last hold all."""
    unseen = np.random.default_rng(seed).random(shape) < share
    unseen[[0, -1]] = False
    for frame in range(MAX_GAP, len(unseen)):
        unseen[frame] &= ~unseen[frame - MAX_GAP : frame].all(axis=0)
    return unseen


def springs_with_gaps(share: float, runs: int = 30, error: float = 0.0) -> list[Trajectory]:
    rng, result = np.random.default_rng(1), []
    for k, run in enumerate(Spring().simulate(SimulationConfig(runs=runs, frames=100, seed=0))):
        positions = run.positions + error * rng.normal(size=run.positions.shape)
        positions[lost(positions.shape[:2], share, k)] = np.nan
        result.append(Trajectory(positions, run.times, properties=run.properties))
    return result


def write_rows(path, positions: np.ndarray, columns: tuple[str, ...] = ("x", "y")) -> None:
    """Write a row for each particle and frame in which it was seen."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["time", "particle", *columns])
        for (frame, particle), seen in np.ndenumerate(np.isfinite(positions[..., 0])):
            if seen:
                table.writerow([0.1 * frame, particle + 10, *positions[frame, particle]])


def test_rows_that_are_missing_cost_no_frames(tmp_path):
    """One of thirty particles is lost in 2% of the frames."""
    rng = np.random.default_rng(0)
    positions = np.cumsum(rng.normal(size=(200, 30, 2)), axis=0)
    positions[lost((200, 1), 0.02, 1)[:, 0], 7] = np.nan
    write_rows(tmp_path / "tracks.csv", positions)
    recording = read_trajectories(str(tmp_path / "tracks.csv"))
    (run,) = recording.runs
    np.testing.assert_allclose(run.positions, positions)
    assert any("in gaps of up to 5 frames" in note for note in recording.notes)


def test_a_run_is_cut_where_a_particle_is_not_seen_for_long(tmp_path):
    positions = np.random.default_rng(0).normal(size=(60, 3, 2))
    positions[20 : 20 + MAX_GAP + 1, 1] = np.nan
    positions[40 : 40 + MAX_GAP, 2] = np.nan
    write_rows(tmp_path / "tracks.csv", positions)
    runs = read_trajectories(str(tmp_path / "tracks.csv")).runs
    assert [(len(run.times), run.positions.shape[1]) for run in runs] == [(20, 3), (6, 2), (34, 3)]
    assert np.count_nonzero(np.isnan(runs[2].positions[..., 0])) == MAX_GAP


def test_properties_of_a_particle_hold_where_it_is_not_seen(tmp_path):
    positions = np.random.default_rng(0).normal(size=(30, 3, 3))
    positions[..., 2] = np.array([1.0, 2.0, 5.0])  # the third column is a property
    positions[[4, 5, 11], [0, 0, 2]] = np.nan
    write_rows(tmp_path / "tracks.csv", positions, ("x", "y", "q"))
    (run,) = read_trajectories(str(tmp_path / "tracks.csv")).runs
    np.testing.assert_array_equal(run.properties["q"], [1.0, 2.0, 5.0])


@pytest.mark.parametrize("fault", ["a long gap", "half a position", "velocities", "infinity"])
def test_what_is_no_gap_is_refused(fault):
    positions = np.random.default_rng(0).normal(size=(40, 3, 2))
    positions[10 : 10 + MAX_GAP, 1] = np.nan
    run = Trajectory(positions, np.arange(40.0))
    validate_trajectory(run)
    spoilt = positions.copy()
    if fault == "a long gap":
        spoilt[10 : 11 + MAX_GAP, 1] = np.nan
    if fault == "half a position":
        spoilt[3, 0, 1] = np.nan
    if fault == "infinity":
        spoilt[3, 0, 1] = np.inf
    with pytest.raises(DataError, match=r"particle 1 at frame 10|particle 0 at frame 3"):
        validate_trajectory(replace(run, positions=spoilt, velocities=0 * spoilt if fault == "velocities" else None))


def test_a_bridge_follows_a_smooth_track_and_crosses_the_walls_of_a_box():
    times = np.linspace(0.0, 6.0, 121)
    exact = np.stack([2 * times, np.sin(times)], -1)[:, None] + np.array([[0.0, 0.0], [1.0, 3.0]])
    box = np.array([4.0, 10.0])
    seen = ~lost((121, 2), 0.3)
    positions = np.where(seen[..., None], np.mod(exact, box), np.nan)
    bridged = bridge_gaps(Trajectory(positions, times, box=box))
    moved = bridged.run.positions - exact
    np.testing.assert_allclose(moved, np.broadcast_to(moved[:1], moved.shape), atol=1e-5)
    np.testing.assert_allclose(moved, box * np.round(moved / box), atol=1e-5)
    np.testing.assert_array_equal(bridged.seen, seen)
    assert 1e-6 < np.abs(bridged.rough - bridged.run.positions)[~seen].max() < 1e-3


def test_a_bridge_begins_and_ends_where_all_are_seen():
    positions = np.random.default_rng(0).normal(size=(30, 2, 2))
    positions[:3, 0] = positions[27:, 1] = np.nan
    bridged = bridge_gaps(Trajectory(positions, np.arange(30.0)))
    np.testing.assert_array_equal(bridged.run.times, np.arange(3.0, 27.0))
    assert [len(part.times) for part in complete_stretches(Trajectory(positions, np.arange(30.0)), 5)] == [24]


@pytest.mark.parametrize(("error", "tolerance"), [(0.0, 2e-4), (0.02, 0.5)])
def test_a_law_closes_the_gaps(error, tolerance):
    """Where three rows of ten are lost, particles are found: where they were, or within half the error of a frame."""
    runs = springs_with_gaps(0.3, error=error)
    split = split_by_run(assemble_dataset(runs, 2))
    law = replace(parse_law("-2*(r - 0.99)", 2), divides_by_mass=True)
    traced = trace_paths(split, partial(predict_with_law, law)).train.weak_form
    exact = Spring().simulate(SimulationConfig(runs=30, frames=100, seed=0))
    missed = []
    for k in np.unique(traced.run):
        own = traced.run == k
        at_frames = traced.times[own][::SUBSTEPS]  # or means of frames, in which a chord is off by .0006 at most
        truth = [np.interp(at_frames, exact[k].times, track) for track in exact[k].positions.reshape(100, -1).T]
        missed.append(np.abs(traced.positions[own][::SUBSTEPS].reshape(len(at_frames), -1) - np.stack(truth, -1)))
    typical = np.median(np.concatenate(missed))
    assert typical < (tolerance * error if error else tolerance)
    assert traced.observation.frames.exact == (error == 0)
