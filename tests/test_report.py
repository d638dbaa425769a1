"""The report: what it writes is whole, strict, self-contained, and says what the arrays say."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from gnn_discovery.errors import DataError, StorageError
from gnn_discovery.expression import Expression
from gnn_discovery.law.record import Constant, ForceLaw, LatentProperty, Term
from gnn_discovery.physics.record import Check, Verdict
from gnn_discovery.report import direct_r2, read_json, reveal, summary, to_json, write_report
from gnn_discovery.report.digits import measured, plain, r_squared, share
from gnn_discovery.report.figures import draw_all, draw_messages
from gnn_discovery.report.formula import latex, pieces, svg
from gnn_discovery.report.record import Curve, Discovery, Evidence, Fit, FrontPoint

GRAVITY = "c0*m_i*m_j/(r + c1)**2"
TRUTH = [
    {
        "kind": "pair",
        "direction": "radial",
        "expression": "-G*m_i*m_j/(r + s)**2",
        "constants": {"G": 1.0, "s": 0.01},
    }
]


def law() -> ForceLaw:
    constants = {"c0": Constant(-1.0000012, 2.3e-6), "c1": Constant(0.0100003, 4.1e-7)}
    return ForceLaw((Term("pair", "radial", Expression.parse(GRAVITY), constants),), 2, True)


def evidence(rows: int = 4000, noise: float = 0.01) -> Evidence:
    rng = np.random.default_rng(0)
    position = rng.normal(size=(rows, 2)) * 1.4
    r = np.linalg.norm(position, axis=1)
    m_i, m_j = rng.lognormal(size=(2, rows))
    force = (-m_i * m_j / (r + 0.01) ** 2 / r)[:, None] * position
    message = force * (1 + noise * rng.normal(size=force.shape))
    grid = np.geomspace(0.1, 6, 50)
    curve = Curve(
        "Radial pair force",
        "r",
        grid,
        -1 / (grid + 0.01) ** 2 * (1 + noise * rng.normal(size=50)),
        -1 / (grid + 0.01) ** 2,
        fixed={"m_i": 1.0, "m_j": 1.0},
    )
    t = np.linspace(0, 2, 100)[:, None, None]
    phase = np.array([0.0, 1.6, 3.1, 4.6])[None, :, None]
    size = np.array([0.5, 1.0, 1.6, 2.2])[None, :, None]
    angle = phase + t * size**-1.5 * 2
    observed = size * np.concatenate([np.cos(angle), np.sin(angle)], axis=2)
    rolled = observed * (1 + 1e-6 * np.exp(3 * t))
    front = [
        (1, 0.9, "c0"),
        (5, 0.31, "c0*m_j/r"),
        (9, 4e-2, "c0*m_i*m_j/r**2"),
        (11, 2e-7, GRAVITY),
        (17, 1.9e-7, "x"),
    ]
    steps = np.arange(1, 60) * 100.0
    return Evidence(
        spectrum=np.concatenate([[0.62, 0.379], 1e-3 * 0.6 ** np.arange(30)]),
        alive=2,
        message=message,
        message_law=force,
        curves=(curve,),
        front=tuple(FrontPoint(c, e, text, text == GRAVITY) for c, e, text in front),
        residuals=2e-7 * rng.normal(size=3000) * rng.lognormal(size=3000),
        observed=observed,
        rolled=rolled,
        history=np.stack([steps, steps**-0.7, 1.3 * steps**-0.68], axis=1),
        message_position=position,
        message_velocity=np.zeros_like(position),
        message_properties={"m_i": m_i, "m_j": m_j},
    )


def discovery(**changes: object) -> Discovery:
    checks = (
        Check("rotation", True, 3.2e-4, "the pair force turns with the pair"),
        Check("reciprocity", True, 1.1e-3, "F_ij = -F_ji"),
        Check("dimension", None, None, "the data carry no units"),
        Check("stable over seeds", True, 1e-6, "3 of 3 seeds give this form"),
    )
    verdict = Verdict(
        "known",
        "Newtonian gravity, softened",
        ("Newtonian gravity",),
        "over r = 0.02 ... 6.1 it differs from Newtonian gravity, softened by 4e-7 of the force",
        checks,
    )
    made = Discovery(
        source="gravity",
        law=law(),
        verdict=verdict,
        fit=Fit((0.9999999, 0.99998), (1.0, 0.99999), (0.012, 0.08), (2.1e-7, 4e-6)),
        particles=(),
        assumptions=(
            "Forces act between pairs and on single particles.",
            "Motion is exact: no noise was seen.",
        ),
        messages={"gauge_agreement": 0.9998, "additivity": 0.997, "recovered_before_refit": True},
        seconds={"simulate": 1.24, "train": 9.8, "messages": 0.7, "distill": 6.1},
        seed=0,
        versions={"gnn-discovery": "0.1.0", "jax": "0.10.1"},
        data_sha256="ab" * 32,
        evidence=evidence(),
        command="gnn-discovery discover gravity",
    )
    return replace(made, **changes)


def solar(**changes: object) -> Discovery:
    bodies = ("Sun", "Mercury", "Jupiter")
    values, std = np.array([2.9591e-4, 4.9e-11, 2.8253e-7]), np.array([3e-9, 4e-11, 5e-11])
    latent = {"m": LatentProperty(values, std, np.array([True, False, True]))}
    term = Term("pair", "radial", Expression.parse("-m_j/r**n"), {"n": Constant(2.00001, 3e-5)})
    made = discovery(
        law=ForceLaw((term,), 2, False, latent), particles=bodies, evidence=None, source="solar-system"
    )
    return replace(made, **changes)


class Page(HTMLParser):
    """The tags, their attributes and the text of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.values: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values.extend(attrs)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def strict(path: Path) -> dict:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} in {path}")

    return json.loads(path.read_text(), parse_constant=refuse)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gravity")
    write_report(reveal(discovery(), TRUTH), folder)
    return folder


