"""The smoother: where particles were, by frames with errors and gaps, and a force that is known roughly."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from gnn_discovery_simulations.spring import Spring

from gnn_discovery.data.dataset import assemble_dataset, split_by_run, trace_paths
from gnn_discovery.data.differentiation import SUBSTEPS, smooth_under_force
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.laws.evaluate import predict_with_law
from gnn_discovery.laws.parser import parse_law
from gnn_discovery.simulators import SimulationConfig

TIMES = np.linspace(0.0, 6.0, 61)
STRETCH = [np.arange(len(TIMES))]


def smooth(frames, rate, std, force_error, order=2, realisation=None, start=None):
    """Smooth one particle in one dimension."""
    observed = frames[:, None, None]
    return smooth_under_force(
        np.nan_to_num(observed) if start is None else start[:, None, None],
        observed,
        np.zeros_like(observed) if realisation is None else realisation[:, None, None],
        STRETCH,
        rate,
        TIMES[1],
        order,
        std=std,
        relative_force_error=force_error,
    )


@pytest.mark.parametrize("order", [2, 1])
def test_under_an_exact_linear_force_it_is_the_fit_of_the_solutions(order):
    """Of x'' = -x these are cos t and sin t, of x' = -x it is exp(-t): they are fitted by least squares."""
    rng = np.random.default_rng(0)
    basis = np.stack([np.cos(TIMES), np.sin(TIMES)], 1) if order == 2 else np.exp(-TIMES)[:, None]
    frames = basis @ np.ones(order) + 0.1 * rng.normal(size=len(TIMES))
    fit = basis @ np.linalg.lstsq(basis, frames, rcond=None)[0]
    smoothed = smooth(frames, lambda x: -x, 0.1, 1e-5, order)
    tolerance = 3e-5 if order == 2 else 3e-4  # schemes of fourth and of third order
    np.testing.assert_allclose(smoothed.positions[:, 0, 0], fit, rtol=0, atol=tolerance)


def test_without_a_force_it_is_the_filter_of_hodrick_and_prescott():
    """The least squares of frames and of second differences (Whittaker 1923), solved here by dense algebra."""
    frames = np.random.default_rng(0).normal(size=len(TIMES))
    step, std, error = TIMES[1], 0.1, 2.0
    second = np.diff(np.eye(len(TIMES)), 2, axis=0)
    ratio = (std / (step**2 * error)) ** 2
    expected = np.linalg.solve(np.eye(len(TIMES)) + ratio * second.T @ second, frames)
    np.testing.assert_allclose(
        smooth(frames, lambda x: 0 * x, std, error).positions[:, 0, 0], expected, rtol=0, atol=1e-6
    )


def test_what_was_not_seen_is_where_the_force_takes_it():
    """A pendulum of large swings, x'' = -sin x, of which the middle third was not seen."""
    exact = np.zeros(len(TIMES))
    x, v, substeps = 2.5, 0.0, 100
    h = TIMES[1] / substeps
    for k in range(len(TIMES)):
        exact[k] = x
        for _ in range(substeps):
            v -= h / 2 * np.sin(x)
            x += h * v
            v -= h / 2 * np.sin(x)
    frames = exact + 1e-3 * np.random.default_rng(0).normal(size=len(TIMES))
    frames[20:40] = np.nan
    start = np.interp(TIMES, TIMES[np.isfinite(frames)], frames[np.isfinite(frames)])
    assert np.abs(start - exact).max() > 0.2
    smoothed = smooth(frames, lambda x: -np.sin(x), 1e-3, 1e-3, start=start)
    assert np.abs(smoothed.positions[:, 0, 0] - exact).max() < 3e-3


