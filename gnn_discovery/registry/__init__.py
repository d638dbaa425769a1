"""Registries that plug-ins extend: units and properties of particles."""
