"""A thin command line over the pipeline. What is heavy is imported inside the commands."""

from gnn_discovery.cli.app import app as app
from gnn_discovery.cli.app import main as main
