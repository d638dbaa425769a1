"""Test the replication: matrix, published values, criterion, tables from cells with known medians, and resuming."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import worlds
from gnn_discovery_replication import Matrix, make_page, make_tables, published_values, read_results
from gnn_discovery_replication.criteria import DEFAULT_RECOVERY_CRITERIA
from gnn_discovery_replication.distribution_shift import normalised_mean_error, shifted_test_sets
from gnn_discovery_replication.raw_messages import (
    choose_steepest_drop,
    form_mismatch,
    highest_variance_components,
    linear_fit_r2,
)
from gnn_discovery_replication.recipes import recipe_config
from gnn_discovery_replication.recovery import addends, assess_recovery

from gnn_discovery.errors import UsageError
from gnn_discovery.laws.evaluate import predict_with_law
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.pipeline import DiscoverConfig
from gnn_discovery.simulators import SimulationConfig
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import Candidate

ANCHORS = {
    ("TABLE_1", "l1", "gravity"): (0.990, 0.977),
    ("TABLE_1", "bottleneck", "charge"): (0.947, 0.980),
    ("TABLE_1", "kl", "log-gravity"): (0.796, 0.332),
    ("TABLE_3", "standard", "charge"): (48.7, 1.17),
    ("TABLE_3", "hamiltonian", "spring"): (0.016, 0.010),
    ("TABLE_3", "kl", "discontinuous"): (1.80, 4.19),
}
TRUTH = [{"kind": "pair", "direction": "radial", "expression": "-2*(r - 0.99)"}]
WORLD = worlds.world(worlds.spring, count=200)


def law(text: str, kind: str = "pair", direction: str = "radial", **constants: float) -> ForceLaw:
    given = {name: Constant(value) for name, value in constants.items()}
    return ForceLaw((Term(kind, direction, Expression.parse(text), given),), divides_by_mass=True)  # type: ignore[arg-type]


def test_the_matrix_has_a_cell_for_each_network_and_each_data_set():
    cells = Matrix("table5", seeds=2).cells()
    networks = [c for c in cells if c.task.endswith(":network")]
    assert len(networks) == 4 * 2 * 5 * 2, "systems, dimensions, strategies, seeds"
    assert len(cells) - len(networks) == 4 * 2 * 2
    assert len({c.name for c in cells}) == len(cells)
    assert {c.arguments["seed"] for c in cells} == {0, 1}
    assert {c.arguments["runs"] for c in Matrix("table3", recipe="paper").cells()} == {10_000}
    few = Matrix("table3", systems=["damped"], strategies=["l1"], dims=[2], particles=[4, 8]).cells()
    assert [c.arguments["particles"] for c in few] == [4, 8]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"table": "table2"}, "table2"),
        ({"table": "table1", "systems": ["damped"]}, "damped"),
        ({"strategies": ["lasso"]}, "lasso"),
        ({"table": "table5", "strategies": ["hamiltonian"]}, "hamiltonian"),
        ({"budget": 0.0}, "--budget"),
        ({"dims": [4]}, "--dims"),
        ({"particles": [1]}, "--n"),
    ],
)
def test_what_is_of_no_table_is_said(asked, said):
    with pytest.raises(UsageError, match=said):
        Matrix(**asked)


def test_the_published_values():
    for (table, strategy, system), pair in ANCHORS.items():
        assert getattr(published_values, table)[strategy][system] == pair
    counts = {
        s: sum(bool(published_values.published_recovery(s, name)) for name in published_values.TABLE_1["l1"]) * 2
        for s in published_values.TABLE_5
    }
    assert counts == {"standard": 0, "bottleneck": 8, "l1": 6, "kl": 4}
    assert (
        published_values.published_recovery("pruning", "spring") is None
        and published_values.published_recovery("l1", "damped") is None
    )


def test_a_law_is_recovered_by_form_and_to_a_percent():
    assert assess_recovery(law("a*(r + b)", a=-2.01, b=-0.99), TRUTH, WORLD).recovered
    off = assess_recovery(law("a*(r + b)", a=-2.1, b=-0.99), TRUTH, WORLD)
    assert not off.recovered and off.error == pytest.approx(0.05, rel=1e-6) and "off by" in off.why
    assert not assess_recovery(law("a*r**b", a=-2.0, b=0.8), TRUTH, WORLD).recovered


def test_the_criteria_decide_what_is_recovered():
    law_off = law("a*(r + b)", a=-2.1, b=-0.99)
    loose = replace(DEFAULT_RECOVERY_CRITERIA, max_constant_error=0.1)
    assert assess_recovery(law_off, TRUTH, WORLD, criteria=loose).recovered
    faint = law("a*r + b + c*exp(r)", a=-2.0, b=1.98, c=1e-6)
    strict = replace(DEFAULT_RECOVERY_CRITERIA, max_spurious_share=0.0)
    assert not assess_recovery(faint, TRUTH, WORLD, criteria=strict).recovered


def test_a_term_counts_as_spurious_above_a_percent_of_the_force():
    faint = law("a*r + b + c*exp(r)", a=-2.0, b=1.98, c=1e-6)
    assert [part.expression.text for part in addends(faint.terms[0])] != [faint.terms[0].expression.text]
    found = assess_recovery(faint, TRUTH, WORLD)
    assert found.recovered and 0 < found.spurious < 0.01
    assert not assess_recovery(law("a*r + b + c*exp(r)", a=-2.0, b=1.98, c=0.1), TRUTH, WORLD).recovered


def test_the_fit_leaves_out_the_worst_tenth_and_finds_the_linear_map():
    rng = np.random.default_rng(0)
    force = rng.normal(size=(2000, 2))
    raw = np.column_stack([1e-3 * rng.normal(size=2000), 5 * force @ [0.6, 0.8] + 1, 3 * force @ [0.8, -0.6]])
    assert highest_variance_components(raw, 2)[:, 0] == pytest.approx(raw[:, 1])
    assert linear_fit_r2(raw, force) == pytest.approx(1, abs=1e-12)
    raw[:150, 1:] += 100 * rng.normal(size=(150, 2))
    assert linear_fit_r2(raw, force) == pytest.approx(1, abs=1e-9)
    assert linear_fit_r2(rng.normal(size=(2000, 3)), force) < 0.05


GRAVITY = law("-m_i*m_j/(r + 0.01)**2")
PAIRS = worlds.table(worlds.radial(lambda r, p: -p["m_i"] * p["m_j"] / (r + 0.01) ** 2), rows=500)


@pytest.mark.parametrize(
    ("formula", "right"),
    [
        ("(0.6*dx - 0.2*dy)*m_i*m_j/(r*(r + 0.01)**2) + 0.3", True),
        ("m_j*(0.6*dx + 0.2*dy)/r**3", True),  # the receiver's mass and the softening may be missing
        ("m_j*(0.6*dx + 0.2*dy)/r**2.9", False),
        ("m_j*(0.6*dx + 0.2*dy)/r**2", False),
        ("m_i*(0.6*dx + 0.2*dy)/r**3", False),
        ("m_j*0.6*dx/r**3 + 0.5*dy", False),
        ("0.7", False),
    ],
)
def test_a_raw_component_is_scored_on_its_form(formula, right):
    assert (not form_mismatch(Expression.parse(formula), PAIRS, GRAVITY)) is right


@pytest.mark.parametrize(("formula", "right"), [("(0.6*dx + 0.2*dy)*JUMP", True), ("0.6*dx + 0.2*dy", False)])
def test_a_force_that_is_mostly_nothing_has_a_form_too(formula, right):
    jump = "Piecewise((0, r < 1.99), (1 - 0.99/r, True))"
    truth = law("Piecewise((0, r < 1.99), (-2*(r - 0.99), True))")
    pairs = worlds.table(worlds.radial(lambda r, p: np.where(r < 1.99, 0.0, -2 * (r - 0.99))), rows=500)
    assert (not form_mismatch(Expression.parse(formula.replace("JUMP", jump)), pairs, truth)) is right


def test_the_papers_choice_is_the_steepest_drop():
    losses = [(1, 1.0), (3, 0.9), (5, 1e-4), (9, 0.9e-4), (10, 0.8e-4)]
    front = [Candidate(Expression.parse(f"x + {c}"), loss, c, "none") for c, loss in losses]
    assert choose_steepest_drop(front).complexity == 5


def record(strategy: str, seed: int, *, recipe: str = "fast", recovered: bool = True, **figures: float) -> dict:
    """A cell as the runner writes it, of gravity in 2D."""
    asked = {"system": "gravity", "dim": 2, "particles": 4, "seed": seed, "runs": 1000}
    said = {
        "law": "F",
        "recovered": recovered,
        "why": "" if recovered else "no radial term",
        "error": None,
        "spurious": 0,
    }
    error = figures.get("error", 0.1)
    value = {
        "messages": {"fitted_r2": figures.get("fitted", 0.9), "components": 2, "gauge": "odd"}
        | {"direct_r2_trimmed": figures.get("direct", 0.999), "direct_r2_all": 0.8},
        "prediction": figures.get("mean", 1.0),
        "law": {**said, "before_refit": {**said, "recovered": False}},
        "shifted": {
            place: {"network": error, "law": 1e-9 if recovered else 0.5}
            for place in ("held out", "more particles", "wider separations", "heavier masses")
        },
        "steps": 100,
        "seconds": {"training": 10.0},
    }
    task = "gnn_discovery_replication.cell:network"
    asked |= {"strategy": strategy, "recipe": recipe, "budget": 1.0}
    kept = {"task": task, "arguments": asked, "outcome": "done", "value": value, "seconds": 36.0}
    return {**kept, "date": "2026-01-02T00:00:00", "machine": "two cores"}


@pytest.fixture
def kept(tmp_path):
    """Three seeds of one strategy, one of the paper's recipe, one that failed, one data set with no network."""
    cells = {
        f"l1_{s}": record("l1", s, mean=m, error=e, recovered=s != 2)
        for s, m, e in [(0, 3, 0.2), (1, 1, 0.4), (2, 2, 0.3)]
    }
    cells["paper"] = record("l1", 0, recipe="paper", error=0.6, recovered=False)
    cells["failed"] = record("kl", 0) | {"outcome": "training diverged", "value": None}
    alone = record("l1", 0)
    alone["arguments"] = {k: alone["arguments"][k] for k in ("system", "dim", "particles", "seed", "runs")}
    cells["alone"] = alone | {"task": "gnn_discovery_replication.cell:accelerations", "value": alone["value"]["law"]}
    for name, cell in cells.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(cell))
    (tmp_path / "stray.json").write_text("[]")
    return read_results(tmp_path)


