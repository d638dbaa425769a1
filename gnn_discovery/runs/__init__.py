"""The run directory with its lock, atomic writes and checkpoints, and the resumable runner of many cells."""

from gnn_discovery.runs.cells import Cell as Cell
from gnn_discovery.runs.cells import CellResult as CellResult
from gnn_discovery.runs.cells import run_cells as run_cells
from gnn_discovery.runs.cluster import run_on_cluster as run_on_cluster
from gnn_discovery.runs.compilation_cache import clear_compilation_cache as clear_compilation_cache
from gnn_discovery.runs.compilation_cache import enable_compilation_cache as enable_compilation_cache
from gnn_discovery.runs.directory import RunDirectory as RunDirectory
from gnn_discovery.runs.directory import next_directory as next_directory
from gnn_discovery.runs.environment import describe_environment as describe_environment
from gnn_discovery.runs.environment import describe_machine as describe_machine
from gnn_discovery.runs.environment import package_versions as package_versions
