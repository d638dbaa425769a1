"""Symbolic search: the protocol of engines, their registry, and the search in a child process."""

from gnn_discovery.symbolic.search.engine_protocol import BudgetCallback as BudgetCallback
from gnn_discovery.symbolic.search.engine_protocol import Candidate as Candidate
from gnn_discovery.symbolic.search.engine_protocol import EngineConfig as EngineConfig
from gnn_discovery.symbolic.search.engine_protocol import EngineResult as EngineResult
from gnn_discovery.symbolic.search.engine_protocol import FormulaSearch as FormulaSearch
from gnn_discovery.symbolic.search.engine_protocol import RegressionProblem as RegressionProblem
from gnn_discovery.symbolic.search.engine_protocol import (
    SearchProgressCallback as SearchProgressCallback,
)
from gnn_discovery.symbolic.search.engine_protocol import SymbolicEngine as SymbolicEngine
from gnn_discovery.symbolic.search.engine_registry import engine_entries as engine_entries
from gnn_discovery.symbolic.search.engine_registry import get_engine as get_engine
from gnn_discovery.symbolic.search.formula_search import search_formulas as search_formulas
