"""Network over graphs to MessageTable: contributions, gauge, additivity, symmetry."""

from gnn_discovery.messages.contributions import Messages as Messages
from gnn_discovery.messages.contributions import read_messages as read_messages
from gnn_discovery.messages.query import radial_profile as radial_profile
from gnn_discovery.messages.symmetry import measure_symmetry as measure_symmetry
