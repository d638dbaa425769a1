"""Force laws are held against closed forms, invariances and conservation."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.errors import DataError, UsageError
from gnn_discovery.laws.evaluate import all_pairs, force, predict_with_law, term_force
from gnn_discovery.laws.law import Constant, ForceLaw, LatentProperty, Term
from gnn_discovery.laws.rollout import rollout
from gnn_discovery.laws.serialisation import from_dict, to_dict
from gnn_discovery.laws.term_evaluator import TermEvaluator, iterate_blocks
from gnn_discovery.laws.text import format_constant
from gnn_discovery.selection.simplification import merge_constants, signature, simplification_moves
from gnn_discovery.symbolic.expression import Expression


def term(kind: str, direction: str, text: str, centre=None, **constants: float) -> Term:
    return Term(kind, direction, Expression.parse(text), {k: Constant(v) for k, v in constants.items()}, centre)


GRAVITY = ForceLaw((term("pair", "radial", "c0*m_i*m_j/r**2", c0=-1.0),), divides_by_mass=True)
SPRING = ForceLaw((term("pair", "radial", "c0*(r + c1)", c0=-2.0, c1=-1.0),), divides_by_mass=True)


def cloud(particles: int, dim: int, seed: int = 0, lead: tuple[int, ...] = ()):
    rng = np.random.default_rng(seed)
    shape = (*lead, particles, dim)
    return rng.normal(size=shape), rng.normal(size=shape), np.exp(rng.normal(size=particles))


@pytest.mark.parametrize("dim", [2, 3])
def test_gravity_is_the_closed_form(dim):
    x, _, m = cloud(5, dim, lead=(7,))
    d = x[:, None, :, :] - x[:, :, None, :]  # x_j - x_i
    r = np.linalg.norm(d, axis=-1) + np.eye(5)
    expected = (m[None, None, :, None] * d / r[..., None] ** 3).sum(axis=2)
    np.testing.assert_allclose(GRAVITY.acceleration(x, properties={"m": m}), expected, rtol=1e-12)


@pytest.mark.parametrize("law", [GRAVITY, SPRING])
def test_a_pair_law_keeps_momentum_and_turns_with_space(law):
    x, v, m = cloud(6, 3)
    a = law.acceleration(x, v, {"m": m})
    assert np.abs((m[:, None] * a).sum(axis=0)).max() < 1e-10 * np.abs(a * m[:, None]).max()
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    moved = law.acceleration(x @ turn.T + 5.0, v, {"m": m})
    np.testing.assert_allclose(moved, a @ turn.T, rtol=1e-9, atol=1e-9)


def test_each_direction_is_what_it_says():
    x, v, _ = cloud(2, 2)
    edges = np.array([[1, 0]])  # from 1 on 0 only
    d, w = x[0] - x[1], v[0] - v[1]
    unit = d / np.linalg.norm(d)
    cases = {
        ("pair", "radial"): unit,
        ("pair", "transverse"): np.array([-unit[1], unit[0]]),
        ("pair", "velocity"): w,
        ("pair", "x"): np.array([1.0, 0.0]),
        ("self", "velocity"): v[0],
        ("self", "transverse"): np.array([-v[0, 1], v[0, 0]]),
        ("external", "radial"): (x[0] - [1.0, 2.0]) / np.linalg.norm(x[0] - [1.0, 2.0]),
        ("external", "y"): np.array([0.0, 1.0]),
    }
    for (kind, direction), vector in cases.items():
        centre = (1.0, 2.0) if kind == "external" else None
        law = ForceLaw((term(kind, direction, "c0", centre, c0=3.0),))
        np.testing.assert_allclose(law.acceleration(x, v, edges=edges)[0], 3 * vector, err_msg=f"{kind} {direction}")


def test_variables_of_pairs_and_particles():
    x, v, _ = cloud(2, 3)
    d, w = x[0] - x[1], v[0] - v[1]
    r = np.linalg.norm(d)
    q = {"q": np.array([2.0, -3.0])}
    for text, value in {
        "r": r,
        "v": np.linalg.norm(w),
        "v_r": w @ d / r,
        "q_i": 2.0,
        "q_j": -3.0,
        "q_i*q_j**2/r": 18.0 / r,
    }.items():
        law = ForceLaw((term("pair", "radial", text),))
        np.testing.assert_allclose(law.acceleration(x, v, q)[0], value * d / r, err_msg=text)
    for text, value in {"v": np.linalg.norm(v[0]), "x": x[0, 0], "z": x[0, 2], "q_i": 2.0}.items():
        law = ForceLaw((term("self", "x", text),))
        np.testing.assert_allclose(law.acceleration(x, v, q)[0, 0], value, err_msg=text)


def test_nearest_image_in_a_box():
    x = np.array([[0.5, 5.0], [9.5, 5.0]])
    law = ForceLaw((term("pair", "radial", "1/r"),))
    np.testing.assert_allclose(law.acceleration(x, box=np.array([10.0, 10.0])), [[1.0, 0], [-1.0, 0]])


def test_nothing_acts_beyond_the_cutoff():
    x = np.array([[0.0, 0.0], [2.0, 0.0], [5.0, 0.0]])
    law = ForceLaw((term("pair", "radial", "1/r"),))
    np.testing.assert_allclose(law.acceleration(x, cutoff=3.5), [[-1 / 2, 0], [1 / 2 - 1 / 3, 0], [1 / 3, 0]])
    np.testing.assert_allclose(law.acceleration(x, cutoff=2.5), [[-1 / 2, 0], [1 / 2, 0], [0, 0]])
    near = law.acceleration(x, box=np.array([6.0, 9.0]), cutoff=2.5)
    np.testing.assert_allclose(near, [[1 - 1 / 2, 0], [1 / 2, 0], [-1, 0]])


def snapshots(count: int, particles: int, absent: bool = False) -> Dataset:
    x, v, m = cloud(particles, 2, lead=(count,))
    present = np.ones((count, particles), dtype=bool)
    if absent:
        present[::2, -1] = False
        x[::2, -1] = x[::2, 0] = 0.0  # on top of another one, where it does not count
    senders, receivers = all_pairs(particles)
    masses, run = {"m": np.tile(m, (count, 1))}, np.arange(count)
    return Dataset(x, v, np.zeros_like(x), masses, present, run, 1.0 * run, senders, receivers)


def test_absent_particles_neither_act_nor_move():
    data = snapshots(6, 4, absent=True)
    got = force(GRAVITY, data)
    assert np.all(got[::2, -1] == 0)
    few = GRAVITY.acceleration(data.positions[0, :3], properties={"m": data.properties["m"][0, :3]})
    np.testing.assert_allclose(predict_with_law(GRAVITY, data)[0, :3], few, rtol=1e-12)


def test_blocks_do_not_change_the_force():
    data = snapshots(50, 4)
    whole = TermEvaluator(data).force(GRAVITY.terms[0])
    parts = [TermEvaluator(b).force(GRAVITY.terms[0]) for b in iterate_blocks(data, entries=100)]
    assert len(parts) > 3
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    np.testing.assert_array_equal(term_force(GRAVITY.terms[0], data), np.swapaxes(whole, 0, 1))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: GRAVITY.acceleration(np.zeros((3, 2)), properties={"m": np.ones(3)}), DataError, "0 and 1"),
        (lambda: GRAVITY.acceleration(cloud(3, 2)[0]), DataError, "'m'"),
        (lambda: GRAVITY.acceleration(np.zeros(3)), DataError, r"\(\.\.\., N, D\)"),
        (lambda: GRAVITY.acceleration(cloud(3, 2)[0], properties={"m": np.ones(4)}), DataError, "shape"),
        (
            lambda: ForceLaw((term("self", "velocity", "1"),)).acceleration(cloud(3, 2)[0]),
            DataError,
            "velocities",
        ),
        (
            lambda: ForceLaw((term("pair", "transverse", "1"),)).acceleration(cloud(3, 3)[0]),
            UsageError,
            "two dimensions",
        ),
        (lambda: ForceLaw((term("pair", "radial", "k"),)).acceleration(cloud(3, 3)[0]), UsageError, "'k'"),
        (lambda: from_dict({"terms": [{"kind": "pair"}]}), DataError, "not a law"),
        (
            lambda: from_dict({"terms": [{"kind": "psi", "direction": "x", "expression": "1"}]}),
            DataError,
            "psi",
        ),
    ],
)
def test_wrong_input_is_named(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_latent_strengths_stand_in_for_a_property():
    x, _, m = cloud(3, 3)
    known = ForceLaw((term("pair", "radial", "-m_j/r**2"),))
    inferred = ForceLaw(known.terms, latent={"m": LatentProperty(m, 0.1 * m, m > 0)})
    np.testing.assert_array_equal(inferred.acceleration(x), known.acceleration(x, properties={"m": m}))


def test_kepler_orbit_closes_and_keeps_energy():
    times = np.linspace(0, 2 * np.pi, 40)
    start = np.array([[1.0, 0, 0], [0, 0, 0]])
    pace = np.array([[0, 1.0, 0], [0, 0, 0]])
    law = ForceLaw((term("pair", "radial", "-m_j/r**2"),))
    x = rollout(law, start, pace, {"m": np.array([0.0, 1.0])}, times)
    np.testing.assert_allclose(np.linalg.norm(x[:, 0] - x[:, 1], axis=-1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(x[-1], start, atol=1e-5)


def test_first_order_law_relaxes_exponentially():
    law = ForceLaw((term("external", "radial", "c0*r", c0=-0.5),), order=1)
    x = rollout(law, np.array([[3.0, 4.0]]), None, None, np.linspace(0, 2, 9))
    np.testing.assert_allclose(x[-1, 0], np.array([3.0, 4.0]) * np.exp(-1), rtol=1e-6)


def test_roll_stops_where_its_evaluations_are_spent():
    """Forces that jump at a cut-off need many short steps."""
    law = ForceLaw((term("pair", "radial", "-1.0"),))
    times = np.linspace(0, 40, 81)
    start = np.array([[0.0, 0.0], [1.0, 0.0]])
    x = rollout(law, start, np.array([[0.0, 0.3], [0.0, -0.3]]), None, times, cutoff=1.05, evaluations=600)
    assert 1 < len(x) < len(times)
    np.testing.assert_allclose(x.sum(axis=1), [[1.0, 0.0]] * len(x), atol=1e-6)


def test_roll_stops_where_it_diverges():
    law = ForceLaw((term("external", "radial", "r**3"),), order=1)  # infinite at t = 1/2
    x = rollout(law, np.array([[1.0, 0.0]]), None, None, np.linspace(0, 1, 21))
    assert 5 < len(x) <= 11
    assert np.isfinite(x).all()


@pytest.mark.parametrize(
    ("value", "std", "text"),
    [
        (-1.0, 2e-5, "1.00000(2)"),
        (1.0, 0.0, "1.000000(1)"),
        (0.01, 3e-4, "0.0100(3)"),
        (2.959122e-4, 1.2e-8, "2.9591(2)e-04"),
        (350.0, 20.0, "3.5(2)e+02"),
        (1.0, 0.0995, "1.0(1)"),
        (0.25, None, "0.25"),
    ],
)
def test_numbers_show_their_error(value, std, text):
    assert format_constant(Constant(value, std)) == text


def test_law_reads_as_an_equation():
    law = ForceLaw(
        (
            Term(
                "pair",
                "radial",
                Expression.parse("c0*m_i*m_j/(r + c1)**2"),
                {"c0": Constant(-1.0, 2e-5), "c1": Constant(0.01, 1e-4)},
            ),
            Term("self", "velocity", Expression.parse("c0"), {"c0": Constant(-0.5, 0.01)}),
        ),
        divides_by_mass=True,
    )
    assert str(law) == "m_i a_i = sum_j [-1.00000(2) m_i m_j/(r + 0.0100(1))^2] r_hat + [-0.50(1)] v_i"
    assert "no interaction" in str(ForceLaw(()))


def test_plain_data_come_back_the_same_and_hold_no_nan():
    latent = {"m": LatentProperty(np.array([1.0, 0.1]), np.array([0.01, np.inf]), np.array([True, False]))}
    law = ForceLaw(
        (
            term("external", "radial", "c0*r", (1.0, 2.0), c0=-0.1),
            term("pair", "radial", "Piecewise((c0*(r + c1), r > c2), (0, True))", c0=1.0, c1=2.0, c2=3.0),
        ),
        latent=latent,
    )
    again = from_dict(json.loads(json.dumps(to_dict(law), allow_nan=False)))
    assert again.terms == law.terms
    np.testing.assert_array_equal(again.latent["m"].std, latent["m"].std)


def test_signature_forgets_names_and_values_of_constants():
    one = ForceLaw((term("pair", "radial", "c0*(r + c1)**c2", c0=1.0, c1=2.0, c2=3.0),))
    two = ForceLaw((term("pair", "radial", "c2*(r + c0)**c1", c0=5.0, c1=2.0, c2=3.0),))
    assert signature(one) == signature(two)
    assert signature(one) != signature(GRAVITY)


@pytest.mark.parametrize(
    ("text", "expected", "values"),
    [
        ("b0*r/b1", "b0_*r", {"b0_": -0.4}),
        ("b0*(r + b1)", "b0*(r + b1)", {"b0": -2.0, "b1": 5.0}),
        ("2*b0*m_i**(b0 + b1)", "b0_*m_i**b0__", {"b0_": -4.0, "b0__": 3.0}),
        ("b0*b1*exp(b1*r)", "b0_*exp(b1*r)", {"b0_": -10.0, "b1": 5.0}),
        ("Piecewise((r, r < 2), (b0*b1, True))", "Piecewise((r, r < 2), (b0_, True))", {"b0_": -10.0}),
        ("Piecewise((0, r < b0*b1), (b0*b1*r, True))", "Piecewise((0, r < b0_), (b0_*r, True))", {"b0_": -10.0}),
    ],
)
def test_constants_that_the_data_cannot_tell_apart_are_one(text, expected, values):
    found = merge_constants(term("pair", "radial", text, b0=-2.0, b1=5.0))
    names = sorted(found.expression.names)
    at = {**values, "r": 1.3, "m_i": 0.7}
    assert {k: c.value for k, c in found.constants.items()} == pytest.approx(values)
    assert names == sorted(Expression.parse(expected).names)
    assert found.expression.numpy(names)(*(at[n] for n in names)) == pytest.approx(
        Expression.parse(expected).numpy(names)(*(at[n] for n in names))
    )


def test_a_power_of_nothing_goes():
    term = Term("self", "velocity", Expression.parse("b0*v**b1"), {"b0": Constant(-1.0), "b1": Constant(2e-17, 3e-18)})
    shorter = [law.terms[0].expression.text for law in simplification_moves(ForceLaw((term,)))]
    assert "b0" in shorter


def test_constants_that_came_out_alike_are_tied_and_dead_branches_go():
    constants = {"a1": Constant(0.01), "a2": Constant(0.0100001), "a3": Constant(-1.0), "a4": Constant(3.0)}
    text = "Piecewise((a4/r, r < a3), (1/((r + a1)*(r + a2)), True))"
    term = Term("pair", "radial", Expression.parse(text), constants)
    once = [law.terms[0] for law in simplification_moves(ForceLaw((term,)))]
    live = [t for t in once if t.expression.text == Expression.parse("1/((r + a1)*(r + a2))").text]
    assert live
    twice = [law.terms[0].expression.text for law in simplification_moves(ForceLaw((live[0],)))]
    assert "(r + a1)**(-2)" in twice or "1/(r + a1)**2" in twice


def test_of_two_factors_that_the_data_leave_open_one_is_made_one():
    """Neither of them has an error bar; a constant that has one stays."""
    constants = {"a1": Constant(7e-6), "a2": Constant(-3e5), "a3": Constant(3e5)}
    law = ForceLaw((Term("pair", "radial", Expression.parse("a1*(a2*r + a3)"), constants),))
    assert "a2*r + a3" in {one.terms[0].expression.text for one in simplification_moves(law)}
    sure = {name: Constant(c.value, 1e-9) for name, c in constants.items()}
    kept = simplification_moves(ForceLaw((replace(law.terms[0], constants=sure),)))
    assert "a2*r + a3" not in {one.terms[0].expression.text for one in kept}


def test_a_change_that_no_formula_can_hold_is_left_out():
    """r**a/r**b with exponents of hundreds cannot be merged into one power that a formula holds; other moves remain."""
    constants = {"a0": Constant(-400.0, 1.0), "a1": Constant(300.0, 1.0), "a2": Constant(2.0, 1.0)}
    law = ForceLaw((Term("pair", "radial", Expression.parse("a2*r**a0/r**a1 + r"), constants),))
    found = list(simplification_moves(law))
    assert ["r"] in [[t.expression.text for t in one.terms] for one in found]
