"""Replicate the tables of Cranmer et al. 2020 (arXiv 2006.11287) as a matrix of cells, its values beside ours."""

from gnn_discovery_replication.markdown_page import make_page as make_page
from gnn_discovery_replication.matrix import STRATEGIES as STRATEGIES
from gnn_discovery_replication.matrix import SYSTEMS as SYSTEMS
from gnn_discovery_replication.matrix import TABLES as TABLES
from gnn_discovery_replication.matrix import Matrix as Matrix
from gnn_discovery_replication.results import ReplicationResult as ReplicationResult
from gnn_discovery_replication.results import read_results as read_results
from gnn_discovery_replication.tables import Table as Table
from gnn_discovery_replication.tables import make_tables as make_tables
