"""Error bars, and the bias of constants by noise, are held against closed forms."""

from __future__ import annotations

import sys
from dataclasses import replace

import jax
import numpy as np
import pytest
from gnn_discovery_simulations.spring import Spring
from noisy_motion import noisy_dataset

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.data.differentiation.savitzky_golay import SavitzkyGolayFilters
from gnn_discovery.errors import UsageError
from gnn_discovery.estimation.jackknife import jackknife
from gnn_discovery.estimation.least_squares import LeastSquaresProblem
from gnn_discovery.estimation.parametric_law import ParametricLaw
from gnn_discovery.estimation.posterior import differentiable_cost, sample_posterior
from gnn_discovery.estimation.refit import refit
from gnn_discovery.estimation.residual_weights import force_scale, inverse_force_weights
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.laws.term_evaluator import TermEvaluator
from gnn_discovery.pipeline import DiscoverConfig, require_engines
from gnn_discovery.symbolic.expression import Expression

TRAP = ForceLaw((Term("external", "x", Expression.parse("a*x"), {"a": Constant(1.0)}),))
ALIKE = np.full(1, 1e6)
"""A force scale so large that all instants weigh the same."""


def line(runs: int, each: int, noise: float, rng: np.random.Generator, blur: float = 0.0) -> Dataset:
    """Make one particle in 1D under a = 2 x: ``noise`` is that of the target, ``blur`` that of the positions."""
    count = runs * each
    x, drawn = rng.standard_normal((count, 1, 1)), rng.standard_normal((2, count, 1, 1))
    nothing = np.zeros((count, 1, 1))
    return Dataset(
        positions=x + blur * drawn[0],
        velocities=nothing,
        target=2 * x + noise * rng.standard_normal((count, 1, 1)),
        properties={},
        present=np.ones((count, 1), dtype=bool),
        run=np.repeat(np.arange(runs), each),
        times=np.tile(np.arange(each, dtype=float), runs),
        senders=np.zeros(0, dtype=int),
        receivers=np.zeros(0, dtype=int),
        noise_realisation=blur * np.stack([drawn[1], nothing, nothing]) if blur else None,
    )


def slope(data: Dataset) -> Constant:
    return refit(TRAP, data, scale=ALIKE, n_starts=0).law.terms[0].constants["a"]


def test_a_slope_is_not_attenuated_by_noise_in_what_it_multiplies():
    """Least squares gives a / (1 + s²); without the bias of second order a (1 - s⁴ ...) is left."""
    blur = 0.2
    seen = line(200, 100, 0.0, np.random.default_rng(0), blur)
    assert slope(replace(seen, noise_realisation=None)).value == pytest.approx(2 / (1 + blur**2), abs=0.01)
    assert slope(seen).value == pytest.approx(2.0, abs=0.01)


def test_the_error_is_that_of_least_squares_where_that_is_exact():
    data = line(400, 20, 0.3, np.random.default_rng(1))
    assert slope(data).std == pytest.approx(0.3 / np.sqrt(np.sum(data.positions**2)), rel=0.1)


def test_intervals_hold_of_few_runs_too():
    """With six runs, 1.96 times the spread of the runs without Student's factor holds 89%."""
    rng, held = np.random.default_rng(2), []
    for _ in range(400):
        data = line(6, 100, 0.3, rng)
        best = np.sum(data.positions * data.target) / np.sum(data.positions**2)
        problem = LeastSquaresProblem(ParametricLaw(TRAP, 1), TermEvaluator(data), np.ones((1, 600)))
        step, covariance = jackknife(problem, np.array([best]))
        assert step == 0
        held.append(abs(best - 2) < 1.96 * np.sqrt(covariance[0, 0]))
    assert 0.925 < np.mean(held) < 0.975


def test_the_noise_that_is_drawn_is_the_noise_that_is_there():
    """It is as large in the positions, and the target carries the output of the same filter."""
    weak = noisy_dataset(Spring(), 1e-3, 20).weak_form
    assert weak is not None and weak.noise_realisation is not None
    position, _, target = weak.noise_realisation
    assert position.std() == pytest.approx(1e-3 * weak.positions.std(), rel=0.05)
    width = weak.observation.window
    weights = SavitzkyGolayFilters(weak.times[:width] - weak.times[0], 2).weights(2, width // 2)[0]
    middle = width // 2 + 10
    assert weak.times[0] == 0 and weak.run[0] == weak.run[width + 10]
    np.testing.assert_allclose(target[middle], np.tensordot(weights, position[10 : width + 10], 1), rtol=1e-6)


@pytest.mark.slow
def test_the_posterior_of_a_linear_law_is_the_conjugate_one():
    """Gaussian noise and a flat prior give the mean and the standard error of least squares."""
    pytest.importorskip("numpyro")
    data = line(400, 20, 0.3, np.random.default_rng(1))
    drawn = refit(TRAP, data, scale=ALIKE, n_starts=0, posterior_sampler=sample_posterior).law.terms[0].constants["a"]
    std = 0.3 / np.sqrt(np.sum(data.positions**2))
    best = np.sum(data.positions * data.target) / np.sum(data.positions**2)
    assert drawn.value == pytest.approx(best, abs=0.15 * std)
    assert drawn.std == pytest.approx(std, rel=0.1)


@pytest.mark.slow
def test_the_misfit_that_is_drawn_from_is_that_of_the_fit():
    """Two programs compute it, over averages, pairs and single particles."""
    weak = noisy_dataset(Spring(), 1e-3, 12).weak_form
    assert weak is not None
    law = ForceLaw(
        (
            Term("pair", "radial", Expression.parse("a*(r - b)"), {"a": Constant(-1.9), "b": Constant(0.9)}),
            Term("self", "velocity", Expression.parse("-c*v"), {"c": Constant(0.1)}),
        ),
        divides_by_mass=True,
    )
    model = ParametricLaw(law, 4)
    problem = LeastSquaresProblem(model, TermEvaluator(weak), inverse_force_weights(weak, force_scale(weak)).T)
    with jax.enable_x64(True):
        assert float(differentiable_cost(problem)(model.start)) == pytest.approx(problem.cost(model.start), rel=1e-9)


def test_a_posterior_without_its_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "numpyro.infer", None)
    with pytest.raises(UsageError, match=r"gnn-discovery\[posterior\]"):
        require_engines(DiscoverConfig(errors="posterior"))
    with pytest.raises(UsageError, match="jackknife"):
        DiscoverConfig(errors="guessed")
