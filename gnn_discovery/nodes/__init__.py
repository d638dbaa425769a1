"""Static graphs: a property of nodes explained by what is around them (arXiv 2006.11287)."""

from gnn_discovery.nodes.explain import ExplainConfig as ExplainConfig
from gnn_discovery.nodes.explain import Explained as Explained
from gnn_discovery.nodes.explain import explain as explain
from gnn_discovery.nodes.graph import StaticGraph as StaticGraph
from gnn_discovery.nodes.graph import apart as apart
from gnn_discovery.nodes.graph import near as near
from gnn_discovery.nodes.law import NodeLaw as NodeLaw
from gnn_discovery.nodes.network import NodeTraining as NodeTraining
from gnn_discovery.nodes.source import generators as generators
from gnn_discovery.nodes.source import open_graph as open_graph
