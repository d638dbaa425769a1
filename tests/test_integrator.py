"""The integration of motion: closed forms, jumps, forces without a bound, and what is wrong with a function."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from gnn_discovery import pipeline
from gnn_discovery.errors import DataError
from gnn_discovery.simulators import FunctionSimulator, SimulationConfig, as_simulator, user_function
from gnn_discovery.simulators.compiled_integrator import integrate_compiled
from gnn_discovery.simulators.integrator import AdaptiveIntegrator, step_error, step_factor

FEW = SimulationConfig(runs=3, frames=15, seed=5)


def oscillator(positions, velocities, properties):
    return -positions / properties["m"][..., None]


def test_a_bare_function_moves_as_its_closed_form():
    runs = as_simulator(oscillator).simulate(SimulationConfig(seed=2, runs=20))
    for run in runs:
        assert run.positions.shape == (100, 4, 2)
        frequency = 1 / np.sqrt(run.properties["m"])[:, None]
        phase = run.times[:, None, None] * frequency
        exact = run.positions[0] * np.cos(phase) + run.velocities[0] / frequency * np.sin(phase)
        np.testing.assert_allclose(run.positions, exact, atol=1e-6)
        np.testing.assert_allclose(run.accelerations, -run.positions * frequency**2, rtol=1e-12)


def test_a_bare_function_may_ask_for_velocities():
    runs = as_simulator(lambda x, v, p: -v).simulate(FEW)
    for run in runs:
        np.testing.assert_allclose(run.velocities, run.velocities[0] * np.exp(-run.times)[:, None, None], atol=1e-8)


def test_a_force_that_jumps_is_followed():
    runs = as_simulator(lambda x, v, p: -np.sign(x)).simulate(SimulationConfig(runs=5, seed=1))
    for run in runs:
        energy = abs(run.positions) + run.velocities**2 / 2
        np.testing.assert_allclose(energy, np.broadcast_to(energy[0], energy.shape), atol=5e-5)


def test_the_compiled_integrator_and_the_one_of_bare_functions_agree():
    """They share error estimate and step control; each run has steps of its own."""
    rng = np.random.default_rng(0)
    x, v = rng.standard_normal((2, 6, 3, 2))
    m = {"m": np.exp(rng.standard_normal((6, 3)))}

    def derivative(state, runs, place):
        return np.stack([state[:, 1], -state[:, 0] / m["m"][runs, :, None]], axis=1)

    states, counts = AdaptiveIntegrator(derivative, "springs", np.stack([x, v], 1), 9, 0.5, tolerance=1e-9).integrate()
    motion = integrate_compiled(
        lambda x, v, p: -x / p["m"][:, None], x, v, m, spacing=0.5, frames=9, tolerance=1e-9, lanes=4
    )
    assert (counts == 9).all()
    np.testing.assert_allclose(np.stack(motion, axis=2), states, atol=1e-7)


def test_a_step_that_gives_no_number_is_tried_again_at_a_fifth():
    error = step_error(
        np.full((13, 2, 3), np.nan), np.ones((2, 3)), np.ones((2, 3)), 0.1, tolerance=1, size=1, axes=(1,)
    )
    assert np.isinf(error).all()
    np.testing.assert_allclose(
        step_factor(np.array([np.inf, 1.0, 0.0, 0.0]), [False, False, False, True]), [0.2, 0.9, 10, 1]
    )


def falling(x, v, p):
    return -x / (x**2).sum(-1, keepdims=True) ** 2


def at_rest(distances):
    """A start of as many runs in 2D, all particles at rest on a circle of this radius."""

    def start(rng, runs, particles, dim):
        angle = 2 * np.pi * np.arange(particles) / particles
        x = distances[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        return x, np.zeros_like(x), {}

    return start


def test_a_run_ends_where_it_falls_into_a_centre_without_a_bound():
    """From rest an attraction of 1/r^3 makes r^2 = r0^2 - t^2/r0^2, which is nothing at t = r0^2."""
    start = at_rest(np.sqrt([0.505, 4.0, 0.905, 9.0, 4.0]))
    runs = FunctionSimulator(falling, name="fall", initial=start).simulate(SimulationConfig(runs=5, frames=100))
    assert [len(run.times) for run in runs] == [51, 100, 91, 100, 100]
    for run, squared in zip(runs, [0.505, 4.0, 0.905, 9.0, 4.0], strict=True):
        there = (run.positions[:-1] ** 2).sum(-1)
        exact = squared - run.times[:-1, None] ** 2 / squared
        np.testing.assert_allclose(there, np.broadcast_to(exact, there.shape), atol=1e-5)
    assert pipeline.load_motion(FunctionSimulator(falling, initial=start), SimulationConfig(runs=5)).notes == (
        "2 of 5 runs end before the others do.",
    )


def test_a_run_that_falls_at_once_is_left_out_and_counted():
    system = FunctionSimulator(falling, initial=at_rest(np.sqrt([0.505, 0.005, 4.0, 9.0])))
    found = pipeline.load_motion(system, SimulationConfig(runs=4))
    assert [len(run.times) for run in found.trajectories] == [51, 100, 100]
    assert found.notes == ("2 of 4 runs end before the others do, 1 of them so soon that they are left out.",)


def test_where_most_runs_fall_it_is_an_error():
    system = FunctionSimulator(falling, name="fall", initial=at_rest(np.sqrt([0.505, 0.605, 4.0])))
    with pytest.raises(DataError, match=r"fall: in 2 of 3 runs .* no bound.*run 0, after frame 50\. Soften"):
        system.simulate(SimulationConfig(runs=3, frames=100))


def test_bare_functions_get_copies():
    def careless(x, v, p):
        x[:] = 0
        p["m"][:] = 0
        return np.zeros_like(v)

    run = as_simulator(careless).simulate(FEW)[0]
    assert (run.properties["m"] > 0).all()
    np.testing.assert_allclose(run.positions[-1], run.positions[0] + run.times[-1] * run.velocities[0])


def without_a_number(x, v, p):
    a = -x
    a[2 % len(a), 1] = np.nan
    return a


def late(x, v, p):
    return np.where(x > 3.0, np.nan, 50.0)


def itself(x, v, p):
    d = x[..., :, None, :] - x[..., None, :, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        return (d / np.linalg.norm(d, axis=-1)[..., None] ** 3).sum(-2)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (without_a_number, "particle 1 is no finite number at run 2, frame 0"),
        (late, r"particle \d is no finite number at run \d, after frame \d"),
        (itself, "particle 0 is no .* at run 0, frame 0.*acts on itself"),
        (lambda x, v, p: x[0], r"shape \(4, 2\) for positions of shape \(3, 4, 2\).*run 0, frame 0"),
        (lambda x, v, p: None, "run 0, frame 0"),
        (lambda x, v, p: p["charge"], "KeyError: 'charge'.*the properties m"),
        (lambda x, v, p, t: -x, r"a function of 4 arguments.*accelerations\(positions, velocities, properties\)"),
    ],
)
def test_what_is_wrong_with_a_bare_function_is_said(function, says):
    with pytest.raises(DataError, match=says):
        FunctionSimulator(function).simulate(replace(FEW, frames=40))


def test_a_bare_function_that_needs_endless_steps_is_given_up(monkeypatch):
    monkeypatch.setattr(user_function, "AdaptiveIntegrator", partial(AdaptiveIntegrator, max_steps=20))
    with pytest.raises(DataError, match=r"in 3 of 3 runs .* too short to go on: run 0, .*frame \d+"):
        as_simulator(lambda x, v, p: -1e8 * x).simulate(FEW)
