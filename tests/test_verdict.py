"""The verdict: what is asked of a known law, of a candidate, and how doubt is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from written_laws import DATA, EXACT, GRAVITY, SPRING, STEP, law, moved, snapshots, term

from gnn_discovery.catalogue.equivalence import same_law
from gnn_discovery.catalogue.known_law import load_catalogue
from gnn_discovery.criteria import Criteria, VerdictCriteria
from gnn_discovery.data.dataset import Dataset, OrderSelection
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.validation.accuracy import check_order, check_pairwise_additivity
from gnn_discovery.validation.decision import (
    NO_INTERACTION,
    JudgeContext,
    ValidationResults,
    decide,
    judge,
    needs_replication,
    run_validation,
)
from gnn_discovery.validation.dimensions import check_dimensions
from gnn_discovery.validation.model_comparison import (
    ModelComparison,
    check_better_than_known_laws,
    indistinguishable_laws,
)
from gnn_discovery.validation.stability import (
    SearchReplication,
    check_engine_agreement,
    check_resampling_stability,
    check_search_replication,
)
from gnn_discovery.validation.verdict import Check, CheckId, MeasuredLaw, Verdict

AGREE = SearchReplication(3, 3, 3)


def outcomes(verdict: Verdict) -> dict[CheckId, bool | None]:
    return {check.id: check.passed for check in verdict.checks}


def test_rivals_of_a_sum_differ_from_it_in_one_part():
    """Springs in a trap: were the next best law put in the place of both, a wrong pair law would have no rival."""
    sum_of_two = law(SPRING, term("-0.8*r", "external"))
    results = run_validation(sum_of_two, DATA)
    assert results is not None and results.catalogue_comparison.matched
    spring, trap = results.catalogue_comparison.match.split(" + ")
    assert results.model_comparison.others
    for other in results.model_comparison.others:
        assert len({spring, trap} & set(other.name.split(" + "))) == 1, other.name


def test_no_interaction():
    blind = replace(EXACT, network_error=(1.0, 1.0), noise=0.7, force_limit=3e-4)
    verdict = judge(law(), DATA, blind)
    assert (verdict.status, verdict.match) == ("inconclusive", NO_INTERACTION)
    assert "0.0003" in verdict.reason


@pytest.fixture(scope="module")
def gravity() -> ValidationResults | None:
    return run_validation(law(GRAVITY), DATA)


@pytest.mark.parametrize(
    ("context", "status"),
    [
        (JudgeContext((0.02, 0.02)), "inconclusive"),  # exact data, not explained
        (JudgeContext((0.02, 0.02), noise=0.02), "known"),
        (JudgeContext((0.2, 0.2), noise=0.02), "inconclusive"),
        (JudgeContext((1e-6, 0.3)), "inconclusive"),  # wrong outside the range of training
        (JudgeContext((0.008, 0.008), (1e-4, 1e-4)), "inconclusive"),  # the network sees more than the law
        (JudgeContext((1e-6, None), (None, None)), "known"),
        (JudgeContext((None, None)), "inconclusive"),
    ],
)
def test_a_law_that_does_not_explain_the_motion_is_never_known(gravity, context, status):
    assert decide(gravity, context).status == status


def test_forces_that_do_not_add_up_are_said_so(gravity):
    """Where an unconstrained network does no better, it is the training or the search that has failed."""
    context = JudgeContext((0.4, 0.4), (0.4, 0.4))
    for unconstrained, additive in ((0.14, False), (0.26, True)):
        check = check_pairwise_additivity(0.27, unconstrained)
        assert (check.id, check.passed) == (CheckId.PAIRWISE_ADDITIVITY, additive)
        verdict = decide(gravity, replace(context, observed=(check,)))
        assert (verdict.status, verdict.match) == ("inconclusive", None)
        assert (check.detail in verdict.reason) is not additive


def test_uncertain_constants_make_nothing_known():
    assert judge(law(term(SPRING, std=0.2)), DATA, EXACT).status == "inconclusive"


def test_a_faint_term_is_not_established():
    verdict = judge(law(SPRING, term("-0.001", "self", "velocity")), DATA, EXACT)
    assert verdict.status == "inconclusive"
    assert "below 1%" in verdict.reason


@pytest.mark.parametrize("text", ["-m_i*m_j/r**1.5", "-2*r**0.8"])
def test_a_law_that_no_book_has_is_a_candidate(text):
    found = law(text)
    assert judge(found, moved(found, DATA), replace(EXACT, seeds=AGREE)).status == "candidate"


def test_candidate_needs_every_proof():
    found = law(STEP)
    data = moved(found, DATA)
    agreed = replace(EXACT, seeds=AGREE)
    findings = run_validation(found, data)
    verdict = decide(findings, agreed)
    assert verdict.status == "candidate"
    assert outcomes(verdict)[CheckId.DIMENSIONS] is None
    assert needs_replication(findings, EXACT)
    assert not needs_replication(findings, agreed)
    for lacking in (
        replace(agreed, seeds=None),
        replace(agreed, seeds=SearchReplication(1, 1, 1)),
        replace(agreed, seeds=SearchReplication(3, 2, 2)),
        replace(agreed, observed=(check_resampling_stability(0.85),)),
        replace(agreed, network_error=(None, None)),
        replace(agreed, network_error=(1e-2, None)),
        replace(agreed, law_error=(1e-6, 0.025)),
        replace(agreed, law_error=(0.4, 0.4), network_error=(0.5, 0.5)),
    ):
        assert decide(findings, lacking).status == "inconclusive"


def test_searches_that_miss_the_law_and_prefer_it_when_offered():
    """The figure is the share that finds it; one that prefers its own law is against it."""
    found = run_validation(law(STEP), moved(law(STEP), DATA))
    missed, against = SearchReplication(3, 1, 3), SearchReplication(3, 2, 2)
    verdict = decide(found, replace(EXACT, seeds=missed))
    assert verdict.status == "candidate" and outcomes(verdict)[CheckId.SEARCH_REPLICATION]
    assert decide(found, replace(EXACT, seeds=against)).status == "inconclusive"
    said = check_search_replication(missed)
    assert (said.passed, said.figure) == (True, pytest.approx(1 / 3))
    assert said.detail == "found by 1 of 3 searches; preferred by all 3 when offered"
    assert check_search_replication(against).detail == "found by 2 of 3 searches; preferred by 2 when offered"


def test_known_law_needs_no_other_seed():
    assert not needs_replication(run_validation(law(GRAVITY), moved(law(GRAVITY), DATA)), EXACT)


def test_not_better_than_a_known_law_is_no_candidate():
    truth = law(GRAVITY)
    found = law("-m_i*m_j/r**1.97")
    verdict = judge(found, moved(truth, DATA), replace(EXACT, seeds=AGREE))
    assert verdict.status == "inconclusive"
    assert outcomes(verdict)[CheckId.BETTER_THAN_KNOWN_LAWS] is False


def test_known_laws_are_measured_on_motion_that_they_were_not_fitted_to():
    """Known laws that follow an attraction far out, which is no power of r, are off near by; the law itself is not."""
    found, far, near = law("-m_i*m_j/(r + 0.3)**1.9"), snapshots("m", wide=3.0, least=2.0), snapshots("m", wide=0.5)
    findings = run_validation(found, moved(found, far), test=moved(found, far), extreme=moved(found, near))
    assert findings is not None and findings.model_comparison.matched_law is None
    assert findings.model_comparison.count > 20
    assert findings.model_comparison.law.error == (0.0, 0.0)
    best = findings.model_comparison.others[0]
    assert 1e-5 < best.error[0] < 0.03 and best.error[1] > 10 * best.error[0]
    assert [m.relative[0] for m in findings.model_comparison.others] == sorted(
        m.relative[0] for m in findings.model_comparison.others
    )
    assert decide(findings, replace(EXACT, seeds=AGREE)).status == "candidate"


def test_the_rivals_of_a_known_law_are_the_others():
    findings = run_validation(law(GRAVITY), moved(law(GRAVITY), DATA))
    assert findings is not None and findings.model_comparison.matched_law is not None
    assert findings.model_comparison.matched_law.name == "Newtonian gravity, softened r + c"
    assert findings.model_comparison.matched_law.error[0] < 1e-9
    others = {m.name: m.error[0] for m in findings.model_comparison.others}
    assert min(others.values()) > 0.05 and "Plummer-softened gravity" in others


def test_a_law_that_fails_outside_its_range_is_not_better_than_known_ones():
    def trial(law: tuple[float, float], known: tuple[float, float]) -> ModelComparison:
        return ModelComparison(
            MeasuredLaw("the law found", law, law), None, (MeasuredLaw("a known law", known, known),), 40
        )

    assert check_better_than_known_laws(trial((0.01, 0.1), (0.1, 0.2))).passed
    assert not check_better_than_known_laws(trial((0.01, 0.5), (0.1, 0.2))).passed
    assert not check_better_than_known_laws(trial((0.099, 0.1), (0.1, 0.2))).passed
    assert check_better_than_known_laws(
        ModelComparison(MeasuredLaw("the law found", (0.1, None), (0.1, None)), None, (), 0)
    ).passed


def test_laws_that_follow_held_out_motion_equally_well_are_named():
    """To a hundredth of the error; nothing is said by a law that does not follow the motion at all."""

    def trial(own: float, **others: float) -> ModelComparison:
        known = tuple(MeasuredLaw(name, (error, None), (error, None)) for name, error in others.items())
        return ModelComparison(MeasuredLaw("the law found", (own, None), (own, None)), None, known, 40)

    assert indistinguishable_laws(trial(0.25, nearer=0.249, alike=0.252, worse=0.26)) == ("nearer", "alike")
    assert indistinguishable_laws(trial(0.25, worse=0.26)) == ()
    assert indistinguishable_laws(trial(0.95, alike=0.95)) == ()


@pytest.mark.parametrize(("spread", "status"), [(0.03, "inconclusive"), (0.9, "known")])
def test_two_laws_of_crawling_cells_are_told_apart_only_far_from_the_speed_that_they_keep(spread, status):
    """Near v = u both are a friction in v - u: 1 - (v/u)^2 = -2 (v - u)/u and u/v - 1 = -(v - u)/u, to first order.

    At speeds u (1 +- w) they differ by about w of the force, which noise of a quarter of it hides in squares.
    """
    found, away = law(term("1/v - 1", "self", "velocity"), masses=False), snapshots()
    rng = np.random.default_rng(0)

    def motion(data: Dataset) -> Dataset:
        v = data.velocities / np.linalg.norm(data.velocities, axis=-1, keepdims=True)
        crawling = moved(found, replace(data, velocities=v * (1 + spread * rng.uniform(-1, 1, v.shape[:2])[..., None])))
        noise = 0.2 * np.sqrt(np.mean(crawling.target**2)) * rng.normal(size=v.shape)
        return replace(crawling, target=crawling.target + noise)

    findings = run_validation(found, motion(away), test=motion(away))
    verdict = decide(findings, JudgeContext((0.25, None), noise=0.25))
    assert verdict.status == status
    both = {"Schienbein-Gruler friction", "Rayleigh-Helmholtz friction"}
    if status == "known":
        assert verdict.match == "Schienbein-Gruler friction"
    else:
        assert set(verdict.alternatives) >= both and "cannot be told apart in this range" in verdict.reason


def test_a_law_that_contains_the_match_is_no_rival_of_it():
    """An exponential attraction of long range follows noisy motion under a constant one as well."""
    found, rng = law("-0.3"), np.random.default_rng(1)

    def motion() -> Dataset:
        exact = moved(found, DATA)
        return replace(exact, target=exact.target + 0.1 * rng.normal(size=exact.target.shape))

    findings = run_validation(found, motion(), test=motion())
    assert findings is not None and findings.model_comparison.matched_law is not None
    assert (
        findings.model_comparison.matched_law.name
        == "linear confinement"
        in load_catalogue()["exponential attraction"].limits
    )
    assert not {"exponential attraction", "depletion attraction"} & {m.name for m in findings.model_comparison.others}


def test_the_wording_of_a_check_decides_nothing():
    """Labels and details are exchanged, and each verdict stays: what counts is the id, the role and the outcome."""

    def reworded(*checks: Check) -> tuple[Check, ...]:
        return tuple(replace(check, label="a test", detail="some words") for check in checks)

    found = law(STEP)
    results = run_validation(found, moved(found, DATA))
    assert results is not None
    other = replace(results, law_checks=reworded(*results.law_checks))
    agreed = replace(EXACT, seeds=AGREE)
    for observed in ((), (check_resampling_stability(0.85),), (check_pairwise_additivity(0.27, 0.14),)):
        first = decide(results, replace(agreed, observed=observed))
        second = decide(other, replace(agreed, observed=reworded(*observed)))
        assert first.status == second.status and outcomes(first) == outcomes(second)
        assert (first.status == "candidate") is (not observed)


@pytest.mark.parametrize("status", ["determined", "assumed", "ambiguous"])
def test_motion_that_does_not_tell_its_order_has_no_confident_verdict(gravity, status):
    context = replace(EXACT, observed=check_order(OrderSelection(2, status, "half of it is unexplained")))
    verdict = decide(gravity, context)
    assert verdict.status == ("inconclusive" if status == "ambiguous" else "known")
    assert ("inertia: half of it is unexplained" in verdict.reason) is (status == "ambiguous")
    assert any(check.id is CheckId.ORDER for check in verdict.checks)


def test_the_criteria_decide_the_verdict(gravity):
    tolerant = Criteria(verdict=VerdictCriteria(max_unexplained=0.05))
    context = JudgeContext((0.02, 0.02))
    assert decide(gravity, context).status == "inconclusive"
    assert decide(gravity, context, criteria=tolerant).status == "known"


def test_same_law():
    a, b = law(STEP), law("Piecewise((0, r < 1.9897), (-2.0002*(r - 0.99), True))")
    assert same_law(a, b, DATA)
    assert not same_law(a, law("Piecewise((0, r < 1.9), (-2*(r - 0.99), True))"), DATA)
    assert not same_law(law(GRAVITY), law("-m_i*m_j/r**1.98"), DATA)
    assert not same_law(law(SPRING), law(SPRING, term("-1.0", "self", "velocity")), DATA)


def test_engines_that_agree_and_engines_that_do_not(gravity):
    """The figure is the share that leads to the law; disagreement is told, and decides nothing."""
    found = law(GRAVITY)
    (all_agree,) = check_engine_agreement(found, {"one": law(GRAVITY), "two": law(GRAVITY)}, DATA)
    assert (all_agree.passed, all_agree.figure) == (True, 1.0)
    (some,) = check_engine_agreement(found, {"one": found, "two": law("-m_i*m_j/r**1.98"), "three": None}, DATA)
    assert (some.passed, some.figure) == (False, pytest.approx(1 / 3))
    assert some.detail.startswith("one alone gives the same law; two alone gives m_i a_i = sum_j [")
    assert some.detail.endswith("three alone gives no law")
    assert check_engine_agreement(found, {}, DATA) == ()
    assert decide(gravity, replace(EXACT, observed=(some,))).status == "known"


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        (GRAVITY, True),
        ("-m_i*m_j*exp(-r/3.5)/r**2", True),
        ("-m_i*m_j*exp(-r)/r**2", False),
        ("m_i + r", False),
        ("m_i*m_j/(m_i + m_j)", True),
        ("m_i**r", False),
        (STEP, True),
        ("Piecewise((0, r < v_r), (1, True))", False),
    ],
)
def test_dimensions(text, passed):
    units = replace(DATA, units={"length": "AU", "time": "day", "m": "kg"})
    assert check_dimensions(law(text), units).passed is passed
    assert check_dimensions(law(text), DATA).passed is None


def test_a_law_that_was_not_found_is_no_absence_of_force():
    seen = judge(ForceLaw(()), DATA, JudgeContext((1.0, 1.0), network_error=(0.02, 0.1)))
    assert seen.status == "inconclusive" and seen.match is None
    unseen = JudgeContext((1.0, 1.0), network_error=(1.0, 1.0), noise=0.7, force_limit=1e-3)
    verdict = judge(ForceLaw(()), DATA, unseen)
    assert verdict.match == NO_INTERACTION and "0.001" in verdict.reason
    exact = judge(ForceLaw(()), DATA, replace(unseen, noise=0.0))
    assert exact.match is None and "no law was found" in exact.reason
