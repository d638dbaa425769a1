"""Operon: genetic programming in C++, in the wheel of pyoperon, and the default engine.

Burlacu, Kronberger, Kommenda, GECCO 2020 (https://doi.org/10.1145/3377929.3398099).

Operon counts every row alike and keeps constants in float32, so the small searches below see the target
in two ways: as it is, and, where it keeps one sign, as a logarithm, in which relative errors count and a
power law is a line. A problem of one variable is also tried on every short form of `short`, since chance
may miss even a simple one. `refine` then refits all that was found with the weights, in float64.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyoperon as op
from jaxtyping import Float

from gnn_discovery.errors import DataError
from gnn_discovery.symbolic.engines.enumerated_forms import enumerated_forms
from gnn_discovery.symbolic.engines.pareto_refinement import refine
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import BudgetCallback, Candidate, EngineConfig, RegressionProblem

OPERON_ROW_LIMIT = 400
POPULATION_SIZE = 200
LOCAL_ITERATIONS = 5
TOURNAMENT_SIZE = 3
MAX_TREE_DEPTH = 8
FRONT_MAX_ERROR_RATIO = 0.8
"""A longer formula of a front is read where its error is below this fraction of the shorter one's."""

_ARITHMETIC = {
    "+": op.NodeType.Add,
    "-": op.NodeType.Sub,
    "*": op.NodeType.Mul,
    "/": op.NodeType.Div,
}
_POWER_FUNCTIONS = {"pow": op.NodeType.Pow, "sqrt": op.NodeType.Sqrt}
_FUNCTIONS = {
    "exp": op.NodeType.Exp,
    "log": op.NodeType.Log,
    "sin": op.NodeType.Sin,
    "cos": op.NodeType.Cos,
    "tan": op.NodeType.Tan,
    "tanh": op.NodeType.Tanh,
    "Abs": op.NodeType.Abs,
}


class Operon:
    """The engine; see `SymbolicEngine`."""

    name = "operon"

    def available(self) -> None:
        """Always: Operon comes with the package."""

    def fit(self, problem: RegressionProblem, config: EngineConfig, spent: BudgetCallback) -> list[Candidate]:
        """The Pareto front, simplest first, of several short searches."""
        searches = list(_operon_runs(problem.thinned(OPERON_ROW_LIMIT), config.operators))
        share = config.evaluations // len(searches)
        raw: list[Expression] = []
        for number, search in enumerate(searches):
            seed = np.random.SeedSequence([config.seed, number]).generate_state(1)[0]
            raw += search.run(share, config.max_complexity, int(seed))
            spent((number + 1) * share)
        raw += enumerated_forms(problem, config.operators)
        return refine(raw, problem, config.max_complexity, self.name)


@dataclass(frozen=True)
class _OperonRun:
    """One run of Operon: its rows, the operators, and what undoes the change of the target."""

    names: tuple[str, ...]
    inputs: Float[np.ndarray, "K V"]
    target: Float[np.ndarray, " K"]
    operators: tuple[op.NodeType, ...]
    wrapper: str

    def run(self, evaluations: int, max_length: int, seed: int) -> list[Expression]:
        """The formulas of the front that are worth their length, undone, shortest first."""
        front = _evolve(self.inputs, self.target, self.names, self.operators, evaluations, max_length, seed)
        found, best = [], np.inf
        for text, prediction in front:
            scale, offset, error = _fit_line(prediction, self.target)
            if not error < FRONT_MAX_ERROR_RATIO * best:
                continue
            best = error
            try:
                found.append(Expression.parse(self.wrapper.format(f"{scale!r}*({text}) + {offset!r}")))
            except DataError:
                continue
        return found


def _operon_runs(problem: RegressionProblem, operators: Sequence[str]) -> Iterator[_OperonRun]:
    inputs, target = np.column_stack(list(problem.inputs.values())), problem.target
    arithmetic = tuple(kind for name, kind in _ARITHMETIC.items() if name in operators)
    powers = tuple(kind for name, kind in _POWER_FUNCTIONS.items() if name in operators)
    functions = tuple(kind for name, kind in _FUNCTIONS.items() if name in operators)
    sets = dict.fromkeys([arithmetic, arithmetic + powers, arithmetic + functions, arithmetic + powers + functions])
    for kinds in sets:
        yield _OperonRun(problem.names, inputs, target, kinds, "{}")
    sign = np.sign(target[0])
    if sign != 0 and (np.sign(target) == sign).all() and "log" in operators:
        logarithms = dict.fromkeys([(*arithmetic, op.NodeType.Square, op.NodeType.Log), arithmetic + functions])
        for kinds in logarithms:
            wrapper = f"{int(sign)}*exp({{}})"
            yield _OperonRun(problem.names, inputs, np.log(np.abs(target)), kinds, wrapper)


