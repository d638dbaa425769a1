"""A formula by its form alone: known laws, their sums and their neighbours, and the words for them."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from gnn_discovery.catalogue.recognition import recognise
from gnn_discovery.cli.app import app
from gnn_discovery.errors import DataError, UsageError
from gnn_discovery.laws.parser import parse_law


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("-3*m_i*m_j/(r + 0.01)**2", "Newtonian gravity, softened r + c"),
        ("-3/r**2", "Newtonian gravity"),  # equal masses
        ("self velocity: -0.5", "linear drag"),
        ("external x: -2*(x - 0.3); self velocity: -0.1*v", "harmonic trap + quadratic drag"),
        ("external z: -9.81*m_i", "uniform gravity"),
    ],
)
def test_a_known_formula_is_recognised(text, match):
    found = recognise(text)
    assert (found.status, found.match) == ("known", match)
    assert match in str(found)


def test_a_field_has_to_say_along_what_it_acts():
    with pytest.raises(UsageError, match=r"coordinate 'x'\. .*'external x: -2\*x'"):
        recognise("-2*x")


@pytest.mark.parametrize("text", ["(-1)**r", "log(-r)", "sqrt(0.2 - r)"])
def test_a_formula_without_a_value_is_no_force(text):
    """(-1)**r is finite at whole distances alone, and was called a two-dimensional Coulomb force."""
    with pytest.raises(DataError, match="no force"):
        recognise(text)


def test_another_exponent_is_unknown_and_its_neighbours_are_at_a_distance():
    found = recognise("-1/r**1.5", (1.0, 4.0))
    assert (found.status, found.match) == ("unknown", None) and "of the force away" in str(found)
    assert all(1e-3 < distance < 0.5 for distance in found.nearest.values())
    assert "candidate" not in str(found)


def test_what_a_range_cannot_tell_apart_is_named():
    far, near = recognise("-m_i*m_j/r**2", (1.0, 10.0)), recognise("-m_i*m_j/(r + 0.3)**2", (0.1, 1.0))
    assert far.match == "Newtonian gravity" and "Plummer-softened gravity" in far.alternatives
    assert near.match == "Newtonian gravity, softened r + c" and "Newtonian gravity" not in near.alternatives


def test_a_softening_as_long_as_the_range_is_known_where_it_shows():
    def plummer(softening):
        return recognise(f"-2*m_i*m_j*r/(r**2 + {softening**2})**1.5")

    assert plummer(8.0).match == plummer(15.0).match == "Plummer-softened gravity"
    assert plummer(8.0).status == plummer(15.0).status == "known"
    assert plummer(25.0).status != "known"  # r - 3 r^3/(2 c^2) is all that is left of it, as of other laws


def test_a_text_becomes_terms():
    law = parse_law("pair velocity: -g; external y: -9.81*m_i; -k*(r - 2)", 2, True)
    assert [(t.kind, t.direction) for t in law.terms] == [("pair", "velocity"), ("external", "y"), ("pair", "radial")]
    assert [sorted(t.constants) for t in law.terms] == [["g"], [], ["k"]]
    with pytest.raises(UsageError, match="kind and direction"):
        parse_law("self radial: -v")


def test_the_command_says_it_too(in_tmp):
    said = CliRunner().invoke(app, ["check", "-2*(r - 0.99)", "--json"])
    assert said.exit_code == 0, said.stderr
    found = json.loads(said.stdout)
    assert (found["status"], found["match"]) == ("known", "Hooke spring with rest length")
    assert found["nearest"]["Hooke spring with rest length"] < 1e-6
