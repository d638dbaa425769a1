"""Symbolic engines: what they take and give, where they are found, and how one is run."""

from gnn_discovery.symbolic.record import Candidate as Candidate
from gnn_discovery.symbolic.record import EngineConfig as EngineConfig
from gnn_discovery.symbolic.record import EngineResult as EngineResult
from gnn_discovery.symbolic.record import Problem as Problem
from gnn_discovery.symbolic.record import Progress as Progress
from gnn_discovery.symbolic.record import Spent as Spent
from gnn_discovery.symbolic.record import SymbolicEngine as SymbolicEngine
from gnn_discovery.symbolic.registry import engine_entries as engine_entries
from gnn_discovery.symbolic.registry import get_engine as get_engine
from gnn_discovery.symbolic.search import search as search
