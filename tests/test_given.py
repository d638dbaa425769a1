"""Terms that the user knows: what they leave is found, and the verdict is on both parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from worlds import SPRING, halves, radial, size, spring, world

from gnn_discovery.distillation import DistillationResult
from gnn_discovery.errors import UsageError
from gnn_discovery.estimation.residual_weights import force_scale, mean_relative_error
from gnn_discovery.laws.parser import parse_law
from gnn_discovery.laws.serialisation import from_dict, to_dict
from gnn_discovery.pipeline import DiscoverConfig, Session, check_law, discover, select_on_motion, subtract_known_terms
from gnn_discovery.pipeline.known_terms import (
    KNOWN_TERMS_MATCH,
    fit_known_terms,
    prepend_known_terms,
    shift_network_prediction,
    subtract_law,
    verdict_with_known_terms,
)
from gnn_discovery.pipeline.stages import is_consistent_with_no_force
from gnn_discovery.simulators import SimulationConfig
from gnn_discovery.validation.decision import NO_INTERACTION
from gnn_discovery.validation.verdict import CheckId, Verdict

GRAVITY = "pair radial: -m_i*m_j/(r + 0.1)**2"
FREE = "-G*m_i*m_j/(r + 0.1)**2"
FIXED, FITTED = Session(DiscoverConfig(known=GRAVITY)), Session(DiscoverConfig(known=FREE))
PLAIN = Session()


def gravity(x, v, p):
    return radial(lambda r, p: -p["m_i"] * p["m_j"] / (r + 0.1) ** 2)(x, v, p)


def both(x, v, p):
    return gravity(x, v, p) + spring(x, v, p)


ALONE, BOTH, SPRINGS = (halves(world(pair)) for pair in (gravity, both, spring))


def candidates(*texts: str) -> DistillationResult:
    """What a search might offer for the rest."""
    return DistillationResult(tuple(parse_law(text, 2, True) for text in texts), (), "offered by hand")


def test_what_is_known_leaves_the_motion_of_the_rest():
    springs = subtract_known_terms(BOTH, FIXED)
    np.testing.assert_allclose(springs.residual.train.target, SPRINGS.train.target, rtol=1e-9, atol=1e-9)
    nothing = subtract_known_terms(ALONE, FIXED)
    assert is_consistent_with_no_force(nothing, FIXED) and not is_consistent_with_no_force(springs, FIXED)


def test_noise_is_the_larger_a_part_of_what_is_left():
    noisy = replace(BOTH, train=replace(BOTH.train, noise=1e-3))
    rest = subtract_known_terms(noisy, FIXED).residual.train
    sizes = [np.median(size(part.target)) for part in (BOTH.train, rest)]
    assert rest.noise == pytest.approx(1e-3 * sizes[0] / sizes[1])


@pytest.mark.parametrize("session", [FIXED, FITTED], ids=["fixed", "fitted"])
def test_the_rest_is_chosen_beside_the_given_terms(session):
    """Constants without a value are first fitted as if the spring were not there, then together with it."""
    known = fit_known_terms(BOTH, session)
    offered = prepend_known_terms(known, candidates("-a*r", "-a*(r - b)", "-a/r**2", "-a*(r - b) - c*m_i*m_j"))
    law = select_on_motion(offered.laws, BOTH, session).law
    (given,), (rest,) = law.known_terms.terms, law.discovered_terms.terms
    assert rest.expression.names - set(rest.constants) == {"r"}
    r = np.linspace(0.2, 4.0, 9)
    names = sorted(rest.expression.names)
    values = {**{name: c.value for name, c in rest.constants.items()}, "r": r}
    np.testing.assert_allclose(
        rest.expression.numpy(names)(*(values[n] for n in names)), -SPRING[0] * (r - SPRING[1]), rtol=1e-6, atol=1e-6
    )
    if session is FITTED:
        assert abs(known.terms[0].constants["G"].value - 1) > 1e-3
        assert given.constants["G"].value == pytest.approx(1.0, rel=1e-6)
    left = subtract_law(law.known_terms, BOTH)
    learnt = shift_network_prediction(lambda part: subtract_law(known, BOTH).train.target, known, law.known_terms)
    np.testing.assert_allclose(learnt(BOTH.train), left.train.target, atol=1e-9)


def test_a_known_rest_is_known_and_an_unknown_one_is_shown_beside_what_was_given():
    law = prepend_known_terms(fit_known_terms(BOTH, FIXED), candidates("-2*(r - 0.99)")).laws[0]
    validation, verdict = check_law(law, subtract_known_terms(BOTH, PLAIN), PLAIN)
    fit = validation.fit
    assert (verdict.status, verdict.match) == ("known", f"{KNOWN_TERMS_MATCH} + Hooke spring with rest length")
    assert "(given)" in verdict.reason and fit.law_error[0] < 1e-9
    odd = replace(law, terms=(law.terms[0], *parse_law("-2*(r - 0.99)**3", 2, True).terms))
    said = verdict_with_known_terms(Verdict("candidate", None, (), "no known law is the same", ()), odd, BOTH, PLAIN)
    assert (said.status, said.match) == ("candidate", None)
    assert said.reason.startswith(
        "beside the given terms, m_i a_i = sum_j [-m_i m_j/(r + 0.1)^2] r_hat (given): no known"
    )


def test_an_error_of_the_rest_is_not_hidden_behind_what_is_given():
    """A rest of which a tenth is wrong is wrong, however large the given force is beside it."""
    law = prepend_known_terms(fit_known_terms(BOTH, FIXED), candidates("-1.8*(r - 0.99)")).laws[0]
    validation, verdict = check_law(law, subtract_known_terms(BOTH, PLAIN), PLAIN)
    fit = validation.fit
    assert verdict.status == "inconclusive" and fit.law_error[0] == pytest.approx(0.1, rel=1e-6)


def test_a_written_law_and_its_rivals_are_measured_on_held_out_motion():
    """Runs to fit to are exact, those held out carry noise: that is then the error of the law."""
    chance = 1 + 0.01 * np.random.default_rng(0).normal(size=SPRINGS.test.target.shape)
    data = replace(
        SPRINGS,
        train=replace(SPRINGS.train, noise=0.01),
        test=replace(SPRINGS.test, target=SPRINGS.test.target * chance),
    )
    law = parse_law("-2*(r - 0.99)", 2, True)
    _, verdict = check_law(law, subtract_known_terms(data, PLAIN), PLAIN)
    better = next(c for c in verdict.checks if c.id == CheckId.BETTER_THAN_KNOWN_LAWS)
    expected = mean_relative_error(law, data.test, force_scale(data.train))
    assert verdict.status == "known" and expected > 1e-3
    assert f"{expected:.2g}," in better.detail


def test_where_nothing_is_left_the_law_is_what_was_given():
    config = DiscoverConfig(known="-2*(r - 0.99)", simulation=SimulationConfig(runs=8, frames=10))
    found = discover("spring", config)
    assert (found.verdict.status, found.verdict.match) == ("known", KNOWN_TERMS_MATCH)
    assert "nothing is left" in found.verdict.reason and found.law.discovered_terms.terms == ()
    unseen = Verdict("inconclusive", NO_INTERACTION, (), "no force is seen", ())
    wrong = verdict_with_known_terms(unseen, fit_known_terms(BOTH, FIXED), BOTH, FIXED)
    assert wrong.status == "inconclusive" and "no law was found for what the given terms leave" in wrong.reason


def test_a_given_term_stays_given_in_a_file_and_in_a_config():
    law = fit_known_terms(BOTH, FITTED)
    assert from_dict(to_dict(law)).known_terms.terms == law.terms
    assert DiscoverConfig.from_dict(FITTED.config.to_dict()) == FITTED.config
    with pytest.raises(UsageError, match="kind and direction"):
        DiscoverConfig(known="sideways: -r")


@pytest.mark.parametrize(
    "text", ["self velocity: -0.5", "self transverse: b", "pair radial: -v_r", "pair velocity: 1/r"]
)
def test_a_law_of_velocities_cannot_depend_on_them(text):
    assert DiscoverConfig(order=2, known=text).known == text
    with pytest.raises(UsageError, match="a law of order 1 states them"):
        DiscoverConfig(order=1, known=text)
