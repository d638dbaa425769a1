"""Velocities and accelerations out of positions, and how far they can be trusted."""

from gnn_discovery.motion.complete import FEWEST_FRAMES as FEWEST_FRAMES
from gnn_discovery.motion.complete import Motion as Motion
from gnn_discovery.motion.complete import complete as complete
from gnn_discovery.motion.complete import complete_all as complete_all
from gnn_discovery.motion.complete import unwrap as unwrap
from gnn_discovery.motion.derivative import noise_level as noise_level
from gnn_discovery.motion.weak import WeakForm as WeakForm
from gnn_discovery.motion.weak import resolved as resolved
from gnn_discovery.motion.weak import weak_form as weak_form
