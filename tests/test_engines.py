"""One battery for every registered engine: known laws in, the exact form out, the same every time."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sympy

from gnn_discovery.criteria import DEFAULT_CRITERIA
from gnn_discovery.errors import EngineUnavailable
from gnn_discovery.symbolic.engines import sparse_regression
from gnn_discovery.symbolic.engines.enumerated_forms import enumerated_forms
from gnn_discovery.symbolic.engines.operon import Operon
from gnn_discovery.symbolic.engines.pareto_refinement import refine
from gnn_discovery.symbolic.engines.sparse_regression import SparseRegression
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import (
    EngineConfig,
    RegressionProblem,
    SymbolicEngine,
    engine_entries,
    get_engine,
    search_formulas,
)

ENGINES = sorted(engine_entries())
CONFIG = EngineConfig(seed=1)

LAWS = {
    "-2.1*(r - 0.99)": (0.02, 8),
    "1.1/(r + 0.01)": (0.02, 8),
    "1.1/(r + 0.01)**2": (0.02, 8),
    "1.3*exp(-0.51*r)/r**2": (0.05, 8),
    "12.1/r**13 - 6.1/r**7": (0.85, 4),
    "9.1*exp(-1.51*r) - 39.9*exp(-3.02*r)": (0.3, 5),
    "0.71*r**1.51": (0.02, 8),
    "1.1*r/(r**2 + 0.053)**1.51": (0.02, 8),
}
"""Laws with their range of r: a spring, softened 1/r and 1/r², Yukawa, Lennard-Jones, Morse, a power, Plummer."""


def profile(text, low, high, noise=1e-3, rows=600):
    """Return a radial profile as a network would give it: relative noise, weights for the relative error."""
    r = np.geomspace(low, high, rows)
    truth = Expression.parse(text).numpy(["r"])(r)
    target = truth * (1 + noise * np.random.default_rng(5).normal(size=rows))
    return RegressionProblem({"r": r}, target, (0.1 * np.median(np.abs(truth)) + np.abs(truth)) ** -2.0), truth


def usable(name):
    engine = get_engine(name)
    try:
        engine.available()
    except EngineUnavailable as error:
        pytest.skip(str(error))
    return engine


def solve(engine, problem, config=CONFIG):
    """Return the candidates of an engine; the evaluations that it reports only rise, and stay within the budget."""
    told = []
    candidates = engine.fit(problem, config, told.append)
    assert told == sorted(told) and told[0] > 0 and told[-1] <= config.evaluations
    return candidates


def skeletons(candidates):
    return [candidate.expression.lift_constants()[0] for candidate in candidates]


@pytest.mark.parametrize("name", ENGINES)
def test_it_is_an_engine(name):
    engine = get_engine(name)
    assert isinstance(engine, SymbolicEngine) and engine.name == name


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("law", LAWS)
def test_the_exact_form_is_on_the_front(name, law):
    problem, truth = profile(law, *LAWS[law])
    candidates = solve(usable(name), problem)
    wanted = Expression.parse(law).lift_constants()[0]
    assert wanted in skeletons(candidates)
    best = candidates[skeletons(candidates).index(wanted)]
    values = best.expression.numpy(["r"])(problem.inputs["r"])
    assert np.max(np.abs(values - truth) / (np.abs(truth) + 0.01 * np.median(np.abs(truth)))) < 1e-2
    # what the noise leaves: nothing simpler comes near it
    assert best.loss < 2e-6
    assert all(c.loss > 2 * best.loss for c in candidates if c.complexity < best.complexity)


@pytest.mark.parametrize("name", ENGINES)
def test_a_seed_repeats_bit_for_bit_and_the_front_is_one(name):
    engine = usable(name)
    problem, _ = profile("1.1/(r + 0.01)**2", 0.02, 8, noise=3e-2)
    config = EngineConfig(seed=1, evaluations=12_000)
    first, second = (solve(engine, problem, config) for _ in range(2))
    assert first == second
    assert [c.complexity for c in first] == sorted({c.complexity for c in first})
    assert [c.loss for c in first] == sorted({c.loss for c in first}, reverse=True)
    assert all(c.engine == name and c.expression.names <= {"r"} for c in first)
    for c in first:
        value = c.expression.numpy(["r"])(problem.inputs["r"])
        loss = np.sum(problem.weights * (value - problem.target) ** 2)
        assert c.loss == pytest.approx(loss / np.sum(problem.weights * problem.target**2), rel=1e-9)


@pytest.mark.parametrize("name", ENGINES)
def test_several_variables_and_no_variable_exponents(name):
    engine = usable(name)
    rng = np.random.default_rng(0)
    inputs = {n: rng.uniform(0.3, 3, 500) for n in ("r", "m_i", "m_j", "q_i", "q_j")}
    law = Expression.parse("-1.2*m_i*m_j/r**2")
    candidates = solve(engine, RegressionProblem(inputs, law.numpy(list(inputs))(*inputs.values())))
    assert law.lift_constants()[0] in skeletons(candidates)
    for one in candidates:
        for power in one.expression.sympy.atoms(sympy.Pow):
            assert power.exp.is_number


@pytest.mark.parametrize("name", ENGINES)
def test_only_the_operators_that_are_allowed(name):
    problem, _ = profile("1.3*exp(-0.51*r)/r**2", 0.05, 8)
    for one in solve(usable(name), problem, EngineConfig(operators=("+", "-", "*", "/"), evaluations=8000)):
        assert "exp" not in one.expression.text and "log" not in one.expression.text


@pytest.mark.parametrize("name", ENGINES)
def test_no_formula_is_larger_than_allowed(name):
    problem, _ = profile("1.3*exp(-0.51*r)/r**2", 0.05, 8)
    candidates = solve(usable(name), problem, EngineConfig(max_complexity=5, evaluations=6000))
    assert candidates and all(one.expression.complexity <= 5 for one in candidates)


@pytest.mark.parametrize("name", ENGINES)
def test_laws_in_si_units_come_back_in_si_units(name):
    """The Sun's attraction over the planets, softened, and argon's Lennard-Jones force, exact."""
    usable(name)
    laws = {"-1.327e20/(r + 3e9)**2": (1e9, 6e12), "1.9e-133/r**13 - 6.2e-77/r**7": (3.2e-10, 1.5e-9)}
    problems = []
    for law, (low, high) in laws.items():
        r = np.geomspace(low, high, 400)
        target = Expression.parse(law).numpy(["r"])(r)
        problems.append(RegressionProblem({"r": r}, target, (0.1 * np.median(np.abs(target)) + np.abs(target)) ** -2.0))
    results = search_formulas(name, problems, EngineConfig(seed=2))
    for law, result in zip(laws, results, strict=True):
        assert result.outcome == f"{name} found {len(result.candidates)} formulas"
        wanted, numbers = Expression.parse(law).lift_constants()
        best = result.candidates[skeletons(result.candidates).index(wanted)]
        found = best.expression.lift_constants()[1]
        np.testing.assert_allclose(list(found.values()), list(numbers.values()), rtol=1e-6)


PLUGIN = """
class Mine:
    name = "mine"
    def available(self): pass
    def fit(self, problem, config, spent): return []
