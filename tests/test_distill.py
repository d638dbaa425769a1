"""Distillation from message tables written by hand: no network stands behind them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from worlds import radial, size, spring, table, world

from gnn_discovery.distillation import (
    AdditiveComponent,
    distill_tables,
    find_structures,
    profile_regression,
    tables_without_network,
)
from gnn_discovery.distillation.additive_fit import AdditiveFit
from gnn_discovery.distillation.additive_structure import search_structures
from gnn_discovery.distillation.profiles import estimate_profiles, find_cutoff, find_jump
from gnn_discovery.laws.evaluate import law_pair_force
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import Candidate, EngineConfig, EngineResult

MASSES = (("m_i", 1.0), ("m_j", 1.0))
CHARGES = (("q_i", 1.0), ("q_j", 1.0))


def across(x):
    return np.stack([-x[:, 1], x[:, 0]], -1)


def v_r(x, v):
    return np.sum(x * v, -1) / size(x)[:, 0]


gravity = radial(lambda r, p: -p["m_i"] * p["m_j"] / (r + 0.01) ** 2)
charge = radial(lambda r, p: p["q_i"] * p["q_j"] / (r + 0.01) ** 2)
odd_power = radial(lambda r, p: -(p["m_i"] ** 0.7) * p["m_j"] / (r + 0.01))
contact = radial(lambda r, p: 6.4 * np.maximum(1.25 - r, 0.0))
lennard_jones = radial(lambda r, p: 2.0 / r**13 - 1.0 / r**7)
step = radial(lambda r, p: np.where(r < 1.99, 0.0, -2 * (r - 0.99)))


def both(x, v, p):
    return gravity(x, v, p) + charge(x, v, p)


def dashpot(x, v, p):
    """A damper in a spring: the relative motion along the line of centres."""
    return (-np.exp(-size(x)[:, 0]) * v_r(x, v))[:, None] * x / size(x)


def swirl(x, v, p):
    return (p["m_j"] / size(x)[:, 0])[:, None] * across(x) / size(x)


def friction(x, v, p):
    return -0.3 / size(x) * v


def weight(x, v, p):
    return -9.81 * p["m_i"][:, None] * np.eye(x.shape[-1])[1]


def drag(x, v, p):
    return -0.7 * v


def quadratic_drag(x, v, p):
    return -0.2 * size(v) * v


def trap(x, v, p):
    return -1.5 * x


def magnetic(x, v, p):
    return (p["q_i"] * 0.8)[:, None] * across(v)


def found(formula, **options) -> set[AdditiveComponent]:
    """Return the components of the largest structure that the data warrant."""
    return set(find_structures(table(formula, **options))[-1].components)


def one_component(rows):
    """Return the best structure of one component."""
    return min((s for s in find_structures(rows) if len(s.components) == 1), key=lambda s: s.error)


PAIRS = {
    "gravity": (gravity, {}, {AdditiveComponent("radial", MASSES, "r")}),
    "gravity in space": (gravity, {"dim": 3}, {AdditiveComponent("radial", MASSES, "r")}),
    "charge": (charge, {"charges": True}, {AdditiveComponent("radial", CHARGES, "r")}),
    "both": (
        both,
        {"charges": True},
        {AdditiveComponent("radial", MASSES, "r"), AdditiveComponent("radial", CHARGES, "r")},
    ),
    "spring": (spring, {"charges": True}, {AdditiveComponent("radial", (), "r")}),
    "dashpot": (dashpot, {}, {AdditiveComponent("radial", (("v_r", 1.0),), "r")}),
    "friction": (friction, {}, {AdditiveComponent("velocity", (), "r")}),
    "transverse": (swirl, {}, {AdditiveComponent("transverse", (("m_j", 1.0),), "r")}),
}
OWN = {
    "drag": (drag, {}, {AdditiveComponent("velocity", (), "v")}),
    "quadratic drag": (quadratic_drag, {}, {AdditiveComponent("velocity", (), "v")}),
    "uniform field": (weight, {}, {AdditiveComponent("y", (("m_i", 1.0),), None)}),
    "uniform field in space": (weight, {"dim": 3}, {AdditiveComponent("y", (("m_i", 1.0),), None)}),
    "trap": (trap, {}, {AdditiveComponent("radial", (), "r")}),
    "magnetic field": (magnetic, {"charges": True}, {AdditiveComponent("transverse", (("q_i", 1.0),), "v")}),
}


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("name", PAIRS)
def test_the_components_of_a_pair_force_are_found(name, noise):
    formula, options, components = PAIRS[name]
    assert found(formula, noise=noise, **options) == components


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("name", OWN)
def test_the_components_of_a_self_force_are_found(name, noise):
    formula, options, components = OWN[name]
    assert found(formula, kind="self", noise=noise, **options) == components


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_real_exponents_are_measured(noise):
    """m_i^0.7 m_j: one component, its powers within a hundredth."""
    (component,) = one_component(table(odd_power, noise=noise)).components
    assert component.direction == "radial" and component.variable == "r"
    assert dict(component.monomial) == pytest.approx({"m_i": 0.7, "m_j": 1.0}, abs=0.01)


@pytest.mark.parametrize("power", [1.0, 2.0, -1.0])
def test_an_exponent_of_a_pair_sum_is_found(power):
    total = radial(lambda r, p: -((p["m_i"] + p["m_j"]) ** power) * np.exp(-r))
    assert found(total) == {AdditiveComponent("radial", (("m_i + m_j", power),), "r")}


def test_the_error_of_a_structure_is_the_noise():
    """The noise is one of the length of the force, in each of two directions."""
    for noise in (0.01, 0.05):
        structure = find_structures(table(spring, noise=noise))[-1]
        assert structure.error == pytest.approx(2**0.5 * noise, rel=0.15)


class Level(AdditiveFit):
    """A table of which a second component explains a little, and not enough to be kept."""

    def error(self, components):
        return (1.0, 0.35, 0.29, 0.28)[len(set(components))]


def test_the_search_ends_where_every_further_component_is_removed_again():
    (structure,) = search_structures(Level(table(gravity, rows=50)))
    assert len(structure.components) == 1


def test_a_component_evaluates_its_formula():
    """Directions, powers with their sign, and variables, against the formulas."""
    rows = table(both, charges=True)
    r = size(rows.position)[:, 0]
    for component, value in (
        (AdditiveComponent("radial", MASSES, "r"), rows.properties["m_i"] * rows.properties["m_j"]),
        (AdditiveComponent("radial", CHARGES, "r"), rows.properties["q_i"] * rows.properties["q_j"]),
        (AdditiveComponent("radial", (("v_r", 1.0),), "r"), v_r(rows.position, rows.velocity)),
        (AdditiveComponent("radial", (("m_j", -0.5), ("q_i", 2.0)), "r"), rows.properties["m_j"] ** -0.5),
    ):
        np.testing.assert_allclose(component.monomial_values(rows), value)
        np.testing.assert_allclose(component.variable_values(rows), r)
        np.testing.assert_allclose(component.direction_vectors(rows), rows.position / r[:, None])
    swirling = AdditiveComponent("transverse", (), "r").direction_vectors(rows)
    np.testing.assert_allclose(np.sum(swirling * rows.position, -1), 0, atol=1e-12)
    np.testing.assert_allclose(swirling[:, 0], -rows.position[:, 1] / r)
    np.testing.assert_allclose(AdditiveComponent("velocity", (), "v").direction_vectors(rows), rows.velocity)
    np.testing.assert_array_equal(
        AdditiveComponent("y", (), None).direction_vectors(rows), np.tile([0.0, 1.0], (len(rows), 1))
    )
    np.testing.assert_array_equal(AdditiveComponent("y", (), "y").variable_values(rows), rows.position[:, 1])


def profile_of(formula, **options):
    rows = table(formula, **options)
    (profile,) = estimate_profiles(rows, one_component(rows))
    return profile


@pytest.mark.parametrize(
    ("formula", "truth", "options"),
    [
        (gravity, lambda r: -1 / (r + 0.01) ** 2, {}),
        (spring, lambda r: -2 * (r - 0.99), {}),
        (dashpot, lambda r: -np.exp(-r), {}),
        (drag, lambda v: -0.7 + 0 * v, {"kind": "self"}),
        (quadratic_drag, lambda v: -0.2 * v, {"kind": "self"}),
    ],
)
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_the_points_of_a_profile_lie_on_the_formula(formula, truth, options, noise):
    """Within a thousandth of the size there, or the noise, in units of the weight that an error has."""
    profile = profile_of(formula, noise=noise, **options)
    assert len(profile.value) > 150 and np.all(np.diff(profile.variable) > 0)
    miss = np.abs(profile.value - truth(profile.variable)) * profile.weight
    assert np.median(miss) < max(1e-3, noise)
    assert np.quantile(miss, 0.95) < max(1e-2, 3 * noise)


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_jump_is_located(noise):
    profile = profile_of(step, noise=noise)
    jump = find_jump(profile)
    assert jump is not None
    assert profile.variable[jump] == pytest.approx(1.99, abs=0.05)


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("formula", [gravity, spring, dashpot, odd_power])
def test_a_smooth_profile_has_no_jump(formula, noise):
    assert find_jump(profile_of(formula, noise=noise)) is None


def test_a_profile_over_a_few_distances_has_no_jump():
    """As of pairs on circular orbits: each distance comes again and again, but for rounding."""
    profile = profile_of(gravity)
    few = np.sort(np.resize(np.linspace(0.5, 2.0, 12), len(profile.variable)))
    rounded = few * (1 + 1e-16 * np.arange(len(few)))
    assert find_jump(replace(profile, variable=few, value=-1 / few**2)) is None
    assert find_jump(replace(profile, variable=rounded, value=-1 / rounded**2)) is None


@pytest.mark.parametrize("noise", [0.0, 0.003])
def test_a_finite_range_is_told_from_a_decay(noise):
    profile = profile_of(contact, noise=noise)
    end = find_cutoff(profile)
    assert end is not None
    assert profile.variable[end] == pytest.approx(1.25, abs=0.05)
    for formula in (gravity, spring, dashpot, odd_power, lennard_jones):
        assert find_cutoff(profile_of(formula, noise=noise)) is None


ENGINE = EngineConfig(evaluations=20_000, seed=0)


@pytest.mark.slow
def test_the_true_form_is_a_candidate_and_an_invisible_self_force_is_left_out():
    """Gravity with a softened distance; beside it weights of half a thousandth of the force on each particle."""
    rows, faint = table(gravity, noise=0.002), table(weight, kind="self", rows=500)
    faint = replace(faint, total=2000.0 * size(faint.contributions)[:, 0])
    found = distill_tables([rows, faint], ["operon"], ENGINE, divides_by_mass=True)
    assert len(found.structures) == 1
    assert all((t.kind, t.direction) == ("pair", "radial") for law in found.laws for t in law.terms)
    assert all(law.divides_by_mass and law.order == 2 for law in found.laws)
    skeletons = {same_shape(law.terms[0].expression.text) for law in found.laws if len(law.terms) == 1}
    assert same_shape("a0*m_i*m_j/(a1 + r)**2") in skeletons
    truth = gravity(rows.position, rows.velocity, rows.properties)
    assert np.median(size(law_pair_force(found.laws[0], rows) - truth) / size(truth)) < 0.005


def same_shape(text: str) -> str:
    """Return the canonical text of a formula."""
    return Expression.parse(text).text


@pytest.mark.slow
def test_constants_of_pair_and_self_terms_have_different_names():
    found = distill_tables([table(spring, noise=0.002), table(drag, kind="self", noise=0.002)], ["operon"], ENGINE)
    first = found.laws[0]
    assert [(t.kind, t.direction) for t in first.terms] == [("pair", "radial"), ("self", "velocity")]
    names = [name for term in first.terms for name in term.constants]
    assert len(set(names)) == len(names)
    force, slowing = (t.expression.substitute({k: c.value for k, c in t.constants.items()}) for t in first.terms)
    r = np.linspace(0.2, 4, 20)
    np.testing.assert_allclose(force.numpy(["r"])(r), -2 * (r - 0.99), atol=0.02)
    np.testing.assert_allclose(slowing.numpy(["v"])(r), -0.7, rtol=0.01)


OFFERED = {
    "one": ["-2.1*(r - 1)", "-1.9*r + 2.05"],
    "two": ["-2*(r - 0.99)", "3.0/r"],
}
"""A spring's profile by two engines: one form of both, and one of each."""


