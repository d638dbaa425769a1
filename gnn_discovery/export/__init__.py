"""Export: a law as text, as source of other languages, or as a potential of other programs; one file a format."""

from gnn_discovery.export.base import DEFAULT_DISTANCE_RANGE as DEFAULT_DISTANCE_RANGE
from gnn_discovery.export.base import export_format_summaries as export_format_summaries
from gnn_discovery.export.base import export_to_format as export_to_format
