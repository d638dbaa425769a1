"""One battery for every registered engine: known laws in, the exact form out, the same every time."""

import numpy as np
import pytest
import sympy

from gnn_discovery.engines.operon import Operon
from gnn_discovery.engines.refine import refine
from gnn_discovery.errors import EngineUnavailable
from gnn_discovery.expression import Expression
from gnn_discovery.symbolic import EngineConfig, Problem, SymbolicEngine, engine_entries, get_engine

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
"""The range of r of a spring, softened 1/r and 1/r², Yukawa, Lennard-Jones, Morse, a power, Plummer."""


def profile(text, low, high, noise=1e-3, rows=600):
    """A radial profile as a network would give it: relative noise, weights for the relative error."""
    r = np.geomspace(low, high, rows)
    truth = Expression.parse(text).numpy(["r"])(r)
    target = truth * (1 + noise * np.random.default_rng(5).normal(size=rows))
    return Problem({"r": r}, target, (0.1 * np.median(np.abs(truth)) + np.abs(truth)) ** -2.0), truth


def usable(name):
    engine = get_engine(name)
    try:
        engine.available()
    except EngineUnavailable as error:
        pytest.skip(str(error))
    return engine


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
    candidates = usable(name).fit(problem, CONFIG)
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
    first, second = (engine.fit(problem, config) for _ in range(2))
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
    candidates = engine.fit(Problem(inputs, law.numpy(list(inputs))(*inputs.values())), CONFIG)
    assert law.lift_constants()[0] in skeletons(candidates)
    for one in candidates:
        for power in one.expression.sympy.atoms(sympy.Pow):
            assert power.exp.is_number


@pytest.mark.parametrize("name", ENGINES)
def test_only_the_operators_that_are_allowed(name):
    problem, _ = profile("1.3*exp(-0.51*r)/r**2", 0.05, 8)
    for one in usable(name).fit(problem, EngineConfig(operators=("+", "-", "*", "/"), evaluations=8000)):
        assert "exp" not in one.expression.text and "log" not in one.expression.text


def test_refinement_moves_the_zero_of_a_variable():
    problem, _ = profile("1.1/(r + 0.01)**2", 0.02, 8)
    front = refine([Expression.parse("0.9*r**-1.98")], problem, 30, "test")
    assert Expression.parse("c0/(r + c1)**2") in skeletons(front)


def test_refinement_ties_and_drops_constants():
    problem, _ = profile("1.1/(r + 0.31)**2", 0.02, 8)
    clumsy = Expression.parse("0.001 + 1.05/((r + 0.29)*(r + 0.33)) - 0.0002*r")
    assert skeletons(refine([clumsy], problem, 30, "test"))[-1] == Expression.parse("c0/(r + c1)**2")


def test_a_constant_target_gives_no_formula_and_no_error():
    assert Operon().fit(Problem({"r": np.linspace(1, 2, 50)}, np.zeros(50)), CONFIG) == []
