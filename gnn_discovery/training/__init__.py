"""Training: a network, a motion, and the optimiser that brings them together."""

from gnn_discovery.training.config import STEPS as STEPS
from gnn_discovery.training.config import TrainingConfig as TrainingConfig
from gnn_discovery.training.loop import CHUNKS as CHUNKS
from gnn_discovery.training.loop import Progress as Progress
from gnn_discovery.training.loop import train as train
from gnn_discovery.training.losses import absolute_error as absolute_error
from gnn_discovery.training.losses import displaced as displaced
from gnn_discovery.training.losses import prediction_error as prediction_error
from gnn_discovery.training.state import Checkpoints as Checkpoints
from gnn_discovery.training.trained import Trained as Trained
from gnn_discovery.training.trained import predict as predict
