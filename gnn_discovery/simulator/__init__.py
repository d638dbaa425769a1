"""The door through which motion comes in: built-in systems, plug-ins, a user's own class or bare function."""

from gnn_discovery.simulator.conformance import check_simulator as check_simulator
from gnn_discovery.simulator.failure import says as says
from gnn_discovery.simulator.function import FunctionSimulator as FunctionSimulator
from gnn_discovery.simulator.record import SimulationConfig as SimulationConfig
from gnn_discovery.simulator.record import Simulator as Simulator
from gnn_discovery.simulator.record import runs_of as runs_of
from gnn_discovery.simulator.registry import Plugin as Plugin
from gnn_discovery.simulator.registry import as_simulator as as_simulator
from gnn_discovery.simulator.registry import named as named
from gnn_discovery.simulator.registry import names as names
from gnn_discovery.simulator.registry import plugins as plugins
from gnn_discovery.simulator.registry import resolve as resolve
from gnn_discovery.simulator.symmetry import symmetries as symmetries