"""


def test_the_battery_takes_up_every_registered_engine(tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gnn_discovery.engines]\nmine = mine:Mine\n")
    code = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(Path(__file__).parent)!r}]\n"
        "import test_engines\ntest_engines.test_it_is_an_engine('mine')\nprint(test_engines.ENGINES)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(sorted([*ENGINES, "mine"]))


SUMS = {
    "1.1/r**2 - 0.7/r**3 + 0.2*r": (0.4, 5),
    "2.1/r - 0.5*log(r)": (0.2, 5),
    "0.3*r**3 - 0.8*r": (-2, 2),
}


@pytest.mark.parametrize("law", SUMS)
def test_sparse_regression_finds_sums(law):
    r = np.linspace(*SUMS[law], 300)
    target = Expression.parse(law).numpy(["r"])(r) * (1 + 1e-3 * np.random.default_rng(3).normal(size=300))
    problem = RegressionProblem({"r": r}, target, (0.1 * np.median(np.abs(target)) + np.abs(target)) ** -2.0)
    assert Expression.parse(law).lift_constants()[0] in skeletons(solve(SparseRegression(), problem))


def test_sparse_regression_does_not_depend_on_the_seed():
    problem, _ = profile("-2.1*(r - 0.99)", 0.02, 8, noise=1e-2)
    assert solve(SparseRegression(), problem) == solve(SparseRegression(), problem, EngineConfig(seed=99))


@pytest.mark.parametrize("evaluations", [100, 20_000])
def test_sparse_regression_tries_no_more_than_its_budget(evaluations, monkeypatch):
    tried = []

    def counted(columns, *rest, losses=sparse_regression._losses_with_each_column):
        tried.append(columns.shape[1])
        return losses(columns, *rest)

    monkeypatch.setattr(sparse_regression, "_losses_with_each_column", counted)
    problem, _ = profile("1.1/(r + 0.01)**2", 0.02, 8)
    assert solve(SparseRegression(), problem, EngineConfig(evaluations=evaluations))
    assert sum(tried) <= evaluations


def test_the_steep_repulsion_of_atoms_is_found():
    """Buckingham's force: an exponential of a twentieth of the distance, and a power."""
    r = np.geomspace(0.7, 3, 150)
    force = 2e6 * np.exp(-15 * r) - 0.6 / r**7
    problem = RegressionProblem({"r": r}, force, 1 / (np.abs(force) + 0.05) ** 2)
    found = enumerated_forms(problem, EngineConfig().operators)
    assert min(np.max(np.abs(f.numpy(["r"])(r) - force) / (np.abs(force) + 0.05)) for f in found) < 1e-5


