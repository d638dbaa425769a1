"""Derivatives against motion in closed form, and their measured errors."""

import numpy as np
import pytest

from gnn_discovery.data.differentiation import (
    complete_trajectories,
    complete_trajectory,
    estimate_position_noise,
    unwrap,
)
from gnn_discovery.data.differentiation.savitzky_golay import SavitzkyGolayFilters, apply_filter
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import DataError

PHASES = np.array([0.0, 1.0, 2.5])


def harmonic(frames=400, step=0.05, sigma=0.0, seed=0, jitter=0.0):
    """Three particles on ellipses: the run, its velocities and accelerations."""
    rng = np.random.default_rng(seed)
    t = step * (np.arange(frames) + jitter * rng.uniform(-1, 1, frames))
    angle = t[:, None] + PHASES
    x = np.stack([np.cos(angle), 2 * np.sin(angle)], axis=-1)
    v = np.stack([-np.sin(angle), 2 * np.cos(angle)], axis=-1)
    return Trajectory(x + sigma * rng.normal(size=x.shape), t), v, -x


def kepler(e, frames, step, sigma=0.0, seed=0):
    """Two bodies of mass 1/2 under G = 1, semi-major axis 1, eccentricity e: r = x_1 - x_2, a = -r/r³."""
    t = step * np.arange(frames)
    mean = t + 1.0
    anomaly = mean.copy()
    for _ in range(60):
        anomaly -= (anomaly - e * np.sin(anomaly) - mean) / (1 - e * np.cos(anomaly))
    r = np.stack([np.cos(anomaly) - e, np.sqrt(1 - e * e) * np.sin(anomaly)], axis=-1)
    a = -r / np.linalg.norm(r, axis=-1, keepdims=True) ** 3
    x = np.stack([r / 2, -r / 2], axis=1)
    noise = sigma * np.random.default_rng(seed).normal(size=x.shape)
    return Trajectory(x + noise, t), np.stack([a / 2, -a / 2], axis=1)


def relative(found, truth):
    """Root mean square error against the local and the median size, as ``CompletedTrajectory.noise`` is defined."""
    size = np.sum(truth**2, axis=-1)
    return np.sqrt(np.mean(np.sum((found - truth) ** 2, axis=-1) / (size + np.median(size))))


