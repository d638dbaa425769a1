"""Motion with inertia in a bath: kicks of the velocities, errors of the positions, and the force are told apart."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.linalg import expm

from gnn_discovery import Constant, Trajectory
from gnn_discovery.data.dataset import assemble_dataset, split_by_run, trace_paths
from gnn_discovery.data.dataset.increment_assembly import assemble_second_increments
from gnn_discovery.data.differentiation import acceleration_moments
from gnn_discovery.estimation.bath import with_bath
from gnn_discovery.estimation.refit import refit
from gnn_discovery.laws.evaluate import predict_with_law
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.parser import parse_law
from gnn_discovery.laws.rollout import realise
from gnn_discovery.laws.serialisation import from_dict, to_dict
from gnn_discovery.report.motion_figures import draw_band
from gnn_discovery.simulators import SimulationConfig, resolve_simulator
from gnn_discovery.validation.dimensions import with_units

STIFFNESS, DRAG, TEMPERATURE, STEP = 4.0, 1.0, 0.25, 0.02
FORM = "external radial: -k*r; self velocity: -g"


def exact_step(step: float, stiffness: float, drag: float, diffusion: float) -> tuple[np.ndarray, np.ndarray]:
    """Return flow and covariance of (x, v) over a step (C. Van Loan, IEEE Trans. Autom. Control 23, 395, 1978)."""
    drift = np.array([[0.0, 1.0], [-stiffness, -drag]])
    joint = expm(step * np.block([[-drift, np.diag([0.0, 2 * diffusion])], [np.zeros((2, 2)), drift.T]]))
    flow = joint[2:, 2:].T
    return flow, flow @ joint[:2, 2:]


def trapped(
    *, error: float = 0.0, runs: int = 60, frames: int = 300, mass: np.ndarray | None = None
) -> list[Trajectory]:
    """Return five particles in a harmonic trap with drag in a bath, each by the exact solution."""
    rng = np.random.default_rng(0)
    m = np.ones(5) if mass is None else mass
    kept = np.empty((runs, frames, 5, 2))
    for n in range(5):
        flow, spread = exact_step(STEP, STIFFNESS / m[n], DRAG / m[n], DRAG * TEMPERATURE / m[n] ** 2)
        scatter = np.linalg.cholesky(spread)
        state = rng.normal(size=(2, runs, 2)) * np.sqrt([TEMPERATURE / STIFFNESS, TEMPERATURE / m[n]])[:, None, None]
        for k in range(frames):
            kept[:, k, n] = state[0]
            state = np.einsum("ab,brd->ard", flow, state) + np.einsum(
                "ab,brd->ard", scatter, rng.normal(size=state.shape)
            )
    kept += error * rng.normal(size=kept.shape)
    properties = {} if mass is None else {"m": mass}
    return [Trajectory(run, STEP * np.arange(frames), properties=properties) for run in kept]


def fitted(runs: list[Trajectory], form: str = FORM) -> ForceLaw:
    split = split_by_run(assemble_dataset(runs, 2))
    law = replace(parse_law(form), divides_by_mass=split.train.has_mass)
    for _ in range(3):
        split = trace_paths(split, partial(predict_with_law, law))
        law = refit(law, split.weak_form().whole(), n_starts=0).law
    return with_bath(law, split.whole())


def within(constant, truth: float, most: float) -> bool:
    return abs(constant.value - truth) < 3 * constant.std and constant.std < most * truth


def test_realisations_have_mean_and_spread_of_the_exact_solution():
    law = replace(parse_law("external radial: -4*r; self velocity: -1"), diffusion=Constant(0.25))
    x, v = np.array([[0.5, 0.0], [0.0, -1.0]]), np.array([[0.0, 1.0], [0.3, 0.0]])
    found = realise(law, x, v, None, np.array([0.0, 0.5, 1.0]), count=4000, substeps=50)
    for k, time in enumerate((0.5, 1.0), start=1):
        flow, spread = exact_step(time, STIFFNESS, DRAG, 0.25)
        std = np.sqrt(spread[0, 0])
        np.testing.assert_allclose(found[:, k].mean(axis=0), flow[0, 0] * x + flow[0, 1] * v, atol=5 * std / 60)
        np.testing.assert_allclose(found[:, k].std(axis=0), std, rtol=0.06)


def test_nine_tenths_of_motion_in_a_bath_lie_in_its_band():
    law = replace(parse_law("external radial: -4*r; self velocity: -1"), diffusion=Constant(0.25))
    start = (np.array([[0.5, 0.0], [0.0, -1.0]]), np.zeros((2, 2)), None, 0.1 * np.arange(40))
    drawing = draw_band(realise(law, *start, count=1, seed=1)[0], realise(law, *start, count=200), ("a", "b"))
    share = int(re.search(r"(\d+)% lie in it", drawing.caption).group(1))
    assert 80 <= share <= 98


def test_covariances_of_kicks_and_of_errors_give_both_back():
    """Kicks and errors are drawn, and no particle is anywhere: a second difference of a random walk of velocities."""
    rng, step, fine = np.random.default_rng(1), 0.1, 20
    v = np.cumsum(np.sqrt(2 * 0.3 * step / fine) * rng.normal(size=(40, 4000 * fine)), axis=1)
    x = np.cumsum(v, axis=1)[:, ::fine] * step / fine + 0.02 * rng.normal(size=(40, 4000))
    y = np.diff(x, 2, axis=1) / step**2
    covariances = np.array([[np.mean(run[k:] * run[: len(run) - k]) for k in range(5)] for run in y])
    found = acceleration_moments(covariances, step)
    assert found.diffusion == pytest.approx(0.3, abs=4 * found.diffusion_std, rel=0.05)
    assert found.position_variance == pytest.approx(0.02**2, rel=0.05)
    assert found.misfit < 0.02


@pytest.mark.parametrize("error", [0.0, 0.005])
def test_force_drag_diffusion_and_temperature_are_right_in_a_bath(error):
    """Least squares at the middle frame would not: the velocity there knows the kick, and the errors, of the target."""
    runs = trapped(error=error)
    data = assemble_dataset(runs, 2)
    assert data.observation.kind == "increments"
    law = fitted(runs)
    trap, drag = (next(iter(term.constants.values())) for term in law.terms)
    assert within(trap, STIFFNESS, 0.03) and within(drag, DRAG, 0.04), law
    assert within(law.diffusion, DRAG * TEMPERATURE, 0.04) and within(law.temperature, TEMPERATURE, 0.05), law
    assert from_dict(to_dict(law)) == law


def test_blocks_too_short_for_differences_keep_the_diffusion_of_the_increments():
    data = assemble_dataset(trapped(error=0.005), 2)
    few = replace(data, run=np.arange(len(data.run)) // 4, weak_form=None)
    law = with_bath(parse_law(FORM), few)
    assert law.diffusion is not None and law.diffusion.value == data.observation.diffusion


def test_a_bath_kicks_heavy_particles_less():
    law = fitted(trapped(mass=np.array([0.5, 1.0, 1.5, 2.0, 3.0])))
    trap, drag = (next(iter(term.constants.values())) for term in law.terms)
    assert within(trap, STIFFNESS, 0.03) and within(drag, DRAG, 0.04), law
    assert within(law.diffusion, DRAG * TEMPERATURE, 0.04) and within(law.temperature, TEMPERATURE, 0.05), law


@pytest.mark.parametrize("stride", [1, 10])
@pytest.mark.parametrize("error", [0.0, 1e-2])
@pytest.mark.parametrize("name", ["spring", "gravity"])
def test_bends_and_errors_and_encounters_are_no_kicks(name, error, stride):
    runs = resolve_simulator(name).simulate(SimulationConfig(runs=40, frames=60 * stride, dim=2, seed=2))
    rng = np.random.default_rng(3)
    spread = np.std([run.positions[-1] for run in runs])
    seen = [
        Trajectory(
            run.positions[::stride] + error * spread * rng.normal(size=run.positions[::stride].shape),
            run.times[::stride],
            properties=run.properties,
        )
        for run in runs
    ]
    step = float(seen[0].times[1] - seen[0].times[0])
    assert assemble_second_increments(seen, step) is None


def test_diffusion_and_temperature_have_units():
    runs = [replace(run, units={"length": "um", "time": "s"}) for run in trapped(runs=8)]
    law = with_units(fitted(runs), assemble_dataset(runs, 2))
    assert law.diffusion is not None and law.diffusion.unit == "um^2 s^-3"
    assert law.temperature is not None and law.temperature.unit == "um^2 s^-2"