@pytest.fixture
def two_engines(monkeypatch):
    """In the place of the engines; gives the problems that they were asked."""
    asked = []

    def search(engine, problems, config, progress):
        asked.append(problems)
        progress(0.5, len(problems))
        progress(len(problems), len(problems))
        texts = [[text.replace("r", p.names[0]) for text in OFFERED[engine]] for p in problems]
        found = [tuple(Candidate(Expression.parse(text), 0.1, 5, engine) for text in one) for one in texts]
        return [EngineResult(candidates, f"{engine} found {len(candidates)} formulas") for candidates in found]

    monkeypatch.setattr(profile_regression, "search_formulas", search)
    return asked


def test_candidates_come_from_all_engines_and_from_each_alone(two_engines):
    told = []
    found = distill_tables([table(spring)], ["one", "two"], ENGINE, report=lambda *done: told.append(done))
    (count,) = {count for _, count in told}
    assert told == sorted(told) and told[-1] == (count, count) and count == 2 * len(two_engines[0])
    by_shape = {law.terms[0].expression.text: law for law in found.laws if len(law.terms) == 1}
    assert by_shape["a0*(r + a1)"].engines == ("one", "two"), "both offered this form"
    assert [c.value for c in by_shape["a0*(r + a1)"].terms[0].constants.values()] == [-2, -0.99], "the better numbers"
    assert by_shape["a0/r"].engines == ("two",)
    assert by_shape["a0"].engines == (), "a mere number needs no engine"
    assert set(found.laws_by_engine) == {"one", "two"}
    assert not any("/r" in law.terms[0].expression.text for law in found.laws_by_engine["one"])
    assert {law.engines for law in found.laws_by_engine["two"]} == {("two",), ()}
    assert found.outcome == "one found 2 formulas; two found 2 formulas"
    assert not distill_tables([table(spring)], ["two"], ENGINE).laws_by_engine


