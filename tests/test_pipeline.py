"""The whole story, small: motion goes in, a law with its constants and a verdict come out."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from gnn_discovery_simulations.spring import Spring
from networks import QUICK_NETWORK, QUICK_TRAINING
from scipy.integrate import solve_ivp
from worlds import halves, radial, world

from gnn_discovery.cli import check_command, run_commands
from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria, VerdictCriteria
from gnn_discovery.data.readers import write_trajectories
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import UsageError
from gnn_discovery.gnn.training import TrainingConfig
from gnn_discovery.laws.evaluate import predict_with_law
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.laws.serialisation import from_dict
from gnn_discovery.pipeline import (
    DiscoverConfig,
    Session,
    discover,
    load_motion,
    network_training,
    prepare_dataset,
    run_cache,
    stages,
)
from gnn_discovery.pipeline.stages import compare_with_independent_search
from gnn_discovery.runs import RunDirectory
from gnn_discovery.simulators import SimulationConfig, resolve_simulator
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import EngineConfig, EngineResult, RegressionProblem, search_formulas
from gnn_discovery.validation.verdict import CheckId

CONFIG = DiscoverConfig(
    seeds=1,
    simulation=SimulationConfig(runs=100, frames=20),
    network=QUICK_NETWORK,
    training=QUICK_TRAINING,
    regression=EngineConfig(evaluations=10_000),
)

BOTH = replace(CONFIG, engines=("operon", "sparse"))


def constants(law) -> list[float]:
    return [c.value for term in law.terms for c in term.constants.values()]


class Watch:
    """A monitor that knows which step is under way."""

    def __init__(self):
        self.stages, self.done = [], 0.0

    def stage(self, name):
        self.stages.append(name)

    def training(self, progress):
        assert self.stages[-1] == "training"

    def regression(self, done, count):
        assert self.stages[-1] == "regression" and self.done < done <= count
        self.done = done


class Guarded(Spring):
    """A simulator whose law may be asked for by the report alone."""

    def __init__(self, watch: Watch):
        self.watch, self.asked = watch, 0

    def true_law(self, config):
        assert self.watch.stages[-1] == "report" and "verdict" in self.watch.stages
        self.asked += 1
        return super().true_law(config)


@pytest.fixture(scope="module")
def spring(tmp_path_factory):
    """Springs whose law is hidden: what was found, where it is kept, and the simulator."""
    directory, watch = tmp_path_factory.mktemp("runs") / "spring", Watch()
    simulator = Guarded(watch)
    return discover(simulator, BOTH, directory=directory, monitor=watch), directory, simulator


@pytest.mark.slow
def test_springs_are_known_with_their_constants(spring):
    """-2 (r - 0.99), from 100 short runs."""
    found = spring[0]
    (term,) = found.law.terms
    assert (term.kind, term.direction) == ("pair", "radial")
    assert constants(found.law) == pytest.approx([-2.0, -0.99], rel=1e-9)
    assert all(0 <= c.std < 1e-6 for c in term.constants.values())
    assert found.law.divides_by_mass and found.law.order == 2
    assert found.verdict.status == "known" and found.verdict.match == "Hooke spring with rest length"
    assert max(found.fit.law_error) < 1e-9 < max(found.fit.network_error) < 0.1
    assert min(found.fit.r2) > 1 - 1e-12
    checks = found.verdict.checks
    symmetries = [check for check in checks if check.id == CheckId.MESSAGE_SYMMETRY]
    assert len(symmetries) == 6 and all(check.passed for check in symmetries)
    assert all(c.passed for c in checks if c.id in (CheckId.RECIPROCITY, CheckId.MESSAGE_ADDITIVITY))


@pytest.mark.slow
def test_two_engines_agree_on_springs(spring):
    found, directory, _ = spring
    (check,) = (c for c in found.verdict.checks if c.id == CheckId.ENGINE_AGREEMENT)
    assert check.passed is True and check.figure == 1
    assert check.detail == "operon alone gives the same law; sparse alone gives the same law"
    assert found.messages.law_offered_by == "operon, sparse"
    candidates = json.loads((directory / "candidates.json").read_text())
    assert {tuple(law["engines"]) for law in candidates["refitted"]} >= {("operon", "sparse"), ()}


def test_a_config_comes_back_from_json_with_its_criteria():
    criteria = Criteria(verdict=replace(DEFAULT_CRITERIA.verdict, max_unexplained=2e-3))
    config = replace(CONFIG, engines=("sparse", "operon"), units={"length": "m"}, criteria=criteria)
    assert DiscoverConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("engines", [(), ("sparse", "sparse")])
def test_engines_are_names_each_once(engines):
    with pytest.raises(UsageError, match="engines must be names"):
        DiscoverConfig(engines=engines)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"network": {}}, "network"),
        ({"order": 3}, "order"),
        ({"seed": -1}, "seed"),
        ({"cutoff": -1.0}, "cutoff"),
        ({"known": 3}, "known"),
        ({"criteria": None}, "criteria"),
        ({"training": TrainingConfig(kl=5.0)}, "training.kl"),
        ({"training": TrainingConfig(l1=5.0)}, "training.l1"),
    ],
)
def test_a_config_refuses_what_it_does_not_know_and_what_has_no_effect(settings, word):
    with pytest.raises(UsageError, match=word):
        DiscoverConfig(**settings)


@pytest.mark.parametrize("name", ["mass", "masses"])
@pytest.mark.parametrize("ending", ["npz", "h5", None])
def test_a_mass_is_one_whatever_it_is_called(tmp_path, name, ending):
    """Newton's gravity with its masses under another name was called a candidate for something new."""
    runs = resolve_simulator("gravity").simulate(SimulationConfig(runs=3, frames=8))
    called = [replace(run, properties={name: run.properties["m"]}) for run in runs]
    source = called
    if ending is not None:
        source = tmp_path / f"called.{ending}"
        write_trajectories(source, called)
    motion = load_motion(source, SimulationConfig())
    assert [set(run.properties) for run in motion.trajectories] == [{"m"}] * 3
    np.testing.assert_array_equal(motion.trajectories[0].properties["m"], runs[0].properties["m"])
    assert any(name in note for note in motion.notes)