def test_the_document_has_the_schema_of_the_design(written: Path) -> None:
    found = strict(written / "discovery.json")
    assert found["schema_version"] == "1"
    assert {
        "source",
        "particles",
        "law",
        "verdict",
        "fit",
        "seconds",
        "seed",
        "versions",
        "data_sha256",
    } <= set(found)
    assert set(found["law"]) == {"terms", "order", "divides_by_mass", "text", "latex", "latent_properties"}
    (term,) = found["law"]["terms"]
    assert (term["kind"], term["direction"]) == ("pair", "radial")
    assert Expression.parse(term["expression"]) == Expression.parse(GRAVITY)
    assert term["constants"]["c0"] == {"value": -1.0000012, "std": 2.3e-6, "unit": None}
    assert set(found["verdict"]) == {"status", "match", "alternatives", "reason", "checks"}
    assert found["verdict"]["checks"][2] == {
        "name": "dimension",
        "passed": None,
        "figure": None,
        "detail": "the data carry no units",
    }
    assert set(found["fit"]) == {"r2", "r2_trimmed", "network_error", "law_error"}
    assert found["fit"]["law_error"] == {"in_distribution": 2.1e-7, "out_of_distribution": 4e-6}
    assert found["law"]["text"] == str(law())


def test_the_document_reads_back_as_it_was_made(written: Path) -> None:
    assert read_json(written / "discovery.json") == json.loads(
        json.dumps(to_json(reveal(discovery(), TRUTH)))
    )


def test_what_is_not_finite_becomes_none(tmp_path: Path) -> None:
    latent = {"m": LatentProperty(np.array([1.0, np.nan]), np.array([0.1, np.inf]), np.array([True, False]))}
    term = Term("pair", "radial", Expression.parse("c0*m_j/r"), {"c0": Constant(1.0, float("nan"))})
    made = discovery(
        law=ForceLaw((term,), 2, False, latent),
        fit=Fit((float("nan"), None), (1.0, None), (float("inf"), None), (0.1, None)),
        messages={"agreement": float("nan")},
        particles=("a", "b"),
        evidence=None,
    )
    page = write_report(made, tmp_path)
    found = strict(tmp_path / "discovery.json")
    assert found["law"]["terms"][0]["constants"]["c0"]["std"] is None
    assert found["law"]["latent_properties"]["m"]["values"] == [1.0, None]
    assert found["law"]["latent_properties"]["m"]["std"] == [0.1, None]
    assert found["fit"]["r2"]["in_distribution"] is None
    assert found["messages"]["agreement"] is None
    assert not re.search(r"\bnan\b", Page(page.read_text()).text, re.IGNORECASE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("{", "no strict JSON"),
        ('{"schema_version": "1", "seed": NaN}', "NaN"),
        ("[1]", "schema_version is None"),
        ('{"schema_version": "7"}', "schema_version is '7'"),
        ('{"schema_version": "1", "source": 3}', "source is of type int"),
        ('{"schema_version": "1", "source": "x"}', "particles is missing"),
    ],
)
def test_a_wrong_document_is_named(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "discovery.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=re.escape(said)) as caught:
        read_json(path)
    assert str(path) in str(caught.value)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageError, match="taken"):
        write_report(solar(), tmp_path / "taken")


