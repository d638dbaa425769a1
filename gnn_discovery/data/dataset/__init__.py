"""Datasets: runs are cut into instants with the motion that a law must explain, and split into whole runs."""

from gnn_discovery.data.dataset.assembly import assemble_dataset as assemble_dataset
from gnn_discovery.data.dataset.dataset import Dataset as Dataset
from gnn_discovery.data.dataset.dataset import concatenate_datasets as concatenate_datasets
from gnn_discovery.data.dataset.dataset import robust_scale as robust_scale
from gnn_discovery.data.dataset.dataset import subsample_dataset as subsample_dataset
from gnn_discovery.data.dataset.nondimensional import CharacteristicScales as CharacteristicScales
from gnn_discovery.data.dataset.split import Split as Split
from gnn_discovery.data.dataset.split import split_by_run as split_by_run