def test_a_one_component_self_force_is_always_a_candidate(two_engines):
    """A network's error looks like a second force: the structure without it has to come in too."""

    def flawed(x, v, p):
        return (p["m_i"] + 0.04 * p["m_i"] ** 2 * size(x)[:, 0])[:, None] * trap(x, v, p)

    own = table(flawed, kind="self")
    first, *_, last = find_structures(own)
    assert len(first.components) == 1 and len(last.components) == 2
    laws = distill_tables([table(spring), own], ["one"], ENGINE).laws

    def parts(law, kind):
        return [term for term in law.terms if term.kind == kind]

    assert any(len(law.terms) == 1 and parts(law, "external") for law in laws)
    beside = [law for law in laws if parts(law, "pair")]
    assert {len(parts(law, "external")) for law in beside} == {0, 1, 2}


def test_at_most_one_term_of_a_sum_has_a_jump(two_engines, monkeypatch):
    monkeypatch.setattr(profile_regression, "find_jump", lambda profile, **_: len(profile.variable) // 2)
    laws = [law for law in distill_tables([table(both, charges=True)], ["one"], ENGINE).laws if len(law.terms) == 2]
    assert {sum("Piecewise" in term.expression.text for term in law.terms) for law in laws} == {0, 1}


@pytest.mark.parametrize("units", [False, True])
def test_engines_receive_dimensions_where_the_data_have_units(two_engines, units):
    distill_tables([table(spring), table(quadratic_drag, kind="self")], ["one"], ENGINE, units=units)
    told = {name: p.dimensions for p in two_engines[0] for name in p.inputs}
    dimensions = {"r": {"length": 1}, "v": {"length": 1, "time": -1}}
    assert told == {name: {name: dimensions[name]} if units else {} for name in told} and {"r", "v"} <= set(told)


def test_tables_without_a_network_recover_the_pair_force():
    """Sums of pair forces are separated by components."""
    data = world(gravity, count=600, particles=3)
    pairs, own = tables_without_network(data)
    truth = gravity(pairs.position, pairs.velocity, pairs.properties)
    assert np.median(size(pairs.contributions - truth) / size(truth)) < 0.01
    assert np.median(size(own.contributions)[:, 0] / own.total) < 0.01


def test_no_jax_is_needed():
    code = "import sys, gnn_discovery.distillation; assert not {'jax', 'jraph', 'flax'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
