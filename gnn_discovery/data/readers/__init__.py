"""Trajectory files: one format a module, behind one protocol."""

from gnn_discovery.data.readers.protocol import Reader as Reader
from gnn_discovery.data.readers.protocol import ReaderPlugin as ReaderPlugin
from gnn_discovery.data.readers.protocol import Recording as Recording
from gnn_discovery.data.readers.protocol import read_trajectories as read_trajectories
from gnn_discovery.data.readers.protocol import reader_plugins as reader_plugins
from gnn_discovery.data.readers.protocol import write_trajectories as write_trajectories