def test_the_noise_that_it_leaves_is_what_other_errors_would_have_changed():
    rng = np.random.default_rng(0)
    frames, realisation = np.cos(TIMES) + 0.01 * rng.normal(size=len(TIMES)), 0.01 * rng.normal(size=len(TIMES))
    rate = lambda x: -np.sin(x)  # noqa: E731
    once = smooth(frames, rate, 0.01, 0.1, realisation=realisation)
    again = smooth(frames + realisation, rate, 0.01, 0.1, start=once.positions[:, 0, 0])
    np.testing.assert_allclose(again.positions - once.positions, once.noise, atol=3e-5)
    assert np.std(once.noise) < 0.5 * np.std(realisation)


def test_stretches_of_other_lengths_do_not_touch_each_other():
    frames = np.random.default_rng(0).normal(size=(len(TIMES), 1, 1))
    parts = [np.arange(20), np.arange(20, 45), np.arange(45, 47)]
    settings = {"std": 0.1, "relative_force_error": 1.0}

    def one(part, stretches):
        rate = lambda x: -0.5 * x  # noqa: E731
        return smooth_under_force(frames[part], frames[part], 0 * frames[part], stretches, rate, 0.1, 2, **settings)

    together = one(np.arange(47), parts).positions
    np.testing.assert_array_equal(together[45:], frames[45:47])  # two instants say nothing of a force
    assert np.abs(together[:45] - frames[:45]).max() > 0.1
    # the typical size of the force is that of all stretches, so that a stretch alone is weighed a little differently
    alone = one(parts[0], [np.arange(20)]).positions
    assert np.abs(together[:20] - alone).max() < 0.05 * np.std(frames)


def blurred_springs(stride: int, error: float) -> list[Trajectory]:
    rng = np.random.default_rng(1)
    runs = Spring().simulate(SimulationConfig(runs=40, frames=100 if stride == 1 else 400, seed=0))
    return [
        Trajectory(
            run.positions[::stride] + error * rng.normal(size=run.positions[::stride].shape),
            run.times[::stride],
            properties=run.properties,
        )
        for run in runs
    ]


@pytest.mark.parametrize(("stride", "error"), [(6, 0.0), (6, 2e-3), (6, 2e-2), (1, 2e-2), (1, 0.1)])
def test_the_error_of_the_positions_is_read_from_the_frames(stride, error):
    """In coarse frames and in dense ones, of which means are taken; none is seen in exact ones."""
    weak = assemble_dataset(blurred_springs(stride, error), 2).weak_form
    if error == 0:
        assert weak.observation.frames is None
        return
    frames_in_mean = (weak.times[SUBSTEPS] - weak.times[0]) / (0.05 * stride)
    assert weak.observation.frames.std * np.sqrt(frames_in_mean) == pytest.approx(error, rel=0.2)
    assert frames_in_mean == pytest.approx(1) or stride == 1


@pytest.mark.parametrize(("stride", "error"), [(6, 2e-2), (1, 0.1)])
def test_smoothed_under_the_law_positions_are_nearer_to_the_truth(stride, error):
    """And the noise that is left has the size of their errors."""
    runs = blurred_springs(stride, error)
    split = split_by_run(assemble_dataset(runs, 2))
    law = replace(parse_law("-2*(r - 0.99)", 2), divides_by_mass=True)
    traced = trace_paths(split, partial(predict_with_law, law)).train.weak_form
    frames = traced.observation.frames
    seen = np.isfinite(frames.positions).all(axis=(1, 2))
    exact = Spring().simulate(SimulationConfig(runs=40, frames=100 if stride == 1 else 400, seed=0))
    truth = np.concatenate(
        [
            np.stack([np.interp(traced.times[seen & (traced.run == k)], exact[k].times, track) for track in tracks], -1)
            for k in np.unique(traced.run)
            for tracks in [exact[k].positions.reshape(len(exact[k].times), -1).T]
        ]
    ).reshape(-1, 4, 2)
    before = np.median(np.abs(frames.positions[seen] - truth))
    after = np.median(np.abs(traced.positions[seen] - truth))
    assert after < 0.75 * before
    assert np.median(np.abs(traced.noise_realisation[0][seen])) == pytest.approx(after, rel=0.4)
