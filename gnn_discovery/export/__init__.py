"""Export: a law as text, as source of other languages, or as a potential of other programs; one file a format."""

from gnn_discovery.export.base import DISTANCES as DISTANCES
from gnn_discovery.export.base import export as export
from gnn_discovery.export.base import summaries as summaries
