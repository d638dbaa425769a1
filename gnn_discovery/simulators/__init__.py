"""The simulators: built-in systems, plug-ins, and a user's own class, bare function or list of runs."""

from gnn_discovery.simulators.config import SimulationConfig as SimulationConfig
from gnn_discovery.simulators.config import SimulationSize as SimulationSize
from gnn_discovery.simulators.conformance import check_simulator as check_simulator
from gnn_discovery.simulators.invariance import simulator_symmetries as simulator_symmetries
from gnn_discovery.simulators.protocol import Simulator as Simulator
from gnn_discovery.simulators.protocol import run_simulator as run_simulator
from gnn_discovery.simulators.registry import SimulatorPlugin as SimulatorPlugin
from gnn_discovery.simulators.registry import as_simulator as as_simulator
from gnn_discovery.simulators.registry import import_object as import_object
from gnn_discovery.simulators.registry import resolve_simulator as resolve_simulator
from gnn_discovery.simulators.registry import simulator_names as simulator_names
from gnn_discovery.simulators.registry import simulator_plugins as simulator_plugins
from gnn_discovery.simulators.user_errors import describe_error as describe_error
from gnn_discovery.simulators.user_function import FunctionSimulator as FunctionSimulator
