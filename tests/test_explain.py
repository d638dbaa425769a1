"""A network is explained by its own pair forces: message functions in closed form, known to the last digit."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from networks import trained_spring
from typer.testing import CliRunner
from worlds import halves, size, spring, world

from gnn_discovery import DataError, DiscoverConfig, StorageError, UsageError, explain
from gnn_discovery.cli import app
from gnn_discovery.data.readers import write_trajectories
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.distillation import AdditiveComponent, AdditiveStructure, DistillationResult
from gnn_discovery.laws.evaluate import predict_with_law
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.messages.external_network import (
    ACCELERATION_GAUGE,
    FORCE_GAUGE,
    LINEAR_MAP_GAUGE,
    LINEAR_MAP_OVER_MASS_GAUGE,
    fit_gauge,
)
from gnn_discovery.messages.pair_dataset import pair_dataset
from gnn_discovery.pipeline import stages
from gnn_discovery.report.explanation import explanation_sentences
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.validation.agreement_profile import (
    disagreement_intervals,
    extended_bins,
    extrapolated_profile,
    longest_agreement_interval,
    measure_agreement,
)
from gnn_discovery.validation.verdict import CheckId

SOFT, CORE = 0.01, 0.2
MIXING = np.random.default_rng(1).normal(size=(2, 5))


def gravity(positions_i, positions_j, velocities_i, velocities_j, properties_i, properties_j):
    """-m_i m_j / (r + 0.01)^2."""
    d = positions_i - positions_j
    return -(properties_i["m"] * properties_j["m"])[:, None] / (size(d) + SOFT) ** 2 * d / size(d)


def clamped(*given):
    """The same, but inside r = 0.2 what it is there."""
    d = size(given[0] - given[1])
    return gravity(*given) * (d + SOFT) ** 2 / (np.maximum(d, CORE) + SOFT) ** 2


def truth(x, v, p):
    return -(p["m_i"] * p["m_j"])[..., None] / (size(x) + SOFT) ** 2 * x / size(x)


FUNCTIONS = {
    FORCE_GAUGE: gravity,
    ACCELERATION_GAUGE: lambda *given: gravity(*given) / given[4]["m"][:, None],
    LINEAR_MAP_GAUGE: lambda *given: gravity(*given) @ MIXING + 0.3,
    LINEAR_MAP_OVER_MASS_GAUGE: lambda *given: gravity(*given) / given[4]["m"][:, None] @ MIXING - 0.7,
}


@pytest.mark.parametrize("gauge", FUNCTIONS)
def test_a_message_is_read_as_a_force_whatever_its_gauge(gauge):
    data = halves(world(truth, count=600))
    function = fit_gauge(FUNCTIONS[gauge], "mine", data.train)
    assert function.gauge == gauge
    read = function.read(data.test)
    table = read.pair
    np.testing.assert_allclose(
        table.contributions, truth(table.position, table.velocity, table.properties), rtol=1e-9, atol=1e-9
    )
    assert read.additivity_error < 1e-12 and not read.self_force.contributions.any()
    np.testing.assert_allclose(function.predict(data.test), data.test.target, rtol=1e-9, atol=1e-9)


def test_a_force_is_read_as_it_is_beside_motion_that_is_not_its_own():
    data = halves(world(spring, count=300)).train
    assert fit_gauge(gravity, "mine", data).gauge == FORCE_GAUGE


BROKEN = {
    "gives shape": lambda *given: gravity(*given)[:-1],
    "gives shape .* in 2 dimensions": lambda *given: gravity(*given)[:, :1],
    "fails: KeyError: 'q'": lambda xi, xj, vi, vj, pi, pj: pi["q"],
    "fails: TypeError": lambda positions, velocities: positions,
    r"gives \[nan, nan\] for a pair of the motion": lambda *given: np.log(size(given[0]) - 1) * given[0],
}


@pytest.mark.parametrize("error", BROKEN)
def test_a_broken_function_is_told_in_words(error):
    data = world(truth, count=50)
    with pytest.raises(DataError, match=error) as raised, np.errstate(invalid="ignore"):
        fit_gauge(BROKEN[error], "mine.py:broken", data)
    assert "mine.py:broken" in str(raised.value)


def law(text: str, direction: str = "radial", kind: str = "pair", **constants: float) -> ForceLaw:
    values = {name: Constant(value) for name, value in constants.items()}
    return ForceLaw((Term(kind, direction, Expression.parse(text), values),), divides_by_mass=True)  # type: ignore[arg-type]


SOFTENED = law("a*m_i*m_j/(r + s)**2", a=-1.0, s=SOFT)
SPRING = law("-2*(r - l)", l=0.99)


@pytest.mark.parametrize("box", [None, np.array([3.0, 3.0])])
def test_two_bodies_alone_move_by_the_law_of_the_messages(box):
    data = world(truth, count=40, box=box)
    read = fit_gauge(gravity, "mine", data).read(data)
    alone = pair_dataset(data, read)
    assert len(alone.run) == 40 * 6 and alone.positions.shape[1:] == (2, 2)
    np.testing.assert_allclose(predict_with_law(SOFTENED, alone), alone.target, rtol=1e-9)
    np.testing.assert_allclose(alone.force.sum(axis=1), 0, atol=1e-9), "action and reaction"


def test_particular_bodies_keep_their_places():
    data = world(truth, count=10)
    read = fit_gauge(gravity, "mine", data).read(data)
    alone = pair_dataset(data, read, keep_particle_indices=True)
    assert alone.present.shape == (60, 4) and (alone.present.sum(axis=1) == 2).all()
    np.testing.assert_allclose(predict_with_law(SOFTENED, alone), alone.target, rtol=1e-9, atol=1e-12)


def sides(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Clamped and true force of unit masses (... 2) at distances."""
    line = -1 / (r + SOFT) ** 2
    core = -1 / (np.maximum(r, CORE) + SOFT) ** 2
    return tuple(np.stack([f, np.zeros_like(f)], -1) for f in (core, line))


