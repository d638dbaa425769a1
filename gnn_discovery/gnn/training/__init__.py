"""The training of a network on a split dataset: settings, losses, the optimisation, the trained network."""

from gnn_discovery.gnn.config import DEFAULT_TRAINING_STEPS as DEFAULT_TRAINING_STEPS
from gnn_discovery.gnn.config import TrainingConfig as TrainingConfig
from gnn_discovery.gnn.training.loop import N_CHUNKS as N_CHUNKS
from gnn_discovery.gnn.training.loop import TrainingProgress as TrainingProgress
from gnn_discovery.gnn.training.loop import optimise_network as optimise_network
from gnn_discovery.gnn.training.losses import absolute_error as absolute_error
from gnn_discovery.gnn.training.losses import displace_snapshots as displace_snapshots
from gnn_discovery.gnn.training.losses import prediction_error as prediction_error
from gnn_discovery.gnn.training.state import Checkpoints as Checkpoints
from gnn_discovery.gnn.training.trained_network import TrainedNetwork as TrainedNetwork
from gnn_discovery.gnn.training.trained_network import predict_target as predict_target