@pytest.mark.parametrize("derivative", [1, 2])
@pytest.mark.parametrize("degree", [2, 4, 6, 8])
def test_narrowest_windows_converge_at_the_order_of_central_differences(derivative, degree):
    errors = []
    for step in (0.4, 0.2):
        t = step * np.arange(40)
        weights = SavitzkyGolayFilters(t, derivative).weights(degree, degree // 2)
        found = apply_filter(weights, np.sin(t)[:, None, None])[:, 0, 0]
        exact = (np.cos(t) if derivative == 1 else -np.sin(t))[degree // 2 : -(degree // 2)]
        errors.append(np.abs(found - exact).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(degree, abs=0.5)


@pytest.mark.parametrize(("degree", "stencil"), [(2, [1, -2, 1]), (4, [-1 / 12, 4 / 3, -5 / 2, 4 / 3, -1 / 12])])
def test_narrowest_windows_are_the_textbook_stencils(degree, stencil):
    weights = SavitzkyGolayFilters(np.arange(20.0), 2).weights(degree, degree // 2)
    np.testing.assert_allclose(weights[0], stencil, atol=1e-13)


@pytest.mark.parametrize("jitter", [0.0, 0.3])
def test_polynomials_are_differentiated_exactly(jitter):
    t = np.arange(30) + jitter * np.random.default_rng(1).uniform(-1, 1, 30)
    for degree, half in [(2, 3), (4, 5), (8, 7)]:
        coefficients = np.random.default_rng(degree).normal(size=degree + 1)
        u = np.polynomial.Polynomial(coefficients, domain=[0, 30], window=[-1, 1])
        weights = SavitzkyGolayFilters(t, 2).weights(degree, half)
        found = apply_filter(weights, u(t)[:, None, None])[:, 0, 0]
        np.testing.assert_allclose(found, u.deriv(2)(t)[half:-half], atol=1e-9)


def test_clean_motion_is_differentiated_by_eighth_order_differences():
    run, v, a = harmonic()
    motion = complete_trajectory(run)
    assert "central differences of order 8" in motion.method
    assert motion.frames.tolist() == list(range(4, 396))
    np.testing.assert_allclose(motion.trajectory.accelerations, a[4:-4], atol=3e-10)
    np.testing.assert_allclose(motion.trajectory.velocities, v[4:-4], atol=3e-11)
    assert motion.noise < 1e-9 and motion.position_noise.max() < 1e-12


def test_clean_kepler_motion():
    run, a = kepler(0.3, 500, 0.02)
    motion = complete_trajectory(run)
    assert relative(motion.trajectory.accelerations, a[motion.frames]) < 1e-9


@pytest.mark.parametrize("jitter", [0.0, 0.3])
@pytest.mark.parametrize("sigma", [1e-8, 1e-5, 1e-3, 1e-1])
@pytest.mark.parametrize("seed", [0, 1])
def test_noise_level_is_measured(sigma, seed, jitter):
    run, _, _ = harmonic(sigma=sigma, seed=seed, jitter=jitter)
    level = estimate_position_noise(run.times, run.positions)
    assert (level > sigma / 1.5).all() and (level < sigma * 1.5).all()


@pytest.mark.parametrize("make", [lambda s: harmonic(sigma=s)[::2], lambda s: kepler(0.7, 500, 0.02, s)])
@pytest.mark.parametrize("sigma", [1e-5, 1e-4, 1e-3])
def test_noisy_accelerations_are_as_good_as_they_say_and_better_than_differences(make, sigma):
    run, a = make(sigma)
    motion = complete_trajectory(run)
    error = relative(motion.trajectory.accelerations, a[motion.frames])
    assert motion.noise / 1.6 < error < motion.noise * 1.6
    second = (run.positions[2:] - 2 * run.positions[1:-1] + run.positions[:-2]) / (run.times[1] - run.times[0]) ** 2
    assert error < 0.25 * relative(second, a[1:-1])


def test_each_particle_has_its_own_window():
    slow, _, _ = harmonic(sigma=1e-3)
    fast = np.cos(5 * slow.times)[:, None] * [1.0, 0.0] + [5.0, 0.0]
    noise = 1e-3 * np.random.default_rng(2).normal(size=fast.shape)
    run = Trajectory(np.concatenate([slow.positions[:, :2], (fast + noise)[:, None]], axis=1), slow.times)
    motion = complete_trajectory(run)
    assert relative(motion.trajectory.accelerations[:, 2:], -25 * (fast - [5.0, 0.0])[motion.frames, None]) < 0.1
    assert motion.method.count("frames") + motion.method.count("central") > 1


def test_non_uniform_times_are_as_good():
    run, _, a = harmonic(jitter=0.3)
    motion = complete_trajectory(run)
    np.testing.assert_allclose(motion.trajectory.accelerations, a[motion.frames], atol=1e-8)


def test_times_rounded_to_float32_count_as_uniform():
    run, _, a = harmonic()
    times = run.times.astype(np.float32).astype(float)
    motion = complete_trajectory(Trajectory(run.positions, times))
    assert relative(motion.trajectory.accelerations, a[motion.frames]) < 1e-6


def test_a_gap_in_time_costs_only_the_frames_around_it():
    run, _, a = harmonic(400, 0.05)
    keep = np.r_[0:150, 250:400]
    motion = complete_trajectory(Trajectory(run.positions[keep], run.times[keep]))
    assert relative(motion.trajectory.accelerations, a[keep][motion.frames]) < 0.02
    assert len(motion.frames) > 250


def test_close_encounters_that_no_window_follows_are_dropped():
    run, a = kepler(0.95, 500, 0.1)
    motion = complete_trajectory(run)
    dropped = np.setdiff1d(np.arange(20, 480), motion.frames)
    distance = np.linalg.norm(run.positions[:, 0] - run.positions[:, 1], axis=-1)
    assert len(dropped) and np.median(distance[dropped]) < 0.3 * np.median(distance)
    assert relative(motion.trajectory.accelerations, a[motion.frames]) < 0.03


def test_observed_velocities_serve_where_they_are_better():
    run, v, a = harmonic(sigma=1e-3)
    motion = complete_trajectory(Trajectory(run.positions, run.times, velocities=v))
    assert np.array_equal(motion.trajectory.velocities, v[motion.frames])
    assert relative(motion.trajectory.accelerations, a[motion.frames]) < 1e-8
    clean, _, _ = harmonic()
    noisy = v + 1e-3 * np.random.default_rng(3).normal(size=v.shape)
    motion = complete_trajectory(Trajectory(clean.positions, clean.times, velocities=noisy))
    assert relative(motion.trajectory.accelerations, a[motion.frames]) < 1e-8


def test_observed_targets_are_kept_as_they_are():
    run, v, a = harmonic(frames=2)
    motion = complete_trajectory(Trajectory(run.positions, run.times, velocities=v, accelerations=a))
    assert motion.noise == 0.0 and motion.method == "observed" and motion.frames.tolist() == [0, 1]
    assert np.array_equal(motion.trajectory.accelerations, a)
    first_order = complete_trajectory(Trajectory(run.positions, run.times, velocities=v), order=1)
    assert first_order.noise == 0.0 and np.array_equal(first_order.trajectory.velocities, v)


def test_the_target_of_first_order_is_the_velocity():
    run, v, _ = harmonic(sigma=1e-4)
    motion = complete_trajectory(run, order=1)
    error = relative(motion.trajectory.velocities, v[motion.frames])
    assert motion.noise / 1.6 < error < motion.noise * 1.6
    assert motion.trajectory.accelerations is None


def test_a_periodic_box_makes_no_jumps():
    run, v, a = harmonic()
    box = np.array([1.7, 2.3])
    drift = 0.4 * run.times[:, None, None]
    wrapped = np.mod(run.positions + drift, box)
    np.testing.assert_allclose(
        np.diff(unwrap(wrapped, box), axis=0), np.diff(run.positions + drift, axis=0), atol=1e-12
    )
    motion = complete_trajectory(Trajectory(wrapped, run.times, box=box))
    np.testing.assert_allclose(motion.trajectory.accelerations, a[motion.frames], atol=1e-8)
    np.testing.assert_allclose(motion.trajectory.velocities, (v + 0.4)[motion.frames], atol=1e-8)
    assert np.array_equal(motion.trajectory.positions, wrapped[motion.frames])


@pytest.mark.parametrize("velocity", [0.0, 0.3])
def test_motion_without_force_gives_no_more_than_rounding(velocity):
    t = 0.1 * np.arange(60)
    x = np.array([[0.0, 0.0], [1.0, 2.0]]) + velocity * t[:, None, None] * np.array([[1.0, 2.0], [-1.0, 0.5]])
    motion = complete_trajectory(Trajectory(x, t))
    assert np.abs(motion.trajectory.accelerations).max() < 1e-12
    assert np.isfinite(motion.noise) and 0.1 < motion.noise < 2  # nothing but noise is seen


def test_runs_worked_on_together_come_out_as_alone():
    runs = [harmonic(sigma=s, seed=i, frames=f)[0] for i, (s, f) in enumerate([(1e-3, 80), (0, 80), (1e-4, 60)])]
    for one, together in zip(runs, complete_trajectories(runs), strict=True):
        alone = complete_trajectory(one)
        assert alone.method == together.method
        np.testing.assert_allclose(
            alone.trajectory.accelerations, together.trajectory.accelerations, rtol=1e-12, atol=1e-12
        )


def test_too_few_frames_and_too_coarse_ones_are_named():
    run, _, _ = harmonic(frames=4)
    with pytest.raises(DataError, match=r"a\.npz, run 2: too few frames: 4.*at least 5") as caught:
        complete_trajectory(run, where="a.npz, run 2")
    assert caught.value.exit_code == 3
    # of six particles one bounces at every fourth frame
    t = np.arange(120.0)
    bounce = np.abs((t[:, None] - 4 * np.arange(6)) % 24 - 12)
    coarse = Trajectory(np.stack([bounce, np.tile(100.0 * np.arange(6), (120, 1))], axis=-1), t)
    with pytest.raises(DataError, match=r"run 7: .*more often"):
        complete_trajectory(coarse, where="run 7")
    (motion,) = complete_trajectories([coarse])
    assert len(motion.frames) == 0
