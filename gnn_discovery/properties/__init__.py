"""What the names of particle properties mean; open to plug-ins."""

from gnn_discovery.properties.record import Property as Property
from gnn_discovery.properties.record import known_properties as known_properties
