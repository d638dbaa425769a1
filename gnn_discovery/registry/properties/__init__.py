"""Properties of particles: the meaning and the dimension of each name, open to plug-ins."""

from gnn_discovery.registry.properties.particle_property import ParticleProperty as ParticleProperty
from gnn_discovery.registry.properties.particle_property import known_properties as known_properties
