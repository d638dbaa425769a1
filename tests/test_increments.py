"""Motion that is kicked: increments tell diffusion, errors of position, and the force, which kicks hide."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from gnn_discovery import Constant, ForceLaw, Trajectory
from gnn_discovery.data.dataset import (
    assemble_dataset,
    explained_square,
    relative_square_left,
    split_by_run,
    trace_paths,
)
from gnn_discovery.data.differentiation import kick_moments
from gnn_discovery.estimation.refit import refit
from gnn_discovery.laws.evaluate import predict_with_law
from gnn_discovery.laws.parser import parse_law
from gnn_discovery.laws.serialisation import from_dict, to_dict
from gnn_discovery.pipeline import DiscoverConfig, Session, check_law, prepare_motion, select_on_motion
from gnn_discovery.validation.accuracy import check_step

DIFFUSION = 0.05


def trapped(rate: float, step: float, *, error: float = 0.0, runs: int = 40, frames: int = 200) -> list[Trajectory]:
    """Return five particles in a harmonic trap, each by the exact solution of Ornstein and Uhlenbeck."""
    rng, decay = np.random.default_rng(0), np.exp(-rate * step)
    x = rng.normal(0, np.sqrt(DIFFUSION / rate), (runs, 5, 2))
    kept = []
    for _ in range(frames):
        kept.append(x + error * rng.normal(size=x.shape))
        x = decay * x + np.sqrt(DIFFUSION / rate * (1 - decay**2)) * rng.normal(size=x.shape)
    return [Trajectory(run, step * np.arange(frames)) for run in np.stack(kept, 1)]


def springs(runs: int, stiffness: float = 2.0, rest: float = 1.0) -> list[Trajectory]:
    """Return four particles that springs tie to each other, in steps of a tenth of that between frames."""
    rng, step, kept = np.random.default_rng(1), 1e-3, []
    x = rng.normal(size=(runs, 4, 2))
    for k in range(2000):
        if k % 10 == 0:
            kept.append(x)
        d = x[:, :, None] - x[:, None]
        r = np.linalg.norm(d, axis=-1, keepdims=True) + np.eye(4)[..., None]
        x = (
            x
            - stiffness * step * ((1 - rest / r) * d).sum(2)
            + np.sqrt(2 * DIFFUSION * step) * rng.normal(size=x.shape)
        )
    return [Trajectory(run, 0.01 * np.arange(200)) for run in np.stack(kept, 1)]


def rate_of(law: ForceLaw) -> tuple[float, float]:
    (constant,) = law.terms[0].constants.values()
    assert constant.std is not None
    return constant.value, constant.std


@pytest.mark.parametrize("rate", [1e-3, 5.0])
@pytest.mark.parametrize("error", [0.0, 0.02])
def test_kicks_and_errors_of_position_are_told_apart_whatever_the_force(rate, error):
    found = kick_moments(trapped(rate, 0.01, error=error), 0.01)
    assert found.diffusion == pytest.approx(DIFFUSION, abs=4 * found.diffusion_std, rel=0.03)
    assert found.diffusion_std < 0.05 * DIFFUSION
    assert found.position_variance == pytest.approx(error**2, rel=0.15, abs=0.0)
    assert found.increment_variance == pytest.approx(2 * (DIFFUSION * 0.01 + found.position_variance), rel=0.03)


def test_the_library_sees_the_force_under_kicks_and_none_where_there_is_none():
    data = assemble_dataset(trapped(5.0, 0.01), 1)
    assert data.observation.kind == "increments" and data.noise > 0.9
    force, error = explained_square(data)
    assert force == pytest.approx(5.0 * DIFFUSION, abs=4 * error)  # <(k x)^2> = k D
    nothing, error = explained_square(assemble_dataset(trapped(1e-6, 0.01), 1))
    assert nothing < 3 * error


@pytest.mark.parametrize("error", [0.0, 0.01])
def test_the_rate_of_a_trap_is_right_to_the_second_order_of_the_step(error):
    """Without the motion in a step, a regression gives (1 - e^(-k h)) / h, and an increment later e^(-k h) of that."""
    step, decay = 0.02, np.exp(-0.1)
    split = split_by_run(assemble_dataset(trapped(5.0, step, error=error, runs=60), 1))
    law = parse_law("external radial: -k*r", order=1)
    slow = refit(law, split.whole(), n_starts=0).law
    value, std = rate_of(slow)
    lagged = decay * DIFFUSION / 5 / (DIFFUSION / 5 + error**2) if error else 1.0
    assert value == pytest.approx((1 - decay) / step * lagged, abs=3 * std)
    for _ in range(4):
        split = trace_paths(split, partial(predict_with_law, law))
        law = refit(law, split.weak_form().whole(), n_starts=0).law
    value, std = rate_of(law)
    assert value == pytest.approx(5.0, abs=3 * std, rel=0.02) and std < 0.1
    (check,) = check_step(law, split.train)
    assert check.figure == pytest.approx(value * step * (1.5 if error else 0.5)) and check.passed is (not error)


def test_the_law_of_springs_is_selected_under_kicks_and_a_wrong_one_refuted():
    session = Session(DiscoverConfig())
    motion = prepare_motion(springs(60), session)
    assert motion.order_selection is not None and motion.order_selection.order == 1
    forms = ["-k*(r - c)", "k/r", "-k*r", "-k*(r - c) - b*(r - c)**3"]
    selected = select_on_motion([parse_law(form, order=1) for form in forms], motion.dataset, session).law
    (term,) = selected.terms
    near, far = term.expression.numpy(["r", *term.constants])(
        np.array([0.5, 2.5]), *(constant.value for constant in term.constants.values())
    )
    stiffness, rest = (near - far) / 2, 0.5 + 2 * near / (near - far)
    assert "**" not in term.expression.text, selected
    assert stiffness == pytest.approx(2.0, rel=0.1) and rest == pytest.approx(1.0, rel=0.02), selected
    for form, explains in (("-2*(r - 1)", True), ("-2*(r - 1.3)", False)):
        validation, verdict = check_law(parse_law(form, order=1), motion, session)
        assert validation.fit.law_error[0] is not None
        passed = {check.id: check.passed for check in verdict.checks}["explains_motion"]
        assert passed is explains, verdict


def test_a_law_says_its_diffusion_and_keeps_it():
    law = ForceLaw((), order=1, diffusion=Constant(0.05, 3e-4, "um^2/s"))
    law = ForceLaw(parse_law("external radial: -2*r", order=1).terms, order=1, diffusion=law.diffusion)
    assert str(law).endswith("+ sqrt(2 D) xi_i, D = 0.0500(3)")
    assert from_dict(to_dict(law)) == law


def test_the_library_sees_what_a_prediction_lacks_beside_errors_of_the_target():
    """A trap that is a fifth too weak leaves (1/4)^2 of what it says, a right one nothing, whatever the errors."""
    rng = np.random.default_rng(4)
    x, v = rng.normal(size=(2, 60, 40, 5, 2))
    force = -3.0 * x
    errors = 2.0 * rng.normal(size=x.shape)
    runs = [Trajectory(x[k], 0.1 * np.arange(40), v[k], (force + errors)[k]) for k in range(60)]
    data = assemble_dataset(runs, 2)
    truth = -3.0 * data.positions
    labels = np.unique(data.run)
    left, error = relative_square_left(data, truth, labels)
    assert -0.03 < left < 3 * error and error < 0.01  # what is fitted to errors makes held-out runs worse
    left, error = relative_square_left(data, 0.8 * truth, labels)
    assert left == pytest.approx(0.25**2, abs=0.02)
    far, error_of_few = relative_square_left(data, 0.8 * truth, labels[:10])
    assert far == pytest.approx(0.25**2, abs=0.02 + 3 * error_of_few) and error_of_few > error
