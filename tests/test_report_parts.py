"""Test that what the report draws and writes is what the arrays hold: truth, figures, formulas, numbers."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from report_samples import GRAVITY, TRUTH, discovery, evidence

from gnn_discovery.errors import DataError
from gnn_discovery.laws.latex import equation_parts, law_latex
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.report import direct_r2, with_ground_truth
from gnn_discovery.report.discovery import Curve, FrontPoint
from gnn_discovery.report.equation_svg import equation_to_svg
from gnn_discovery.report.figures import draw_all, draw_messages
from gnn_discovery.report.number_format import format_number, format_r2, format_relative_error, format_with_error
from gnn_discovery.symbolic.expression import Expression


def test_the_true_force_of_each_pair_is_the_closed_form() -> None:
    found = with_ground_truth(discovery(), TRUTH).evidence
    assert found is not None and found.message_position is not None and found.message_truth is not None
    r = np.linalg.norm(found.message_position, axis=1)
    size = -found.message_properties["m_i"] * found.message_properties["m_j"] / (r + 0.01) ** 2
    np.testing.assert_allclose(found.message_truth, (size / r)[:, None] * found.message_position, rtol=1e-12)
    (curve,) = found.curves
    np.testing.assert_allclose(curve.truth, -1 / (curve.x + 0.01) ** 2, rtol=1e-12)


def test_damping_between_pairs_is_a_true_force_along_the_relative_velocity() -> None:
    velocity = np.random.default_rng(1).normal(size=(4000, 2))
    made = discovery(evidence=replace(evidence(), message_velocity=velocity))
    drag = [{"kind": "pair", "direction": "velocity", "expression": "-g", "constants": {"g": 0.3}}]
    found = with_ground_truth(made, drag).evidence
    assert found is not None
    np.testing.assert_allclose(found.message_truth, -0.3 * velocity, rtol=1e-12)


def test_a_truth_that_needs_what_the_data_do_not_give_stays_open() -> None:
    charge = [{"kind": "pair", "direction": "radial", "expression": "q_i*q_j/r**2", "constants": {}}]
    found = with_ground_truth(discovery(), charge)
    assert found.evidence is not None
    assert found.evidence.message_truth is None and found.evidence.curves[0].truth is None
    assert found.messages is not None and found.messages.direct_r2 is None


def test_revealing_changes_neither_law_nor_verdict() -> None:
    made = discovery()
    found = with_ground_truth(made, TRUTH)
    assert found.law is made.law and found.verdict is made.verdict and found.fit is made.fit


@pytest.mark.parametrize("record", [{}, {"kind": "pair", "direction": "radial", "expression": "__import__('os')"}])
def test_a_truth_that_is_no_term_is_named(record: dict) -> None:
    with pytest.raises(DataError, match="truth"):
        with_ground_truth(discovery(), [record])


def test_direct_r2_is_one_minus_sse_over_sst() -> None:
    truth = np.array([[-1.0, 0.0], [1.0, 0.0]] * 10)
    estimate = truth.copy()
    estimate[:2, 1] = 3.0  # two of twenty rows: exactly the worst tenth
    trimmed, full = direct_r2(estimate, truth)
    assert trimmed == 1.0
    assert full == pytest.approx(1 - 18 / 20, abs=1e-15)
    assert direct_r2(truth, np.ones_like(truth)) == (None, None)


def test_the_figure_of_messages_shows_every_drawn_pair_and_its_r2() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(size=(400, 2))
    miss = rng.normal(size=(400, 2))
    drawing = draw_messages("messages", truth, truth + 0.1 * miss, "the true force")
    sst = ((truth - truth.mean(axis=0)) ** 2).sum()
    assert f"{format_r2(1 - 0.01 * (miss**2).sum() / sst)} with all kept" in drawing.caption
    for axis in "xy":
        group = drawing.svg.split(f'id="messages-{axis}"')[1].split('<g id="')[0]
        assert group.split("</defs>")[1].split("</g>\n</g>")[0].count("<use") == 400


def test_figures_say_what_the_arrays_say() -> None:
    drawings = {drawing.name: drawing for drawing in draw_all(with_ground_truth(discovery(), TRUTH))}
    assert list(drawings)[:3] == ["curve-1", "messages", "truth"]
    made = evidence()
    carried = 100 * made.spectrum[:2].sum() / made.spectrum.sum()
    assert f"2 of 32 components are active and carry {carried:.2f} %" in drawings["spectrum"].caption
    assert format_number(float(np.median(np.abs(made.residuals))), 2) in drawings["residuals"].caption
    away = np.linalg.norm(made.rollout - made.observed, axis=-1)[-1].max()
    centred = made.observed - made.observed.mean(axis=(0, 1))
    assert format_relative_error(away / np.sqrt((centred**2).sum(-1).mean())) in drawings["departure"].caption
    assert "attractive" in drawings["curve-1"].caption


@pytest.mark.parametrize(
    ("expression", "constants", "expected"),
    [
        (
            GRAVITY,
            {"c0": -1.0, "c1": 0.01},
            r"-\sum_{j}\,\dfrac{1 \, m_{i} \, m_{j}}{\left(r + 0.01\right)^{2}}",
        ),
        ("c0*(r + c1)", {"c0": -2.0, "c1": -0.99}, r"-\sum_{j}\,2 \, \left(r - 0.99\right)"),
        ("c0*m_j*r**c1", {"c0": 3e-9, "c1": -2.0}, r"3\!\cdot\!10^{-9} \, m_{j} \, r^{- 2}"),
        ("Piecewise((0, r < c0), (c1*r, True))", {"c0": 1.99, "c1": 2.0}, r"0 & \text{for}\: r < 1.99"),
    ],
)
def test_the_equation_carries_signs_and_constants(expression: str, constants: dict, expected: str) -> None:
    values = {name: Constant(value) for name, value in constants.items()}
    made = ForceLaw((Term("pair", "radial", Expression.parse(expression), values),), 2, True)
    assert expected in law_latex(made)
    assert all(equation_to_svg(piece) is not None for piece in equation_parts(made))


def test_the_drawn_equation_stands_on_its_baseline() -> None:
    picture = equation_to_svg("x")
    assert picture is not None
    top, height = (float(value) for value in re.search(r'viewBox="0 (\S+) \S+ (\S+)"', picture).groups())
    ys = [float(y) for y in re.findall(r"[MLQC ]-?\d+ (-?\d+)", picture.split(' d="')[1])]
    assert top <= min(ys) and max(ys) <= top + height
    assert equation_to_svg(r"\nothing{") is None


@pytest.mark.parametrize(
    ("value", "std", "expected"),
    [
        (1.0000123, 2e-5, "1.000012 ± 0.000020"),
        (-9.81, 0.012, "−9.810 ± 0.012"),
        (2.9591e-4, 3.1e-8, "(2.95910 ± 0.00031)·10⁻⁴"),
        (123456.7, 12.0, "(1.23457 ± 0.00012)·10⁵"),
        (3.0, 40.0, "3 ± 40"),
        (0.0, 0.1, "0.00 ± 0.10"),
        (1.0, 1e-14, "1.000000000 ± 1·10⁻¹⁴"),
        (1.98967, None, "1.98967"),
    ],
)
def test_numbers_are_rounded_to_their_errors(value: float, std: float | None, expected: str) -> None:
    assert format_with_error(value, std) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.9999999, "1 − 1·10⁻⁷"), (0.99998, "0.99998"), (0.98999, "0.989"), (1.0, "1"), (-2.2, "−2.200")],
)
def test_r2_is_never_rounded_up_to_one(value: float, expected: str) -> None:
    assert format_r2(value) == expected


def test_degenerate_evidence_is_still_drawn() -> None:
    gap = np.linspace(0.5, 2, 30)
    silent = Curve("Radial pair force", "r", gap, np.where(gap > 1.9, np.nan, 0.0), np.zeros(30))
    steady = np.zeros((5, 2, 1))
    made = replace(
        evidence(rows=20),
        spectrum=np.zeros(3),
        n_active_components=0,
        message=np.full((20, 1), np.nan),
        message_law=np.zeros((20, 1)),
        message_position=np.ones((20, 1)),
        message_velocity=np.ones((20, 1)),
        curves=(silent, replace(silent, x=np.full(30, np.nan))),
        residuals=np.array([np.nan, 0.0]),
        observed=steady,
        rollout=steady[:2],
        front=(FrontPoint(1, 0.0, "0", True),),
        history=np.array([[1.0, 0.5, np.nan], [2.0, 0.4, np.nan]]),
    )
    names = [drawing.name for drawing in draw_all(discovery(evidence=made))]
    assert names == [
        "curve-1",
        "messages",
        "spectrum",
        "front",
        "residuals",
        "trajectory",
        "departure",
        "history",
    ]
