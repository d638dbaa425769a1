"""Coarse frames: the paths between them, and laws that are compared with the frames along their own paths."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from gnn_discovery_simulations.charge import Charge
from gnn_discovery_simulations.spring import Spring

from gnn_discovery import ForceLaw
from gnn_discovery.data.dataset import assemble_dataset, split_by_run, trace_paths
from gnn_discovery.data.dataset.library_regression import typical_library_error
from gnn_discovery.data.differentiation import SUBSTEPS, path_under_force, spline_path
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.estimation.residual_weights import relative_errors
from gnn_discovery.laws.evaluate import predict_with_law
from gnn_discovery.laws.parser import parse_law
from gnn_discovery.pipeline import Session, select_on_motion
from gnn_discovery.pipeline.paths import settle_on_paths
from gnn_discovery.simulators import SimulationConfig

SPRINGS = "-2*(r - 0.99)"


def every(runs, stride: int) -> list[Trajectory]:
    """Return each so many-th frame, positions alone."""
    return [Trajectory(run.positions[::stride], run.times[::stride], properties=run.properties) for run in runs]


def springs(stride: int, runs: int = 30) -> list[Trajectory]:
    return every(Spring().simulate(SimulationConfig(runs=runs, frames=400, seed=0)), stride)


def law_of(text: str, has_mass: bool = True) -> ForceLaw:
    return replace(parse_law(text, 2), divides_by_mass=has_mass)


def errors(law: ForceLaw, data) -> np.ndarray:
    """Return relative errors where there is a target."""
    scale = np.full(data.present.shape[1], np.median(np.linalg.norm(data.force, axis=-1)[data.target_mask]))
    return relative_errors(law, data, scale)[data.target_mask]


@pytest.mark.parametrize(("order", "tolerance"), [(2, 2e-6), (1, 1e-4)])
def test_the_path_between_two_frames_solves_the_equation_of_motion(order, tolerance):
    """x'' = -x has cos t, and x' = -x has exp(-t); frames stand .5 apart, where the chord is off by 3%."""
    exact = np.cos if order == 2 else lambda t: np.exp(-t)
    t = np.linspace(0, 4, 8 * SUBSTEPS + 1)
    frames = exact(t[::SUBSTEPS])
    chord = np.interp(t, t[::SUBSTEPS], frames)[:, None, None]
    slope = np.gradient(chord, t, axis=0)
    intervals = np.arange(0, len(t) - 1, SUBSTEPS)
    x, v = path_under_force(intervals, chord, slope, lambda x, v: -x, t[1], order)
    np.testing.assert_array_equal(x[::SUBSTEPS, 0, 0], frames)
    assert np.abs(chord[:, 0, 0] - exact(t)).max() > 0.02
    np.testing.assert_allclose(x[:, 0, 0], exact(t), atol=tolerance)
    if order == 2:
        np.testing.assert_allclose(v[:, 0, 0], -np.sin(t), atol=20 * tolerance)


def test_a_force_along_the_velocity_bends_the_path_too():
    """Larmor motion: x'' = v turned by a right angle goes round a circle."""
    t = np.linspace(0, 3, 6 * SUBSTEPS + 1)
    circle = np.stack([np.cos(t), -np.sin(t)], -1)[:, None]
    path, slope = spline_path(t[::SUBSTEPS], circle[::SUBSTEPS], 3, (0, 1))
    turned = lambda x, v: np.stack([v[..., 1], -v[..., 0]], -1)  # noqa: E731
    x, _ = path_under_force(np.arange(0, len(t) - 1, SUBSTEPS), path, slope, turned, t[1], 2)
    assert np.abs(path - circle).max() > 1e-3
    np.testing.assert_allclose(x, circle, atol=2e-5)


def test_a_force_that_would_throw_particles_out_leaves_the_chord():
    x = np.linspace(0.0, 1.0, SUBSTEPS + 1)[:, None, None]
    path, _ = path_under_force(np.array([0]), x, np.ones_like(x), lambda x, v: 1e9 + 0 * x, 0.1, 2)
    np.testing.assert_allclose(path, x)


def test_paths_are_taken_where_frames_are_coarse_and_not_where_velocities_are_given():
    runs = springs(6)
    assert assemble_dataset(runs, 2).weak_form.observation.substeps == SUBSTEPS
    given = Spring().simulate(SimulationConfig(runs=30, frames=400, seed=0))
    with_velocities = [replace(run, velocities=source.velocities[::6]) for run, source in zip(runs, given, strict=True)]
    assert assemble_dataset(with_velocities, 2).weak_form is None


