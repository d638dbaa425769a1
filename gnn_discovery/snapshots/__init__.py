"""Snapshots: runs cut into instants, with the motion that a law must explain, and their honest split."""

from gnn_discovery.snapshots.assemble import assemble as assemble
from gnn_discovery.snapshots.natural import Natural as Natural
from gnn_discovery.snapshots.record import Snapshots as Snapshots
from gnn_discovery.snapshots.record import concatenate as concatenate
from gnn_discovery.snapshots.record import subsample as subsample
from gnn_discovery.snapshots.record import typical as typical
from gnn_discovery.snapshots.split import Split as Split
from gnn_discovery.snapshots.split import split as split
