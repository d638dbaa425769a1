"""Datasets: runs are cut into instants with the motion that a law must explain, and split into whole runs."""

from gnn_discovery.data.dataset.assembly import assemble_dataset as assemble_dataset
from gnn_discovery.data.dataset.dataset import Dataset as Dataset
from gnn_discovery.data.dataset.dataset import concatenate_datasets as concatenate_datasets
from gnn_discovery.data.dataset.dataset import robust_scale as robust_scale
from gnn_discovery.data.dataset.library_regression import explained_square as explained_square
from gnn_discovery.data.dataset.library_regression import relative_square_left as relative_square_left
from gnn_discovery.data.dataset.nondimensional import CharacteristicScales as CharacteristicScales
from gnn_discovery.data.dataset.observation import IncrementObservation as IncrementObservation
from gnn_discovery.data.dataset.observation import Observation as Observation
from gnn_discovery.data.dataset.observation import ObservedFrames as ObservedFrames
from gnn_discovery.data.dataset.observation import PointwiseObservation as PointwiseObservation
from gnn_discovery.data.dataset.observation import WeakFormObservation as WeakFormObservation
from gnn_discovery.data.dataset.order_selection import OrderSelection as OrderSelection
from gnn_discovery.data.dataset.order_selection import select_order as select_order
from gnn_discovery.data.dataset.path_tracing import at_middle_of_increments as at_middle_of_increments
from gnn_discovery.data.dataset.path_tracing import trace_paths as trace_paths
from gnn_discovery.data.dataset.split import Split as Split
from gnn_discovery.data.dataset.split import split_by_run as split_by_run
from gnn_discovery.data.dataset.subsample import subsample_dataset as subsample_dataset
from gnn_discovery.data.dataset.subsample import subsample_pairs as subsample_pairs
from gnn_discovery.data.dataset.subsample import thin_snapshots as thin_snapshots