def test_a_longer_average_is_taken_where_frames_are_noisy():
    rng = np.random.default_rng(0)
    windows = []
    for error in (0.0, 1e-3, 3e-3):
        runs = [replace(r, positions=r.positions + error * rng.normal(size=r.positions.shape)) for r in springs(4, 12)]
        weak = assemble_dataset(runs, 2).weak_form
        windows.append(weak.observation.window // (2 * SUBSTEPS))
        target = np.linalg.norm(weak.target[weak.target_mask], axis=-1)
        typical = np.median(target / (target + np.median(target)))
        true_error = np.median(errors(law_of(SPRINGS), weak)) / typical
        assert true_error / 2 < weak.noise < max(2 * true_error, 0.01)
    assert windows[0] == 1 and windows == sorted(windows) and windows[2] > 1


def test_along_its_own_path_the_true_law_is_exact_and_others_are_not():
    """A pair moves by .5 of its distance from one frame to the next, and there are no derivatives."""
    split = split_by_run(assemble_dataset(springs(6), 2))
    truth, wrong = law_of(SPRINGS), law_of("-2*(r - 1.02)")
    along_spline = errors(truth, split.weak_form().test)
    traced = trace_paths(split, partial(predict_with_law, truth)).weak_form().test
    assert np.median(along_spline) > 3e-4
    assert np.median(errors(truth, traced)) < 1e-4
    off = trace_paths(split, partial(predict_with_law, wrong)).weak_form().test
    assert np.median(errors(wrong, off)) > 5e-3


def test_where_the_path_is_not_known_nothing_is_compared():
    """Charges that pass near each other between two frames: what the true law misses there is not its fault."""
    runs = every(Charge().simulate(SimulationConfig(runs=40, frames=400, seed=0)), 40)
    split = split_by_run(assemble_dataset(runs, 2))
    truth = law_of("q_i*q_j/(r + 0.01)**2")
    along = partial(predict_with_law, truth)
    every_frame = trace_paths(split, along).weak_form().train
    known = trace_paths(split, along, leave_unknown=True).weak_form().train
    left = np.count_nonzero(known.target_mask) / np.count_nonzero(every_frame.target_mask)
    assert 0.3 < left < 1
    assert errors(truth, known).mean() < 0.05 * errors(truth, every_frame).mean()


def test_what_is_known_of_a_path_does_not_depend_on_units_and_place():
    runs = springs(6, runs=10)
    moved = [replace(run, positions=1e-3 * run.positions + 5.0, times=1e3 * run.times) for run in runs]
    here, there = (assemble_dataset(some, 2).weak_form for some in (runs, moved))
    np.testing.assert_array_equal(here.target_mask, there.target_mask)
    assert there.noise == pytest.approx(here.noise, rel=0.05)


def test_the_error_of_coarse_exact_frames_is_known_to_a_factor():
    """What the library regression leaves is near to what the spline, and not the frames, has wrong."""
    split = split_by_run(assemble_dataset(springs(6), 2))
    truth, weak = law_of(SPRINGS), split.weak_form().train
    true_error = np.median(errors(truth, weak))
    assert true_error / 2 < weak.noise < 10 * true_error
    traced = trace_paths(split, partial(predict_with_law, truth))
    assert typical_library_error(traced.train) < weak.noise


def test_the_law_of_springs_is_selected_and_fitted_along_its_own_paths():
    """From every sixth frame: form and constants, with error bars that hold the true ones."""
    laws = [law_of(text) for text in ("-a*r", "-a*(r - b)", "-a/r**2", "-a*exp(-r/b)", "-a*r + b*r**2")]
    split, session = split_by_run(assemble_dataset(springs(6), 2)), Session()
    first = select_on_motion(laws, split, session)
    settled, _ = settle_on_paths(laws, first, split, session)
    (term,) = settled.law.terms
    a, b = term.constants["a"], term.constants["b"]
    assert (a.value, b.value) == (pytest.approx(2, rel=1e-3), pytest.approx(0.99, rel=1e-3))
    assert abs(a.value - 2) < 4 * a.std and abs(b.value - 0.99) < 4 * b.std
    assert settled.error < first.error
