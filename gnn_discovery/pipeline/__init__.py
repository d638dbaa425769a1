"""The story in order: motion, network, messages, candidates, law, verdict, report."""

from gnn_discovery.pipeline.check import check as check
from gnn_discovery.pipeline.config import DiscoverConfig as DiscoverConfig
from gnn_discovery.pipeline.given import beside as beside
from gnn_discovery.pipeline.given import fit_given as fit_given
from gnn_discovery.pipeline.given import given_law as given_law
from gnn_discovery.pipeline.given import leave as leave
from gnn_discovery.pipeline.keep import Keep as Keep
from gnn_discovery.pipeline.keep import asked as asked
from gnn_discovery.pipeline.learnt import explain as explain
from gnn_discovery.pipeline.networks import network as network
from gnn_discovery.pipeline.steps import Reading as Reading
from gnn_discovery.pipeline.steps import Source as Source
from gnn_discovery.pipeline.steps import check_engines as check_engines
from gnn_discovery.pipeline.steps import choose as choose
from gnn_discovery.pipeline.steps import distill as distill
from gnn_discovery.pipeline.steps import energies as energies
from gnn_discovery.pipeline.steps import is_file as is_file
from gnn_discovery.pipeline.steps import load as load
from gnn_discovery.pipeline.steps import observe as observe
from gnn_discovery.pipeline.steps import read as read
from gnn_discovery.pipeline.steps import settle as settle
from gnn_discovery.pipeline.steps import train as train
from gnn_discovery.pipeline.story import discover as discover
