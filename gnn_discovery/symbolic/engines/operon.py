"""Operon: genetic programming in C++, in the wheel of pyoperon, and the default engine.

Burlacu, Kronberger, Kommenda, GECCO 2020 (https://doi.org/10.1145/3377929.3398099).

Operon weighs all rows equally and keeps constants in float32, so the small searches below see the target in two ways:
as it is, and, where it keeps one sign, as a logarithm, in which relative errors count and a power law is linear. For
a problem of one variable, `enumerated_forms` also fits every short form, since a random search may miss even a simple
one. `refine` then refits all formulas with the weights, in float64.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyoperon as op
from jaxtyping import Float

from gnn_discovery.criteria import SearchCriteria
from gnn_discovery.errors import DataError
from gnn_discovery.symbolic.engines.enumerated_forms import enumerated_forms
from gnn_discovery.symbolic.engines.pareto_refinement import refine
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.symbolic.search import BudgetCallback, Candidate, EngineConfig, RegressionProblem


@dataclass(frozen=True)
class GeneticSettings:
    """The settings of the genetic algorithm NSGA-II in Operon; they set its speed, and the budget its reach.

    Attributes:
        population_size: Number of formulas in the population, and of offspring in a generation.
        local_iterations: Iterations of Levenberg-Marquardt on the constants of each new formula.
        tournament_size: Number of formulas among which a parent is selected.
        max_tree_depth: Largest depth of an expression tree.
        internal_node_probability: Probability that crossover swaps subtrees at internal nodes.
        mutation_probability: Probability that an offspring is mutated; every offspring is a crossover.
        max_initial_length: Largest length of a formula in the first population.
    """

    population_size: int = 200
    local_iterations: int = 5
    tournament_size: int = 3
    max_tree_depth: int = 8
    internal_node_probability: float = 0.9
    mutation_probability: float = 0.25
    max_initial_length: int = 10


GENETIC_SETTINGS = GeneticSettings()
"""The settings of every run of Operon."""

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
    """The engine Operon; see `SymbolicEngine`."""

    name = "operon"

    def available(self) -> None:
        """Return at once, since Operon is installed with the package."""

    def fit(self, problem: RegressionProblem, config: EngineConfig, spent: BudgetCallback) -> list[Candidate]:
        """Return the Pareto front, simplest first, of several short searches; see `SymbolicEngine.fit`."""
        criteria = config.criteria
        searches = list(_operon_runs(problem.thinned(criteria.operon_row_limit), config.operators))
        share = config.evaluations // len(searches)
        raw: list[Expression] = []
        for number, search in enumerate(searches):
            seed = np.random.SeedSequence([config.seed, number]).generate_state(1)[0]
            raw += search.run(share, config.max_complexity, int(seed), criteria)
            spent((number + 1) * share)
        raw += enumerated_forms(problem, config.operators, criteria=criteria)
        return refine(raw, problem, config.max_complexity, self.name, criteria=criteria)


@dataclass(frozen=True)
class _OperonRun:
    """A run of Operon.

    Attributes:
        names: Names of the inputs.
        inputs: Values of the inputs, a column each.
        target: Values (K,) of the target, or of its logarithm.
        operators: Operators that are allowed.
        wrapper: Format that turns the text of a formula of ``target`` into one of the original target.
    """

    names: tuple[str, ...]
    inputs: Float[np.ndarray, "K V"]
    target: Float[np.ndarray, " K"]
    operators: tuple[op.NodeType, ...]
    wrapper: str

    def run(self, evaluations: int, max_length: int, seed: int, criteria: SearchCriteria) -> list[Expression]:
        """Return the formulas of the front that are worth their length, for the original target, shortest first.

        Args:
            evaluations: Budget of formula evaluations.
            max_length: Largest number of nodes of a formula.
            seed: Seed of every random choice.
            criteria: Numbers that decide how much a longer formula must gain.
        """
        front = _evolve(self.inputs, self.target, self.names, self.operators, evaluations, max_length, seed)
        found, best = [], np.inf
        for text, prediction in front:
            scale, offset, error = _fit_line(prediction, self.target)
            if not error < criteria.operon_front_max_error_ratio * best:
                continue
            best = error
            try:
                found.append(Expression.parse(self.wrapper.format(f"{scale!r}*({text}) + {offset!r}")))
            except DataError:
                continue
        return found


def _operon_runs(problem: RegressionProblem, operators: Sequence[str]) -> Iterator[_OperonRun]:
    """Yield the runs for the target and for its logarithm, each with several sets of operators."""
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
    """Return scale and offset of the least-squares line from x to y, and the mean squared error."""
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
    """Run NSGA-II on error and length and return text and prediction of each formula of the front, shortest first.

    The components are those of ``pyoperon.sklearn``, without the time that importing scikit-learn takes. Operon holds
    bare pointers to most of them, so each stays in a variable until the run is over.
    """
    settings = GENETIC_SETTINGS
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
    optimizer = op.LMOptimizer(table, problem, settings.local_iterations, 0)
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
        selector.TournamentSize = settings.tournament_size
    crossover = op.SubtreeCrossover(settings.internal_node_probability, settings.max_tree_depth, max_length)
    one_point, several_points = op.NormalOnePointMutation(), op.NormalMultiPointMutation()
    for mutation in (one_point, several_points):
        mutation.ParameterizeDistribution(0, 1)
    mutations = [
        one_point,
        several_points,
        op.ChangeVariableMutation(hashes),
        op.ChangeFunctionMutation(primitives),
        op.ReplaceSubtreeMutation(creator, coefficients, settings.max_tree_depth, max_length),
        op.InsertSubtreeMutation(creator, coefficients, settings.max_tree_depth, max_length),
        op.RemoveSubtreeMutation(primitives),
    ]
    mutator = op.MultiMutation()
    for mutation in mutations:
        mutator.Add(mutation, 1.0)
    generator = op.BasicOffspringGenerator(evaluator, crossover, mutator, *selectors, local_search)
    shortest, _ = primitives.FunctionArityLimits()
    initializer = op.UniformLengthTreeInitializer(creator)
    initializer.ParameterizeDistribution(shortest + 1, min(settings.max_initial_length, max_length))
    initializer.MinDepth, initializer.MaxDepth = 1, 1000
    reinserter, sorter = op.KeepBestReinserter(comparison), op.RankSorter()
    algorithm_config = op.GeneticAlgorithmConfig(
        generations=evaluations,
        max_evaluations=evaluations,
        local_iterations=settings.local_iterations,
        population_size=settings.population_size,
        pool_size=settings.population_size,
        p_crossover=1.0,
        p_mutation=settings.mutation_probability,
        epsilon=0.0,
        seed=seed,
    )
    algorithm = op.NSGA2Algorithm(algorithm_config, problem, initializer, coefficients, generator, reinserter, sorter)
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
