"""The sums that kicked motion is compressed to say of a law what all of its increments say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gnn_discovery.data.dataset import Dataset, IncrementObservation
from gnn_discovery.estimation import increment_statistics
from gnn_discovery.estimation.compressed_problem import CompressedProblem, compress, mean_squares_under_kicks
from gnn_discovery.estimation.errors_in_variables import errors_in_variables_bias
from gnn_discovery.estimation.jackknife import jackknife
from gnn_discovery.estimation.least_squares import LeastSquaresProblem, minimise
from gnn_discovery.estimation.parametric_law import ParametricLaw
from gnn_discovery.estimation.refit import refit
from gnn_discovery.estimation.residual_weights import force_scale, kick_weights, relative_errors
from gnn_discovery.laws.channels import separate
from gnn_discovery.laws.evaluate import predict_with_law
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.parser import parse_law
from gnn_discovery.laws.term_evaluator import TermEvaluator
from gnn_discovery.symbolic.expression import Expression

CHARGED = "1.5*q_i*q_j*exp(-r/0.7)*(1/r + 1/0.7)/r; external radial: -0.8*r; self velocity: -0.5*m_i"
"""A law of the expressions below at constants from which motion is drawn."""
FITTED = "a*q_i*q_j*exp(-r/l)*(1/r + 1/l)/r; external radial: -t*r; self velocity: -g*m_i"
START = {"a": 1.3, "l": 0.8, "t": 0.7, "g": 0.6}


def kicked(form: str, *, runs: int = 20, frames: int = 40, noise: bool = False) -> Dataset:
    """Return increments of five particles with charges and masses, of which the last is absent in half of the runs."""
    rng = np.random.default_rng(0)
    shape = (runs * frames, 5)
    run = np.repeat(np.arange(runs), frames)
    receivers, senders = np.nonzero(~np.eye(5, dtype=bool))
    present = np.ones(shape, dtype=bool)
    present[run % 2 == 1, 4] = False
    properties = {
        "m": np.broadcast_to([0.5, 1.0, 1.5, 2.0, 1.0], shape),
        "q": rng.choice([-1.0, 0.5, 1.0], shape) + 0.1 * rng.normal(size=shape),
    }
    data = Dataset(
        positions=rng.normal(size=(*shape, 2)),
        velocities=rng.normal(size=(*shape, 2)),
        target=np.zeros((*shape, 2)),
        properties=properties,
        present=present,
        run=run,
        times=np.tile(np.arange(frames, dtype=float), runs),
        senders=senders,
        receivers=receivers,
        cutoff=3.0,
        observation=IncrementObservation(variance=4.0, delay=0.01, diffusion=0.1, diffusion_std=0.001),
        noise_realisation=0.005 * rng.normal(size=(3, *shape, 2)) if noise else None,
    )
    force = predict_with_law(replace(parse_law(form), divides_by_mass=True), data)
    kicks = rng.normal(size=force.shape) * np.sqrt(data.target_variance)[..., None]
    return replace(data, target=(force + kicks) * present[..., None])


def start(form: str, values: dict[str, float]) -> ForceLaw:
    law = parse_law(form)
    terms = tuple(
        replace(t, constants={k: replace(c, value=values[k]) for k, c in t.constants.items()}) for t in law.terms
    )
    return replace(law, terms=terms, divides_by_mass=True)


def both(law: ForceLaw, data: Dataset) -> tuple[CompressedProblem, LeastSquaresProblem]:
    model = ParametricLaw(law, 5)
    compressed = compress(model, data)
    assert compressed is not None
    return compressed, LeastSquaresProblem(model, TermEvaluator(data), kick_weights(data).T)


def test_sums_give_the_cost_constants_and_errors_of_all_rows():
    data, law = kicked(CHARGED), start(FITTED, START)
    compressed, rows = both(law, data)
    assert compressed.evaluator.n_snapshots < 120 < 1000 < np.count_nonzero(data.target_mask)
    for stretch in (1.0, 0.8, 1.3):
        theta = stretch * rows.model.start
        assert compressed.cost(theta) == pytest.approx(rows.cost(theta), rel=1e-8)
    (best, _), (expected, _) = minimise(compressed, rows.model.start), minimise(rows, rows.model.start)
    (_, covariance), (_, expected_covariance) = jackknife(compressed, best), jackknife(rows, expected)
    std = np.sqrt(np.diag(expected_covariance))
    assert best == pytest.approx(expected, abs=1e-3 * std.min())
    assert np.abs(covariance - expected_covariance).max() < 1e-5 * np.diag(expected_covariance).max()
    assert expected == pytest.approx([1.5, 0.7, 0.8, 0.5], abs=4 * std.max())
    fitted = refit(law, data).law
    for term, value, error in zip(
        fitted.terms, (best[:2], best[2:3], best[3:]), (std[:2], std[2:3], std[3:]), strict=True
    ):
        found = list(term.constants.values())
        assert [c.value for c in found] == pytest.approx(value, rel=1e-6)
        assert [c.std for c in found] == pytest.approx(error, rel=1e-4)


def test_the_residual_of_each_run_is_that_of_its_rows():
    data, law = kicked(CHARGED), start(FITTED, START)
    squares = mean_squares_under_kicks(law, data)
    each = relative_errors(law, data, force_scale(data))
    expected = [each[data.run == r].sum() / np.count_nonzero(data.target_mask[data.run == r]) for r in range(20)]
    assert squares == pytest.approx(expected, rel=1e-6)
    nothing = replace(law, terms=())
    assert np.average(mean_squares_under_kicks(nothing, data)) > np.average(squares)


def test_channels_of_earlier_laws_may_be_forgotten(monkeypatch):
    data = kicked(CHARGED)
    laws = [start("a*exp(-r/l)", START), start("-g*v_r; external x: -t*x", START)]
    every = [mean_squares_under_kicks(law, data) for law in (*laws, *laws)]
    monkeypatch.setattr(increment_statistics, "MAX_ENTRIES", 1)
    data = replace(data)
    again = [mean_squares_under_kicks(law, data) for law in (*laws, *laws)]
    assert len(data.derived["increment statistics"].loads) == 2
    assert np.array(again) == pytest.approx(np.array(every), rel=1e-9)


def test_the_bias_by_errors_of_position_is_that_of_rows():
    data, law = kicked(CHARGED, noise=True), start(FITTED, START)
    compressed, rows = both(law, data)
    theta, scale = rows.model.start, force_scale(data)
    expected, found = (errors_in_variables_bias(problem, theta, scale).sum(axis=0) for problem in (rows, compressed))
    hessian = rows.normal_equations_by_run(rows.jacobian(theta), rows.residual(theta))[0].sum(axis=0)
    size = np.sqrt(np.diag(hessian))
    assert np.abs(expected / size).max() > 1
    assert (found - expected) / size == pytest.approx(np.zeros(4), abs=1e-3)


@pytest.mark.parametrize(
    "form",
    [
        "-c0*(r - c1)**2 + c2*v_r/r",
        "(c0*q_j + m_i/m_j)*(exp(-r/c1) + c2)*q_i",
        "c0*v_r*q_j/(r + c1)**3 - c2*m_i*m_j",
        "c0*exp(-c1*v_r) + c2*r**1.5",
    ],
)
def test_a_separable_term_is_the_sum_of_its_profiles_times_factors(form):
    (term,) = parse_law(form).terms
    parts, rng = separate(term), np.random.default_rng(1)
    assert parts is not None
    values = {name: rng.uniform(0.5, 2.0, 7) for name in sorted(term.expression.names)}

    def of(expression: Expression) -> np.ndarray:
        names = sorted(expression.names)
        return expression.numpy(names)(*(values[name] for name in names)) if names else expression.numpy([])()

    assert sum(of(channel.factor) * of(profile) for channel, profile in parts) == pytest.approx(of(term.expression))
    for channel, profile in parts:
        assert not channel.factor.names & term.constants.keys()
        assert profile.names <= term.constants.keys() | {channel.variable}


@pytest.mark.parametrize(
    "form",
    ["c0*q_j**c1/r", "c0*exp(-(r + v_r)/c1)", "Piecewise((c0, r < c1), (0, True))", "c0*q_j/(r + c1*m_i)"],
)
def test_a_term_that_mixes_constants_with_several_variables_is_not_separable(form):
    (term,) = parse_law(form).terms
    assert separate(term) is None


@pytest.mark.parametrize(
    ("form", "true", "values"),
    [
        ("a*m_j**p/r", "1.5*m_j**1.7/r", {"a": 1.2, "p": 1.5}),
        ("a*exp(-((r - 1)/w)**2)", "8*exp(-((r - 1)/0.02)**2)", {"a": 6.0, "w": 0.025}),
    ],
    ids=["a power of a property", "a shell that is thinner than the nodes are apart"],
)
def test_a_law_that_sums_cannot_tell_is_fitted_to_rows(form, true, values):
    data, law = kicked(true), start(form, values)
    assert mean_squares_under_kicks(law, data) is None
    rows = LeastSquaresProblem(ParametricLaw(law, 5), TermEvaluator(data), kick_weights(data).T)
    best, _ = minimise(rows, rows.model.start)
    covariance = jackknife(rows, best)[1]
    found = list(refit(law, data, n_starts=0).law.terms[0].constants.values())
    assert [c.value for c in found] == pytest.approx(best, rel=1e-5)
    assert [c.std for c in found] == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-4)
    truth = [1.5, 1.7] if "m_j" in form else [8.0, 0.02]
    assert best == pytest.approx(truth, abs=4 * np.sqrt(np.diag(covariance)).max())