def cells_of(kept, title: str) -> list[dict[str, str]]:
    table = next(t for t in make_tables(kept) if t.title.startswith(title))
    return [dict(zip(table.headings, row, strict=True)) for row in table.rows]


def test_a_row_has_the_papers_value_the_median_and_the_range(kept):
    row = cells_of(kept, "Table 3")[0]
    assert row["system"] == "1/r² 2D" and row["seeds"] == "3"
    assert row["paper: mean |Δa|"] == "1.18"
    assert row["ours: mean |Δa|"] == "2 [1, 3]"
    assert row["Σ|Δa| / Σ|a|"] == "0.3 [0.2, 0.4]"
    assert row["over the paper's recipe"] == "0.5", "the median over 0.6 of the paper's recipe on the same motion"


def test_in_short_a_strategy_has_its_worst_system(kept):
    ours, papers = (row for row in cells_of(kept, "In short") if row["strategy"] == "l1")
    assert ours["laws recovered: paper, one seed"] == "1 of 1"
    assert ours["ours, in every seed"] == papers["ours, in every seed"] == "0 of 1"
    assert (ours["pair force, R²: worst system"], ours["the same, nothing left out"]) == ("0.99900", "0.800")
    assert ours["error over the paper's recipe: median, worst"] == "0.5, 0.5"
    assert ours["law out of distribution: worst"] == "1·10⁻⁹"


