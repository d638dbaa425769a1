"""Network over graphs to MessageTable: contributions, gauge, additivity, symmetry."""

from gnn_discovery.messages.contributions import Messages as Messages
from gnn_discovery.messages.contributions import read_messages as read_messages
from gnn_discovery.messages.energies import read_energies as read_energies
from gnn_discovery.messages.given import MessageFunction as MessageFunction
from gnn_discovery.messages.given import message_function as message_function
from gnn_discovery.messages.query import Pairs as Pairs
from gnn_discovery.messages.query import pairs_at as pairs_at
from gnn_discovery.messages.query import radial_profile as radial_profile
from gnn_discovery.messages.subject import Subject as Subject
from gnn_discovery.messages.subject import TrainedSubject as TrainedSubject
from gnn_discovery.messages.symmetry import measure_symmetry as measure_symmetry
from gnn_discovery.messages.symmetry import symmetry_of as symmetry_of
from gnn_discovery.messages.two_bodies import two_bodies as two_bodies