def test_the_place_where_they_part_is_found_and_told():
    r = np.exp(np.random.default_rng(0).uniform(np.log(0.03), np.log(4), 5000))
    one = measure_agreement("r", r, *sides(r))
    together = longest_agreement_interval(one, 1e-3)
    assert together.low == pytest.approx(CORE, rel=0.15) and together.high == r.max()
    assert together.deviation < 1e-12
    low, high = extended_bins(one, 0.01, 12.0)
    moved = sides(np.sqrt(low * high)[:, None] * np.ones(7))
    wide = extrapolated_profile(one, low, high, *moved)
    inner, past = disagreement_intervals(wide, 1e-3)
    assert inner.share == pytest.approx(np.mean(r < CORE), abs=0.05) and past.share == 0
    assert (past.low, past.high) == pytest.approx((0.01, r.min()))
    assert past.network == pytest.approx([1 / (CORE + SOFT) ** 2] * 2)


CENTRAL = AdditiveStructure((AdditiveComponent("radial", (("m_i", 1.0), ("m_j", 1.0)), "r"),), 0.0)
OFFERED = (law("a*m_i*m_j*r**b", a=-0.9, b=-1.9), law("a*m_i*m_j", a=-1.0), law("a*m_i*m_j/r**2", a=-0.9))


@pytest.fixture
def by_hand(monkeypatch):
    """No engine: three formulas that one would offer, none of them softened."""
    monkeypatch.setattr(
        stages, "distill_tables", lambda *_, **__: DistillationResult(OFFERED, ((CENTRAL,),), "by hand")
    )


def motion(law: ForceLaw = SOFTENED, runs: int = 30, frames: int = 20) -> list[Trajectory]:
    """Places and velocities at random, accelerations by the law."""
    rng = np.random.default_rng(0)
    x, v = rng.normal(size=(2, runs, frames, 4, 2))
    m = np.exp(rng.normal(size=(runs, 4)))
    times = np.arange(frames, dtype=float)
    return [Trajectory(x[k], times, v[k], law.acceleration(x[k], v[k], {"m": m[k]}), {"m": m[k]}) for k in range(runs)]


def test_gravity_is_explained_as_gravity_in_any_gauge(by_hand):
    found = explain(FUNCTIONS[LINEAR_MAP_GAUGE], motion())
    assert found.verdict.status == "known" and found.verdict.match == "Newtonian gravity, softened r + c"
    values = [c.value for c in found.law.terms[0].constants.values()]
    assert sorted(values) == pytest.approx([-1, SOFT], rel=1e-6)
    assert found.disagreements == () and found.agreement.share == pytest.approx(1)
    assert max(found.discovery.fit.law_error[0], found.discovery.fit.network_error[0]) < 1e-6


def test_a_network_is_held_against_what_the_given_terms_leave(by_hand):
    """Gravity learnt beside springs that were given."""
    both = replace(SOFTENED, terms=(*SOFTENED.terms, *SPRING.terms))
    found = explain(gravity, motion(both), DiscoverConfig(known="-2*(r - 0.99)"))
    assert found.verdict.match == "Newtonian gravity, softened r + c" and found.law.known_terms.terms == ()
    assert max(found.discovery.fit.law_error[0], found.discovery.fit.network_error[0], found.additivity_error) < 1e-6
    first, second, *_, last = explanation_sentences(found)
    assert "-2 (r - 0.99)] r_hat (given)" in first and "the observed force that the given terms leave" in second
    assert last.startswith("Held-out motion that the given terms leave: the law misses")
    assert any("-2*(r - 0.99)" in text for text in found.discovery.assumptions)