def test_table_5_counts_seeds_and_gives_reasons(kept):
    ours = cells_of(kept, "Table 5")[0]
    assert (ours["paper"], ours["recovered"], ours["before the refit"]) == ("yes", "2 of 3", "0 of 3")
    assert ours["no network"] == "1 of 1" and ours["why not"] == "no radial term"
    assert cells_of(kept, "Cells that failed") == [{"cell": "failed", "why": "training diverged"}]


def test_the_page_tells_what_was_spent_and_what_was_learnt(kept):
    page = make_page(kept)
    assert re.search(r"\| fast \| 4 \| 1 \| 3 \| 100 \| 0.0 \| 2026-01-02 \| two cores \|", page)
    assert "recovered" in page and "Where each recipe departs" in page
    assert "at most 1·10⁻⁹ of the mean acceleration" in page
    assert "With a network 2 of 3 laws are recovered, 0 of them before the refit" in page
    assert "nan" not in page.lower().split()


def test_every_table_reads_as_text_in_columns(kept):
    for table in make_tables(kept):
        head, rule, *rows = table.text().splitlines()[1:]
        starts = [m.start() for m in re.finditer("-+", rule)]
        assert head[starts[-1] :] == table.headings[-1]
        assert all(row[starts[0] :].startswith(cells[0]) for row, cells in zip(rows, table.rows, strict=True))