def test_the_page_needs_nothing_from_outside(written: Path) -> None:
    text = (written / "report.html").read_text()
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base"} & set(page.tags)
    for name, value in page.values:
        if name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            assert value is not None and value.startswith("#")
    assert not re.search(r"https?:|@import|url\((?!#)", text)
    assert len(text) < 1_500_000


def test_every_reference_inside_the_page_is_unique_and_there(written: Path) -> None:
    text = (written / "report.html").read_text()
    names = re.findall(r' id="([^"]+)"', text)
    assert len(names) == len(set(names))
    used = set(re.findall(r'href="#([^"]+)"', text)) | set(re.findall(r"url\(#([^)]+)\)", text))
    assert used and used <= set(names)


def test_every_picture_has_words_for_those_who_cannot_see_it(written: Path) -> None:
    text = (written / "report.html").read_text()
    drawn = len(list((written / "figures").glob("*.svg")))
    assert drawn == 9
    assert len(re.findall(r'<figure role="group" aria-label="[^"]{20,}"', text)) == drawn
    assert f'aria-label="{law()}"' in text


def test_names_from_outside_are_escaped(tmp_path: Path) -> None:
    nasty = '<script>alert("x")</script>'
    made = solar(
        particles=(nasty, "$x$", "_b"),
        source=nasty,
        assumptions=(nasty,),
        versions={nasty: nasty},
        command=nasty,
        messages={nasty: nasty},
        evidence=replace(
            evidence(), observed=np.ones((9, 3, 2)).cumsum(0), rolled=np.ones((9, 3, 2)).cumsum(0)
        ),
        verdict=Verdict("candidate", nasty, (nasty,), nasty, (Check(nasty, True, 1.0, nasty),)),
    )
    page = Page(write_report(made, tmp_path).read_text())
    assert "script" not in page.tags
    assert nasty in page.text
    assert "<script" not in (tmp_path / "figures" / "trajectory.svg").read_text()


def test_the_true_force_of_each_pair_is_the_closed_form() -> None:
    found = reveal(discovery(), TRUTH).evidence
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
    found = reveal(made, drag).evidence
    assert found is not None
    np.testing.assert_allclose(found.message_truth, -0.3 * velocity, rtol=1e-12)


def test_a_truth_that_needs_what_the_data_do_not_give_stays_open() -> None:
    charge = [{"kind": "pair", "direction": "radial", "expression": "q_i*q_j/r**2", "constants": {}}]
    found = reveal(discovery(), charge)
    assert found.evidence is not None
    assert found.evidence.message_truth is None and found.evidence.curves[0].truth is None
    assert "direct_r2_all" not in found.messages


def test_revealing_changes_neither_law_nor_verdict() -> None:
    made = discovery()
    found = reveal(made, TRUTH)
    assert found.law is made.law and found.verdict is made.verdict and found.fit is made.fit


@pytest.mark.parametrize(
    "record", [{}, {"kind": "pair", "direction": "radial", "expression": "__import__('os')"}]
)
def test_a_truth_that_is_no_term_is_named(record: dict) -> None:
    with pytest.raises(DataError, match="truth"):
        reveal(discovery(), [record])


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
    assert f"{r_squared(1 - 0.01 * (miss**2).sum() / sst)} with all kept" in drawing.caption
    for axis in "xy":
        group = drawing.svg.split(f'id="messages-{axis}"')[1].split('<g id="')[0]
        assert group.split("</defs>")[1].split("</g>\n</g>")[0].count("<use") == 400


