"""The scoring of benchmarks: an exact form is told from a near one, and constants are compared one by one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from exact import score

from gnn_discovery.expression import Expression
from gnn_discovery.law import Constant, ForceLaw, Term

GRAVITY = [{"kind": "pair", "direction": "radial", "expression": "-m_i*m_j/(r + 0.01)**2"}]
SPRING = [{"kind": "pair", "direction": "radial", "expression": "-2*(r - 0.99)"}]
CHARGE = [{"kind": "pair", "direction": "radial", "expression": "q_i*q_j/(r + 0.01)**2"}]
JUMP = [{"kind": "pair", "direction": "radial", "expression": "Piecewise((0, r < 1.99), (-2*(r - 0.99), True))"}]
FIELD = [{"kind": "external", "direction": "y", "expression": "-m_i"}]
DAMPED = [*SPRING, {"kind": "self", "direction": "velocity", "expression": "-1"}]


def law(*terms: tuple[str, str, str, dict[str, float]]) -> ForceLaw:
    return ForceLaw(
        tuple(
            Term(kind, direction, Expression.parse(text), {k: Constant(v) for k, v in constants.items()})
            for kind, direction, text, constants in terms
        ),
        divides_by_mass=True,
    )


def pair(text: str, **constants: float) -> ForceLaw:
    return law(("pair", "radial", text, constants))


def test_constants_are_compared_with_the_true_ones():
    found = score(pair("a*m_i*m_j/(r + b)**2", a=-1.0, b=0.01001), GRAVITY)
    assert found.exact and found.error == pytest.approx(1e-3, rel=1e-6)


def test_one_law_may_be_written_in_many_ways():
    assert score(pair("a*r + b", a=-2.0, b=1.98), SPRING).exact
    assert score(pair("a*(r + b)", a=-2.0, b=-0.99), SPRING).error == pytest.approx(0, abs=1e-12)
    assert score(pair("m_i*m_j/(a + b*r)**2*c", a=0.01, b=1.0, c=-1.0), GRAVITY).exact


def test_a_near_form_is_not_exact():
    assert not score(pair("a*m_i*m_j/r**2", a=-1.0), GRAVITY).exact
    assert not score(pair("a*m_i*m_j/(r + b)**1.98", a=-1.0, b=0.009), GRAVITY).exact
    assert not score(pair("a*m_j/(r + b)**2", a=-1.0, b=0.01), GRAVITY).exact


def test_a_superfluous_constant_is_not_exact():
    found = score(pair("a*(r + b) + c*r**3", a=-2.0, b=-0.99, c=1e-8), SPRING)
    assert not found.exact and "constant" in found.why
    assert not score(pair("a*(r + b) + c*exp(-r)", a=-2.0, b=-0.99, c=0.02), SPRING).exact


@pytest.mark.parametrize("power", [-1.98, -1.9999999])
def test_an_exponent_left_free_is_not_exact(power):
    found = score(pair("a*m_i*m_j*(r + b)**p", a=-1.0, b=0.01, p=power), GRAVITY)
    assert not found.exact and found.error is None and found.why == "3 constants, 2 are enough"


def test_the_amplitude_of_a_true_term_is_a_number_even_where_it_is_one():
    assert score(pair("a*m_i*m_j/(r + b)**2", a=-1.00001, b=0.01), GRAVITY).exact
    assert score(law(("external", "y", "a*m_i", {"a": -0.999})), FIELD).error == pytest.approx(1e-3)


def test_a_superfluous_or_missing_term_is_not_exact():
    spring = ("pair", "radial", "a*(r + b)", {"a": -2.0, "b": -0.99})
    drag = ("self", "velocity", "a", {"a": -1.0})
    assert score(law(spring, drag), DAMPED).exact
    assert not score(law(spring), DAMPED).exact
    assert not score(law(spring, drag), SPRING).exact
    assert score(law(), SPRING).why == "no pair radial term"
    assert score(law(spring), []).why == "a pair radial term too many"
    assert score(law(), []).exact


def test_charges_count_modulo_their_squares():
    assert score(pair("a*q_i**3*q_j/(r + b)**2", a=1.0, b=0.01), CHARGE).exact
    assert not score(pair("a*q_i**2*q_j/(r + b)**2", a=1.0, b=0.01), CHARGE).exact


def test_a_threshold_is_a_constant():
    text = "Piecewise((0, r < t), (a*(r + b), True))"
    found = score(pair(text, t=1.9899, a=-2.0, b=-0.99), JUMP)
    assert found.exact and found.error == pytest.approx(1e-4 / 1.99, rel=1e-3)
    assert score(pair(text, t=1.97, a=-2.0, b=-0.99), JUMP).error == pytest.approx(0.02 / 1.99, rel=1e-3)
    assert not score(pair("a*(r + b)", a=-2.0, b=-0.99), JUMP).exact
    assert not score(pair(text, t=1.99, a=-2.0, b=-0.99), SPRING).exact


def test_two_terms_of_one_channel_add_up():
    truth = [*CHARGE, *GRAVITY]
    found = law(
        ("pair", "radial", "a0*q_i*q_j/(r + a1)**2", {"a0": 1.0, "a1": 0.01}),
        ("pair", "radial", "a0*m_i*m_j/(r + a1)**2", {"a0": -1.0, "a1": 0.01}),
    )
    assert score(found, truth).error == pytest.approx(0, abs=1e-9)