def test_a_hamiltonian_network_is_of_table_3_alone_with_its_energies(tmp_path):
    cells = Matrix("table3", systems=["gravity"], strategies=["hamiltonian"], dims=[2]).cells()
    assert [c.arguments["strategy"] for c in cells] == ["hamiltonian"]
    assert not any("hamiltonian" in c.name for table in ("table1", "table5") for c in Matrix(table).cells())
    for seed, right in enumerate([True, False]):
        cell = record("hamiltonian", seed)
        energies = {"pair_energy": "-m_i m_j/(r + 0.01)", "pair_recovered": right}
        cell["value"]["energies"] = energies | {"self_energy": None, "self_recovered": False}
        (tmp_path / f"{seed}.json").write_text(json.dumps(cell))
    kept = read_results(tmp_path)
    assert {t.name for t in make_tables(kept)} == {"table3", "energies", "shifted"}
    assert cells_of(kept, "Table 3: error")[0]["paper: mean |Δa|"] == "1.28"
    (row,) = cells_of(kept, "Table 3: energies")
    assert (row["pair energy"], row["its force recovered"]) == ("`-m_i m_j/(r + 0.01)`", "1 of 2")
    assert (row["self energy"], row["p²/2m recovered"]) == ("-", "0 of 2")


@pytest.mark.parametrize(("particles", "steps", "snapshots"), [(4, 20_000, 64), (8, 80_000, 16)])
def test_the_papers_recipe_is_that_of_the_paper(particles, steps, snapshots):
    config = recipe_config("paper", "l1", budget=0.02, simulation=SimulationConfig(particles=particles), seed=0)
    assert config.training.steps == steps
    assert config.training.edges == snapshots * particles * (particles - 1)
    assert (config.network.width, config.network.message, config.network.activation) == (300, 100, "relu")
    training = config.training
    assert (training.learning_rate, training.l1, training.shift) == (1e-3, 1e-2, 3)
    assert recipe_config("paper", "kl", budget=1, simulation=SimulationConfig(), seed=0).training.kl == 1
    assert recipe_config("paper", "bottleneck", budget=1, simulation=SimulationConfig(), seed=0).network.message is None
    energy = recipe_config("paper", "hamiltonian", budget=1, simulation=SimulationConfig(), seed=0).network
    assert (energy.node, energy.width, energy.activation, energy.gate) == ("hamiltonian", 300, "softplus", False)


@pytest.mark.parametrize(("recipe", "strategy"), [("slow", "l1"), ("fast", "lasso")])
def test_an_unknown_recipe_or_strategy_is_refused(recipe, strategy):
    with pytest.raises(UsageError, match="Choose from"):
        recipe_config(recipe, strategy, budget=1, simulation=SimulationConfig(), seed=0)


def test_the_fast_recipe_is_a_discovery_with_the_papers_node_function():
    simulation = SimulationConfig(particles=4)
    config = recipe_config("fast", "pruning", budget=1.0, simulation=simulation, seed=3)
    assert (config.network.node, config.network.strategy, config.training.steps) == ("mlp", "pruning", 10_000)
    assert config.regression == DiscoverConfig().regression


def test_out_of_distribution_the_true_law_is_right_and_another_is_not():
    truth, wrong = law("-2*(r - 0.99)"), law("-2*(r - 0.98)")
    config = DiscoverConfig(simulation=SimulationConfig(dim=2, particles=4, frames=5))
    parts = shifted_test_sets("spring", config, WORLD, truth)
    assert parts["more particles"].present.shape[1] == 4 * DEFAULT_RECOVERY_CRITERIA.particle_factor
    spread = [np.std(part.separation()) for part in (parts["wider separations"], WORLD)]
    assert spread[0] / spread[1] == pytest.approx(DEFAULT_RECOVERY_CRITERIA.separation_factor, rel=1e-9)
    assert np.median(parts["heavier masses"].properties["m"]) > 5 * np.median(WORLD.properties["m"])
    for name, part in parts.items():
        assert normalised_mean_error(predict_with_law(truth, part), part) < 1e-9, name
        assert 1e-4 < normalised_mean_error(predict_with_law(wrong, part), part) < 0.1, name
