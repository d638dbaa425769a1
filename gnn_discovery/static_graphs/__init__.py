"""This room explains a property of the nodes of a static graph by the nodes around them (arXiv 2006.11287)."""

from gnn_discovery.static_graphs.discovery import NodeDiscovery as NodeDiscovery
from gnn_discovery.static_graphs.discovery import NodeDiscoveryConfig as NodeDiscoveryConfig
from gnn_discovery.static_graphs.discovery import discover_node_law as discover_node_law
from gnn_discovery.static_graphs.node_law import NodeLaw as NodeLaw
from gnn_discovery.static_graphs.node_network import NodeTrainingConfig as NodeTrainingConfig
from gnn_discovery.static_graphs.sources import graph_generators as graph_generators
from gnn_discovery.static_graphs.sources import open_graph as open_graph
from gnn_discovery.static_graphs.static_graph import StaticGraph as StaticGraph
from gnn_discovery.static_graphs.static_graph import radius_graph as radius_graph
from gnn_discovery.static_graphs.static_graph import split_nodes as split_nodes
