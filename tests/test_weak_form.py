"""The weak form: averages that noisy positions give without bias, against closed forms and the exact motion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from gnn_discovery_simulations.gravity import Gravity
from gnn_discovery_simulations.spring import Spring
from noisy_motion import noisy_dataset

from gnn_discovery.criteria import DEFAULT_CRITERIA
from gnn_discovery.data.dataset import Dataset, WeakFormObservation, assemble_dataset, split_by_run
from gnn_discovery.data.differentiation.savitzky_golay import SavitzkyGolayFilters
from gnn_discovery.data.differentiation.weak_form import peano_kernel, resolvable_mask
from gnn_discovery.estimation.refit import refit
from gnn_discovery.laws.evaluate import force
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.simulators import SimulationConfig
from gnn_discovery.symbolic.expression import Expression

HOOKE = ForceLaw((Term("pair", "radial", Expression.parse("-2*(r - 0.99)")),), divides_by_mass=True)


@pytest.fixture(scope="module")
def springs() -> Dataset:
    return noisy_dataset(Spring(), 1e-3, 60)


@pytest.mark.parametrize("derivative", [1, 2])
@pytest.mark.parametrize("half", [3, 10, 20])
def test_a_filter_is_the_average_of_the_derivative_whatever_the_motion(derivative, half):
    """sin(2 t): the filter of degree 2 is off by up to a quarter as a derivative, and exact as an average."""
    step = 0.05
    t = step * np.arange(-half, half + 1)
    weights = SavitzkyGolayFilters(step * np.arange(2 * half + 1), derivative).weights(2, half)[0]
    average = peano_kernel(weights, step, derivative)
    for phase in (0.0, 0.7, 1.4):
        slope = 2 * np.cos(2 * t + phase) if derivative == 1 else -4 * np.sin(2 * t + phase)
        assert weights @ np.sin(2 * t + phase) == pytest.approx(average @ slope, abs=1e-8)
    assert average.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(average, average[::-1], atol=1e-12)


def test_residuals_of_the_true_law_are_the_noise_alone(springs):
    """Their size is that of the noise that the filter lets through."""
    weak = springs.weak_form
    mask = weak.target_mask
    residual = (weak.observe(force(HOOKE, weak)) - weak.force)[mask] / weak.properties["m"][mask][:, None]
    size = float(np.sum(np.linalg.norm(residual, axis=-1)) / np.sum(np.linalg.norm(weak.target, axis=-1)[mask]))
    assert size == pytest.approx(weak.noise, rel=0.1)
    assert weak.noise < 0.2 * springs.noise, "a wide window of low degree has little noise"
    slope = np.sum(residual * weak.force[mask]) / np.sum(weak.force[mask] ** 2)
    assert abs(slope) < 1e-3, "they do not grow with the force"


def test_constants_of_noisy_springs_are_right_within_their_errors(springs):
    """The same fit to derivatives is 4% off, twenty of its standard errors."""
    law = ForceLaw(
        (Term("pair", "radial", Expression.parse("a*(r - b)"), {"a": Constant(-1.5), "b": Constant(0.8)}),),
        divides_by_mass=True,
    )
    found = refit(law, springs.weak_form).law.terms[0].constants
    for name, truth in {"a": -2.0, "b": 0.99}.items():
        assert found[name].value == pytest.approx(truth, abs=4 * found[name].std + 3e-4)
        assert found[name].std < 2e-3
    blunt = refit(law, springs).law.terms[0].constants["a"]
    assert abs(blunt.value + 2.0) > 10 * blunt.std


@pytest.mark.slow
def test_the_exponent_of_noisy_gravity():
    """Left free, with the softening: -2 to a hundredth from positions that are uncertain by 1e-4 of their spread."""
    start = {"a": Constant(-1.2), "b": Constant(0.02), "c": Constant(-1.8)}
    law = ForceLaw((Term("pair", "radial", Expression.parse("a*m_i*m_j*(r + b)**c"), start),), divides_by_mass=True)
    found = refit(law, noisy_dataset(Gravity(), 1e-4, 100).weak_form).law.terms[0].constants
    assert found["c"].value == pytest.approx(-2.0, abs=0.01)
    assert found["b"].value == pytest.approx(0.01, abs=0.003)


def test_close_pairs_are_left_out_with_all_instants_of_their_window():
    """Two particles that pass at a hundredth of the way they go between frames."""
    t = np.arange(41) - 20.0
    apart = np.stack([t, np.full(41, 0.01)], axis=-1)[:, None]
    ends = np.array([0, 1]), np.array([1, 0])
    sure, yes = np.zeros((41, 2)), np.ones((41, 2), bool)
    both = np.concatenate([-apart, apart], axis=1)
    good = resolvable_mask(both, yes, sure, *ends, 5)
    assert not good[15:26].any() and good[[5, 14, 26, 35]].all()
    assert resolvable_mask(both, np.zeros((41, 2), bool), sure, *ends, 5).all(), "pairs that do not act do no harm"
    assert not resolvable_mask(both, yes, sure + 1.0, *ends, 5)[10:31].any(), "nor can distances as uncertain as these"


def test_only_whole_windows_count(springs):
    weak = springs.weak_form
    half = weak.observation.window // 2
    mask = replace(weak, observation=WeakFormObservation(weak.observation.kernel)).target_mask
    frames = np.concatenate([np.arange(n) for n in np.unique(weak.run, return_counts=True)[1]])
    assert np.array_equal(mask[:, 0], (frames >= half) & (frames < 100 - half))
    holes = np.arange(len(weak.run)) % 7 > 0
    assert not weak.select(holes).target_mask.any()


def test_no_run_is_on_both_sides_of_the_split_in_weak_form_either(springs):
    parts = split_by_run(springs)
    weak = parts.weak_form()
    assert weak is not parts
    for one, other in zip((parts.train, parts.valid, parts.test), (weak.train, weak.valid, weak.test), strict=True):
        assert set(other.run) == set(one.run)
    assert not set(weak.train.run) & (set(weak.valid.run) | set(weak.test.run))
    assert len(weak.whole().run) == len(springs.weak_form.run)


def test_exact_motion_needs_no_weak_form():
    clean = [replace(run, accelerations=None) for run in Spring().simulate(SimulationConfig(runs=5, frames=30))]
    assert assemble_dataset(clean).weak_form is None
    observed = assemble_dataset(Spring().simulate(SimulationConfig(runs=5, frames=30)))
    assert observed.weak_form is None and split_by_run(observed).weak_form().train.observation.kind == "pointwise"


def test_the_criteria_decide_on_the_weak_form():
    noise = DEFAULT_CRITERIA.noise
    positions = [
        replace(run, velocities=None, accelerations=None) for run in Spring().simulate(SimulationConfig(runs=5))
    ]

    def assembled(**change: float) -> Dataset:
        return assemble_dataset(positions, criteria=replace(DEFAULT_CRITERIA, noise=replace(noise, **change)))

    assert assembled(min_error_for_weak_form=1.0).weak_form is None
    on_paths = {"max_path_form_error": 0.0}
    assert assembled(min_error_for_weak_form=0.0, max_pair_step=0.0, **on_paths).weak_form is None
    weak_form = assembled(min_error_for_weak_form=0.0).weak_form
    assert weak_form is not None and weak_form.target_mask.any()


def test_one_long_run_is_averaged_within_its_blocks():
    """What is held out of a single run is a block of frames; no window reaches over its edge."""
    weak = noisy_dataset(Spring(), 1e-3, 1, frames=600).weak_form
    half = weak.observation.window // 2
    assert half >= 1 and weak.target_mask.any()
    for block in np.unique(weak.run):
        inside = np.flatnonzero(weak.run == block)
        assert not weak.target_mask[inside[:half]].any() and not weak.target_mask[inside[len(inside) - half :]].any()


def test_motion_that_is_nowhere_resolved_keeps_its_derivatives_where_no_path_is_known():
    """Frames so far apart that every pair moves by half its distance between two of them."""
    given = Spring().simulate(SimulationConfig(runs=20, frames=100))
    rng = np.random.default_rng(0)
    sparse = [
        replace(
            run,
            positions=run.positions[::12] + 1e-3 * rng.standard_normal(run.positions[::12].shape),
            times=run.times[::12],
            velocities=None,
            accelerations=None,
        )
        for run in given
    ]
    on_frames = replace(DEFAULT_CRITERIA, noise=replace(DEFAULT_CRITERIA.noise, max_path_form_error=0.0))
    assert assemble_dataset(sparse, criteria=on_frames).weak_form is None
