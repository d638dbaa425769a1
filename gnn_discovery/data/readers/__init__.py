"""Readers of trajectory files: one module for each format, behind one protocol."""

from gnn_discovery.data.readers.protocol import Reader as Reader
from gnn_discovery.data.readers.protocol import Recording as Recording
from gnn_discovery.data.readers.trajectory_files import ReaderPlugin as ReaderPlugin
from gnn_discovery.data.readers.trajectory_files import read_trajectories as read_trajectories
from gnn_discovery.data.readers.trajectory_files import reader_plugins as reader_plugins
from gnn_discovery.data.readers.trajectory_files import write_trajectories as write_trajectories