def test_where_it_saturates_network_and_law_part_and_the_motion_follows_the_law(by_hand, in_tmp):
    found = explain(clamped, motion(), directory="out")
    assert found.verdict.status == "known" and found.verdict.match == "Newtonian gravity, softened r + c"
    assert found.agreement.low == pytest.approx(CORE, rel=0.25) and found.agreement.share > 0.95
    inner, past = found.disagreements
    assert inner.variable == past.variable == "r" and inner.high == found.agreement.low and past.share == 0
    assert inner.law_error < 1e-2 < 0.2 < inner.network_error
    told = " ".join(explanation_sentences(found))
    assert "the network's force stays near" in told
    assert "The motion follows the law" in told and told in str(found).replace("\n", " ")
    plain = json.loads((in_tmp / "out" / "explanation.json").read_text(), parse_constant=pytest.fail)
    assert plain["verdict"]["status"] == "known" and len(plain["parting"]["apart"]) == 2
    page = (in_tmp / "out" / "explanation.html").read_text()
    assert "disagree" in page and "What this network has learnt" in page and "<script" not in page
    with pytest.raises(StorageError, match="is there already"):
        explain(clamped, motion(), directory="out")


def test_what_follows_no_law_is_inconclusive(by_hand):
    def swirl(*given):
        d = given[0] - given[1]
        return gravity(*given) + np.sin(5 * given[0][:, :1]) * np.stack([-d[:, 1], d[:, 0]], -1)

    found = explain(swirl, motion())
    assert found.verdict.status == "inconclusive" and found.verdict.match is None
    (follows,) = (check for check in found.verdict.checks if check.id == CheckId.NETWORK_FOLLOWS_LAW)
    assert follows.passed is False


def test_what_is_missing_is_said(in_tmp):
    with pytest.raises(UsageError, match="no motion"):
        explain(gravity)
    with pytest.raises(UsageError, match="is no function"):
        (in_tmp / "some.py").write_text("number = 3")
        explain("some.py:number", motion())


@pytest.mark.slow
def test_a_trained_spring_is_explained_as_a_spring():
    """Some constants are those of the network, which knows the spring to a percent."""
    found = explain(trained_spring(), motion(SPRING), DiscoverConfig(engines=("sparse",)))
    assert found.verdict.match == "Hooke spring with rest length"
    (term,) = found.law.terms
    force = term.expression.substitute({name: c.value for name, c in term.constants.items()}).numpy(["r"])
    at_rest, stiffness = force(np.array(0.0)), force(np.array(0.0)) - force(np.array(1.0))
    assert [at_rest / stiffness, stiffness] == pytest.approx([0.99, 2.0], rel=0.02)  # however the line is written
    assert found.discovery.fit.law_error[0] < found.discovery.fit.network_error[0] < 0.1
    assert 1e-3 < found.tolerance <= 0.1


FILE = """
import numpy as np

def messages(positions_i, positions_j, velocities_i, velocities_j, properties_i, properties_j):
    d = positions_i - positions_j
    r = np.linalg.norm(d, axis=-1, keepdims=True)
    return -2 * (r - 0.99) * d / r
"""


def test_the_command_explains_a_function_in_a_file_once(by_hand, in_tmp):
    (in_tmp / "mine.py").write_text(FILE)
    write_trajectories(in_tmp / "data.npz", motion(SPRING))
    command = ["explain", "mine.py:messages", "--data", "data.npz", "--out", "told", "--engine", "sparse", "--json"]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    plain = json.loads(first.stdout, parse_constant=pytest.fail)
    assert plain["source"] == "mine.py:messages on data.npz" and plain["parting"]["gauge"] == FORCE_GAUGE
    assert {p.name for p in (in_tmp / "told").iterdir()} == {"explanation.json", "explanation.html", "figures"}
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 6 and "not empty" in again.stderr


@pytest.mark.parametrize("wrong", [["mine.py:messages"], ["nowhere"], ["nowhere", "--data", "spring"]])
def test_the_command_says_what_it_needs(in_tmp, wrong):
    said = CliRunner().invoke(app, ["explain", *wrong])
    assert said.exit_code == 2 and "--data SOURCE" in said.stderr