def test_figures_say_what_the_arrays_say() -> None:
    drawings = {drawing.name: drawing for drawing in draw_all(reveal(discovery(), TRUTH))}
    assert list(drawings)[:3] == ["curve-1", "messages", "truth"]
    made = evidence()
    carried = 100 * made.spectrum[:2].sum() / made.spectrum.sum()
    assert f"2 of 32 components are alive and carry {carried:.2f} %" in drawings["spectrum"].caption
    assert plain(float(np.median(np.abs(made.residuals))), 2) in drawings["residuals"].caption
    away = np.linalg.norm(made.rolled - made.observed, axis=-1)[-1].max()
    centred = made.observed - made.observed.mean(axis=(0, 1))
    assert share(away / np.sqrt((centred**2).sum(-1).mean())) in drawings["departure"].caption
    assert "attractive" in drawings["curve-1"].caption


def test_the_same_discovery_gives_the_same_bytes(written: Path, tmp_path: Path) -> None:
    write_report(reveal(discovery(), TRUTH), tmp_path)
    for path in written.rglob("*.*"):
        assert path.read_bytes() == (tmp_path / path.relative_to(written)).read_bytes()


def test_accepted_values_stand_beside_what_was_inferred(tmp_path: Path) -> None:
    made = reveal(solar(), [], {"m": [2.9591e-4, 4.91e-11, 2.8e-7]})
    text = Page(write_report(made, tmp_path).read_text()).text
    assert "not determined" in text
    assert f"+{share(2.8253 / 2.8 - 1)}" in text
    with pytest.raises(DataError, match="'m'"):
        reveal(solar(), [], {"m": [1.0]})


def test_summary_says_law_errors_verdict_and_place() -> None:
    text = summary(discovery(), "runs/gravity/report.html")
    assert str(law()) in text
    assert "c0 = −1.0000012 ± 0.0000023" in text
    assert "Known physics: Newtonian gravity, softened" in text
    assert "law 2.1·10⁻⁷, network 1.2 % on held-out runs" in text
    assert text.endswith("runs/gravity/report.html")
    assert "Sun (2.959100 ± 0.000030)·10⁻⁴" in summary(solar())
    assert "not determined: Mercury" in summary(solar())


def test_a_failed_check_is_not_kept_from_the_summary() -> None:
    made = discovery()
    checks = (*made.verdict.checks, Check("energy", False, 0.3, "drifts"))
    assert "failed  energy" in summary(replace(made, verdict=replace(made.verdict, checks=checks)))


def test_no_interaction_has_a_page(tmp_path: Path) -> None:
    none = (None, None)
    verdict = Verdict("inconclusive", "no interaction", (), "no force above 3e-9", ())
    made = discovery(law=ForceLaw(()), verdict=verdict, evidence=None, fit=Fit(none, none, none, none))
    text = Page(write_report(made, tmp_path).read_text()).text
    assert "Inconclusive: no interaction" in text and "No force above 3e-9." in text


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
    assert expected in latex(made)
    assert all(svg(piece) is not None for piece in pieces(made))


def test_the_drawn_equation_stands_on_its_baseline() -> None:
    picture = svg("x")
    assert picture is not None
    top, height = (float(value) for value in re.search(r'viewBox="0 (\S+) \S+ (\S+)"', picture).groups())
    ys = [float(y) for y in re.findall(r"[MLQC ]-?\d+ (-?\d+)", picture.split(' d="')[1])]
    assert top <= min(ys) and max(ys) <= top + height
    assert svg(r"\nothing{") is None


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
    assert measured(value, std) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.9999999, "1 − 1·10⁻⁷"), (0.99998, "0.99998"), (0.98999, "0.989"), (1.0, "1"), (-2.2, "−2.200")],
)
def test_r2_is_never_rounded_up_to_one(value: float, expected: str) -> None:
    assert r_squared(value) == expected


def test_degenerate_evidence_is_still_drawn() -> None:
    gap = np.linspace(0.5, 2, 30)
    silent = Curve("Radial pair force", "r", gap, np.where(gap > 1.9, np.nan, 0.0), np.zeros(30))
    steady = np.zeros((5, 2, 1))
    made = replace(
        evidence(rows=20),
        spectrum=np.zeros(3),
        alive=0,
        message=np.full((20, 1), np.nan),
        message_law=np.zeros((20, 1)),
        message_position=np.ones((20, 1)),
        message_velocity=np.ones((20, 1)),
        curves=(silent, replace(silent, x=np.full(30, np.nan))),
        residuals=np.array([np.nan, 0.0]),
        observed=steady,
        rolled=steady[:2],
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
