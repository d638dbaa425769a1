"""Static graphs: a property of nodes explained by what is around them (arXiv 2006.11287)."""

from gnn_discovery.nodes.graph import StaticGraph as StaticGraph
from gnn_discovery.nodes.graph import apart as apart
from gnn_discovery.nodes.graph import near as near
from gnn_discovery.nodes.law import NodeLaw as NodeLaw
from gnn_discovery.nodes.network import NodeTraining as NodeTraining
from gnn_discovery.nodes.relate import RelateConfig as RelateConfig
from gnn_discovery.nodes.relate import Related as Related
from gnn_discovery.nodes.relate import relate as relate
from gnn_discovery.nodes.source import generators as generators
from gnn_discovery.nodes.source import open_graph as open_graph
