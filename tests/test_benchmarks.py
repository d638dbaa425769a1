"""Test the scoring of benchmarks: an exact form is told from a near one, and constants are compared one by one."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from gnn_discovery_replication.form_comparison import compare_with_true_law
from laws import groups
from summary import summary

from gnn_discovery.criteria import DEFAULT_CRITERIA
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.symbolic.expression import Expression

TABLE = Path(__file__).parents[1] / "benchmarks" / "results" / "sensitivity.md"
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
    found = compare_with_true_law(pair("a*m_i*m_j/(r + b)**2", a=-1.0, b=0.01001), GRAVITY)
    assert found.exact and found.constant_error == pytest.approx(1e-3, rel=1e-6)


def test_one_law_may_be_written_in_many_ways():
    assert compare_with_true_law(pair("a*r + b", a=-2.0, b=1.98), SPRING).exact
    assert compare_with_true_law(pair("a*(r + b)", a=-2.0, b=-0.99), SPRING).constant_error == pytest.approx(
        0, abs=1e-12
    )
    assert compare_with_true_law(pair("m_i*m_j/(a + b*r)**2*c", a=0.01, b=1.0, c=-1.0), GRAVITY).exact


def test_a_near_form_is_not_exact():
    assert not compare_with_true_law(pair("a*m_i*m_j/r**2", a=-1.0), GRAVITY).exact
    assert not compare_with_true_law(pair("a*m_i*m_j/(r + b)**1.98", a=-1.0, b=0.009), GRAVITY).exact
    assert not compare_with_true_law(pair("a*m_j/(r + b)**2", a=-1.0, b=0.01), GRAVITY).exact


def test_a_superfluous_constant_is_not_exact():
    found = compare_with_true_law(pair("a*(r + b) + c*r**3", a=-2.0, b=-0.99, c=1e-8), SPRING)
    assert not found.exact and "constant" in found.reason
    assert not compare_with_true_law(pair("a*(r + b) + c*exp(-r)", a=-2.0, b=-0.99, c=0.02), SPRING).exact


@pytest.mark.parametrize("power", [-1.98, -1.9999999])
def test_an_exponent_left_free_is_not_exact(power):
    found = compare_with_true_law(pair("a*m_i*m_j*(r + b)**p", a=-1.0, b=0.01, p=power), GRAVITY)
    assert not found.exact and found.constant_error is None and found.reason == "3 constants, 2 are enough"


def test_the_amplitude_of_a_true_term_is_a_number_even_where_it_is_one():
    assert compare_with_true_law(pair("a*m_i*m_j/(r + b)**2", a=-1.00001, b=0.01), GRAVITY).exact
    assert compare_with_true_law(law(("external", "y", "a*m_i", {"a": -0.999})), FIELD).constant_error == pytest.approx(
        1e-3
    )


def test_a_superfluous_or_missing_term_is_not_exact():
    spring = ("pair", "radial", "a*(r + b)", {"a": -2.0, "b": -0.99})
    drag = ("self", "velocity", "a", {"a": -1.0})
    assert compare_with_true_law(law(spring, drag), DAMPED).exact
    assert not compare_with_true_law(law(spring), DAMPED).exact
    assert not compare_with_true_law(law(spring, drag), SPRING).exact
    assert compare_with_true_law(law(), SPRING).reason == "no pair radial term"
    assert compare_with_true_law(law(spring), []).reason == "a pair radial term too many"
    assert compare_with_true_law(law(), []).exact


def test_charges_count_modulo_their_squares():
    assert compare_with_true_law(pair("a*q_i**3*q_j/(r + b)**2", a=1.0, b=0.01), CHARGE).exact
    assert not compare_with_true_law(pair("a*q_i**2*q_j/(r + b)**2", a=1.0, b=0.01), CHARGE).exact


def test_a_threshold_is_a_constant():
    text = "Piecewise((0, r < t), (a*(r + b), True))"
    found = compare_with_true_law(pair(text, t=1.9899, a=-2.0, b=-0.99), JUMP)
    assert found.exact and found.constant_error == pytest.approx(1e-4 / 1.99, rel=1e-3)
    assert compare_with_true_law(pair(text, t=1.97, a=-2.0, b=-0.99), JUMP).constant_error == pytest.approx(
        0.02 / 1.99, rel=1e-3
    )
    assert not compare_with_true_law(pair("a*(r + b)", a=-2.0, b=-0.99), JUMP).exact
    assert not compare_with_true_law(pair(text, t=1.99, a=-2.0, b=-0.99), SPRING).exact


def test_two_terms_of_one_channel_add_up():
    truth = [*CHARGE, *GRAVITY]
    found = law(
        ("pair", "radial", "a0*q_i*q_j/(r + a1)**2", {"a0": 1.0, "a1": 0.01}),
        ("pair", "radial", "a0*m_i*m_j/(r + a1)**2", {"a0": -1.0, "a1": 0.01}),
    )
    assert compare_with_true_law(found, truth).constant_error == pytest.approx(0, abs=1e-9)


def cell(system: str = "gravity", dim: int = 2, **value: object) -> dict[str, object]:
    usual = {
        "exact": True,
        "constants_error": 1e-6,
        "from_messages": False,
        "without_network": False,
        "without_network_or_refit": False,
        "direct_r2_trimmed": 0.99995,
        "direct_r2_all": 0.99,
    }
    return {
        "name": f"laws_{system}",
        "outcome": "done",
        "arguments": {"system": system, "dim": dim, "network": {}},
        "value": {**usual, **value},
    }


def found(**kept: list) -> dict[str, str]:
    everything = {name: kept.get(name.replace("-", "_"), []) for name in groups()}
    return {row[0]: row[3] for row in summary(everything)}


def test_a_law_is_recovered_when_its_form_and_its_constants_are_right():
    failed = {**cell(), "outcome": "ended with status 1", "value": None}
    wrong = [cell(exact=False, constants_error=None), cell(constants_error=2e-3), failed]
    rows = found(laws=[cell(), *wrong, None])
    assert rows["four laws in 2D and 3D: exact, constants within .1%"] == "1 of 4 (1 not yet run)"
    assert rows["their constants: largest error"] == "2.0e-03, median 1.0e-03"


def test_the_system_with_the_lowest_median_is_shown():
    cells = [cell(dim=d, direct_r2_all=r2) for d, r2 in [(2, 0.5), (2, 0.98), (2, 0.99), (3, 0.97), (3, 0.96)]]
    assert found(laws=cells)["the same, all kept"] == "0.965 (gravity 3D)"


def test_free_motion_is_right_only_without_any_term():
    cells = [cell(terms=[], match="no interaction"), cell(terms=[{}], match="no interaction")]
    assert found(free=cells)["free motion: no interaction"] == "1 of 2"


def test_the_table_holds_all_that_was_asked():
    cells = groups()
    assert [len(cells[name]) for name in ("laws", "sums", "strategies")] == [40, 15, 24]
    every = [c for group in cells.values() for c in group]
    assert len({c.name for c in every}) == len(every)
    assert {c.name.split("_")[0] for c in every} == set(cells)


def test_the_table_of_sensitivity_is_of_the_criteria_as_they_are():
    rows = re.findall(r"^\| `([\w.]+)` \| (.*?) \|", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    fields = {f"{s}.{name}": value for s, part in asdict(DEFAULT_CRITERIA).items() for name, value in part.items()}
    assert dict(rows) == {name: json.dumps(value) for name, value in fields.items()}