def test_massless_particles_have_no_m():
    """The property stays as it was called: nothing can be divided by it."""
    still = Trajectory(np.zeros((4, 2, 2)) + np.eye(2), np.arange(4.0), properties={"mass": np.array([0.0, 1.0])})
    motion = load_motion([still], SimulationConfig())
    assert set(motion.trajectories[0].properties) == {"mass"} and not motion.notes


@pytest.mark.parametrize("value", [float("nan"), "1", None, (1.0,)])
def test_a_criterion_is_a_finite_number(value):
    with pytest.raises(UsageError, match="max_unexplained"):
        VerdictCriteria(max_unexplained=value)


@pytest.mark.slow
def test_the_true_law_is_asked_for_once_by_the_report(spring):
    found, _, simulator = spring
    assert simulator.asked == 1
    assert found.messages.direct_r2[0] > 0.999, "the network's pair force against the true one, nothing fitted"
    evidence = found.evidence
    assert np.abs(evidence.message_law - evidence.message_truth).max() < 1e-9
    (curve,) = evidence.curves
    np.testing.assert_allclose(curve.truth, -2 * (curve.x - 0.99), atol=1e-9)
    np.testing.assert_allclose(curve.law, curve.truth, atol=1e-9)


@pytest.mark.slow
def test_the_report_holds_what_was_found(spring):
    found, directory, _ = spring
    plain = json.loads((directory / "discovery.json").read_text(), parse_constant=pytest.fail)
    assert plain["verdict"]["status"] == "known" and plain["seed"] == CONFIG.seed
    assert plain["data_sha256"] == found.data_sha256
    again = from_dict(plain["law"])
    x = np.random.default_rng(0).normal(size=(4, 2))
    m = {"m": np.array([0.5, 1.0, 2.0, 3.0])}
    np.testing.assert_allclose(again.acceleration(x, properties=m), found.law.acceleration(x, properties=m), rtol=1e-9)
    page = (directory / "report.html").read_text()
    assert "Hooke" in page and "<script src=" not in page and "<link" not in page
    candidates = json.loads((directory / "candidates.json").read_text(), parse_constant=pytest.fail)
    assert candidates["from_messages"] and str(found.law) in {c["text"] for c in candidates["refitted"]}
    lines = (directory / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 20, "one a chunk"


class Reached(Exception):
    """The step after training begins."""


@pytest.mark.slow
def test_what_a_run_holds_is_not_trained_again(spring, monkeypatch):
    _, directory, _ = spring
    calls = []

    def read(trained, *_, **__):
        raise Reached(trained)

    monkeypatch.setattr(network_training, "optimise_network", lambda *a, **k: calls.append(a))
    monkeypatch.setattr(stages, "read_messages", read)
    with pytest.raises(Reached) as reached:
        discover(Guarded(Watch()), BOTH, directory=directory)
    (trained,) = reached.value.args
    assert not calls and len(trained.history) == 20 and trained.history[:, 2].min() < 0.03


def test_what_a_run_holds_is_not_searched_again(tmp_path, monkeypatch):
    r = np.linspace(0.5, 2.0, 60)
    problem, config, calls = RegressionProblem({"r": r}, -2.1 * (r - 0.99) / r**2), EngineConfig(evaluations=2000), []
    found = search_formulas("operon", [problem], config)
    assert found[0].candidates
    monkeypatch.setattr(run_cache, "search_formulas", lambda *asked: calls.append(asked) or found)
    with RunDirectory.create(tmp_path / "run", {}) as run:
        search = run_cache.RunCache(run).search
        assert [search("operon", [problem], config) for _ in range(3)] == [found] * 3 and len(calls) == 1
        search("operon", [problem], replace(config, seed=1))
        search("sparse", [problem], config)
        search("operon", [replace(problem, target=np.nextafter(problem.target, 1))], config)
        assert len(calls) == 4, "another seed, another engine, other values"
        for file in (tmp_path / "run" / "formulas").iterdir():
            file.write_text("[")
        assert [search("operon", [problem], config) for _ in range(2)] == [found] * 2 and len(calls) == 5
        found[0] = EngineResult((), "operon was stopped at the time limit of 1 s")
        assert [search("operon", [problem, problem], config) for _ in range(2)] == [found] * 2 and len(calls) == 7


@pytest.mark.slow
def test_positions_in_a_table_are_enough(tmp_path):
    """No velocities, no accelerations: they come from the positions."""
    lines = ["run,time,particle,x,y,m"]
    for k, run in enumerate(Spring().simulate(SimulationConfig(runs=30, frames=30, dim=2))):
        for time, frame in zip(run.times.tolist(), run.positions.tolist(), strict=True):
            lines += [f"{k},{time!r},{i},{x!r},{y!r},{run.properties['m'][i]}" for i, (x, y) in enumerate(frame)]
    (tmp_path / "springs.csv").write_text("\n".join(lines))
    found = discover(tmp_path / "springs.csv", CONFIG)
    assert (found.verdict.status, found.verdict.match) == ("known", "Hooke spring with rest length")
    assert constants(found.law) == pytest.approx([-2.0, -0.99], rel=1e-4)


MINE = """
import numpy as np

def attraction(positions, velocities, properties):
    m = properties["m"]
    separation = positions[..., :, None, :] - positions[..., None, :, :]
    return -0.8 * (separation * m[..., None, :, None]).sum(-2)
"""


@pytest.mark.slow
def test_stages_by_hand_and_commands_say_what_discover_says(tmp_path):
    """m_i m_j r, given as a bare function in a file: a law that nobody has, so that a candidate is among what agrees.

    The networks and the formulas are those of the discovery: a run directory keeps them.
    """
    (tmp_path / "mine.py").write_text(MINE)
    source, config = f"{tmp_path}/mine.py:attraction", replace(CONFIG, seeds=2)
    found = discover(source, config, directory=tmp_path / "run")
    (term,) = found.law.terms
    assert (term.kind, term.direction) == ("pair", "radial")
    assert constants(found.law) == pytest.approx([-0.8], rel=1e-6)
    assert term.expression.names - set(term.constants) == {"m_i", "m_j", "r"}
    assert found.verdict.status == "candidate" and found.verdict.match is None
    with RunDirectory.open(tmp_path / "run") as run:
        session = Session(config, run)
        motion = stages.prepare_motion(source, session)
        messages = stages.extract_messages(stages.train_network(motion, session), motion, session)
        selected = stages.select_candidate(stages.distill_candidates(messages, motion, session), motion, session)
        law = stages.estimate_constants(selected.selection.law, motion, session)
        validation = stages.validate_law(law, selected, messages, motion, session)
        verdict = stages.decide_verdict(validation, motion, session)
        assert law == found.law and verdict == found.verdict
        assert run_commands.run_distillation(run, quiet=True)["text"] == str(found.law)
    judged = check_command.judge_stated_law(str(tmp_path / "run"), None, seed=0, order=2, distances=(0.1, 10.0))
    assert judged["law"] == str(found.law) and len(judged["checks"]) == len(found.verdict.checks)
    assert (judged["status"], judged["reason"]) == (found.verdict.status, found.verdict.reason)


@pytest.mark.slow
@pytest.mark.parametrize("seen", ["positions and velocities", "positions"])
def test_first_order_motion(seen):
    """v_i = sum_j -0.5 (r - 1) r_hat: no inertia, no mass. That v_i is v_i is no law."""

    def velocity(x):
        d = x[:, None] - x[None]
        r = np.linalg.norm(d, axis=-1, keepdims=True)
        return np.sum(-0.5 * (r - 1) * d / np.where(r > 0, r, 1), axis=1)

    rng, runs, times = np.random.default_rng(0), [], np.linspace(0.0, 0.8, 21)
    for _ in range(80):
        flow = lambda _, x: velocity(x.reshape(4, 2)).ravel()  # noqa: E731
        start = 1.5 * rng.normal(size=8)
        places = solve_ivp(flow, (0, 0.8), start, "DOP853", times, rtol=1e-12, atol=1e-12).y.T.reshape(-1, 4, 2)
        velocities = np.array([velocity(x) for x in places]) if "velocities" in seen else None
        runs.append(Trajectory(places, times, velocities))
    found = discover(runs, replace(CONFIG, order=1))
    assert found.law.order == 1 and str(found.law).startswith("v_i =")
    assert constants(found.law) == pytest.approx([-0.5, -1.0], rel=1e-6)
    x = rng.normal(size=(4, 2))
    np.testing.assert_allclose(found.law.acceleration(x), velocity(x), atol=1e-6)


@pytest.mark.parametrize(
    ("candidates", "opinion"),
    [
        (("k*m_i*m_j*tanh(r)", "k*m_i*m_j"), (True, True)),
        (("k*m_i*m_j", "k*m_i*m_j*r"), (False, True)),  # a search that missed it
        (("k*m_i*m_j*tanh(r) + b*r",), (True, True)),  # what is idle goes
    ],
)
def test_another_search_is_asked_what_it_prefers(candidates, opinion):
    data = halves(world(radial(lambda r, p: 2.0 * p["m_i"] * p["m_j"] * np.tanh(r))))
    offered = [from_text(text) for text in candidates]
    assert compare_with_independent_search(from_text("2.0*m_i*m_j*tanh(r)"), offered, data, Session(CONFIG)) == opinion


def test_another_search_that_finds_better_is_against_a_law():
    data = halves(world(radial(lambda r, p: 2.0 * p["m_i"] * p["m_j"] * np.tanh(r))))
    missed = from_text("1.5*m_i*m_j*r/(r + 0.5)")
    assert compare_with_independent_search(missed, [from_text("k*m_i*m_j*tanh(r)")], data, Session(CONFIG)) == (
        False,
        False,
    )


def from_text(text: str) -> ForceLaw:
    """A pair force along the line of centres; k and b are constants of one."""
    expression, values = Expression.parse(text).lift_constants()
    free = {name: 1.0 for name in ("k", "b") if name in expression.names}
    constants = {name: Constant(value) for name, value in (values | free).items()}
    return ForceLaw((Term("pair", "radial", expression, constants),), divides_by_mass=True)


def test_free_motion_has_no_law_and_needs_no_network(tmp_path, monkeypatch):
    monkeypatch.setattr(network_training, "optimise_network", lambda *a, **k: pytest.fail("nothing to be trained on"))
    config = replace(CONFIG, simulation=SimulationConfig(runs=20, frames=10))
    found = discover("free", config, directory=tmp_path / "run")
    assert found.law.terms == ()
    assert (found.verdict.status, found.verdict.match) == ("inconclusive", "no interaction")
    plain = json.loads((tmp_path / "run" / "discovery.json").read_text(), parse_constant=pytest.fail)
    assert plain["law"]["terms"] == [] and (tmp_path / "run" / "report.html").exists()


def test_the_edges_of_a_string_are_its_only_pairs():
    """With its neighbours alone the true law gives the observed motion, with all pairs it does not."""
    config = replace(CONFIG, simulation=SimulationConfig(runs=8, frames=6, particles=6))
    data = prepare_dataset(load_motion("string", config.simulation), config).train
    assert set(zip(data.senders.tolist(), data.receivers.tolist(), strict=True)) == {
        pair for k in range(5) for pair in ((k, k + 1), (k + 1, k))
    }
    terms = resolve_simulator("string").true_law(config.simulation)
    law = from_dict({"order": 2, "divides_by_mass": True, "terms": list(terms)})
    np.testing.assert_allclose(predict_with_law(law, data), data.target, atol=1e-9)
    receivers, senders = np.nonzero(~np.eye(6, dtype=bool))
    everyone = replace(data, senders=senders, receivers=receivers)
    assert np.median(np.abs(predict_with_law(law, everyone) - data.target)) > 0.1
