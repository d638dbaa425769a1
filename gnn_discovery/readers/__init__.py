"""Trajectory files: one format a module, behind one protocol."""

from gnn_discovery.readers.base import Plugin as Plugin
from gnn_discovery.readers.base import Reader as Reader
from gnn_discovery.readers.base import Recording as Recording
from gnn_discovery.readers.base import plugins as plugins
from gnn_discovery.readers.base import read as read
from gnn_discovery.readers.base import write as write