def _fit_line(x: Float[np.ndarray, " K"], y: Float[np.ndarray, " K"]) -> tuple[float, float, float]:
    """Scale and offset of the least-squares line from x to y, and the mean squared error."""
    if not np.isfinite(x).all() or np.ptp(x) == 0:
        return 0.0, float(np.mean(y)), float(np.var(y))
    centred = x - x.mean()
    scale = float(centred @ (y - y.mean()) / (centred @ centred))
    offset = float(y.mean() - scale * x.mean())
    return scale, offset, float(np.mean((scale * x + offset - y) ** 2))


def _evolve(
    inputs: Float[np.ndarray, "K V"],
    target: Float[np.ndarray, " K"],
    names: Sequence[str],
    operators: Sequence[op.NodeType],
    evaluations: int,
    max_length: int,
    seed: int,
) -> list[tuple[str, Float[np.ndarray, " K"]]]:
    """NSGA-II on error and length: text and prediction of each formula of the front, shortest first.

    The parts are those of ``pyoperon.sklearn``, without the time that importing scikit-learn takes. Operon
    holds bare pointers to most of them, so each stays in a variable until the run is over.
    """
    spread = float(np.std(target)) or 1.0
    data = op.Dataset(np.asfortranarray(np.column_stack([inputs, target / spread])))
    variables = sorted(data.Variables, key=lambda variable: variable.Index)
    hashes = [variable.Hash for variable in variables[:-1]]
    everything = op.Range(0, data.Rows)
    problem = op.Problem(data)
    problem.TrainingRange = everything
    problem.TestRange = op.Range(data.Rows - 1, data.Rows)
    problem.Target = variables[-1]
    problem.InputHashes = hashes
    kinds = [*operators, op.NodeType.Constant, op.NodeType.Variable]
    config = 0
    for kind in kinds:
        config |= int(kind)
    problem.ConfigurePrimitiveSet(config)
    primitives = problem.PrimitiveSet

    creator = op.BalancedTreeCreator(primitives, hashes, 0.0)
    coefficients = op.NormalCoefficientInitializer()
    coefficients.ParameterizeDistribution(0, 1)
    table = op.DispatchTable()
    optimizer = op.LMOptimizer(table, problem, LOCAL_ITERATIONS, 0)
    local_search = op.CoefficientOptimizer(optimizer)
    error = op.Evaluator(problem, table, op.R2(), True)
    length = op.LengthEvaluator(problem)
    evaluator = op.MultiEvaluator(problem)
    for part in (error, length, evaluator):
        part.Budget = evaluations
    evaluator.Add(error)
    evaluator.Add(length)
    comparison = op.CrowdedComparison()
    selectors = [op.TournamentSelector(comparison), op.TournamentSelector(comparison)]
    for selector in selectors:
        selector.TournamentSize = TOURNAMENT_SIZE
    crossover = op.SubtreeCrossover(0.9, MAX_TREE_DEPTH, max_length)
    one_point, several_points = op.NormalOnePointMutation(), op.NormalMultiPointMutation()
    for mutation in (one_point, several_points):
        mutation.ParameterizeDistribution(0, 1)
    mutations = [
        one_point,
        several_points,
        op.ChangeVariableMutation(hashes),
        op.ChangeFunctionMutation(primitives),
        op.ReplaceSubtreeMutation(creator, coefficients, MAX_TREE_DEPTH, max_length),
        op.InsertSubtreeMutation(creator, coefficients, MAX_TREE_DEPTH, max_length),
        op.RemoveSubtreeMutation(primitives),
    ]
    mutator = op.MultiMutation()
    for mutation in mutations:
        mutator.Add(mutation, 1.0)
    generator = op.BasicOffspringGenerator(evaluator, crossover, mutator, *selectors, local_search)
    shortest, _ = primitives.FunctionArityLimits()
    initializer = op.UniformLengthTreeInitializer(creator)
    initializer.ParameterizeDistribution(shortest + 1, min(10, max_length))
    initializer.MinDepth, initializer.MaxDepth = 1, 1000
    reinserter, sorter = op.KeepBestReinserter(comparison), op.RankSorter()
    settings = op.GeneticAlgorithmConfig(
        generations=evaluations,
        max_evaluations=evaluations,
        local_iterations=LOCAL_ITERATIONS,
        population_size=POPULATION_SIZE,
        pool_size=POPULATION_SIZE,
        p_crossover=1.0,
        p_mutation=0.25,
        epsilon=0.0,
        seed=seed,
    )
    algorithm = op.NSGA2Algorithm(settings, problem, initializer, coefficients, generator, reinserter, sorter)
    algorithm.Run(op.RandomGenerator(np.uint64(seed)), None, 1, False)

    labels = dict(zip(hashes, names, strict=True))
    trees = sorted((one.Genotype for one in algorithm.BestFront), key=lambda tree: tree.Length)
    return [
        (
            op.InfixFormatter.Format(tree, labels, 12).replace("^", "**").replace("abs(", "Abs("),
            np.asarray(op.Evaluate(table, tree, data, everything), float).reshape(-1),
        )
        for tree in trees
    ]
