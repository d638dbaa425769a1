"""Equivalence: known laws are recognised from themselves and in sums, their neighbours are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from written_laws import DATA, EXACT, GRAVITY, SPRING, STEP, law, snapshots, term

from gnn_discovery import Trajectory
from gnn_discovery.catalogue.equivalence import compare_with_catalogue
from gnn_discovery.catalogue.known_law import load_catalogue
from gnn_discovery.criteria import Criteria, EquivalenceCriteria
from gnn_discovery.data.dataset import assemble_dataset
from gnn_discovery.laws.law import ForceLaw, LatentProperty
from gnn_discovery.validation.decision import JudgeContext, judge

CONSTANTS = {
    "linear drag": {"g": (0.3, 3.0)},
    "Lennard-Jones force": {"e": (5.0, 30.0), "s": (0.2, 1.0)},
    "Morse force": {"D": (0.5, 2.0), "a": (0.7, 2.0), "L": (0.8, 1.5)},
    "Mie 9-6 force": {"s": (0.2, 1.0)},
    "Buckingham force": {"s": (0.1, 0.4)},
    "FENE spring": {"s": (9.0, 12.0)},
    "worm-like chain": {"s": (9.0, 12.0)},
}

RANGES = {
    "point vortices": snapshots("circulation"),
    "Weeks-Chandler-Andersen repulsion": snapshots("m", "q", least=0.7),  # deeper, its reach does not count
}


@pytest.mark.parametrize("known", load_catalogue().laws, ids=lambda law: law.name)
def test_known_law_is_recognised_from_itself(known):
    rng = np.random.default_rng(sum(map(ord, known.name)))
    ranges = {"c": (0.05, 0.2), "L": (0.5, 1.5), "s": (0.8, 2.0), **CONSTANTS.get(known.name, {})}
    values = {name: float(rng.uniform(*ranges.get(name, (0.5, 2.0)))) for name in known.constants}
    direction = "x" if known.direction == "axis" else known.direction
    found = term(known.expression.substitute(values).text, known.kind, direction, std=1e-4, rng=rng)
    data = RANGES.get(known.name, DATA)
    comparison = compare_with_catalogue(replace(law(found), order=known.order or 2), data)
    assert comparison.match == known.name
    assert comparison.rivals == ()
    (part,) = comparison.components
    assert part.matches[0].deviation < part.tolerance < 0.02


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (GRAVITY, "Newtonian gravity, softened r + c"),
        ("-m_i*m_j/(r + 0.01)", "logarithmic gravity, softened r + c"),
        ("q_i*q_j/(r + 0.01)**2", "Coulomb force, softened r + c"),
        (SPRING, "Hooke spring with rest length"),
        (
            "(q_i*q_j - m_i*m_j)/(r + 0.01)**2",
            "Newtonian gravity, softened r + c + Coulomb force, softened r + c",
        ),
        ("-2*(r - 0.99) - 0.4*v_r", "Hooke spring with rest length + pair dashpot"),
        ("q_i/(q_j*r**2)", "Coulomb force"),  # q**2 = 1
    ],
)
def test_pair_law_is_known(text, match):
    verdict = judge(law(text), DATA, EXACT)
    assert (verdict.status, verdict.match) == ("known", match)
    assert match in str(verdict)


@pytest.mark.parametrize(
    ("terms", "match"),
    [
        ((SPRING, term("-1.0", "self", "velocity")), "Hooke spring with rest length + linear drag"),
        ((SPRING, term("-1.3*m_i", "external", "y")), "Hooke spring with rest length + uniform gravity"),
        (
            (GRAVITY, "q_i*q_j/(r + 0.01)**2"),
            "Newtonian gravity, softened r + c + Coulomb force, softened r + c",
        ),
        (
            (
                term("-0.5*x + 0.2", "external", "x"),
                term("-0.7*y", "external", "y"),
                term("0.8*q_i", "self", "transverse"),
            ),
            "harmonic trap + magnetic force",
        ),
        ((term("-0.5 - 0.3*v", "self", "velocity"),), "linear drag + quadratic drag"),
    ],
)
def test_sum_of_known_terms_is_known(terms, match):
    verdict = judge(law(*terms), DATA, EXACT)
    assert (verdict.status, verdict.match) == ("known", match)


@pytest.mark.parametrize(
    "text",
    [
        "-m_i*m_j/r**1.5",
        "-m_i*m_j/r**2.1",
        "-m_i*m_j/r**1.98",
        "-m_i*m_j/(r + 0.01)**2.02",
        "-m_i*m_j/r**3",
        "m_i*m_j/r**2",
        "-m_i/r**2",
        "-(m_i + m_j)**2/r**2",
        "-m_i**0.9*m_j/r**2",
        "-1/r**1.5",
        "-1/r**2.1",
        "-1/r**0.7",
        "-q_i*q_j/r**2",
        "-2*(r - 0.99)**3",
        "-2*(r - 0.99) - 0.05*(r - 0.99)**3",
        "-2*r**1.1",
        "-m_i*m_j/r**2*(1 + 0.1*sin(5*r))",
        "exp(-r)/r**2*q_i*q_j",
        STEP,
    ],
)
def test_neighbours_of_known_laws_are_not_known(text):
    comparison = compare_with_catalogue(law(text), DATA)
    assert not comparison.matched
    assert comparison.match is None


@pytest.mark.parametrize("text", ["-1.3*sin((x + 61.7)/0.21)", "1.3*cos(5.1*x - 40.2)"])
def test_a_known_law_is_recognised_many_periods_away(text):
    """The numbers of the law itself lead to it where a grid of places is too coarse."""
    comparison = compare_with_catalogue(law(term(text, "external", "x")), DATA)
    assert comparison.match == "periodic potential"
    assert comparison.components[0].nearest[0].deviation < 1e-9


def test_a_third_pair_term_is_too_many():
    found = law("-2*(r - 0.99) - 0.4*v_r - 0.8*m_i*m_j/r**2")
    assert judge(found, DATA, EXACT).status != "known"


def test_the_criteria_decide_what_is_the_same():
    """A power that is 2 percent away is the same law once so large a deviation is allowed, or errors are as large."""
    found = law("-m_i*m_j/r**1.98")
    loose = Criteria(equivalence=EquivalenceCriteria(max_rel_deviation=0.05))
    assert compare_with_catalogue(found, DATA).match is None
    assert compare_with_catalogue(found, DATA, criteria=loose).match == "Newtonian gravity"
    certain = Criteria(equivalence=EquivalenceCriteria(n_sigma=0.0))
    uncertain = law(term("-m_i*m_j/r**1.98", std=0.01))
    assert compare_with_catalogue(uncertain, DATA).match == "Newtonian gravity"
    assert compare_with_catalogue(uncertain, DATA, criteria=certain).match is None


def test_nested_laws_are_alternatives():
    near = judge(law("q_i*q_j/r**2"), DATA, EXACT)
    assert near.match == "Coulomb force"
    assert {"screened Coulomb force", "Coulomb force, softened r + c"} <= set(near.alternatives)
    screened = judge(law("q_i*q_j*exp(-r/50)*(1/r**2 + 1/(50*r))"), DATA, EXACT)
    assert screened.match in ("screened Coulomb force", "Coulomb force")
    resolved = judge(law("q_i*q_j*exp(-r/3)*(1/r**2 + 1/(3*r))"), DATA, EXACT)
    assert resolved.match == "screened Coulomb force"


def test_softenings_are_told_apart_where_they_are_resolved():
    near, far = snapshots("m"), snapshots("m", wide=30.0, least=12.0)
    plummer = law("-m_i*m_j*r/(r**2 + 0.04)**1.5")
    assert judge(plummer, near, EXACT).match == "Plummer-softened gravity"
    unresolved = judge(plummer, far, EXACT)
    assert unresolved.match == "Newtonian gravity"
    assert {"Plummer-softened gravity", "Newtonian gravity, softened r + c"} <= set(unresolved.alternatives)
    first, second, *others = unresolved.alternatives
    assert f"In this range it cannot be told from {first}, {second} and {len(others)} more" in unresolved.reason


def test_laws_that_are_not_nested_make_it_inconclusive():
    found = law(term("-m_i*m_j/(r + 0.3)**2", std=0.03))
    verdict = judge(found, snapshots("m", wide=1.0, least=0.8), JudgeContext((1e-3, 1e-3), (1e-2, 1e-2)))
    assert verdict.status == "inconclusive"
    assert "cannot be told apart" in verdict.reason
    assert "Newtonian gravity, softened r + c" in verdict.alternatives
    assert len(verdict.alternatives) > 1


def test_data_without_masses():
    data = snapshots()
    assert judge(law("-1.7/r**2", masses=False), data, EXACT).match == "Newtonian gravity"
    assert judge(law("1.7/r**2", masses=False), data, EXACT).match == "Coulomb force"
    assert judge(law(term("-0.4", "self", "velocity"), masses=False), data, EXACT).match == "linear drag"


@pytest.mark.parametrize("sign", [1, -1])
def test_inferred_source_strengths(sign):
    data = snapshots()
    strengths = sign * np.array([1.0, 1e-3, 3e-4, 1e-9])
    latent = LatentProperty(strengths, 1e-3 * abs(strengths), np.array([True, True, True, False]))
    known = ForceLaw((term(f"{-sign * 1.0}*m_j/r**2"),), 2, False, {"m": latent})
    assert judge(known, data, EXACT).match == "Newtonian gravity"
    other = ForceLaw((term(f"{-sign * 1.0}*m_j/r**2.02"),), 2, False, {"m": latent})
    assert judge(other, data, EXACT).status == "inconclusive"


def test_equal_masses_are_no_ground_for_doubt():
    data = snapshots("m", equal=True)
    assert judge(law("-1.3/r**2"), data, EXACT).match == "Newtonian gravity"
    drag = judge(law(term("-0.4", "self", "velocity")), data, EXACT)
    assert (drag.status, drag.match) == ("known", "linear drag")
    assert drag.alternatives == ("linear drag in proportion to mass", "Stokes drag of spheres of one density")


def test_three_dimensions_make_no_difference():
    assert (
        judge(law("-m_i*m_j/(r + 0.01)"), snapshots("m", dim=3), EXACT).match == "logarithmic gravity, softened r + c"
    )


def test_on_a_circle_every_attraction_is_right_and_none_is_known():
    """At one distance any function is any other: a range that is a point tells no law."""
    angle = 0.05 * np.arange(200)[:, None] + np.array([0, np.pi])
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    runs = [
        Trajectory(circle, 0.05 * np.arange(200), accelerations=-circle, velocities=np.gradient(circle, 0.05, axis=0))
    ]
    verdict = judge(law("-4/r**2", masses=False), assemble_dataset(runs, 2), EXACT)
    assert verdict.status == "inconclusive" and "cannot be told apart" in verdict.reason
    assert {"Newtonian gravity", "linear spring"} <= set(verdict.alternatives)