@pytest.mark.parametrize("text", ["-1.7*sin((x - 0.4)/0.3)", "1.9 - 1.2*cos(0.53*x + 2.2)", "sin(2.9*x + 1.1) - 0.5*x"])
def test_a_force_that_repeats_along_a_coordinate_is_found(text):
    """From less than a period in the range to some ten of them, alone and with a uniform force or a trap."""
    x = np.linspace(-3.1, 5.2, 200)
    force = Expression.parse(text).numpy(["x"])(x)
    found = enumerated_forms(RegressionProblem({"x": x}, force), (*EngineConfig().operators, "sin"))
    assert min(np.max(np.abs(f.numpy(["x"])(x) - force)) for f in found) < 1e-10
    assert enumerated_forms(RegressionProblem({"x": x}, force), EngineConfig().operators) == []


def test_refinement_moves_the_zero_of_a_variable():
    problem, _ = profile("1.1/(r + 0.01)**2", 0.02, 8)
    front = refine([Expression.parse("0.9*r**-1.98")], problem, 30, "test")
    assert Expression.parse("c0/(r + c1)**2") in skeletons(front)


def test_refinement_ties_and_drops_constants():
    problem, _ = profile("1.1/(r + 0.31)**2", 0.02, 8)
    clumsy = Expression.parse("0.001 + 1.05/((r + 0.29)*(r + 0.33)) - 0.0002*r")
    assert skeletons(refine([clumsy], problem, 30, "test"))[-1] == Expression.parse("c0/(r + c1)**2")


def test_a_power_that_imitates_a_corner_is_not_offered():
    """r + r**-100 follows a line and a rise at its lower end: the line stays, the power goes."""
    problem, _ = profile("2.0*r + 1e-30*r**-100", 0.5, 3.0)
    raw = [Expression.parse(text) for text in ("1.9*r + 1e-30*r**-100", "1.9*r")]
    assert skeletons(refine(raw, problem, 30, "test")) == [Expression.parse("c0*r")]
    steeper = replace(DEFAULT_CRITERIA.search, max_exponent=200.0)
    assert len(refine(raw, problem, 30, "test", criteria=steeper)) > 1


def test_the_criteria_of_the_config_reach_the_engine():
    problem, _ = profile("1.1/r**2 + 0.4*r", 0.4, 5)
    one_term = EngineConfig(criteria=replace(DEFAULT_CRITERIA.search, sparse_max_terms=1), operators=("+", "*", "pow"))
    two_terms = replace(one_term, criteria=replace(DEFAULT_CRITERIA.search, sparse_max_terms=2))
    wanted = Expression.parse("1.1/r**2 + 0.4*r").lift_constants()[0]
    assert wanted in skeletons(solve(SparseRegression(), problem, two_terms))
    assert wanted not in skeletons(solve(SparseRegression(), problem, one_term))


def test_a_constant_target_gives_no_formula_and_no_error():
    for engine in (Operon(), SparseRegression()):
        assert solve(engine, RegressionProblem({"r": np.linspace(1, 2, 50)}, np.zeros(50))) == []
